"""The generated log: the same rows however it is cut, and the structure it promises."""

import pickle
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from dask.dataframe.utils import assert_eq
from numpy.typing import NDArray
from scipy import stats

from daskrec import datasets
from daskrec.datasets import YEAR_SECONDS, YEAR_START, SyntheticLog, synthetic

COLUMNS = {
    "user_idx": np.int64,
    "item_idx": np.int64,
    "relevance": np.float64,
    "timestamp": np.int64,
}


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    return synthetic(3_000, 1_000, seed=1, as_frame="pandas")


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_rows_do_not_depend_on_the_partitions(log: pd.DataFrame, npartitions: int) -> None:
    frame = synthetic(3_000, 1_000, seed=1, npartitions=npartitions)
    assert frame.npartitions == npartitions
    made = frame.compute(scheduler="threads").reset_index(drop=True)
    pd.testing.assert_frame_equal(made, log)


def test_a_partition_is_generated_alone(log: pd.DataFrame) -> None:
    frame = synthetic(3_000, 1_000, seed=1, npartitions=7)
    alone = frame.get_partition(3).compute(scheduler="sync")
    users = log["user_idx"].between(*alone["user_idx"].agg(["min", "max"]))
    pd.testing.assert_frame_equal(alone, log[users].reset_index(drop=True))


@pytest.mark.parametrize("timestamps", [True, False])
def test_meta_is_true(timestamps: bool) -> None:
    frame = synthetic(200, 300, npartitions=3, timestamps=timestamps)
    names = list(COLUMNS) if timestamps else list(COLUMNS)[:-1]
    assert dict(frame.dtypes) == {name: COLUMNS[name] for name in names}
    assert_eq(frame, frame.compute(scheduler="sync"), check_index=False, scheduler="sync")


def test_making_the_frame_generates_nothing_and_the_graph_is_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("tables were made")

    monkeypatch.setattr(datasets, "_alias_tables", fail)
    frame = synthetic(10**8, 10**5, 10**10, npartitions=40)
    assert len(pickle.dumps(frame.dask)) < 20_000
    assert synthetic(10**6, 10**5, 10**8).npartitions == 100
    assert synthetic(10, 100, npartitions=40).npartitions == 10


def test_token_and_rows_follow_the_seed(log: pd.DataFrame) -> None:
    first, again, other = (synthetic(3_000, 1_000, seed=seed) for seed in (1, 1, 2))
    assert dask.base.tokenize(first) == dask.base.tokenize(again)
    assert dask.base.tokenize(first) != dask.base.tokenize(other)
    shared = log.merge(other.compute(scheduler="sync"), on=["user_idx", "item_idx"])
    assert len(shared) < 0.2 * len(log)


def test_global_random_state_does_not_matter(log: pd.DataFrame) -> None:
    before = pickle.dumps(np.random.get_state(legacy=False))
    pd.testing.assert_frame_equal(synthetic(3_000, 1_000, seed=1, as_frame="pandas"), log)
    assert pickle.dumps(np.random.get_state(legacy=False)) == before


def test_rows_are_distinct_in_range_and_in_order(log: pd.DataFrame) -> None:
    assert not log.duplicated(["user_idx", "item_idx"]).any()
    assert log["user_idx"].unique().tolist() == list(range(3_000))
    assert log["item_idx"].between(0, 999).all()
    assert (log["relevance"] == 1.0).all()
    assert log["timestamp"].between(YEAR_START, YEAR_START + YEAR_SECONDS - 1).all()
    pd.testing.assert_frame_equal(log.sort_values(["user_idx", "timestamp"], kind="stable"), log)


@pytest.mark.parametrize("interactions", [4_000, 60_000, 250_000])
def test_the_number_of_rows_is_near_the_one_asked_for(interactions: int) -> None:
    made = synthetic(4_000, 500, interactions, as_frame="pandas", timestamps=False)
    assert len(made) == pytest.approx(interactions, rel=0.06)
    assert len(synthetic(4_000, 500, interactions, as_frame="pandas", activity=0)) == (
        pytest.approx(interactions, rel=0.01)
    )


def test_popularity_has_a_head_and_a_tail(log: pd.DataFrame) -> None:
    counts = log["item_idx"].value_counts()
    head = counts.iloc[:100].sum() / len(log)
    assert 0.30 < head < 0.55
    assert 0.0 < counts.iloc[-500:].sum() / len(log) < 0.25
    # Identifiers are shuffled: their order says nothing about popularity.
    by_identifier = counts.sort_index()
    assert abs(stats.spearmanr(by_identifier.index, by_identifier).statistic) < 0.15
    flat = synthetic(3_000, 1_000, as_frame="pandas", popularity=0, taste=0)["item_idx"]
    assert flat.value_counts().iloc[:100].sum() / len(flat) < 0.15


def test_activity_is_fat_tailed_between_its_bounds(log: pd.DataFrame) -> None:
    counts = log["user_idx"].value_counts()
    assert counts.min() >= 5
    assert 200 <= counts.max() <= 250
    assert counts.mean() > 1.4 * counts.median()
    assert counts.iloc[:300].sum() / len(log) > 0.3


def test_first_events_follow_the_truth() -> None:
    truth = SyntheticLog(20_000, 40, 20_000, seed=3, clusters=5, activity=0)
    first = truth.events(0, 20_000).drop_duplicates("user_idx")
    probabilities = truth.probabilities(np.arange(20_000))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    # Over all items, and over users split by how likely the truth holds the item for them.
    chosen = np.zeros_like(probabilities, dtype=bool)
    chosen[first["user_idx"], first["item_idx"]] = True
    for level in np.array_split(np.argsort(probabilities, axis=None), 10):
        expected = probabilities.ravel()[level].sum()
        assert abs(chosen.ravel()[level].sum() - expected) < 5 * np.sqrt(expected + 1)
    by_item = stats.chisquare(chosen.sum(axis=0), probabilities.sum(axis=0))
    assert by_item.pvalue > 1e-4


def test_truth_is_low_rank_and_does_not_depend_on_the_other_users_asked() -> None:
    truth = SyntheticLog(500, 300, clusters=8)
    whole = truth.probabilities(np.arange(500))
    assert np.linalg.matrix_rank(whole) == 8
    np.testing.assert_allclose(truth.probabilities([41, 7]), whole[[41, 7]])
    plain = SyntheticLog(500, 300, taste=0).probabilities([0, 1])
    np.testing.assert_allclose(plain[0], plain[1])
    assert plain.max() / plain.min() == pytest.approx((330 / 31) ** 1.2)


def _ndcg(scores: NDArray[Any], seen: NDArray[Any], held: NDArray[Any]) -> float:
    ranked = np.argsort(-np.where(seen, -np.inf, scores), axis=1)[:, :10]
    gain = 1 / np.log2(np.arange(2, 12))
    best = np.cumsum(gain)[np.minimum(held.sum(axis=1), 10) - 1]
    return float(np.mean(np.take_along_axis(held, ranked, axis=1) @ gain / best))


@pytest.mark.parametrize("seed", [0, 1])
def test_popularity_loses_to_a_model_and_the_model_to_the_truth(seed: int) -> None:
    truth = SyntheticLog(3_000, 1_000, seed=seed, clusters=32)
    rows = truth.events(0, 3_000)
    position = rows.groupby("user_idx").cumcount(ascending=False)
    size = rows.groupby("user_idx")["item_idx"].transform("size")
    last = (position < np.maximum(1, size // 10)).to_numpy()
    matrix = np.zeros((3_000, 1_000))
    matrix[rows["user_idx"], rows["item_idx"]] = 1.0
    held = np.zeros(matrix.shape, dtype=bool)
    held[rows["user_idx"][last], rows["item_idx"][last]] = True
    matrix[held] = 0.0
    # EASE (Steck 2019), a closed-form linear model of the items.
    inverse = np.linalg.inv(matrix.T @ matrix + 200.0 * np.eye(1_000))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    scores = {
        "popular": np.broadcast_to(matrix.sum(axis=0), matrix.shape),
        "model": matrix @ weights,
        "truth": truth.probabilities(np.arange(3_000)),
    }
    ndcg = {name: _ndcg(score, matrix > 0, held) for name, score in scores.items()}
    assert 0.02 < ndcg["popular"] < 0.10, ndcg
    assert ndcg["model"] > 1.5 * ndcg["popular"], ndcg
    assert ndcg["truth"] > 1.3 * ndcg["model"], ndcg
    assert 0.15 < ndcg["truth"] < 0.35, ndcg


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"users": 0}, "users must be"),
        ({"users": -5}, "users must be"),
        ({"items": 0}, "items must be"),
        ({"clusters": 0}, "clusters must be"),
        ({"interactions": -1}, "interactions must be"),
        ({"users": 10, "items": 80, "interactions": 101}, "between 1 and 10 a user"),
        ({"popularity": -0.1}, "popularity must be"),
        ({"taste": float("nan")}, "taste must be"),
        ({"activity": float("inf")}, "activity must be"),
        ({"mixture": 0.0}, "mixture must be"),
        ({"npartitions": 0}, "npartitions must be"),
        ({"as_frame": "polars"}, "as_frame must be"),
    ],
)
def test_impossible_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        synthetic(**options)


def test_arguments_of_the_wrong_kind_are_refused() -> None:
    for options in ({"users": 10.5}, {"seed": "a"}, {"interactions": 5e5}, {"tastes": 3}):
        with pytest.raises(TypeError):
            synthetic(**options)  # type: ignore[arg-type]


def test_ranges_and_users_outside_the_log_are_refused() -> None:
    log = SyntheticLog(10, 100)
    for first, last in ((-1, 5), (0, 11), (6, 5)):
        with pytest.raises(ValueError, match="0 <= first <= last <= 10"):
            log.events(first, last)
    for users in ([-1], [10]):
        with pytest.raises(ValueError, match="user_idx must be in"):
            log.probabilities(users)
    with pytest.raises(ValueError, match="list of integers"):
        log.probabilities([0.5])


@pytest.mark.parametrize("items", [1, 2, 7, 12])
def test_tiny_catalogues_work(items: int) -> None:
    made = synthetic(20, items, as_frame="pandas")
    assert made["user_idx"].nunique() == 20
    assert made["item_idx"].between(0, items - 1).all()


def test_extreme_shapes_stay_finite() -> None:
    log = SyntheticLog(50, 400, taste=10, popularity=10, mixture=0.01, activity=10)
    assert not log.events(0, 50).duplicated(["user_idx", "item_idx"]).any()
    assert np.isfinite(log.probabilities(np.arange(50))).all()
