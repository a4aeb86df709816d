"""Logs for tests, and frames of every kind made of them."""

from itertools import pairwise
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from support import spark

COLUMNS = ["user_idx", "item_idx", "relevance", "timestamp"]

# The log of the public failure cases: users 0-2, items 0-2.
L5 = pd.DataFrame(
    [(0, 0, 1, 1), (0, 1, 1, 2), (1, 1, 1, 3), (1, 2, 1, 4), (2, 2, 1, 5)], columns=COLUMNS
)

# The fixture log of the original's tests; (3, 0) is there twice.
ORIGINAL = pd.DataFrame(
    [
        (0, 0, 4), (0, 2, 3), (0, 1, 2), (1, 3, 3), (1, 0, 4), (2, 1, 5),
        (2, 0, 5), (2, 2, 3), (3, 1, 5), (3, 0, 5), (3, 0, 1),
    ],
    columns=COLUMNS[:3],
)  # fmt: skip


def random_log(users: int = 60, items: int = 30, rows: int = 700, seed: int = 0) -> pd.DataFrame:
    """Return distinct pairs in random order; popular items and busy users stand out."""
    rng = np.random.default_rng(seed)
    pairs = pd.DataFrame(
        {
            "user_idx": (users * rng.random(rows) ** 1.5).astype(np.int64) * 3 + 5,
            "item_idx": (items * rng.random(rows) ** 2).astype(np.int64) * 7 - 20,
        }
    ).drop_duplicates(ignore_index=True)
    pairs["relevance"] = rng.integers(1, 6, len(pairs)).astype(float)
    return pairs.sample(frac=1, random_state=seed).reset_index(drop=True)


def with_empty_partitions(frame: pd.DataFrame, npartitions: int) -> dd.DataFrame:
    """Return a Dask frame of exactly so many partitions, the first and another one empty."""
    cuts = np.linspace(0, len(frame), max(npartitions - 1, 1)).astype(int)
    pieces = [frame.iloc[:0]] if npartitions > 1 else []
    pieces += [frame.iloc[a:b] for a, b in pairwise(cuts)] or [frame]
    pieces.insert(len(pieces) // 2 + 1, frame.iloc[:0]) if npartitions > 2 else None
    pieces = pieces[:npartitions] if npartitions > 1 else [frame]
    return dd.from_map(_same, pieces, meta=frame.iloc[:0])


def _same(piece: pd.DataFrame) -> pd.DataFrame:
    return piece


KINDS = ["pandas", "polars", "arrow", "dask"]


def as_kind(frame: pd.DataFrame, kind: str) -> Any:
    """Return a pandas frame as one of another kind."""
    if kind == "polars":
        return pl.from_pandas(frame)
    if kind == "arrow":
        return pa.Table.from_pandas(frame, preserve_index=False)
    if kind == "spark":
        return spark.as_spark(frame)
    if kind == "dask":
        return dd.from_pandas(frame, npartitions=3)
    return frame.copy()


def kind_of(frame: Any) -> str:
    """Return which of ``KINDS`` a frame is, or that it is one of Spark."""
    if spark.is_spark(frame):
        return "spark"
    kinds = {
        "pandas": pd.DataFrame,
        "polars": pl.DataFrame,
        "arrow": pa.Table,
        "dask": dd.DataFrame,
    }
    return next(name for name, cls in kinds.items() if isinstance(frame, cls))


def to_pandas(frame: Any) -> pd.DataFrame:
    """Return a frame of any kind as a pandas frame with a fresh index."""
    if isinstance(frame, dd.DataFrame):
        frame = frame.compute()
    if spark.is_spark(frame):
        frame = spark.to_pandas(frame)
    if not isinstance(frame, pd.DataFrame):
        frame = frame.to_pandas()
    return frame.reset_index(drop=True)


def assert_same(left: Any, right: Any, tolerance: float | None = None) -> None:
    """Assert that two results hold the same rows.

    With a tolerance, scores agree to it relative to the largest, and items may change
    places only where their scores are as near as that.
    """
    a, b = to_pandas(left), to_pandas(right)
    if tolerance is None:
        pd.testing.assert_frame_equal(a, b, check_dtype=False)
        return
    user, item, score = a.columns
    assert list(b.columns) == [user, item, score]
    assert a[user].tolist() == b[user].tolist()
    near = tolerance * max(a[score].abs().max(), 1e-12) if len(a) else 0.0
    np.testing.assert_allclose(a[score], b[score], rtol=0, atol=near)
    for place in np.flatnonzero(a[item] != b[item]):
        mine, value = a.iloc[place], a[score].iloc[place]
        rivals = a[(a[user] == mine[user]) & ((a[score] - value).abs() <= 2 * near)]
        last = a[a[user] == mine[user]].index[-1]
        assert len(rivals) > 1 or place == last, f"row {place}: {mine} and {b.iloc[place]}"
