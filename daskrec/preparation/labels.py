"""Ids and their numbers: the most frequent id is number 0.

Ids lie sorted in one array, as everywhere in daskrec, and their numbers in another; no id is a
Python object. The cost is about 16 bytes an integer id, and its text more for a string.
"""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from daskrec.data import ids as id_tools
from daskrec.data.ids import Ids
from daskrec.data.rows import read_ids
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.shared import as_array
from daskrec.errors import LogError

TEXT = "string"
_MOST = 2**31 - 1  # numbers are int32, as the original's


class Labels:
    """Ids with the numbers that stand for them.

    Parameters
    ----------
    known
        The sorted ids.
    numbers
        int32, for each id its number: 0 to the number of ids, each once.
    """

    __slots__ = ("_by_number", "known", "numbers")

    def __init__(self, known: Ids, numbers: Vector) -> None:
        if len(known) > _MOST:
            raise LogError(f"{len(known)} ids are more than 32-bit numbers reach")
        self.known = known
        self.numbers = numbers
        self._by_number: Vector | None = None

    def __len__(self) -> int:
        return len(self.known)

    def encode(self, ids: Array) -> Vector:
        """Return the number of each id (int32), -1 for an id without one."""
        codes = self.known.encode(ids)
        if len(self) == 0:
            return codes.astype(np.int32)
        numbers = self.numbers[codes]
        numbers[codes < 0] = -1
        return numbers

    def decode(self, numbers: Vector, name: str, what: str) -> Array:
        """Return the ids of numbers.

        Raises
        ------
        LogError
            There are numbers that stand for no id.
        """
        foreign = (numbers < 0) | (numbers >= len(self))
        if foreign.any():
            raise LogError(
                f"{what}: column {name!r} has {int(foreign.sum())} numbers that stand for no id "
                f"(first: {numbers[foreign][0]}): {len(self)} ids are known"
            )
        if self._by_number is None:
            by_number = np.empty(len(self), dtype=np.int64)
            by_number[self.numbers] = np.arange(len(self))
            self._by_number = by_number
        return self.known.decode(self._by_number[numbers])

    def extended(self, more: Ids) -> "Labels":
        """Return labels that also know other ids: the next numbers, in the order of the ids."""
        if len(more) == 0:
            return self
        known = id_tools.union([self.known, more])
        numbers = np.empty(len(known), dtype=np.int32)
        numbers[known.encode(self.known.values)] = self.numbers
        numbers[known.encode(more.values)] = np.arange(len(self), len(known), dtype=np.int32)
        return Labels(known, numbers)

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return {"ids": self.known.values, "numbers": self.numbers}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Labels":
        """Make the object of its arrays."""
        return cls(Ids(arrays["ids"]), as_array(arrays["numbers"]))


class Counted(NamedTuple):
    """Ids of some rows: sorted, how often each is there, and the type that they have."""

    known: Ids
    counts: Vector
    dtype: str


def count_ids(columns: Arrays, name: str, what: str) -> Counted:
    """Count the ids of a column."""
    raw = columns[name]
    known, codes = id_tools.factorize(read_ids(raw, name, what))
    return Counted(known, np.bincount(codes, minlength=len(known)), type_of(raw))


def type_of(array: Array) -> str:
    """Return the type of a column of ids by a name that no kind of frame owns."""
    if not isinstance(array, np.ndarray):
        return TEXT
    return str(array.dtype) if array.dtype.kind in "iu" else "int64"


def add_counts(left: Counted, right: Counted) -> Counted:
    """Add the counts of two parts; a part without rows says nothing of types."""
    if len(left.known) == 0 or len(right.known) == 0:
        return right if len(left.known) == 0 else left
    known = id_tools.union([left.known, right.known])
    counts = np.zeros(len(known), dtype=np.int64)
    for side in (left, right):
        counts[known.encode(side.known.values)] += side.counts
    dtype = left.dtype
    if left.dtype != right.dtype:
        dtype = str(np.result_type(known.values.dtype, left.dtype, right.dtype))
    return Counted(known, counts, dtype)


def by_frequency(counted: Counted) -> Labels:
    """Give numbers to ids, the most frequent first; among equals the lowest id comes first."""
    numbers = np.empty(len(counted.known), dtype=np.int32)
    numbers[np.argsort(-counted.counts, kind="stable")] = np.arange(len(numbers), dtype=np.int32)
    return Labels(counted.known, numbers)


def typed(array: Array, dtype: str) -> Array:
    """Return ids in the type that they had."""
    return array if dtype == TEXT or not isinstance(array, np.ndarray) else array.astype(dtype)


def without_rows(dtype: str) -> Any:
    """Return a column of ids of a type, without rows."""
    return pa.array([], pa.large_string()) if dtype == TEXT else np.empty(0, dtype=dtype)
