"""Compressed sparse rows of coded entries that come in any order.

On the host entries are counted first and then put each in its place: linear in time, and stable.
"""

import math
from typing import Any

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import DeviceArray, borrow, on_host, usable
from daskrec.engine.csr import Csr, count_columns, place_entries
from daskrec.engine.gpu import csr as on_gpu
from daskrec.engine.jit import kernel

_WORK = 64  # multiply-adds that an entry costs on the host, about


def build_csr(
    rows: DeviceArray, columns: DeviceArray, values: DeviceArray | None, height: int, width: int
) -> tuple[Csr, Vector]:
    """Sort coded entries into rows and join those that repeat a place.

    Parameters
    ----------
    rows, columns
        Codes, in any order: arrays of the host, or all of a GPU. Entries with a code of -1 are
        left out.
    values
        float32 values, or None for ones. Values of a repeated place are added in float64
        in ascending order, so that the order of the rows does not show in the sum.
    height, width
        Size of the matrix.

    Returns
    -------
    matrix
        The sparse matrix; its data are empty when there were no values and no repeats.
    repeats
        int32 number of rows behind each entry; empty when no place is repeated.

    Notes
    -----
    On the host a counting sort by row and a sort within each row: ``n log`` of the longest row in
    time, and no memory beyond the result but that of the longest row. On a GPU a sort of all
    entries (see ``engine.gpu.csr``), and the matrix comes back to the host; entries of the host
    go there where they are many enough.
    """
    there = not isinstance(rows, np.ndarray)
    if there or usable():
        count = int(rows.shape[0])
        with borrow(math.inf if there else _WORK * count, on_gpu.BYTES * count) as gpu:
            if gpu is not None:
                return on_gpu.build_csr(gpu, rows, columns, values, height, width)
    rows, columns = on_host(rows), on_host(columns)
    values = None if values is None else on_host(values)
    if min(rows.min(initial=0), columns.min(initial=0)) < 0:
        known = (rows >= 0) & (columns >= 0)
        rows, columns = rows[known], columns[known]
        values = None if values is None else values[known]
    return _build(rows, columns, values, height, width)


def _build(
    rows: Vector, columns: Vector, values: Vector | None, height: int, width: int
) -> tuple[Csr, Vector]:
    rows = rows.astype(np.int32, copy=False)
    columns = columns.astype(np.int32, copy=False)
    given = np.empty(0, dtype=np.float32) if values is None else values
    indptr = np.zeros(height + 1, dtype=np.int64)
    count_columns(rows, indptr)
    indices = np.empty(len(rows), dtype=np.int32)
    data = np.empty(len(given), dtype=np.float32)
    place_entries(rows, columns, given, indptr[:-1].copy(), indices, data)
    _sort_rows(indptr, indices, data, int(np.diff(indptr).max(initial=0)))
    repeated = _count_repeats(indptr, indices)
    if repeated == 0:
        return Csr(indptr, indices, data, width), np.empty(0, dtype=np.int32)
    kept = len(rows) - repeated
    joined = np.empty(kept, dtype=np.int32)
    sums = np.empty(kept, dtype=np.float32)
    repeats = np.empty(kept, dtype=np.int32)
    if values is None:
        data = np.ones(len(rows), dtype=np.float32)
    _join(indptr, indices, data, joined, sums, repeats)
    return Csr(indptr, joined, sums, width), repeats


@kernel()
def _sort_rows(indptr: Vector, indices: Vector, data: Vector, longest: int) -> None:
    """Sort each row by column; values move along, those of equal columns in order."""
    keys = np.empty(longest, np.int64)
    old = np.empty(longest if len(data) > 0 else 0, data.dtype)
    for row in range(len(indptr) - 1):
        begin, count = indptr[row], indptr[row + 1] - indptr[row]
        ordered = True
        for n in range(1, count):
            if indices[begin + n] < indices[begin + n - 1]:
                ordered = False
                break
        if ordered:
            continue
        if len(data) == 0:
            indices[begin : begin + count].sort()
            continue
        for n in range(count):
            keys[n] = (np.int64(indices[begin + n]) << 32) | n
            old[n] = data[begin + n]
        part = keys[:count]
        part.sort()
        for n in range(count):
            indices[begin + n] = np.int32(part[n] >> 32)
            data[begin + n] = old[part[n] & 0xFFFFFFFF]


@kernel()
def _count_repeats(indptr: Vector, indices: Vector) -> int:
    repeated = 0
    for row in range(len(indptr) - 1):
        for entry in range(indptr[row] + 1, indptr[row + 1]):
            repeated += indices[entry] == indices[entry - 1]
    return repeated


@kernel()
def _join(
    indptr: Vector, indices: Vector, data: Vector, joined: Vector, sums: Vector, repeats: Vector
) -> None:
    """Join equal neighbours within rows; ``indptr`` is rewritten."""
    write = 0
    begin = indptr[0]
    for row in range(len(indptr) - 1):
        entry, end = begin, indptr[row + 1]
        begin = end
        while entry < end:
            stop = entry + 1
            while stop < end and indices[stop] == indices[entry]:
                stop += 1
            joined[write] = indices[entry]
            repeats[write] = stop - entry
            sums[write] = _sorted_sum(data[entry:stop])
            write += 1
            entry = stop
        indptr[row + 1] = write


@kernel()
def _sorted_sum(values: Vector) -> Any:
    if len(values) == 1:
        return values[0]
    total = 0.0
    for value in np.sort(values):
        total += value
    return total
