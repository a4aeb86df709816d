"""Categorical columns: the distinct values of a column, and the code of each row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daskrec.data import ids
from daskrec.data.ids import Ids
from daskrec.engine.arrays import Array, Vector
from daskrec.errors import LogError


class Categories:
    """The distinct values of a column, sorted; the code of a value is its place.

    Parameters
    ----------
    values
        float64 for numbers, truth values and dates, ``large_string`` for text.
    whole
        Whether all numbers are whole.
    """

    def __init__(self, values: Array, whole: bool = False) -> None:
        self.values = values
        self.whole = whole

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, array: Array) -> "Categories":
        """Return the categories of a column; missing values are none."""
        column = plain(array)
        if isinstance(column, np.ndarray):
            values = np.unique(column[~np.isnan(column)])
            return cls(values, bool((values == np.floor(values)).all()))
        return cls(ids.distinct(column.drop_null()).values)

    @classmethod
    def union(cls, parts: Sequence["Categories"], name: str) -> "Categories":
        """Return the categories of all parts of a column.

        Raises
        ------
        LogError
            Parts hold text, others numbers.
        """
        filled = [part for part in parts if len(part)] or list(parts[:1])
        if len({isinstance(part.values, np.ndarray) for part in filled}) > 1:
            raise LogError(f"column {name!r} holds text in some parts and numbers in others")
        if isinstance(filled[0].values, np.ndarray):
            values = np.unique(np.concatenate([np.asarray(part.values) for part in filled]))
            return cls(values, all(part.whole for part in filled))
        return cls(ids.union([Ids(part.values) for part in filled]).values)

    def encode(self, array: Array, name: str) -> Vector:
        """Return the code of each row (int64), -1 for missing and unknown values.

        Raises
        ------
        LogError
            The column is text where numbers were, or the other way round.
        """
        column = plain(array)
        text = not isinstance(column, np.ndarray)
        empty = not len(self) or not len(column) or (not text and bool(np.isnan(column).all()))
        if empty:
            return np.full(len(column), -1, dtype=np.int64)
        if text == isinstance(self.values, np.ndarray):
            words = ("numbers", "text") if text else ("text", "numbers")
            raise LogError(f"column {name!r} held {words[0]} at the fit and holds {words[1]} now")
        if text:
            found = pc.fill_null(pc.index_in(column, value_set=self.values), -1)
            return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)
        place = np.minimum(np.searchsorted(self.values, column), len(self) - 1)
        return np.where(np.asarray(self.values)[place] == column, place, -1)

    def decode(self, codes: Vector) -> Array:
        """Return the values of codes; -1 gives a missing one."""
        missing = codes < 0
        if not len(self):
            return pa.nulls(len(codes), pa.large_string())
        if not isinstance(self.values, np.ndarray):
            return self.values.take(pa.array(codes, mask=missing))
        values: Vector = self.values[np.maximum(codes, 0)]
        if self.whole and not missing.any():
            return values.astype(np.int64)
        return np.where(missing, np.nan, values)

    def describe(self) -> dict[str, Any]:
        """Return the categories as plain values, for JSON."""
        values = self.values
        plain_values = values.tolist() if isinstance(values, np.ndarray) else values.to_pylist()
        return {
            "values": plain_values,
            "whole": self.whole,
            "text": not isinstance(values, np.ndarray),
        }

    @classmethod
    def from_description(cls, saved: dict[str, Any]) -> "Categories":
        """Make the object of what ``describe`` returned."""
        if saved["text"]:
            return cls(pa.array(saved["values"], pa.large_string()))
        return cls(np.array(saved["values"], dtype=np.float64), saved["whole"])


def plain(array: Array) -> Array:
    """Return a column as float64 with NaN for missing numbers, or as text with nulls."""
    if isinstance(array, np.ndarray):
        if array.dtype.kind == "M":
            missing = np.isnat(array)
            return np.where(missing, np.nan, array.astype("datetime64[ns]").view(np.int64))
        if array.dtype.kind not in "iufb":
            raise LogError(f"a column of type {array.dtype} cannot be categories")
        return array.astype(np.float64)
    if pa.types.is_large_string(array.type):
        return array
    if pa.types.is_null(array.type):
        return np.full(len(array), np.nan)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        raise LogError(f"a column of type {array.type} cannot be categories")
    numbers = array.cast(pa.float64(), safe=False)
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
