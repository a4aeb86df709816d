"""ClusterRec: its formula, its features, and one answer however users and features lie."""

import pickle
from pathlib import Path

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from support.logs import L5, as_kind, assert_same, random_log, with_empty_partitions

import daskrec
from daskrec.data.ids import ShardedIds
from daskrec.engine import kmeans, shared
from daskrec.errors import LogError
from daskrec.models import ClusterRec

LOG = random_log(users=90, rows=1_500)
USERS = np.unique(LOG.user_idx)


def features(users: np.ndarray = USERS) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    centres = rng.normal(0, 8, (4, 3))
    group = users % 4
    values = centres[group] + rng.normal(0, 1, (len(users), 3))
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    frame.insert(0, "user_idx", users)
    return frame.assign(flag=group > 1, whole=group).sample(frac=1, random_state=2)


def model(**more) -> ClusterRec:
    return ClusterRec(**{"num_clusters": 4, "seed": 3, **more})


def test_relevance_is_the_share_of_the_most_of_the_cluster() -> None:
    recs = model().fit(LOG, features()).predict(features(), 1000)
    group = pd.Series(USERS % 4, index=USERS)
    counts = LOG.groupby([LOG.user_idx.map(group), "item_idx"]).size()
    expected = counts / counts.groupby(level=0).transform("max")
    for (user, item), value in recs.set_index(["user_idx", "item_idx"]).relevance.items():
        assert value == expected[group[user], item]
    assert len(recs) == sum(expected.groupby(level=0).size()[group[u]] for u in USERS)


def test_repeated_rows_count_again() -> None:
    log = pd.DataFrame({"user_idx": [1, 1, 1, 2], "item_idx": [7, 7, 8, 9]})
    people = pd.DataFrame({"user_idx": [1, 2], "x": [0.0, 9.0]})
    with pytest.warns(UserWarning, match="1 rows of the log repeat"):
        recs = ClusterRec(2, seed=0).fit(log, people).predict(people, 3)
    assert recs.values.tolist() == [[1, 7, 1], [1, 8, 0.5], [2, 9, 1]]


def test_facts_of_the_original() -> None:
    people = pd.DataFrame({"user_idx": [0, 1, 2, 3, 4], "age": [1, 2, 3, 4, 90]})
    wide = ClusterRec(seed=1).fit(L5, people)  # more clusters than users
    assert set(wide.predict(people, 3).user_idx) == {0, 1, 2}  # the others are alone
    few = ClusterRec(1, seed=1).fit(L5, people.head(3))
    assert few.predict(people, 1, users=[3]).values.tolist() == [[3, 1, 1.0]]
    pairs = pd.DataFrame({"user_idx": [1], "item_idx": [1]})
    assert few.predict_pairs(pairs, user_features=people).values.tolist() == [[1, 1, 1.0]]
    with pytest.warns(UserWarning, match="1 users have no features"):
        recs = few.predict(people.head(2), 1, users=[0, 2])
    assert recs.user_idx.tolist() == [0]
    seen = few.predict(people.head(3), 3, log=L5)
    assert len(seen) == 9 - len(L5)


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "dask"])
@pytest.mark.parametrize("lazy", [False, True])
def test_features_of_any_kind(kind: str, lazy: bool) -> None:
    expected = model().fit(LOG, features()).predict(features(), 5, LOG)
    log = with_empty_partitions(LOG, 7) if lazy else LOG
    fitted = model().fit(log, as_kind(features(), kind))
    assert_same(fitted.predict(as_kind(features(), kind), 5, LOG), expected)
    assert_same(fitted.predict(features(), 5, log), expected)


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_partitions_of_features(npartitions: int, monkeypatch) -> None:
    expected = model(scale=True).fit(LOG, features()).predict(features(), 5)
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 20)
    parts = with_empty_partitions(features(), npartitions)
    fitted = model(scale=True).fit(with_empty_partitions(LOG, npartitions), parts)
    assert_same(fitted.predict(parts, 5), expected)


def test_a_cluster_gives_the_same(client, monkeypatch) -> None:
    people = features()
    with dask.config.set(scheduler="threads"):
        expected = model().fit(LOG, people).predict(people, 5)
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 20)
    with dask.config.set({"daskrec.user-id-limit": 10}):
        fitted = model().fit(with_empty_partitions(LOG, 7), with_empty_partitions(people, 7))
        assert len(fitted._catalogue.user_ids.shards) > 1
        assert_same(fitted.predict(with_empty_partitions(people, 7), 5), expected)


@pytest.mark.parametrize("scale", [False, True])
def test_rounds_over_all_users_are_as_good_as_scikit_learn(scale: bool, monkeypatch) -> None:
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    monkeypatch.setattr(kmeans, "SAMPLE", 1_500)
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 500)
    rng = np.random.default_rng(0)
    values = rng.normal(rng.normal(0, 3, (12, 6))[rng.integers(0, 12, 5_000)], 1.5) + 1e4
    people = pd.DataFrame(values).rename(columns=str).assign(user_idx=np.arange(5_000))
    log = pd.DataFrame({"user_idx": np.arange(5_000), "item_idx": 1})
    fitted = model(num_clusters=12, scale=scale).fit(log, people)
    moved = StandardScaler(with_std=scale).fit_transform(values)
    theirs = KMeans(12, n_init=10, random_state=0).fit(moved).inertia_
    centres = fitted.centres_.get()
    labels, _, _ = kmeans.contribution(values, fitted._frame, centres)
    ours = ((moved - centres[labels]) ** 2).sum()
    assert ours <= 1.01 * theirs


def test_a_seed_gives_one_answer_and_none_does_not_fail() -> None:
    first, second = (model().fit(LOG, features()) for _ in range(2))
    assert (first.centres_.get() == second.centres_.get()).all()
    assert len(model(seed=None).fit(LOG, features()).predict(features(), 2)) > 0


def test_scaling_makes_units_irrelevant() -> None:
    wide = features().assign(c=lambda f: f.c * 1e6)
    expected = model(scale=True).fit(LOG, features()).predict(features(), 5)
    assert_same(model(scale=True).fit(LOG, wide).predict(wide, 5), expected)


def test_a_saved_model_knows_its_features(tmp_path) -> None:
    fitted = model().fit(LOG, features())
    fitted.save(tmp_path / "model")
    again = daskrec.load(tmp_path / "model")
    shuffled = features()[["c", "whole", "user_idx", "flag", "b", "a"]]
    assert_same(again.predict(shuffled, 4), fitted.predict(features(), 4))
    assert_same(again.predict(shuffled, 4, LOG), fitted.predict(features(), 4, LOG))
    with pytest.raises(LogError, match=r"\['b'\] are missing and \['d'\] are new"):
        again.predict(features().rename(columns={"b": "d"}), 4)


def test_numbered_columns_are_saved(tmp_path) -> None:
    numbered = features().rename(columns={"a": 0, "b": 1, "c": 2})
    fitted = model().fit(LOG, numbered)
    expected = model().fit(LOG, features()).predict(features(), 4)
    assert_same(fitted.predict(numbered, 4), expected)
    fitted.save(tmp_path / "model")
    assert_same(daskrec.load(tmp_path / "model").predict(numbered, 4), expected)
    assert_same(pickle.loads(pickle.dumps(fitted)).predict(numbered, 4), expected)


def test_counts_are_added_up_on_their_way(monkeypatch) -> None:
    expected = model().fit(LOG, features()).predict(features(), 5)
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 20)
    for few in (1, 3):
        monkeypatch.setattr("daskrec.engine.runtime._FEW", few)
        with dask.config.set(num_workers=5):
            assert_same(model().fit(LOG, features()).predict(features(), 5), expected)


def test_features_without_rows_teach_nothing_and_serve_nobody() -> None:
    nothing = features().iloc[:0]
    fitted = model().fit(LOG, features())
    for empty in (nothing, as_kind(nothing, "polars"), dd.from_pandas(nothing, npartitions=1)):
        with pytest.raises(LogError, match="user_features has no rows"):
            model().fit(LOG, empty)
        assert len(fitted.predict(empty, 3)) == 0
        with pytest.warns(UserWarning, match=f"{len(USERS)} users have no features"):
            assert len(fitted.predict(empty, 3, log=LOG)) == 0


def test_a_call_reads_features_once_and_leaves_their_users_in_shards(monkeypatch) -> None:
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 20)
    people, read = features(), []

    def part(number: int) -> pd.DataFrame:
        read.append(number)
        return people.iloc[number::4]

    lazy = dd.from_map(part, range(4), meta=people.iloc[:0])
    expected = model().fit(LOG, people).predict(people, 3)
    with dask.config.set({"daskrec.user-id-limit": 10}):
        fitted = model().fit(with_empty_partitions(LOG, 5), people)
        read.clear()
        wholes: list[int] = []
        whole = ShardedIds.whole
        monkeypatch.setattr(ShardedIds, "whole", lambda s: (wholes.append(len(s)), whole(s))[1])
        assert_same(fitted.predict(lazy, 3), expected)
    assert sorted(read) == [0, 1, 2, 3]
    assert not wholes


def test_calls_leave_no_features_in_storage(client, monkeypatch) -> None:
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 20)

    def stored(name: str) -> int:
        return sum(1 for _ in Path(shared.session_folder()).rglob(name))

    with dask.config.set({"daskrec.keep-history": False}):
        before, labels = stored("values.npy"), stored("value.npy")
        fitted = model().fit(LOG, features())
        assert stored("value.npy") <= labels + 1  # centres, and no labels
        fitted.predict(features(), 3)
        fitted.predict(with_empty_partitions(features(), 5), 3)
        # The ids of the fit and of the calls, which lists are made of.
        assert stored("values.npy") - before <= 4


def test_ids_of_another_kind_are_refused() -> None:
    fitted, words = model().fit(LOG, features()), features().astype({"user_idx": str})
    calls = [
        lambda: model().fit(LOG, words),
        lambda: fitted.predict(words, 1),
        lambda: fitted.predict(dd.from_pandas(words, npartitions=3), 1),
        lambda: fitted.predict(words, 1, LOG),
        lambda: fitted.predict(words, 1, users=[5]),
    ]
    for call in calls:
        with pytest.raises(LogError, match=r"strings here and integers|integers here and strings"):
            call()


@pytest.mark.parametrize("lazy", [False, True])
def test_an_update_takes_users_and_features(lazy: bool) -> None:
    people, old = features(), LOG[LOG.user_idx < 150]
    new = LOG[LOG.user_idx >= 150]
    known = people[people.user_idx < 150]
    # Old values of some users, which the new features replace.
    stale = known.assign(a=np.where(known.user_idx < 30, 99.0, known.a))
    fresh = people[(people.user_idx >= 150) | (people.user_idx < 30)]

    def made(frame: pd.DataFrame) -> object:
        return dd.from_pandas(frame, npartitions=3) if lazy else frame

    updated = model().fit(made(old), made(stale)).update(made(new), made(fresh))
    expected = model().fit(LOG, people)
    assert_same(updated.predict(people, 6), expected.predict(people, 6))
    np.testing.assert_allclose(updated.centres_.get(), expected.centres_.get())


def test_features_that_cannot_be_used_are_named_in_one_error() -> None:
    people = features().assign(
        word="x", d=np.inf, n=pd.array([None] + [1] * (len(USERS) - 1), "Int64")
    )
    people.loc[people.index[:2], "a"] = np.nan
    for given in (people, dd.from_pandas(people, npartitions=3)):
        with pytest.raises(LogError) as error:
            model().fit(LOG, given)
        text = str(error.value)
        assert text.startswith("user_features cannot be used: ")
        assert "missing values in column 'a' in 2 rows" in text
        assert "missing values in column 'n' in 1 row" in text
        assert f"infinite values in column 'd' in {len(USERS)} rows" in text
        assert "values that are no numbers" in text
        assert "in column 'word'" in text


def test_other_faults_of_features() -> None:
    twice = pd.concat([features(), features().head(3)])
    for given in (twice, dd.from_pandas(twice.reset_index(drop=True), npartitions=4)):
        with pytest.raises(LogError, match="3 rows of users who have a row already"):
            model().fit(LOG, given)
    with pytest.raises(LogError, match="has no feature"):
        model().fit(LOG, features()[["user_idx"]])
    with pytest.raises(LogError, match="no user column"):
        model().fit(LOG, features().drop(columns="user_idx"))
    with pytest.raises(ValueError, match="user_features are not provided"):
        model().fit(LOG, features()).predict(None, 3, log=LOG)
    for wrong in ({"num_clusters": 0}, {"scale": "no"}, {"seed": -1}, {"tol": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ClusterRec(**wrong)
