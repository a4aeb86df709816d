"""Word2VecRec: the original's numbers, order of time, vectors in and out, one answer for all."""

from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.adapted import timed_log
from support.logs import KINDS, L5, ORIGINAL, as_kind, random_log, with_empty_partitions

import daskrec
from daskrec.errors import LogError
from daskrec.models import Word2VecRec
from daskrec.models.word2vec_given import read_vectors

LOG = timed_log(random_log())
# The log of the original's test, all of one day; (2, 1) is there twice.
PAIRS = [(0, 0), (1, 0), (2, 1), (2, 1), (1, 1), (2, 3), (0, 3)]
THEIRS = pd.DataFrame(PAIRS, columns=["user_idx", "item_idx"]).assign(timestamp=date(2019, 1, 1))
# Vectors that have the norms and give the relevance that the original has with its seed 42.
VECTORS = {0: [-0.393579], 1: [0.0230884], 3: [0.461522]}


def vectors_of(model: Word2VecRec) -> np.ndarray:
    return np.array(model.item_vectors_.get())


def test_relevance_of_the_original() -> None:
    with pytest.warns(UserWarning, match="repeat"):
        model = Word2VecRec(rank=1, min_count=0, use_idf=True, vectors=VECTORS).fit(THEIRS)
    with pytest.warns(UserWarning, match="repeat"):
        recs = Word2VecRec(use_idf=True, vectors=VECTORS).fit_predict(THEIRS, 1)
    for found in (recs, model.predict(THEIRS, 1)):
        assert found.user_idx.tolist() == [0, 1, 2]
        expected = [1.0003180271, 0.9653348251, 0.9729933674]
        np.testing.assert_allclose(found.relevance, expected, rtol=0, atol=1e-7)


def test_relevance_is_the_mean_over_rows() -> None:
    rng = np.random.default_rng(0)
    log = pd.concat([LOG, LOG.sample(60, random_state=1)], ignore_index=True)
    items = np.sort(log.item_idx.unique())
    table = {int(item): rng.standard_normal(5) for item in items[2:]}
    with pytest.warns(UserWarning, match="repeat"):
        model = Word2VecRec(use_idf=True, vectors=table).fit(log)
    recs = model.predict(log, 100, filter_seen_items=False)
    assert set(recs.item_idx) == set(table)
    users = log.user_idx.nunique()
    idf = np.log(users / log.groupby("item_idx").user_idx.nunique())
    mine = recs.set_index(["user_idx", "item_idx"]).relevance
    for user, rows in log.groupby("user_idx"):
        kept = rows[rows.item_idx.isin(table)]
        mean = np.mean([idf[item] * table[item] for item in kept.item_idx], axis=0)
        for item, vector in table.items():
            assert mine[user, item] == pytest.approx(vector @ mean + 5, abs=1e-5)
    scored = model.predict_pairs(recs[["user_idx", "item_idx"]], log)
    np.testing.assert_allclose(scored.relevance, recs.relevance, rtol=0, atol=1e-5)


def test_a_log_without_times_is_refused_and_given_vectors_need_none() -> None:
    plain = ORIGINAL.drop_duplicates(["user_idx", "item_idx"])
    for kind in KINDS:
        with pytest.raises(ValueError, match="no timestamp column"):
            Word2VecRec(min_count=1).fit(as_kind(plain, kind))
    model = Word2VecRec(vectors=np.eye(4)).fit(plain)
    assert len(model.predict(plain, 4)) > 0
    with pytest.raises(ValueError, match=r"^log is not provided"):
        model.predict(None, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_times_are_counted(kind: str) -> None:
    times = pd.to_datetime(["2020-01-01", None, "2020-01-02", None, "2020-01-03"])
    for log in (L5.assign(timestamp=times), L5.assign(timestamp=[1.0, np.nan, 2.0, np.nan, 3.0])):
        with pytest.raises(LogError, match="missing times in column 'timestamp' in 2 rows"):
            Word2VecRec(min_count=1).fit(as_kind(log, kind))
    with pytest.raises(LogError, match="are no times"):
        Word2VecRec(min_count=1).fit(as_kind(L5.assign(timestamp=["a"] * 5), kind))
    both = L5.assign(timestamp=times, item_idx=[0, 0.5, 1, 2, 2])
    with pytest.raises(LogError, match=r"fractional.*missing times"):
        Word2VecRec(min_count=1).fit(as_kind(both, kind))


def spelled(days: pd.Series, how: str) -> Any:
    base = pd.Timestamp("2020-01-01") + pd.to_timedelta(days, unit="D")
    return {
        "whole": days.astype(np.int64),
        "float": days - 3.5,
        "seconds": base.astype("datetime64[s]"),
        "zone": base.dt.tz_localize("UTC"),
        "dates": [datetime.date(moment) for moment in base],
        "texts": base.dt.strftime("%Y-%m-%d"),
    }[how]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["whole", "float", "seconds", "zone", "dates", "texts"])
def test_times_may_be_spelled_in_any_way(how: str, kind: str) -> None:
    params = {"rank": 4, "min_count": 1, "window_size": 2, "step_size": 0.1, "seed": 3}
    expected = vectors_of(Word2VecRec(**params).fit(LOG))
    log = LOG.assign(timestamp=spelled(LOG.timestamp, how)).sample(frac=1, random_state=2)
    assert (vectors_of(Word2VecRec(**params).fit(as_kind(log, kind))) == expected).all()


def test_time_matters_and_ties_are_in_the_order_of_items() -> None:
    params = {"rank": 4, "min_count": 1, "seed": 3}
    tied = LOG.assign(timestamp=7)
    by_item = LOG.assign(timestamp=LOG.item_idx)
    vectors = vectors_of(Word2VecRec(**params).fit(tied))
    assert (vectors == vectors_of(Word2VecRec(**params).fit(by_item))).all()
    assert (vectors != vectors_of(Word2VecRec(**params).fit(LOG))).any()


CHOICES = [
    {"loss": "negative", "window_size": 4, "num_partitions": 3, "max_iter": 2},
    {"loss": "hierarchical", "sample": 0.01, "num_partitions": 5},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_vectors_are_the_same_bits_however_the_log_is_cut(choice: dict, monkeypatch) -> None:
    log = pd.concat([LOG, LOG.sample(80, random_state=1)], ignore_index=True)
    params = {"rank": 7, "min_count": 2, "step_size": 0.1, "seed": 9, **choice}
    monkeypatch.setattr("daskrec.models.word2vec_training._TOKENS_PER_PART", 40)
    monkeypatch.setattr("daskrec.models.word2vec_training._TOKENS_PER_ROW", 0)

    def fit(source: Any) -> np.ndarray:
        with pytest.warns(UserWarning, match="repeat"):
            return vectors_of(Word2VecRec(**params).fit(source))

    expected = fit(log)
    assert np.isfinite(expected).all()
    with dask.config.set(scheduler="synchronous"):
        assert (fit(log) == expected).all()
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 50)
    assert (fit(log) == expected).all()
    for parts in (1, 7, 40):
        assert (fit(with_empty_partitions(log, parts)) == expected).all()
    monkeypatch.setattr("daskrec.data.exchange.MOST_PIECES", 0)
    assert (fit(with_empty_partitions(log, 7)) == expected).all()
    assert (vectors_of(Word2VecRec(**{**params, "seed": 10}).fit(LOG)) != expected).any()


def test_vectors_are_the_same_bits_on_a_cluster(client, monkeypatch) -> None:
    params = {"rank": 7, "min_count": 2, "seed": 9, "num_partitions": 4, "max_iter": 2}
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 50)
    with dask.config.set(scheduler="threads"):
        expected = vectors_of(Word2VecRec(**params).fit(LOG))
    for log in (LOG, with_empty_partitions(LOG, 7)):
        assert (vectors_of(Word2VecRec(**params).fit(log)) == expected).all()


def test_items_under_the_threshold_are_absent() -> None:
    with pytest.raises(ValueError, match=r"min_count is 5, .* more than 2 rows"):
        Word2VecRec(rank=2).fit(L5)
    log = pd.concat([L5, pd.DataFrame({"user_idx": [3], "item_idx": [0], "timestamp": [9]})])
    log = log.assign(relevance=1.0)
    log = log[~((log.user_idx == 0) & (log.item_idx == 0))]  # item 0 is user 3's alone
    model = Word2VecRec(rank=2, min_count=2, seed=0).fit(log)
    recs = model.predict(log, 3, users=[0, 1, 2], filter_seen_items=False)
    assert set(recs.item_idx) == {1, 2}
    with pytest.warns(UserWarning, match="1 users have only items without a vector"):
        assert len(model.predict(log, 3, users=[3], filter_seen_items=False)) == 0
    assert (
        len(model.predict_pairs(pd.DataFrame({"user_idx": [0, 3], "item_idx": [0, 1]}), log)) == 0
    )
    assert 0 not in model.get_nearest_items([1, 2], 5).neighbour_item_idx.tolist()
    assert len(model.get_nearest_items([0], 5)) == 0
    with pytest.warns(UserWarning, match="1 items are not known"):
        frame, rank = model.get_features(pd.DataFrame({"item_idx": [0, 1]}))
    assert frame.item_idx.tolist() == [1]
    assert rank == 2


@pytest.mark.parametrize("metric", ["cosine_similarity", "dot_product", "euclidean_distance_sim"])
def test_nearest_items_of_the_original(metric: str) -> None:
    log = ORIGINAL[ORIGINAL.item_idx != 3].assign(timestamp=1)
    with pytest.warns(UserWarning, match="repeat"):
        model = Word2VecRec(rank=3, min_count=0, seed=42).fit(log)
    near = model.get_nearest_items([0, 1], 2, metric=metric)
    assert list(near.columns) == ["item_idx", "neighbour_item_idx", metric]
    assert len(near) == 4
    assert len(model.get_nearest_items([0, 1], 1, metric=metric)) == 2
    near = model.get_nearest_items([0, 1], 4, metric, candidates=[0, 3])
    assert near[["item_idx", "neighbour_item_idx"]].to_numpy().tolist() == [[1, 0]]


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_go_out_and_come_back(kind: str) -> None:
    log = as_kind(LOG, kind)
    model = Word2VecRec(rank=6, min_count=2, seed=1).fit(log)
    frame, rank = model.get_features(LOG[["item_idx"]].drop_duplicates())
    assert rank == 6
    again = Word2VecRec(vectors=frame).fit(log)
    assert (vectors_of(again) == vectors_of(model)).all()
    users, length = model.get_features(LOG[["user_idx"]])
    assert users is None
    assert length is None


def test_vectors_in_every_form(tmp_path) -> None:
    log = LOG.assign(item_idx=(LOG.item_idx - LOG.item_idx.min()) // 7)
    items = np.sort(log.item_idx.unique())
    table = np.random.default_rng(0).standard_normal((items.max() + 1, 3)).astype(np.float32)
    keyed = SimpleNamespace(
        key_to_index={"</s>": 0, **{str(item): int(item) + 1 for item in items}},
        vectors=np.concatenate([np.zeros((1, 3), np.float32), table]),
    )
    forms = [
        table,
        table.tolist(),
        keyed,
        SimpleNamespace(wv=keyed),
        {int(item): table[item] for item in items},
        {str(item): list(table[item]) for item in items},
        pd.DataFrame({"item_idx": items[::-1], "v": list(table[items[::-1]])}),
    ]
    for form in forms:
        model = Word2VecRec(vectors=form).fit(log)
        assert (vectors_of(model) == table[items]).all()
        assert repr(model).startswith("Word2VecRec(vectors=")
    model.save(tmp_path / "model")
    again = daskrec.load(tmp_path / "model")
    assert again.vectors is None
    pd.testing.assert_frame_equal(again.predict(log, 3), model.predict(log, 3))
    words = log.assign(item_idx=log.item_idx.map("i{}".format))
    named = {f"i{item}": table[item] for item in items}
    found = Word2VecRec(vectors=named).fit(words).predict(words, 100, filter_seen_items=False)
    assert set(found.item_idx) == set(named)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({99: [1.0]}, "none of the items"),
        ({0: [1.0], 1: [1.0, 2.0]}, "of one length"),
        ({0: [np.nan], 1: [1.0]}, "missing or infinite"),
        (np.zeros(5), "give gensim's KeyedVectors"),
        ("vectors.txt", "give gensim's KeyedVectors"),
        (pd.DataFrame({"item_idx": [0]}), "one of items, one of vectors"),
        (pd.DataFrame({"item_idx": [0, 0], "v": [[1.0], [2.0]]}), "several rows"),
    ],
)
def test_vectors_that_cannot_be_used(given: Any, why: str) -> None:
    with pytest.raises(LogError, match=why):
        Word2VecRec(vectors=given).fit(L5)
    words = L5.assign(item_idx=L5.item_idx.map("i{}".format))
    with pytest.raises(LogError, match="items of the log are strings"):
        Word2VecRec(vectors=np.eye(3)).fit(words)


def test_unit_vectors() -> None:
    model = Word2VecRec(rank=5, min_count=1, seed=1, normalize=True).fit(LOG)
    np.testing.assert_allclose(np.linalg.norm(vectors_of(model), axis=1), 1, rtol=1e-6)


def test_items_that_stand_together_are_similar() -> None:
    """Two groups of items that never meet: neighbours are of the same group."""
    rng = np.random.default_rng(3)
    rows = []
    for user in range(400):
        group = user % 2
        rows += [(user, group * 20 + item, t) for t, item in enumerate(rng.permutation(20)[:10])]
    log = pd.DataFrame(rows, columns=["user_idx", "item_idx", "timestamp"])
    for loss in ("negative", "hierarchical"):
        model = Word2VecRec(
            16, 1, 0.05, max_iter=20, window_size=3, seed=0, num_partitions=4, loss=loss
        ).fit(log)
        near = model.get_nearest_items(list(range(40)), 5)
        same = (near.item_idx // 20) == (near.neighbour_item_idx // 20)
        assert same.mean() > 0.95
        recs = model.predict(log, 5)
        assert ((recs.user_idx % 2) == (recs.item_idx // 20)).mean() > 0.95


def test_more_factors_than_items_and_one_item_alone() -> None:
    model = Word2VecRec(rank=100, min_count=1, seed=0).fit(L5)
    assert np.isfinite(vectors_of(model)).all()
    one = pd.DataFrame({"user_idx": [1, 2], "item_idx": [5, 5], "timestamp": [1, 2]})
    for loss in ("negative", "hierarchical"):
        recs = Word2VecRec(min_count=1, loss=loss).fit_predict(one, 1, filter_seen_items=False)
        assert recs.item_idx.tolist() == [5, 5]


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_step_that_is_too_long_says_so(partitions: int) -> None:
    with pytest.raises(ValueError, match=r"step_size is 1e\+30.*smaller"):
        Word2VecRec(4, 1, 1e30, 3, window_size=9, num_partitions=partitions).fit(LOG)


def test_parameters_that_are_not_allowed() -> None:
    for wrong in (
        {"rank": 0}, {"min_count": -1}, {"step_size": -1.0}, {"max_iter": 0}, {"window_size": 0},
        {"loss": "softmax"}, {"negatives": 0}, {"sample": -0.1}, {"num_partitions": 0},
        {"seed": -1}, {"use_idf": 2}, {"ns_exponent": np.inf}, {"normalize": "no"},
    ):  # fmt: skip
        (name,) = wrong
        with pytest.raises(ValueError, match=name):
            Word2VecRec(**wrong)


def test_vectors_of_a_lazy_frame() -> None:
    frame = pd.DataFrame({"item_idx": [2, 0, 1], "v": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]})
    lists = pd.ArrowDtype(pa.list_(pa.float64()))
    lazy = dd.from_pandas(frame.astype({"v": lists}), npartitions=2)
    ids = Word2VecRec(vectors={0: [1.0]}).fit(L5)._fitted.item_ids.get()
    codes, found = read_vectors(lazy, ids)
    assert codes.tolist() == [0, 1, 2]
    assert found.tolist() == [[3, 4], [5, 6], [1, 2]]
    with pytest.raises(LogError, match="holds texts"):
        read_vectors(dd.from_pandas(frame, npartitions=2), ids)


def test_shuffled_sentences_need_no_times_and_know_no_order() -> None:
    params = {"rank": 4, "min_count": 1, "window_size": 2, "max_iter": 3, "seed": 5}
    model = Word2VecRec(shuffle=True, **params)
    first = vectors_of(model.fit(LOG.drop(columns="timestamp")))
    again = LOG.sample(frac=1, random_state=3).assign(timestamp=LOG.item_idx)
    assert np.array_equal(first, vectors_of(model.fit(again)))
    assert np.array_equal(first, vectors_of(model.fit(dd.from_pandas(again, npartitions=7))))
    assert not np.array_equal(first, vectors_of(Word2VecRec(**params).fit(LOG)))
