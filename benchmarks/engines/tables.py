"""What engines on arrays share: the log as a sparse matrix, the best items of rows of scores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.engines import ITEM, RELEVANCE, USER

_BLOCK = 1000  # users whose scores lie in memory at a time


def matrix(folder: Path, log: str) -> Any:
    """Return a log as a float32 matrix of users by items, 1 for each pair that it has."""
    frame = pd.read_parquet(folder / f"{log}.parquet")
    ones = np.ones(len(frame), np.float32)
    found = sp.csr_matrix((ones, (frame[USER], frame[ITEM])))
    found.data[:] = 1  # pairs that come twice are summed
    return found


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the log of a job as a matrix."""
    return matrix(folder, job["log"])


def best(score: Callable[[slice], Any], seen: Any, k: int) -> tuple[Any, Any]:
    """Return the k best items of every user that the user has not, and their scores.

    Parameters
    ----------
    score
        Gives the scores of a range of users for all items, an array that may be changed.
    seen
        The matrix of users by items that are left out.
    k
        How many.
    """
    items, scores = [], []
    for start in range(0, seen.shape[0], _BLOCK):
        block = slice(start, min(start + _BLOCK, seen.shape[0]))
        table = score(block)
        mine = seen[block]
        rows = np.repeat(np.arange(mine.shape[0]), np.diff(mine.indptr))
        table[rows, mine.indices] = -np.inf
        top = np.argpartition(table, -k, axis=1)[:, -k:]
        items.append(top)
        scores.append(np.take_along_axis(table, top, axis=1))
    return np.concatenate(items), np.concatenate(scores)


def frame(lists: tuple[Any, Any]) -> pd.DataFrame:
    """Return the items and scores of every user, a row a user, as a frame."""
    items, scores = lists
    users = np.repeat(np.arange(len(items)), items.shape[1])
    columns = {USER: users, ITEM: items.ravel(), RELEVANCE: scores.ravel()}
    there = np.isfinite(columns[RELEVANCE]) & (columns[ITEM] >= 0)
    return pd.DataFrame({name: values[there] for name, values in columns.items()})
