"""Sending the rows of a partitioned log to the blocks of their users.

Few pieces travel as tasks of their own: each partition is split once and each block picks
its pieces. Where that would be too many tasks, Dask's shuffle moves them instead.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from daskrec.data import ids
from daskrec.data.ids import Ids
from daskrec.data.rows import Faults, Rows
from daskrec.engine import runtime
from daskrec.engine.arrays import Array
from daskrec.engine.shared import Shared

# A scheduler spends about a millisecond on a task; Dask's own shuffle has fewer of them
# beyond this number of pieces, at the price of going through frames.
MOST_PIECES = 16_384


def by_user(
    parts: Sequence[Any], item_ids: Shared[Ids], bounds: Array, timed: bool = False
) -> list[Any]:
    """Send rows to the ranges of their users.

    Parameters
    ----------
    parts
        ``Rows``, or tasks that give them.
    item_ids
        The items; rows of others are left out.
    bounds
        The first user id of each range but the first.
    timed
        Send the times of rows too.

    Returns
    -------
    list
        For each range the list of its pieces (``Rows`` whose items are codes), as tasks.
    """
    count = len(bounds) + 1
    split = [runtime.task(split_rows, part, item_ids, bounds, timed) for part in parts]
    if count == 1 or len(parts) * count <= MOST_PIECES:
        return runtime.pieces(split, count)
    return _by_shuffle(split, bounds, timed)


def split_rows(rows: Rows, item_ids: Shared[Ids], bounds: Array, timed: bool = False) -> list[Rows]:
    """Encode the items of a partition and split its rows by ranges of users.

    Raises
    ------
    LogError
        The partition has faults (a lazy log is checked when it is read).
    """
    rows.faults.raise_any("the log")
    return rows.split(item_ids.get(), bounds, timed)


def _by_shuffle(split: Sequence[Any], bounds: Array, timed: bool) -> list[Any]:
    import dask.dataframe as dd

    text = pd.ArrowDtype(pa.large_string())
    users = pd.Series([], dtype=bounds.dtype if isinstance(bounds, np.ndarray) else text)
    empty = pd.DataFrame(
        {
            "home": np.empty(0, np.int64),
            "user": users,
            "item": np.empty(0, np.int32),
            "relevance": np.empty(0, np.float32),
            **({"time": np.empty(0, np.int64)} if timed else {}),
        }
    )
    chunks = [runtime.task(_to_frame, pieces, users.dtype, timed) for pieces in split]
    frame = dd.from_delayed(chunks, meta=empty, verify_meta=False).set_index(
        "home", divisions=list(range(len(bounds) + 2)), shuffle_method=runtime.shuffle_method()
    )
    return [[runtime.task(_from_frame, chunk)] for chunk in frame.to_delayed()]


def _to_frame(pieces: Sequence[Rows], dtype: Any, timed: bool) -> pd.DataFrame:
    users = ids.concat([piece.users for piece in pieces])
    if isinstance(users, np.ndarray):
        # Dask would join parts of int64 and of uint64 as floats; a part without rows may
        # not know that its ids are strings.
        text = not isinstance(dtype, np.dtype)
        users = pa.array([], pa.large_string()) if text else users.astype(dtype)
    graded = pieces[0].relevance is not None
    ones = np.ones(len(users), dtype=np.float32)
    return pd.DataFrame(
        {
            "home": np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces]),
            "user": users
            if isinstance(users, np.ndarray)
            else pd.arrays.ArrowExtensionArray(users),
            "item": np.concatenate([piece.items for piece in pieces]),
            "relevance": np.concatenate([p.relevance for p in pieces]) if graded else ones,
            **({"time": np.concatenate([p.times for p in pieces])} if timed else {}),
        }
    )


def _from_frame(frame: pd.DataFrame) -> Rows:
    column = frame["user"]
    users: Array
    if isinstance(column.dtype, pd.ArrowDtype):
        users = pa.chunked_array(column.array.__arrow_array__()).combine_chunks()
        users = users.chunk(0) if isinstance(users, pa.ChunkedArray) else users
    else:
        users = column.to_numpy()
    times = frame["time"].to_numpy() if "time" in frame else None
    items, relevance = frame["item"].to_numpy(), frame["relevance"].to_numpy()
    return Rows(users, items, relevance, Faults(), times=times)
