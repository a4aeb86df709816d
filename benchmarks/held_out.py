"""Strong generalisation on MovieLens 1M: whole users are held out, and served by what they gave.

The protocol of Liang et al. (WWW 2018), scaled to 1M: ratings of 4 and more are positive, users
with fewer than 5 of them are dropped, 600 users are for validation and 600 for the test. Of a
held-out user's items four fifths are given and the others are to be found. Items that no
training user has do not exist.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.protocols import ITEM, USER

HELD, LEAST_RATING, LEAST_ITEMS, ASKED = 600, 4, 5, 0.2
RECALL_AT, K = (20, 50), 100


class Users(NamedTuple):
    """What held-out users gave, and what is to be found (columns user and item)."""

    given: pd.DataFrame
    truth: pd.DataFrame


class HeldOut(NamedTuple):
    """Training log, and the held-out users."""

    train: pd.DataFrame
    validation: Users
    test: Users


def read(folder: Path) -> pd.DataFrame:
    """Read the positive ratings of users who have enough of them."""
    ratings = pd.read_parquet(folder / "ml-1m" / "ratings.parquet")
    log = ratings.loc[ratings["rating"] >= LEAST_RATING, [USER, ITEM]]
    sizes = log.groupby(USER)[ITEM].transform("size")
    return log[sizes >= LEAST_ITEMS].reset_index(drop=True)


def split(log: pd.DataFrame, seed: int) -> HeldOut:
    """Hold users out, drawn by a seed."""
    rng = np.random.default_rng(seed)
    users = rng.permutation(np.unique(log[USER]))
    test, validation = users[:HELD], users[HELD : 2 * HELD]
    train = log[~log[USER].isin(users[: 2 * HELD])]
    known = log[log[ITEM].isin(train[ITEM].unique())]
    return HeldOut(
        train.reset_index(drop=True),
        *(_part(known[known[USER].isin(part)], rng) for part in (validation, test)),
    )


def _part(log: pd.DataFrame, rng: np.random.Generator) -> Users:
    """Take a fifth of each user's items, rounded down, as what is to be found."""
    mixed = log.iloc[rng.permutation(len(log))]
    size = mixed.groupby(USER)[ITEM].transform("size")
    asked = mixed.groupby(USER).cumcount() < np.floor(ASKED * size)
    return Users(mixed[~asked].reset_index(drop=True), mixed[asked].reset_index(drop=True))


def measure(recs: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """Return recall at 20 and 50 and NDCG at 100, means over the users of the truth.

    Recall is a share of the items that could be found: of as many as a list holds at most.

    Parameters
    ----------
    recs
        Columns user and item, best first for each user.
    truth
        Columns user and item, no row twice.
    """
    users = np.sort(truth[USER].unique())
    wanted = truth.groupby(USER).size().reindex(users)
    hits = recs.assign(place=recs.groupby(USER).cumcount()).merge(truth)

    def total(values: Any) -> Any:
        return values.groupby(hits[USER]).sum().reindex(users, fill_value=0)

    found = {
        f"recall@{k}": float((total(hits["place"] < k) / np.minimum(wanted, k)).mean())
        for k in RECALL_AT
    }
    gains = 1 / np.log2(np.arange(K) + 2)
    ideal = np.cumsum(gains)[np.minimum(wanted, K) - 1]
    gain = (hits["place"] < K) / np.log2(hits["place"] + 2)
    return {**found, f"ndcg@{K}": float((total(gain) / ideal).mean())}
