"""Compressed sparse rows, and turning them over.

Entries are counted first and then put each in its place: linear in time, and stable.
"""

from collections.abc import Sequence

import numpy as np

from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.jit import kernel


class Csr:
    """A sparse matrix by rows, with sorted columns.

    Parameters
    ----------
    indptr
        int64, one longer than the rows; its first value is 0.
    indices
        int32 column of each entry, ascending within a row.
    data
        float32 value of each entry, or empty where every entry is 1.
    width
        Number of columns.
    """

    __slots__ = ("data", "indices", "indptr", "width")

    def __init__(self, indptr: Vector, indices: Vector, data: Vector, width: int) -> None:
        self.indptr = indptr
        self.indices = indices
        self.data = data
        self.width = width

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __sizeof__(self) -> int:
        """Return the bytes of the arrays too: Dask places and spills results by them."""
        mine = self.indptr.nbytes + self.indices.nbytes + self.data.nbytes
        return object.__sizeof__(self) + int(mine)

    @property
    def nnz(self) -> int:
        """Number of entries."""
        return len(self.indices)

    def rows(self, start: int, stop: int) -> "Csr":
        """Return a range of rows; the entries are views."""
        first, last = self.indptr[start], self.indptr[stop]
        data = self.data[first:last] if len(self.data) else self.data
        return Csr(
            self.indptr[start : stop + 1] - first, self.indices[first:last], data, self.width
        )

    def take(self, rows: Vector) -> "Csr":
        """Return the rows of the given numbers; -1 gives an empty row."""
        lengths = np.where(rows >= 0, np.diff(self.indptr)[rows], 0) if len(self) else 0 * rows
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        indices = np.empty(indptr[-1], dtype=np.int32)
        data = np.empty(indptr[-1] if len(self.data) else 0, dtype=self.data.dtype)
        _copy_rows(self.indptr, self.indices, self.data, rows, indptr, indices, data)
        return Csr(indptr, indices, data, self.width)

    def values(self) -> Vector:
        """Return the values, of ones where they are not kept."""
        return self.data if len(self.data) else np.ones(self.nnz, dtype=np.float32)

    def transposed(self) -> "Csr":
        """Return the transpose: a counting sort, linear in the entries."""
        indptr = np.zeros(self.width + 1, dtype=np.int64)
        indices = np.empty(self.nnz, dtype=np.int32)
        data = np.empty(len(self.data), dtype=np.float32)
        count_columns(self.indices, indptr)
        fill_transpose(self.indptr, self.indices, self.data, 0, indptr[:-1].copy(), indices, data)
        return Csr(indptr, indices, data, len(self))

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        width = np.array([self.width], dtype=np.int64)
        return {"indptr": self.indptr, "indices": self.indices, "data": self.data, "width": width}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Csr":
        """Make the object of its arrays."""
        indptr, indices, data, width = (
            np.asarray(arrays[name]) for name in ("indptr", "indices", "data", "width")
        )
        return cls(indptr, indices, data, int(width[0]))


def stack(parts: Sequence[Csr]) -> Csr:
    """Join matrices of one width, end to end; one is returned as it is.

    Rows that follow each other in one matrix are joined without a copy of their entries.
    """
    if len(parts) == 1:
        return parts[0]
    graded = any(len(part.data) for part in parts)
    ends = np.cumsum([0, *(part.nnz for part in parts)])
    indptr = np.concatenate(
        [[0], *(part.indptr[1:] + end for part, end in zip(parts, ends[:-1], strict=True))]
    )
    indices = _end_to_end([part.indices for part in parts])
    data = _end_to_end([part.values() if graded else part.data for part in parts])
    return Csr(indptr.astype(np.int64), indices, data, parts[0].width)


def _end_to_end(arrays: Sequence[Vector]) -> Vector:
    """Join arrays; those that lie side by side in one array are a view of it."""
    arrays = [array for array in arrays if len(array)] or list(arrays[:1])
    first, home = arrays[0], arrays[0].base
    place = first.ctypes.data
    if not isinstance(home, np.ndarray) or home.ndim != 1 or home.dtype != first.dtype:
        return np.concatenate(arrays)
    for array in arrays:
        if array.base is not home or array.ctypes.data != place or not array.flags.c_contiguous:
            return np.concatenate(arrays)
        place += array.nbytes
    start = (first.ctypes.data - home.ctypes.data) // first.itemsize
    found: Vector = home[start : start + sum(map(len, arrays))]
    return found


@kernel()
def count_columns(columns: Vector, starts: Vector) -> None:
    """Write where each column starts in an order by columns; ``starts`` comes in zero."""
    for entry in range(len(columns)):
        starts[columns[entry] + 1] += 1
    for column in range(len(starts) - 1):
        starts[column + 1] += starts[column]


@kernel()
def column_work(indptr: Vector, indices: Vector, counts: Vector, work: Vector) -> None:
    """Add to each column its entries, and the lengths of the rows that they lie in."""
    for row in range(len(indptr) - 1):
        length = indptr[row + 1] - indptr[row]
        for entry in range(indptr[row], indptr[row + 1]):
            counts[indices[entry]] += 1
            work[indices[entry]] += length


@kernel()
def place_entries(
    rows: Vector, columns: Vector, values: Vector, cursor: Vector, indices: Vector, data: Vector
) -> None:
    """Put entries into their rows, in the order in which they come."""
    for entry in range(len(rows)):
        place = cursor[rows[entry]]
        cursor[rows[entry]] = place + 1
        indices[place] = columns[entry]
        if len(values) > 0:
            data[place] = values[entry]


@kernel()
def fill_transpose(
    indptr: Vector,
    indices: Vector,
    data: Vector,
    first_row: int,
    cursor: Vector,
    t_indices: Vector,
    t_data: Vector,
) -> None:
    """Append the entries of a block of rows to the columns of a transpose.

    Blocks are given in order; ``cursor`` says where the next entry of each column goes.
    """
    for row in range(len(indptr) - 1):
        for entry in range(indptr[row], indptr[row + 1]):
            place = cursor[indices[entry]]
            cursor[indices[entry]] = place + 1
            t_indices[place] = first_row + row
            if len(data) > 0:
                t_data[place] = data[entry]


@kernel()
def _copy_rows(
    indptr: Vector,
    indices: Vector,
    data: Vector,
    rows: Vector,
    new: Vector,
    out: Vector,
    to: Vector,
) -> None:
    for row in range(len(rows)):
        if rows[row] >= 0:
            begin, count = indptr[rows[row]], new[row + 1] - new[row]
            out[new[row] : new[row + 1]] = indices[begin : begin + count]
            if len(data) > 0:
                to[new[row] : new[row + 1]] = data[begin : begin + count]
