"""Sparse rows on a device in batches of about one length, padded to the longest of each.

Histories differ in length by orders of magnitude, and a GPU wants many problems of one shape.
Rows are sorted by length; a batch takes those that are at most a quarter longer than its first
and that fit the memory of a step. A row that does not fit alone comes in pieces.

Entries that are only padding point to row 0 of the table that is gathered from, which holds
zeros; row ``i`` of what the table was made of is its row ``i + 1`` (see ``with_zeros``).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray
from daskrec.engine.csr import Csr

_GROWTH = 1.25  # of a batch's longest row over its shortest: a tenth of the work is padding
_SLACK = 8  # entries that a row may be longer anyhow, so that short rows share a batch
_MOST = 65_535  # rows of a batch: grids of CUDA are no longer in two of their directions
_STEP = 2**32  # bytes of a step at most, so that no array of it has 2^31 elements
ENTRY_BYTES = 64  # of a padded entry beside what is gathered for it: place, column, weight, target


class Batch(NamedTuple):
    """Rows ``first`` to before ``last`` by length, and the ranges of entries worked on at once."""

    first: int
    last: int
    pieces: list[tuple[int, int]]

    @property
    def rows(self) -> slice:
        """The rows, by length."""
        return slice(self.first, self.last)


class Batches:
    """Rows of a sparse matrix on a device, by length.

    Parameters
    ----------
    backend
        Of the device.
    matrix
        The rows; data that are empty stand for ones.
    wanted
        Rows to work on, as a mask; those without entries are left out anyhow.
    uploaded
        The columns of the matrix and, where it has some, its values, if they are on the device.

    Notes
    -----
    4 bytes an entry on the device, or 8 with values, and 24 a row.
    """

    def __init__(
        self,
        backend: Backend,
        matrix: Csr,
        wanted: Vector,
        uploaded: tuple[DeviceArray, ...] | None = None,
    ) -> None:
        self.backend = backend
        lengths = np.diff(matrix.indptr)
        rows = np.flatnonzero(wanted & (lengths > 0))
        self.count = len(matrix)
        self.graded = bool(len(matrix.data))
        self.order = rows[np.argsort(lengths[rows], kind="stable")]
        self.lengths = lengths[self.order]
        self._start_of = backend.asarray(matrix.indptr[self.order][:, None])
        self._length_of = backend.asarray(self.lengths[:, None])
        if uploaded is None:
            uploaded = tuple(backend.asarray(array) for array in arrays_of(matrix))
        self._columns = uploaded[0] + 1
        self._values = uploaded[1] if self.graded else None

    def __len__(self) -> int:
        """Return the number of rows that are worked on."""
        return len(self.order)

    def some(self, places: slice | Vector) -> "Batches":
        """Return the rows at ascending places by length; entries are shared."""
        part: Batches = object.__new__(Batches)
        part.__dict__ |= self.__dict__
        part.order, part.lengths = self.order[places], self.lengths[places]
        part._start_of = taken(self.backend, self._start_of, places)
        part._length_of = taken(self.backend, self._length_of, places)
        return part

    def walk(self, entry_bytes: int, row_bytes: int, whole: bool = False) -> Iterator[Batch]:
        """Yield the batches.

        Parameters
        ----------
        entry_bytes, row_bytes
            What is held at once for an entry, padding included, and for a row.
        whole
            Have all entries of a row in one piece, whatever their number.
        """
        budget = min(_STEP, self.backend.chunk(1.0))
        entry_bytes += ENTRY_BYTES
        first = 0
        while first < len(self):
            limit = self.lengths[first] * _GROWTH + _SLACK
            last = int(np.searchsorted(self.lengths, limit, side="right"))
            each = int(self.lengths[last - 1]) * entry_bytes + row_bytes
            last = min(last, first + max(1, min(_MOST, budget // each)))
            longest = int(self.lengths[last - 1])
            step = longest if whole else budget // ((last - first) * entry_bytes)
            step = max(1, min(longest, step))
            pieces = [(a, min(a + step, longest)) for a in range(0, longest, step)]
            yield Batch(first, last, pieces)
            first = last

    def entries(self, batch: Batch, piece: tuple[int, int]) -> tuple[DeviceArray, DeviceArray]:
        """Return what a piece of a batch holds, rows x entries.

        Returns
        -------
        columns
            int32 rows of a table that begins with zeros: 0 is padding.
        values
            float32; 0 is padding.
        """
        xp = self.backend.xp
        along = self.backend.arange(*piece)[None, :]
        inside = along < self._length_of[batch.rows, :]
        places = (self._start_of[batch.rows, :] + along) * xp.astype(inside, along.dtype)
        flat = xp.reshape(places, (-1,))
        columns = xp.reshape(xp.take(self._columns, flat, axis=0), places.shape)
        columns = columns * xp.astype(inside, columns.dtype)
        values = xp.astype(inside, xp.float32)
        if self._values is not None:
            values = values * xp.reshape(xp.take(self._values, flat, axis=0), places.shape)
        return columns, values

    def gather(self, table: DeviceArray, columns: DeviceArray, dtype: Any) -> DeviceArray:
        """Return the rows of a table at the columns of a piece, rows x entries x width."""
        xp = self.backend.xp
        found = xp.take(table, xp.reshape(columns, (-1,)), axis=0)
        return xp.astype(xp.reshape(found, (*columns.shape, table.shape[1])), dtype, copy=False)


def arrays_of(matrix: Csr) -> tuple[Vector, ...]:
    """Return the columns of a matrix and, where it has some, its values."""
    return (matrix.indices, matrix.data) if len(matrix.data) else (matrix.indices,)


def taken(backend: Backend, table: DeviceArray, places: slice | Vector) -> DeviceArray:
    """Return rows of a table on the device: a view of a range, else copies."""
    if isinstance(places, slice):
        return table[places, :]
    return backend.xp.take(table, backend.asarray(places), axis=0)


def in_place(
    backend: Backend, count: int, width: int, found: Sequence[tuple[Vector, DeviceArray]]
) -> DeviceArray:
    """Put results in their rows of a float32 table of ``count`` rows; other rows get zeros.

    Parameters
    ----------
    backend
        Of the device.
    count, width
        Shape of the table.
    found
        Numbers of rows, and as many results; of a row that comes twice the last result counts.
    """
    places, end = np.zeros(count, dtype=np.int64), 1
    for rows, _ in found:
        places[rows] = np.arange(end, end + len(rows))
        end += len(rows)
    tables = [backend.zeros((1, width), np.float32), *(table for _, table in found)]
    return backend.xp.take(backend.xp.concat(tables, axis=0), backend.asarray(places), axis=0)


def with_zeros(backend: Backend, table: Vector) -> DeviceArray:
    """Copy a table to the device, behind a row of zeros."""
    found = backend.zeros((len(table) + 1, table.shape[1]), np.float32)
    found[1:, :] = backend.asarray(np.asarray(table, dtype=np.float32))
    return found
