"""Ids and codes: an id is what the user has, a code its rank among the sorted distinct ids.

Ids are integers or strings. Codes depend on the ids alone, so every partitioning of a log
gives the same ones. Integers are kept as int64 (uint64 only where a value needs it),
strings as Arrow ``large_string`` in the order of their code points.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.shared import Shared
from daskrec.errors import LogError

Codes: TypeAlias = Vector

# A table over the whole range of integer ids is used when it has at most this many cells
# for each id, plus a constant: it is the fastest map by far, and most ids are dense.
_CELLS_PER_ID = 8
_FREE_CELLS = 1 << 16

_SLICE = 1 << 16  # rows at a time: what is only in between stays in the cache


class Ids:
    """Sorted distinct ids; the code of an id is its position.

    Parameters
    ----------
    values
        Sorted distinct ids: an int64 or uint64 array, or a ``large_string`` Arrow array.
    """

    __slots__ = ("_table", "values")

    def __init__(self, values: Array) -> None:
        self.values = values
        self._table: Codes | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __sizeof__(self) -> int:
        """Return the bytes of the ids and of their table too, as ``Csr`` does."""
        table = 0 if self._table is None else self._table.nbytes
        return object.__sizeof__(self) + int(self.values.nbytes) + int(table)

    def __getitem__(self, part: slice) -> "Ids":
        return Ids(self.values[part])

    def encode(self, ids: Array) -> Codes:
        """Return the code of each id (int32 or int64), -1 for an id that is not here.

        Costs a table lookup per id where integer ids are dense, else one hash of each id
        and a binary search of each distinct one.
        """
        if len(self) == 0 or len(ids) == 0:
            return np.full(len(ids), -1, dtype=np.int64)
        same_kind(self.values, ids)
        if not isinstance(ids, np.ndarray):
            return _encode_text(self.values, ids)
        assert isinstance(self.values, np.ndarray)
        low, high = int(self.values[0]), int(self.values[-1])
        if self._fits_table(low, high):
            return self._look_up(ids, low, high)
        codes, distinct = pd.factorize(ids)
        distinct = np.asarray(distinct)
        found = _search(self.values, distinct)
        return cast(Codes, found[codes])

    def _fits_table(self, low: int, high: int) -> bool:
        return high - low < _CELLS_PER_ID * len(self) + _FREE_CELLS

    def _look_up(self, ids: Vector, low: int, high: int) -> Codes:
        dtype = cast(Vector, self.values).dtype  # it holds every id of the range
        if self._table is None:
            # The cell behind the last one answers for every id out of the range.
            table: Codes = np.full(high - low + 2, -1, dtype=_code_dtype(len(self)))
            table[_places(cast(Vector, self.values), dtype.type(low))] = np.arange(len(self))
            self._table = table
        codes = np.empty(len(ids), dtype=self._table.dtype)
        for start in range(0, len(ids), _SLICE):
            part = ids[start : start + _SLICE]
            inside = (part >= low) & (part <= high)
            place = _places(np.where(inside, part.astype(dtype), dtype.type(low)), dtype.type(low))
            place[~inside] = high - low + 1
            self._table.take(place, out=codes[start : start + _SLICE], mode="clip")
        return codes

    def decode(self, codes: Codes) -> Array:
        """Return the ids of codes, none of which may be -1."""
        if isinstance(self.values, np.ndarray):
            return cast(Array, self.values[codes])
        return self.values.take(pa.array(codes))

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return {"values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Ids":
        """Make the object of its arrays."""
        return cls(arrays["values"])


def same_kind(known: Array, given: Array) -> None:
    """Raise unless both are integers or both are strings."""
    texts = [not isinstance(array, np.ndarray) for array in (known, given)]
    if texts[0] != texts[1]:
        words = ["strings" if text else "integers" for text in texts]
        raise LogError(f"ids are {words[1]} here and {words[0]} in the log of the fit")


def _search(values: Vector, ids: Vector) -> Codes:
    """Find integers in a sorted array; -1 where they are not."""
    ids, possible = _as_dtype(ids, values.dtype)
    place = np.minimum(np.searchsorted(values, ids), len(values) - 1)
    return np.where(possible & (values[place] == ids), place, -1)


def _as_dtype(
    ids: Vector, dtype: "np.dtype[Any]"
) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """Return ids in another integer type, and where that changed none of them."""
    cast_ids = ids.astype(dtype)
    if ids.dtype.kind == dtype.kind:
        return cast_ids, np.ones(len(ids), dtype=bool)
    signed = ids if ids.dtype.kind == "i" else cast_ids
    return cast_ids, signed >= 0


def _encode_text(values: pa.Array, ids: pa.Array) -> Codes:
    pairs = ids.dictionary_encode()
    place = pc.fill_null(pc.index_in(pairs.dictionary, value_set=values), -1)
    return cast(
        Codes,
        place.to_numpy(zero_copy_only=False).astype(np.int64)[
            pairs.indices.to_numpy(zero_copy_only=False)
        ],
    )


def factorize(ids: Array) -> tuple[Ids, Codes]:
    """Return the sorted distinct ids and the code of each row.

    Costs two passes over a table where integer ids are dense, else one hash of each row
    and a sort of the distinct ids. The codes are int32 where they fit.
    """
    if not isinstance(ids, np.ndarray):
        return _factorize_text(ids)
    if len(ids) == 0:
        return Ids(ids.astype(np.int64)), np.empty(0, dtype=np.int32)
    low, high = int(ids.min()), int(ids.max())
    if high - low < _CELLS_PER_ID * len(ids):
        return _factorize_dense(ids, low, high)
    codes, distinct = pd.factorize(ids)
    order = np.argsort(distinct)
    return Ids(np.asarray(distinct)[order]), _rerank(codes, order)


def _factorize_dense(ids: Vector, low: int, high: int) -> tuple[Ids, Codes]:
    base = ids.dtype.type(low)
    present = np.zeros(high - low + 1, dtype=bool)
    for start in range(0, len(ids), _SLICE):
        present[_places(ids[start : start + _SLICE], base)] = True
    rank: Codes = np.cumsum(present, dtype=_code_dtype(len(ids))) - 1
    codes = np.empty(len(ids), dtype=rank.dtype)
    for start in range(0, len(ids), _SLICE):
        place = _places(ids[start : start + _SLICE], base)
        rank.take(place, out=codes[start : start + _SLICE], mode="clip")
    return Ids(np.flatnonzero(present).astype(ids.dtype) + base), codes


def _places(ids: Vector, base: Any) -> Vector:
    """Return how far ids lie above a base of their own type."""
    return cast(Vector, (ids - base).astype(np.int64, copy=False))


def _factorize_text(ids: pa.Array) -> tuple[Ids, Codes]:
    pairs = ids.dictionary_encode()
    order = pc.sort_indices(pairs.dictionary).to_numpy()
    values = pairs.dictionary.take(pa.array(order))
    return Ids(values), _rerank(pairs.indices.to_numpy(zero_copy_only=False), order)


def _rerank(codes: Codes, order: Codes) -> Codes:
    rank: Codes = np.empty(len(order), dtype=_code_dtype(len(order)))
    rank[order] = np.arange(len(order), dtype=rank.dtype)
    return cast(Codes, rank[codes])


def _code_dtype(count: int) -> type:
    return np.int32 if count < 2**31 else np.int64


def distinct(ids: Array) -> Ids:
    """Return the sorted distinct ids of an array in any order."""
    return factorize(ids)[0]


def union(parts: Sequence[Ids]) -> Ids:
    """Return the sorted distinct ids of several sets of ids."""
    filled = [part.values for part in parts if len(part)]
    if not filled:
        return parts[0]
    return distinct(concat(filled))


def concat(arrays: Sequence[Array]) -> Array:
    """Join arrays of ids of one kind, end to end."""
    first = arrays[0]
    for array in arrays[1:]:
        same_kind(first, array)
    if isinstance(first, np.ndarray):
        kinds = {array.dtype for array in arrays}
        if len(kinds) > 1:  # int64 with uint64, which numpy would join as floats
            arrays = _one_type(arrays)
        return np.concatenate(arrays)
    return pa.concat_arrays(list(arrays))


def _one_type(arrays: Sequence[Vector]) -> list[Vector]:
    filled = [array for array in arrays if len(array)]
    if all(int(array.max()) <= np.iinfo(np.int64).max for array in filled):
        return [array.astype(np.int64) for array in arrays]
    if any(int(array.min()) < 0 for array in filled):
        raise LogError("one part of the ids is negative, another beyond 2**63: no type holds both")
    return [array.astype(np.uint64) for array in arrays]


def route(bounds: Array, ids: Array) -> Codes:
    """Return the number of the range that each id falls in.

    ``bounds`` are the sorted first ids of all ranges but the first, so that the answer
    runs from 0 to ``len(bounds)``.
    """
    if len(bounds) == 0 or len(ids) == 0:
        return np.zeros(len(ids), dtype=np.int64)
    same_kind(bounds, ids)
    if isinstance(bounds, np.ndarray):
        ids_cast, possible = _as_dtype(ids, bounds.dtype)
        home = np.searchsorted(bounds, ids_cast, side="right")
        beyond = len(bounds) if bounds.dtype == np.int64 else 0
        return np.where(possible, home, beyond)
    pairs = cast(pa.Array, ids).dictionary_encode()
    # The sort is stable: a bound comes before an id that equals it, and is counted.
    order = pc.sort_indices(pa.concat_arrays([bounds, pairs.dictionary])).to_numpy()
    is_bound = order < len(bounds)
    home = np.empty(len(order), dtype=np.int64)
    home[order] = np.cumsum(is_bound)
    return cast(Codes, home[len(bounds) :][pairs.indices.to_numpy(zero_copy_only=False)])


class ShardedIds:
    """Ids in shards by range, none of which the driver has to hold.

    Parameters
    ----------
    shards
        Handles on the ids of each range, in order; none is empty but a single one.
    bounds
        The first id of each shard but the first.
    offsets
        int64 array, one longer than ``shards``: the code of the first id of each shard,
        then the number of ids.
    """

    __slots__ = ("bounds", "offsets", "shards")

    def __init__(self, shards: Sequence[Shared[Ids]], bounds: Array, offsets: Codes) -> None:
        self.shards = list(shards)
        self.bounds = bounds
        self.offsets = np.asarray(offsets, dtype=np.int64)

    @classmethod
    def of(cls, ids: Ids) -> "ShardedIds":
        """Hold ids as a single shard."""
        return cls([Shared(ids)], ids.values[:0], np.array([0, len(ids)]))

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def encode(self, ids: Array) -> Codes:
        """Return the code of each id, -1 for an id that is not here."""
        if len(self.shards) == 1:
            return self.shards[0].get().encode(ids)
        home = route(self.bounds, ids)
        codes = np.full(len(ids), -1, dtype=np.int64)
        for shard in np.unique(home):
            here = np.flatnonzero(home == shard)
            found = self.shards[shard].get().encode(ids.take(here))
            codes[here] = np.where(found >= 0, found + self.offsets[shard], -1)
        return codes

    def whole(self) -> Ids:
        """Return all ids as one array; for as many as one process can hold."""
        parts = [shard.get().values for shard in self.shards]
        return Ids(parts[0] if len(parts) == 1 else concat(parts))
