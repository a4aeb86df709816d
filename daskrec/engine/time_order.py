"""Rows of coded entries in the order of time."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.csr import count_columns, place_entries
from daskrec.engine.jit import kernel


def order_rows(rows: Vector, columns: Vector, times: Vector, height: int) -> Vector:
    """Sort coded entries by row, then time, then column; entries that repeat stay apart.

    Parameters
    ----------
    rows, columns
        Codes, in any order.
    times
        int64, one an entry.
    height
        Number of rows.

    Returns
    -------
    ndarray of int32
        The columns in that order.

    Notes
    -----
    A counting sort by row, and a sort within each row that is not in order already.
    """
    rows = rows.astype(np.int32, copy=False)
    indptr = np.zeros(height + 1, dtype=np.int64)
    count_columns(rows, indptr)
    placed = np.empty(len(rows), dtype=np.int32)
    moments = np.empty(len(rows), dtype=np.int64)
    columns = columns.astype(np.int32, copy=False)
    place_entries(rows, columns, times, indptr[:-1].copy(), placed, moments)
    _sort_by_time(indptr, placed, moments)
    return placed


@kernel()
def _sort_by_time(indptr: Vector, columns: Vector, times: Vector) -> None:
    for row in range(len(indptr) - 1):
        begin, end = indptr[row], indptr[row + 1]
        ordered = True
        for n in range(begin + 1, end):
            if times[n] < times[n - 1]:
                ordered = False
                break
        if not ordered:
            order = np.argsort(times[begin:end])
            columns[begin:end] = columns[begin:end][order]
            times[begin:end] = times[begin:end][order]
        start = begin
        for n in range(begin + 1, end + 1):
            if n == end or times[n] != times[start]:
                if n - start > 1:  # rows of one time
                    columns[start:n].sort()
                start = n
