"""LightFMWrap: the library's numbers, features as the original weighs them, cold ids, errors."""

import sys
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from lightfm import LightFM
from sklearn.preprocessing import MinMaxScaler
from support.logs import L5, as_kind, assert_same, kind_of, random_log, to_pandas

import daskrec
from daskrec.errors import LogError
from daskrec.models import LightFMWrap
from daskrec.scenarios import Fallback

# The fixtures of the original's tests.
LOG = pd.DataFrame(
    [(0, 0, 1.0), (1, 0, 1.0), (2, 1, 2.0), (1, 1, 2.0), (2, 2, 2.0), (0, 2, 2.0)],
    columns=["user_idx", "item_idx", "relevance"],
)
USERS = pd.DataFrame({"user_idx": [0, 1], "feature": [2.0, 0.0], "another": [5.0, -5.0]})
ITEMS = pd.DataFrame({"item_idx": [0, 1], "feature": [4.0, 5.0], "another": [5.0, 4.0]})
SMALL = {"no_components": 1, "loss": "bpr", "random_state": 42}
LARGE = random_log(users=80, items=40, rows=1_500)


def coded(log: pd.DataFrame) -> tuple[Any, np.ndarray, np.ndarray]:
    users, rows = np.unique(log.user_idx, return_inverse=True)
    items, columns = np.unique(log.item_idx, return_inverse=True)
    values = log.relevance.to_numpy().astype(np.float32)
    return sp.csr_matrix((values, (rows, columns))).tocoo(), users, items


def weighed(frame: pd.DataFrame, name: str, known: np.ndarray) -> Any:
    """Return [identity | scaled features] with rows that add up to 1, written down anew."""
    values = frame[sorted(set(frame.columns) - {name})].to_numpy(dtype=float)
    place = np.searchsorted(known, frame[name])
    scaled = np.zeros((len(known), values.shape[1]))
    scaled[place] = MinMaxScaler().fit_transform(values)
    both = np.hstack([np.eye(len(known)), scaled])
    return sp.csr_matrix((both / both.sum(axis=1, keepdims=True)).astype(np.float32))


def features_of(known: np.ndarray, name: str, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {name: known, "b": rng.random(len(known)), "a": rng.integers(0, 5, len(known))}
    )


@pytest.mark.parametrize("loss", ["logistic", "bpr", "warp", "warp-kos"])
def test_vectors_are_those_of_the_library_to_the_bit(loss: str) -> None:
    matrix, users, items = coded(LARGE)
    bare = LightFM(no_components=6, loss=loss, random_state=5)
    bare.fit(matrix, epochs=10, num_threads=1)
    model = LightFMWrap(6, loss, 5).fit(LARGE)
    for role, ids in (("user", users), ("item", items)):
        frame, length = model.get_features(pd.DataFrame({f"{role}_idx": ids}))
        assert length == 6
        assert list(frame.columns) == [f"{role}_idx", f"{role}_bias", f"{role}_factors"]
        embeddings = getattr(bare, f"{role}_embeddings")
        assert np.array_equal(np.stack(list(frame[f"{role}_factors"])), embeddings)
        assert np.array_equal(frame[f"{role}_bias"], getattr(bare, f"{role}_biases"))
    recs = model.predict(LARGE, 40, filter_seen_items=False)
    pairs = (np.searchsorted(users, recs.user_idx), np.searchsorted(items, recs.item_idx))
    assert np.allclose(recs.relevance, bare.predict(*pairs), atol=1e-5)
    assert len(recs) == len(users) * len(items)


def test_parameters_reach_the_library() -> None:
    matrix, users, _ = coded(LARGE)
    params = {
        "learning_rate": 0.1, "learning_schedule": "adadelta", "user_alpha": 0.01,
        "item_alpha": 0.02, "max_sampled": 3,
    }  # fmt: skip
    bare = LightFM(no_components=3, loss="warp", random_state=5, **params)
    bare.fit(matrix, epochs=2, num_threads=1)
    model = LightFMWrap(3, random_state=5, epochs=2, **params).fit(LARGE)
    frame, _ = model.get_features(pd.DataFrame({"user_idx": users}))
    assert np.array_equal(np.stack(list(frame.user_factors)), bare.user_embeddings)


@pytest.mark.parametrize("sides", [("user",), ("item",), ("user", "item")])
def test_features_count_as_the_original_weighs_them(sides: tuple[str, ...]) -> None:
    matrix, users, items = coded(LARGE)
    known = {"user": users, "item": items}
    frames = {
        f"{role}_features": features_of(known[role], f"{role}_idx", seed)
        for seed, role in enumerate(sides)
    }
    weights = {
        name: weighed(frame, name.replace("features", "idx"), known[name.partition("_")[0]])
        for name, frame in frames.items()
    }
    bare = LightFM(no_components=4, loss="bpr", random_state=5)
    bare.fit(matrix, epochs=10, num_threads=1, **weights)
    model = LightFMWrap(4, "bpr", 5).fit(LARGE, **frames)
    recs = model.predict(LARGE, 40, filter_seen_items=False, **frames)
    pairs = (np.searchsorted(users, recs.user_idx), np.searchsorted(items, recs.item_idx))
    assert np.allclose(recs.relevance, bare.predict(*pairs, **weights), atol=1e-3)
    for role in sides:
        frame, _ = model.get_features(
            pd.DataFrame({f"{role}_idx": known[role]}), frames[f"{role}_features"]
        )
        biases, vectors = getattr(bare, f"get_{role}_representations")(weights[f"{role}_features"])
        assert np.allclose(np.stack(list(frame[f"{role}_factors"])), vectors, atol=1e-3)
        assert np.allclose(frame[f"{role}_bias"], biases, atol=1e-3)


@pytest.mark.parametrize("features", [None, USERS])
def test_the_lists_of_the_original(features: Any) -> None:
    model = LightFMWrap(**SMALL).fit(LOG, features)
    recs = model.predict(LOG, 1, user_features=features)
    assert recs.user_idx.tolist() == [0, 1, 2]
    assert recs.item_idx.tolist() == [1, 2, 0]


def test_a_score_is_a_product_and_two_biases() -> None:
    model = LightFMWrap(**SMALL).fit(LOG, USERS, ITEMS)
    features = {"user_features": USERS, "item_features": ITEMS}
    recs = model.predict(LOG, 3, filter_seen_items=False, **features)
    users, _ = model.get_features(LOG[["user_idx"]], USERS)
    items, rank = model.get_features(LOG[["item_idx"]], ITEMS)
    assert rank == 1
    wanted = recs.merge(users).merge(items)
    product = [
        float(np.dot(a, b)) for a, b in zip(wanted.user_factors, wanted.item_factors, strict=True)
    ]
    assert np.allclose(wanted.relevance, product + wanted.user_bias + wanted.item_bias, atol=1e-6)


def test_flags_follow_the_features_of_each_fit(tmp_path) -> None:
    model = LightFMWrap(**SMALL)
    assert not model.can_predict_cold_users
    for given in ((None, None), (USERS, None), (None, ITEMS), (USERS, ITEMS), (None, None)):
        model.fit(LOG, *given)
        flags = (model.can_predict_cold_users, model.can_predict_cold_items)
        assert flags == tuple(frame is not None for frame in given)
        model.save(tmp_path / "model", overwrite=True)
        again = daskrec.load(tmp_path / "model")
        assert (again.can_predict_cold_users, again.can_predict_cold_items) == flags


def test_a_new_user_is_served_by_features() -> None:
    model = LightFMWrap(**SMALL).fit(LOG[LOG.user_idx != 0], USERS[USERS.user_idx != 0], ITEMS)
    features = {"user_features": USERS, "item_features": ITEMS}
    pairs = pd.DataFrame({"user_idx": [0, 0], "item_idx": [1, 2]})
    assert len(model.predict_pairs(pairs, **features)) == 2
    assert len(model.predict(LOG, 1, users=[0], **features)) == 1
    assert len(model.predict(None, 1, users=[0], **features)) == 1
    served = model.predict(None, 1, **features)
    assert served.user_idx.tolist() == [0, 1]  # the users of the features
    with pytest.warns(UserWarning, match="1 users have no features"):
        assert len(model.predict(None, 1, users=[77], **features)) == 0


def test_a_new_item_is_recommended_by_features() -> None:
    model = LightFMWrap(**SMALL).fit(LOG, None, ITEMS)
    more = pd.concat([ITEMS, pd.DataFrame({"item_idx": [9], "feature": [4.5], "another": [4.0]})])
    recs = model.predict(LOG, 9, users=[1], items=[2, 9], item_features=more)
    assert set(recs.item_idx) == {2, 9}
    with pytest.warns(UserWarning, match="1 items have no features: there are no rows"):
        recs = model.predict(LOG, 9, users=[1], items=[2, 8, 9], item_features=more)
    assert set(recs.item_idx) == {2, 9}
    pairs = pd.DataFrame({"user_idx": [1, 1], "item_idx": [9, 8]})
    with pytest.warns(UserWarning, match="1 items have no features"):
        scored = model.predict_pairs(pairs, item_features=more)
    assert scored.item_idx.tolist() == [9]
    same = more.assign(item_idx=more.item_idx.replace({9: 10}))
    again = model.predict(LOG, 9, users=[1], items=[10], item_features=same)
    assert again.relevance.tolist() == recs.relevance[recs.item_idx == 9].tolist()


def test_ids_that_only_features_mention_are_described_by_features_alone() -> None:
    more = pd.concat([USERS, pd.DataFrame({"user_idx": [5], "feature": [0.0], "another": [-5.0]})])
    model = LightFMWrap(**SMALL).fit(LOG, more)
    assert model.users_count == 4
    fresh = pd.DataFrame({"user_idx": [6], "feature": [0.0], "another": [-5.0]})
    both = pd.concat([more, fresh])
    recs = model.predict(None, 3, users=[5, 6], user_features=both)
    found = [recs[recs.user_idx == user].drop(columns="user_idx") for user in (5, 6)]
    assert_same(*(frame.assign(user_idx=0)[recs.columns] for frame in found))


def test_values_beyond_the_range_of_the_fit_count_as_its_ends() -> None:
    model = LightFMWrap(**SMALL).fit(LOG, USERS)
    ends = pd.DataFrame({"user_idx": [7, 8], "feature": [2.0, 50.0], "another": [-5.0, -900.0]})
    recs = model.predict(None, 3, user_features=ends)
    assert recs.relevance[:3].tolist() == recs.relevance[3:].tolist()


def test_missing_and_unwanted_features_are_told() -> None:
    model = LightFMWrap(**SMALL).fit(LOG, USERS, ITEMS)
    with pytest.raises(ValueError, match="User features are missing for predict"):
        model.predict(LOG, 1, item_features=ITEMS)
    with pytest.raises(ValueError, match="Item features are missing for predict"):
        model.predict(LOG, 1, user_features=USERS)
    with pytest.raises(ValueError, match="Item features are missing for predict"):
        model.predict_pairs(LOG[["user_idx", "item_idx"]], user_features=USERS)
    other = USERS.rename(columns={"feature": "new"})
    with pytest.raises(LogError, match=r"\['feature'\] are missing and \['new'\] are new"):
        model.predict(LOG, 1, user_features=other, item_features=ITEMS)
    plain = LightFMWrap(**SMALL).fit(LOG)
    with pytest.raises(ValueError, match="User features were not given to fit"):
        plain.predict(LOG, 1, user_features=USERS)
    with pytest.raises(ValueError, match="item features were not given to fit"):
        plain.get_features(LOG[["item_idx"]], ITEMS)


@pytest.mark.parametrize("kind", ["pandas", "dask"])
def test_features_that_cannot_be_used_are_told(kind: str) -> None:
    model = LightFMWrap(**SMALL)
    strangers = as_kind(USERS.assign(user_idx=[70, 71]), kind)
    with pytest.raises(LogError, match="features for users from log are absent"):
        model.fit(as_kind(LOG, kind), strangers)
    words = as_kind(USERS.assign(feature=["a", "b"]), kind)
    with pytest.raises(LogError, match="user_features cannot be used: values that are no numbers"):
        model.fit(as_kind(LOG, kind), words)
    twice = as_kind(pd.concat([ITEMS, ITEMS]), kind)
    with pytest.raises(LogError, match="item_features has 2 rows of items that have a row"):
        model.fit(as_kind(LOG, kind), None, twice)


def test_the_order_of_columns_does_not_matter() -> None:
    matrix_users = np.unique(LARGE.user_idx)
    frame = features_of(matrix_users, "user_idx", 0)
    turned = frame[["a", "user_idx", "b"]]
    one = LightFMWrap(3, "bpr", 1).fit(LARGE, frame)
    two = LightFMWrap(3, "bpr", 1).fit(LARGE, turned)
    expected = one.predict(LARGE, 5, user_features=frame)
    assert_same(two.predict(LARGE, 5, user_features=frame), expected)
    assert_same(one.predict(LARGE, 5, user_features=turned), expected)


def test_get_features_of_ids_that_are_not_known() -> None:
    model = LightFMWrap(**SMALL).fit(LOG, USERS, ITEMS)
    ids = pd.DataFrame({"item_idx": [100, 0], "user_idx": [0, 0]})
    frame, _ = model.get_features(ids)  # items come first
    assert frame.item_idx.tolist() == [0, 100]
    assert frame.item_factors.iloc[1].tolist() == [0.0]
    assert frame.item_bias.iloc[1] == 0
    with pytest.raises(ValueError, match="a frame with a column"):
        model.get_features([1, 2])


@pytest.mark.parametrize("kind", ["polars", "arrow", "dask"])
def test_features_in_every_kind_of_frame(kind: str, tmp_path) -> None:
    model = LightFMWrap(**SMALL).fit(LOG, USERS, ITEMS)
    expected = model.predict(LOG, 3, user_features=USERS, item_features=ITEMS)
    given = {"user_features": as_kind(USERS, kind), "item_features": as_kind(ITEMS, kind)}
    again = LightFMWrap(**SMALL).fit(as_kind(LOG, kind), **given)
    recs = again.predict(as_kind(LOG, kind), 3, **given)
    assert kind_of(recs) == kind
    assert_same(recs, expected, 1e-6)
    frame, _ = again.get_features(as_kind(LOG[["user_idx"]], kind), given["user_features"])
    assert kind_of(frame) == kind
    assert [len(cell) for cell in to_pandas(frame).user_factors] == [1, 1, 1]
    USERS.to_parquet(tmp_path / "users.parquet")
    read = model.predict(LOG, 3, user_features=str(tmp_path / "users.parquet"), item_features=ITEMS)
    assert_same(read, expected, 1e-6)


def test_many_blocks_of_features_on_a_cluster(client, monkeypatch) -> None:
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 10)
    users, items = (np.unique(LARGE[name]) for name in ("user_idx", "item_idx"))
    frames = [features_of(users, "user_idx", 0), features_of(items, "item_idx", 1)]
    lazy = [dd.from_pandas(frame, npartitions=3) for frame in frames]
    model = LightFMWrap(3, "bpr", 1).fit(dd.from_pandas(LARGE, npartitions=4), *lazy)
    expected = LightFMWrap(3, "bpr", 1).fit(LARGE, *frames)
    wanted = expected.predict(LARGE, 5, None, None, *frames)
    assert_same(
        model.predict(dd.from_pandas(LARGE, npartitions=4), 5, None, None, *lazy), wanted, 1e-6
    )
    assert_same(model.predict(LARGE, 5, None, None, *frames), wanted, 1e-6)


def test_a_fit_without_a_seed_draws_anew_and_global_state_stays() -> None:
    state = np.random.get_state()[1].copy()
    one, two = (LightFMWrap(2, num_threads=1).fit(LARGE) for _ in range(2))
    assert not np.array_equal(one._held["item_vectors"].get(), two._held["item_vectors"].get())
    LightFMWrap(2, random_state=3).fit(L5)
    assert (np.random.get_state()[1] == state).all()


def test_a_search_draws_by_its_own_seed() -> None:
    train, test = LARGE.iloc[:700], LARGE.iloc[700:]
    test = test[test.user_idx.isin(train.user_idx)]
    model = LightFMWrap(4)
    borders = {"loss": ["bpr", "warp"], "no_components": [2, 4]}
    found = model.optimize(train, test, param_borders=borders, k=5, budget=2, seed=1)
    again = LightFMWrap(4).optimize(train, test, param_borders=borders, k=5, budget=2, seed=1)
    assert found == again
    assert model.random_state is None


def test_a_scenario_serves_new_users_by_another_model() -> None:
    model = Fallback(LightFMWrap(**SMALL), threshold=1).fit(LOG)
    newcomer = pd.DataFrame({"user_idx": [9], "item_idx": [0]})
    assert model.predict(newcomer, 2).item_idx.tolist() == [1, 2]


def test_wrong_parameters_are_refused() -> None:
    for wrong in (
        {"loss": "mse"}, {"no_components": 0}, {"epochs": 0}, {"random_state": "x"},
        {"num_threads": 0}, {"user_alpha": -1.0}, {"learning_schedule": "sgd"}, {"max_sampled": 0},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(wrong))):
            LightFMWrap(**wrong)


def test_a_saved_model_answers_without_the_library(tmp_path, monkeypatch) -> None:
    model = LightFMWrap(**SMALL).fit(LOG, USERS)
    expected = model.predict(LOG, 3, user_features=USERS)
    model.save(tmp_path / "model")
    for name in [n for n in sys.modules if n.partition(".")[0] == "lightfm"]:
        monkeypatch.setitem(sys.modules, name, None)
    again = daskrec.load(tmp_path / "model")
    assert_same(again.predict(LOG, 3, user_features=USERS), expected)
    with pytest.raises(ImportError, match=r"pip install 'daskrec\[wrappers\]'"):
        again.fit(LOG)
