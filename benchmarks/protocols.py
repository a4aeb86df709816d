"""Two published tests of quality, for any model of the interface.

The leave-one-out test of the neural collaborative filtering paper on MovieLens 1M (He et al.,
WWW 2017: 99 sampled negatives a user, hit rate and NDCG at 10), and the split of the LightGCN
paper on Gowalla (He et al., SIGIR 2020: full ranking, recall and NDCG at 20).
"""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

USER, ITEM = "user_id", "item_id"


class LeaveOneOut(NamedTuple):
    """Training log, the held-out pair of each user, and the pairs to rank."""

    train: pd.DataFrame
    held: pd.DataFrame
    pairs: pd.DataFrame


class Split(NamedTuple):
    """Training log and test log."""

    train: pd.DataFrame
    test: pd.DataFrame


def movielens(folder: Path) -> LeaveOneOut:
    """Read the leave-one-out test from a folder of data sets."""
    ratings = pd.read_parquet(folder / "ml-1m" / "ratings.parquet", columns=[USER, ITEM])
    test = pd.read_parquet(folder / "ml-1m" / "ncf_test.parquet")
    held = test[[USER, ITEM]]
    marked = ratings.merge(held, how="left", indicator=True)
    train = marked[marked["_merge"] == "left_only"][[USER, ITEM]].reset_index(drop=True)
    negatives = test[[USER, "negatives"]].explode("negatives")
    negatives.columns = pd.Index([USER, ITEM])
    pairs = pd.concat([held, negatives.astype(np.int64)]).drop_duplicates(ignore_index=True)
    return LeaveOneOut(train, held, pairs)


def gowalla(folder: Path) -> Split:
    """Read the split of Gowalla from a folder of data sets."""
    parts = (pd.read_parquet(folder / "gowalla" / f"{part}.parquet") for part in ("train", "test"))
    return Split(*parts)


def leave_one_out(model: Any, data: LeaveOneOut) -> tuple[float, float]:
    """Fit a model; return its hit rate and NDCG at 10.

    A pair without a score counts as the last; equal scores rank by ascending item.
    """
    with warnings.catch_warnings():
        # 342 of the pairs hold items that nobody had in the training.
        warnings.filterwarnings("ignore", message=".*pairs hold a user or an item not known")
        scored = model.fit(data.train).predict_pairs(data.pairs, data.train)
    return rank_held_out(scored, data)


def rank_held_out(scored: pd.DataFrame, data: LeaveOneOut) -> tuple[float, float]:
    """Return hit rate and NDCG at 10 of scored pairs (columns user, item, relevance)."""
    table = data.pairs.merge(scored, how="left")
    table["relevance"] = table["relevance"].fillna(-np.inf)
    truth = table.merge(data.held)[[USER, ITEM, "relevance"]]
    both = table.merge(truth, on=USER, suffixes=("", "_held"))
    score, held = both["relevance"], both["relevance_held"]
    better = (score > held) | ((score == held) & (both[ITEM] < both[f"{ITEM}_held"]))
    place = better.groupby(both[USER]).sum().to_numpy()
    gains = np.where(place < 10, 1 / np.log2(place + 2), 0.0)
    return float((place < 10).mean()), float(gains.mean())


def among_all(model: Any, data: LeaveOneOut) -> tuple[float, float]:
    """Return hit rate and NDCG at 10 of a fitted model among all items that a user has not."""
    return rank_all(model.predict(data.train, 10), Split(data.train, data.held))


def full_ranking(model: Any, data: Split) -> tuple[float, float]:
    """Fit a model; return its recall and NDCG at 20 over the users of the test."""
    return rank_all(model.fit(data.train).predict(data.train, 20), data)


def rank_all(recs: pd.DataFrame, data: Split) -> tuple[float, float]:
    """Return recall and NDCG at 20 of recommendations, best first for each user."""
    test = data.test.drop_duplicates()
    placed = recs.assign(place=recs.groupby(USER).cumcount())
    hits = placed.merge(test)
    users = np.sort(test[USER].unique())
    wanted = test.groupby(USER).size().reindex(users)
    found = hits.groupby(USER).size().reindex(users, fill_value=0)
    gain = (1 / np.log2(hits["place"] + 2)).groupby(hits[USER]).sum().reindex(users, fill_value=0)
    ideal = np.cumsum(1 / np.log2(np.arange(20) + 2))[np.minimum(wanted, 20) - 1]
    return float((found / wanted).mean()), float((gain / ideal).mean())
