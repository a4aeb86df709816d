"""Lower medians of values that lie in many places, without bringing them together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.engine import runtime
from daskrec.engine.arrays import Vector

_FEW = 1 << 22  # values that this process takes as they are
_BITS = 16  # of a value that one round settles


def lower_medians(tables: Sequence[Any], rows: int, count: int, lazy: bool) -> list[float]:
    """Return the lower median of each row of a table that is cut into columns.

    It is the value at place ``(count - 1) // 2`` in ascending order.

    Parameters
    ----------
    tables
        float64 arrays of ``rows`` x some of the values, or tasks that give them.
    rows
        Number of rows.
    count
        Number of values of a row in all, at least one.
    lazy
        Whether the tables are tasks.

    Notes
    -----
    Exact. Many values of tasks are counted by the leading bits of their order, 16 bits a
    round and four rounds in all, so that 65,536 counts a row are what leaves a task.
    """
    place = (count - 1) // 2
    if not lazy or count * rows <= _FEW:
        found = runtime.compute(tables, "median") if lazy else tables
        whole = np.concatenate(list(found), axis=1)
        return [float(row[place]) for row in np.partition(whole, place, axis=1)]
    held = runtime.persist(tables, "median")
    places, prefixes = [place] * rows, [0] * rows
    for shift in range(64 - _BITS, -1, -_BITS):
        tasks = runtime.tasks(_count_digits, [(table, prefixes, shift) for table in held])
        upto = np.cumsum(runtime.reduce(tasks, np.add, "median"), axis=1)
        for row in range(rows):
            digit = int(np.searchsorted(upto[row], places[row], side="right"))
            places[row] -= int(upto[row, digit - 1]) if digit else 0
            prefixes[row] = (prefixes[row] << _BITS) | digit
    return [float(value) for value in _values_of(np.array(prefixes, dtype=np.uint64))]


def _count_digits(table: Vector, prefixes: Sequence[int], shift: int) -> Vector:
    """Count the values of each row that begin with its prefix by the bits that follow it."""
    counts = []
    for values, prefix in zip(table, prefixes, strict=True):
        keys = _keys_of(values)
        if shift + _BITS < 64:
            keys = keys[keys >> np.uint64(shift + _BITS) == np.uint64(prefix)]
        digits = (keys >> np.uint64(shift)) & np.uint64(2**_BITS - 1)
        counts.append(np.bincount(digits.astype(np.int64), minlength=2**_BITS))
    return np.stack(counts)


_SIGN = np.uint64(1 << 63)


def _keys_of(values: Vector) -> Vector:
    """Return unsigned integers in the order of float64 values."""
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _values_of(keys: Vector) -> Vector:
    return np.where(keys & _SIGN, keys & ~_SIGN, ~keys).view(np.float64)
