"""Rows that share an id, brought together from all parts of a table.

What a splitter or a filter decides about a row depends on the other rows of the same user (or
item). The columns that the decision needs travel to the bucket of the user, are worked on
there, and one value a row travels back; the frames themselves stay where they are.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskrec.data import ids
from daskrec.data.ids import Ids
from daskrec.data.rows import read_ids
from daskrec.data.tables import each, spread
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.keys import hash_ids

# A scheduler spends about a millisecond on a task.
_MOST_PIECES = 65_536


@dataclass(frozen=True)
class Bucket:
    """The rows of all parts whose ids fall in one bucket, in the order of the parts.

    Parameters
    ----------
    columns
        Their other columns.
    codes
        int64, the place in ``ids`` of the id of each row.
    ids
        The distinct ids.
    lengths
        Number of rows that came from each part.
    """

    columns: Arrays
    codes: Vector
    ids: Ids
    lengths: Vector


class Groups:
    """Rows by the id that they share.

    Parameters
    ----------
    lazy
        Whether buckets and orders are tasks.
    buckets
        ``Bucket`` objects: one for rows in memory.
    orders
        For each part the rows in the order in which they were sent.
    """

    def __init__(self, lazy: bool, buckets: list[Any], orders: list[Any]) -> None:
        self.lazy = lazy
        self.buckets = buckets
        self.orders = orders

    @classmethod
    def by(cls, parts: list[Any], key: str, lazy: bool, what: str = "the log") -> "Groups":
        """Bring rows together.

        Parameters
        ----------
        parts
            ``Arrays``, or tasks that give them; exactly one where it is not lazy.
        key
            The column of ids.
        lazy
            Whether parts are tasks.
        what
            How errors call the frame.

        Notes
        -----
        In memory: one factorise of the ids. Else each row travels once, with the columns of
        ``parts``; a bucket holds the rows of its share of the ids (see ``bucket_count``).

        Raises
        ------
        LogError
            Ids are missing or fractional.
        """
        if not lazy:
            (only,) = parts
            return cls(False, [_bucket([only], key, what)], [None])
        count = bucket_count(len(parts))
        pieces = scatter(parts, key, count, what)
        buckets = runtime.tasks(_bucket, [(some, key, what) for some in pieces])
        return cls(True, buckets, runtime.tasks(_order, [(part, key, count) for part in parts]))

    def map(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """Call ``function(columns, codes, ids, *args)`` on every bucket.

        Rows of a bucket are in the order of the log. Arguments that are lists with one entry a
        bucket give each call its own.
        """
        return each(self.lazy, _apply, spread(self.buckets, [function, *args]))

    def back(self, values: list[Any]) -> list[Any]:
        """Return to each part the values of its rows.

        Parameters
        ----------
        values
            For each bucket an array with a value a row, or a task that gives it.
        """
        if not self.lazy:
            return values
        cuts = runtime.tasks(_cut, zip(self.buckets, values, strict=True))
        pieces = runtime.pieces(cuts, len(self.orders))
        return runtime.tasks(_place, zip(self.orders, pieces, strict=True))


def bucket_count(parts: int) -> int:
    """Return the number of buckets for so many parts.

    A bucket holds a few columns of as many rows as eight parts at most, or one for each thread
    that works at the same time where parts are few.
    """
    wanted = max(parts // 8, min(parts, runtime.parallelism()))
    return max(1, min(wanted, _MOST_PIECES // max(parts, 1)))


def scatter(parts: Sequence[Any], key: str, count: int, what: str = "the log") -> list[list[Any]]:
    """Send the rows of parts to buckets by their ids.

    Parameters
    ----------
    parts
        Tasks that give ``Arrays``.
    key
        The column of ids. Equal ids go to the same bucket, whatever the table.
    count
        Number of buckets.

    Returns
    -------
    list
        For each bucket a list of tasks that give ``Arrays``, one a part.
    """
    split = runtime.tasks(_split, [(part, key, count, what) for part in parts])
    return runtime.pieces(split, count)


def _homes(array: Array, count: int) -> Vector:
    return (hash_ids(array) % np.uint64(count)).astype(np.int64)


def _order(columns: Arrays, key: str, count: int) -> Vector:
    return np.argsort(_homes(read_ids(columns[key], key, "the log"), count), kind="stable")


def _split(columns: Arrays, key: str, count: int, what: str) -> list[Arrays]:
    """Return the rows of a part that go to each bucket."""
    columns = columns | {key: read_ids(columns[key], key, what)}
    home = _homes(columns[key], count)
    order = np.argsort(home, kind="stable")
    cuts = np.searchsorted(home[order], np.arange(count + 1))
    return [
        {name: array.take(order[a:b]) for name, array in columns.items()}
        for a, b in itertools.pairwise(cuts)
    ]


def _bucket(pieces: Sequence[Arrays], key: str, what: str) -> Bucket:
    """Join the pieces of a bucket."""
    lengths = np.array([len(piece[key]) for piece in pieces], dtype=np.int64)
    columns = join_pieces(pieces)
    known, codes = ids.factorize(read_ids(columns.pop(key), key, what))
    return Bucket(columns, codes.astype(np.int64, copy=False), known, lengths)


def join_pieces(pieces: Sequence[Arrays]) -> Arrays:
    """Join pieces end to end; those without rows do not decide the types."""
    filled = [piece for piece in pieces if len(next(iter(piece.values())))] or list(pieces[:1])
    return {name: join([piece[name] for piece in filled]) for name in filled[0]}


def join(arrays: Sequence[Array]) -> Array:
    """Join arrays end to end: numbers as numpy would, integers and strings exactly."""
    if any(isinstance(array, np.ndarray) and array.dtype.kind not in "iu" for array in arrays):
        return np.concatenate([np.asarray(array) for array in arrays])
    return ids.concat(arrays)


def _apply(bucket: Bucket, function: Callable[..., Any], *args: Any) -> Any:
    return function(dict(bucket.columns), bucket.codes, bucket.ids, *args)


def _cut(bucket: Bucket, values: Array) -> list[Array]:
    """Return the values of a bucket, by the parts that their rows came from."""
    cuts = np.concatenate([[0], np.cumsum(bucket.lengths)])
    return [values[a:b] for a, b in itertools.pairwise(cuts)]


def _place(order: Vector, pieces: Sequence[Array]) -> Array:
    """Put the values that buckets sent to a part in the order of its rows."""
    values = join(pieces)
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    return values.take(back)
