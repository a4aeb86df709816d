"""Quality on real data, with bounds that a broken model fails.

Two published tests: the leave-one-out test of the neural collaborative filtering paper on
MovieLens 1M (99 sampled negatives, hit rate and NDCG at 10), and the split of the LightGCN
paper on Gowalla (full ranking, recall and NDCG at 20).
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from daskrec.models import KNN, ALSWrap, PopRec

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def movies(data: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Training log, held-out pairs, and the pairs to rank (held-out and negatives)."""
    ratings = pd.read_parquet(data / "ml-1m" / "ratings.parquet")[["user_id", "item_id"]]
    test = pd.read_parquet(data / "ml-1m" / "ncf_test.parquet")
    held = test[["user_id", "item_id"]]
    marked = ratings.merge(held, how="left", indicator=True)
    train = marked[marked._merge == "left_only"][["user_id", "item_id"]].reset_index(drop=True)
    negatives = test[["user_id", "negatives"]].explode("negatives")
    negatives.columns = ["user_id", "item_id"]
    pairs = pd.concat([held, negatives.astype(np.int64)]).drop_duplicates(ignore_index=True)
    return train, held, pairs


def leave_one_out(model: Any, movies: tuple[pd.DataFrame, ...]) -> tuple[float, float]:
    """Return hit rate and NDCG at 10; a pair without a score counts as the last."""
    train, held, pairs = movies
    with pytest.warns(UserWarning, match="342 pairs hold"):  # items that nobody had before
        scored = model.fit(train).predict_pairs(pairs, train)
    table = pairs.merge(scored, how="left")
    table["relevance"] = table["relevance"].fillna(-np.inf)
    truth = table.merge(held)[["user_id", "item_id", "relevance"]]
    both = table.merge(truth, on="user_id", suffixes=("", "_held"))
    better = (both.relevance > both.relevance_held) | (
        (both.relevance == both.relevance_held) & (both.item_id < both.item_id_held)
    )
    place = better.groupby(both.user_id).sum().to_numpy()
    gains = np.where(place < 10, 1 / np.log2(place + 2), 0.0)
    return float((place < 10).mean()), float(gains.mean())


@pytest.fixture(scope="module")
def gowalla(data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training log and test log."""
    return tuple(
        pd.read_parquet(data / "gowalla" / f"{part}.parquet") for part in ("train", "test")
    )


def full_ranking(model: Any, split: tuple[pd.DataFrame, pd.DataFrame]) -> tuple[float, float]:
    """Return recall and NDCG at 20 over the users of the test, seen items left out."""
    train, test = split
    recs = model.fit(train).predict(train, 20)
    recs["place"] = recs.groupby("user_id").cumcount()
    hits = recs.merge(test.drop_duplicates())
    users = np.sort(test.user_id.unique())
    wanted = test.drop_duplicates().groupby("user_id").size().reindex(users)
    found = hits.groupby("user_id").size().reindex(users, fill_value=0)
    gain = (1 / np.log2(hits.place + 2)).groupby(hits.user_id).sum().reindex(users, fill_value=0)
    ideal = np.cumsum(1 / np.log2(np.arange(20) + 2))[np.minimum(wanted, 20) - 1]
    return float((found / wanted).mean()), float((gain / ideal).mean())


def test_popularity_on_movies(movies) -> None:
    hits, ndcg = leave_one_out(PopRec(), movies)
    assert hits == pytest.approx(0.4538, abs=0.001)
    assert ndcg == pytest.approx(0.2545, abs=0.001)


def test_neighbours_on_movies(movies) -> None:
    model = KNN(50, shrink=300, weighting="bm25", neighbours_of="candidate")
    hits, ndcg = leave_one_out(model, movies)
    assert hits >= 0.665
    assert ndcg >= 0.393


def test_factors_on_movies(movies) -> None:
    model = ALSWrap(64, seed=0, alpha=2.0, regularization=0.05, iterations=16)
    hits, ndcg = leave_one_out(model, movies)
    assert hits >= 0.710
    assert ndcg >= 0.438


def test_popularity_on_gowalla(gowalla) -> None:
    recall, ndcg = full_ranking(PopRec(), gowalla)
    assert recall == pytest.approx(0.0416, abs=0.0002)
    assert ndcg == pytest.approx(0.0317, abs=0.0002)


def test_neighbours_on_gowalla(gowalla) -> None:
    recall, ndcg = full_ranking(KNN(500, shrink=10), gowalla)
    assert recall >= 0.137
    assert ndcg >= 0.105


def test_neighbours_weighted_by_history_on_gowalla(gowalla) -> None:
    recall, ndcg = full_ranking(KNN(500, shrink=10, user_length_power=0.5), gowalla)
    assert recall >= 0.163
    assert ndcg >= 0.134
