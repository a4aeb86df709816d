"""Weights from every item to every other, where most of them are not zero."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.csr import Csr, stack
from daskrec.engine.jit import kernel
from daskrec.engine.select import empty_ranked
from daskrec.engine.solve.square import transpose
from daskrec.engine.topk import flatten_items, merge_tile

_DENSE = 0.25  # part of the weights from which on whole rows are added faster
_ROWS = 256  # looked at together


class DenseRows:
    """A square matrix by rows, as ``Csr`` is one of few entries.

    Parameters
    ----------
    table
        float32, items x items. A weight that is none is -0.0, and not 0.0: no sum of weights
        gives it, so a sum itself tells whether a weight is in it.
    """

    __slots__ = ("table",)

    def __init__(self, table: Vector) -> None:
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.table.shape[1])

    def take(self, rows: Vector) -> Csr:
        """Return the weights of some rows that are not zero."""
        parts = (rows[at : at + _ROWS] for at in range(0, max(len(rows), 1), _ROWS))
        return stack([_entries(self.table[part]) for part in parts])

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return {"table": self.table}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "DenseRows":
        """Make the object of its arrays."""
        return cls(np.asarray(arrays["table"]))


def _entries(rows: Vector) -> Csr:
    """Return what is not zero."""
    at, columns = np.nonzero(rows)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(at, minlength=len(rows)))])
    values = rows[at, columns].astype(np.float32)
    return Csr(indptr.astype(np.int64), columns.astype(np.int32), values, rows.shape[1])


# Weights between items by the item they are from, as models keep them.
Weights: TypeAlias = Csr | DenseRows


@kernel()
def _mark_absent(table: Vector) -> None:
    """Write -0.0 over the zeros of a table."""
    for i in range(table.shape[0]):
        row = table[i]
        for j in range(row.size):
            row[j] = row[j] if row[j] != 0 else -np.float32(0)


def dense_weights(into: Vector) -> DenseRows:
    """Return weights by the item they are from, given those into each item.

    Parameters
    ----------
    into
        Row j holds the weights of all items into item j, 0 of its own. A table of float32 is
        used as it is.
    """
    table = np.ascontiguousarray(into, dtype=np.float32)
    transpose(table)
    _mark_absent(table)
    return DenseRows(table)


def strongest(into: Vector, top: int | None) -> Csr:
    """Return the weights into some items that are not zero, or the largest of them.

    Parameters
    ----------
    into
        A row of weights for each of the items: those of all items into it, 0 of its own.
    top
        Weights kept for each item, by absolute value; equal ones by ascending item. None keeps
        all.
    """
    if top is None or top >= into.shape[1]:
        return _entries(into)
    size = np.abs(into)
    size[size == 0] = -np.inf
    best = empty_ranked(len(into), top, size.dtype)
    merge_tile(size, 0, *best)
    rows, columns = flatten_items(best[0], best[2])
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    indptr = np.concatenate([[0], np.cumsum(best[2], dtype=np.int64)])
    return Csr(indptr, columns, into[rows, columns].astype(np.float32), into.shape[1])


def by_source(into: Sequence[Csr]) -> Weights:
    """Return weights by the item they are from: dense where many are not zero.

    Parameters
    ----------
    into
        Rows for ranges of items, in order: the weights of all items into each.
    """
    count = into[0].width
    if sum(part.nnz for part in into) < _DENSE * count**2:
        return stack(into).transposed()
    table = np.zeros((count, count), np.float32)
    first = 0
    for part in into:
        rows = np.repeat(np.arange(first, first + len(part)), np.diff(part.indptr))
        table[rows, part.indices] = part.data
        first += len(part)
    return dense_weights(table)
