"""Quality of the lists that engines wrote: one evaluator, whoever wrote them."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.engines import ITEM, RELEVANCE, USER
from daskrec.metrics import MAP, MRR, NDCG, Coverage, HitRate, Recall, Surprisal, evaluate

_RESAMPLES = 2000
_OF_USERS = (NDCG, HitRate, MAP, MRR, Recall)


class Verdict(NamedTuple):
    """What lists are worth.

    Parameters
    ----------
    figures
        Means over the users of the test, by the names of metrics.
    intervals
        Half the widths of their 95 % intervals; coverage has none.
    faults
        What is wrong with the lists; nothing where they are right.
    users
        NDCG of each user of the test (rows, in the order of ids) in each round (columns).
    """

    figures: dict[str, float]
    intervals: dict[str, float]
    faults: list[str]
    users: pd.DataFrame


def judge(lists: pd.DataFrame, data: Path, k: int, *, log: str, seen_left_out: bool) -> Verdict:
    """Measure lists of k items.

    Parameters
    ----------
    lists
        Columns of users, items and relevance.
    data
        A prepared folder (``splits``).
    k
        How many items a list has.
    log
        Which part the model learned from.
    seen_left_out
        Whether items of that log are wrong in the list of their user.
    """
    test, train = (pd.read_parquet(data / f"{part}.parquet") for part in ("test", "train"))
    learned = train if log == "train" else pd.read_parquet(data / f"{log}.parquet")
    faults = _faults(lists, k, learned if seen_left_out else None)
    ordered = in_order(lists)
    asked = ordered[ordered[USER].isin(test[USER])]
    found = evaluate([*(kind() for kind in _OF_USERS), Surprisal(train)], asked, test, k)
    names = [kind.__name__ for kind in (*_OF_USERS, Surprisal)]
    figures = {name: found.mean(name, k) for name in names}
    figures["Coverage"] = float(Coverage(train)(ordered, k=k))
    intervals = {name: found.conf_interval(name, k) for name in names}
    users, values = found.per_user("NDCG", k)
    by_user = pd.DataFrame({0: values}, index=users).sort_index()
    return Verdict(figures, intervals, faults, by_user)


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Return what several rounds of a model are worth: their means, and all of their users.

    Intervals are the mean ones: over users, not over the seeds of rounds.
    """
    first = verdicts[0]
    return Verdict(
        {name: mean(one.figures[name] for one in verdicts) for name in first.figures},
        {name: mean(one.intervals[name] for one in verdicts) for name in first.intervals},
        list(dict.fromkeys(fault for one in verdicts for fault in one.faults)),
        pd.concat([one.users for one in verdicts], axis=1, ignore_index=True),
    )


def in_order(lists: pd.DataFrame) -> pd.DataFrame:
    """Return lists best first, equal items by ascending id, which is a rule for all."""
    return lists.sort_values([USER, RELEVANCE, ITEM], ascending=[True, False, True])


def _faults(lists: pd.DataFrame, k: int, seen: pd.DataFrame | None) -> list[str]:
    found = []
    if lists.duplicated([USER, ITEM]).any():
        found.append("an item twice in a list")
    if lists.groupby(USER).size().max() > k:
        found.append(f"lists of more than {k}")
    if seen is not None and len(lists.merge(seen[[USER, ITEM]].drop_duplicates())):
        found.append("items that users had")
    return found


def shared(first: pd.DataFrame, second: pd.DataFrame) -> float:
    """Return how much two engines' lists agree: the share of rows that both have."""
    both = len(first.merge(second, on=[USER, ITEM]))
    return both / max(len(first), len(second), 1)


def difference(ours: pd.DataFrame, theirs: pd.DataFrame) -> tuple[float, float, float]:
    """Return the mean difference of NDCG over the same users, and its 95 % interval.

    The interval is a bootstrap over users, which are the same for both, and over the rounds of
    each: a model that draws may have luck with a seed.
    """
    sides = [side.to_numpy() for side in ours.align(theirs, join="outer", axis=0, fill_value=0.0)]
    rng, means = np.random.default_rng(0), []
    for _ in range(_RESAMPLES):
        mine, other = (
            side[:, rng.integers(side.shape[1], size=side.shape[1])].mean(axis=1) for side in sides
        )
        means.append(rng.choice(mine - other, len(mine)).mean())
    low, high = np.quantile(means, [0.025, 0.975])
    mean_of_all = sides[0].mean() - sides[1].mean()
    return float(mean_of_all), float(low), float(high)
