"""The value at a place in the order of a column, wherever its rows lie.

A quantile of a column in partitions is found digit by digit: a pass counts the values by their
next 16 bits, and four passes single one value out. It is exact, and no more than 65,536 counts
a partition ever travel.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from daskrec.engine import runtime
from daskrec.engine.arrays import Vector

_DIGITS = (48, 32, 16, 0)  # shifts of the four 16-bit digits of a word
_SIZE = 1 << 16
_SIGN = np.uint64(1 << 63)


def value_at(
    parts: Sequence[Any], place: Callable[..., int], args: Sequence[Any], lazy: bool
) -> Any:
    """Return the value at a place in ascending order.

    Parameters
    ----------
    parts
        Arrays of one type (int64, uint64 or float64), or tasks that give them.
    place
        ``place(count, *args)`` returns the place, from 0, among ``count`` values.
    args
        Given to ``place``.
    lazy
        Whether parts are tasks; the answer is one then, too.

    Returns
    -------
    number or task
        None where the place lies beyond the values, or there are none.

    Notes
    -----
    In memory linear time. For tasks four passes over the columns, which stay where they are.
    """
    if not lazy:
        values = np.concatenate(list(parts))
        rank = place(len(values), *args) if len(values) else 0
        return np.partition(values, rank)[rank] if rank < len(values) else None
    found: Any = runtime.task(_nothing_found, parts[0])
    for shift in _DIGITS:
        counts = runtime.tasks(_count, [(part, found, shift) for part in parts])
        found = runtime.task(_next_digit, found, _tree(counts), shift, place, tuple(args))
    return runtime.task(_as_value, found)


def _tree(tasks: list[Any]) -> Any:
    """Add the counts of tasks pairwise."""
    while len(tasks) > 1:
        pairs = zip(tasks[::2], tasks[1::2], strict=False)
        tasks = runtime.tasks(np.add, pairs) + tasks[len(tasks) - len(tasks) % 2 :]
    return tasks[0]


class _Found:
    """The leading digits of a value, and its place among those that share them."""

    def __init__(self, dtype: Any, prefix: int = 0, rank: int | None = None) -> None:
        self.dtype = dtype
        self.prefix = prefix
        self.rank = rank  # None before the first digit, -1 where there is no such value


def _nothing_found(part: Vector) -> _Found:
    return _Found(part.dtype)


def words(values: Vector) -> Vector:
    """Return uint64 words in the order of int64, uint64 or float64 values."""
    if values.dtype.kind == "u":
        return values.astype(np.uint64)
    if values.dtype.kind == "i":
        return values.astype(np.int64).view(np.uint64) ^ _SIGN
    bits = (values + 0.0).view(np.uint64)  # one zero, not two
    return np.where(bits & _SIGN != 0, ~bits, bits | _SIGN)


def _count(part: Vector, found: _Found, shift: int) -> Vector:
    """Count the values that share the digits found, by their next digit."""
    keys = words(part)
    if shift < 48:
        keys = keys[(keys >> np.uint64(shift + 16)) == np.uint64(found.prefix)]
    digits = (keys >> np.uint64(shift)) & np.uint64(_SIZE - 1)
    return np.bincount(digits.astype(np.int64), minlength=_SIZE)


def _next_digit(
    found: _Found, counts: Vector, shift: int, place: Callable[..., int], args: tuple[Any, ...]
) -> _Found:
    total = int(counts.sum())
    rank = found.rank
    if rank is None:
        rank = place(total, *args) if total else 0
        rank = rank if rank < total else -1
    if rank < 0:
        return _Found(found.dtype, 0, -1)
    ends = np.cumsum(counts)
    digit = int(np.searchsorted(ends, rank, side="right"))
    before = int(ends[digit] - counts[digit])
    return _Found(found.dtype, (found.prefix << 16) | digit, rank - before)


def _as_value(found: _Found) -> Any:
    if found.rank == -1:
        return None
    word = np.array([found.prefix], dtype=np.uint64)
    if found.dtype.kind == "u":
        return word[0]
    if found.dtype.kind == "i":
        return (word ^ _SIGN).view(np.int64)[0]
    return np.where(word & _SIGN != 0, word ^ _SIGN, ~word).view(np.float64)[0]
