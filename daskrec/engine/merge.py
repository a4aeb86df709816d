"""Adding one sparse matrix to another whose rows and columns are a part of the same whole."""

from typing import Any

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr
from daskrec.engine.jit import kernel


def merge_csr(
    left: Csr,
    left_repeats: Vector,
    left_rows: Vector,
    right: Csr,
    right_repeats: Vector,
    right_rows: Vector,
    height: int,
) -> tuple[Csr, Vector]:
    """Add two sparse matrices, and the numbers of log rows behind their entries.

    Parameters
    ----------
    left, right
        Matrices of one width; empty data stand for ones.
    left_repeats, right_repeats
        int32 number of rows behind each entry; empty where each is one.
    left_rows, right_rows
        int64, the row of the sum that each row goes to, ascending; a row of the sum may be
        missing in either.
    height
        Number of rows of the sum.

    Returns
    -------
    matrix
        The sum; its data are empty where no entry is but 1. Values are added in float64.
    repeats
        int32; empty where every entry is one row.

    Notes
    -----
    Linear in the entries: two walks over both.
    """
    ranges = (
        _ranges(left.indptr, left_rows, height),
        _ranges(right.indptr, right_rows, height),
    )
    indptr = np.zeros(height + 1, dtype=np.int64)
    _count_union(*ranges, left.indices, right.indices, indptr)
    np.cumsum(indptr, out=indptr)
    overlap = left.nnz + right.nnz - int(indptr[-1])
    repeated = overlap > 0 or len(left_repeats) > 0 or len(right_repeats) > 0
    graded = overlap > 0 or len(left.data) > 0 or len(right.data) > 0
    indices = np.empty(indptr[-1], dtype=np.int32)
    data = np.empty(indptr[-1] if graded else 0, dtype=np.float32)
    repeats = np.empty(indptr[-1] if repeated else 0, dtype=np.int32)
    sides = (left.indices, left.data, left_repeats), (right.indices, right.data, right_repeats)
    _fill_union(*ranges, *sides[0], *sides[1], indptr, indices, data, repeats)
    return Csr(indptr, indices, data, left.width), repeats


def _ranges(indptr: Vector, rows: Vector, height: int) -> Vector:
    """Return where the entries of each row of the sum begin and end in one matrix."""
    ranges = np.zeros((height, 2), dtype=np.int64)
    ranges[rows, 0], ranges[rows, 1] = indptr[:-1], indptr[1:]
    return ranges


@kernel()
def _count_union(a: Vector, b: Vector, a_items: Vector, b_items: Vector, counts: Vector) -> None:
    for row in range(len(a)):
        i, j, found = a[row, 0], b[row, 0], 0
        while i < a[row, 1] and j < b[row, 1]:
            left, right = a_items[i], b_items[j]
            i += left <= right
            j += right <= left
            found += 1
        counts[row + 1] = found + (a[row, 1] - i) + (b[row, 1] - j)


@kernel(inline=True)
def _value(data: Vector, place: int) -> Any:
    return np.float64(data[place]) if len(data) > 0 else 1.0


@kernel(inline=True)
def _times(repeats: Vector, place: int) -> Any:
    return repeats[place] if len(repeats) > 0 else np.int32(1)


@kernel()
def _fill_union(
    a: Vector, b: Vector,
    a_items: Vector, a_data: Vector, a_repeats: Vector,
    b_items: Vector, b_data: Vector, b_repeats: Vector,
    indptr: Vector, indices: Vector, data: Vector, repeats: Vector,
) -> None:  # fmt: skip
    for row in range(len(a)):
        i, j = a[row, 0], b[row, 0]
        for write in range(indptr[row], indptr[row + 1]):
            in_a = j >= b[row, 1] or (i < a[row, 1] and a_items[i] <= b_items[j])
            in_b = i >= a[row, 1] or (j < b[row, 1] and b_items[j] <= a_items[i])
            indices[write] = a_items[i] if in_a else b_items[j]
            total, times = 0.0, np.int32(0)
            if in_a:
                total += _value(a_data, i)
                times += _times(a_repeats, i)
            if in_b:
                total += _value(b_data, j)
                times += _times(b_repeats, j)
            if len(data) > 0:
                data[write] = total
            if len(repeats) > 0:
                repeats[write] = times
            i += in_a
            j += in_b
