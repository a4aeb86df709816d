"""Numeric features of users: read from any frame, checked, and cut by ranges of users.

A frame has one column of users; every other column is a feature. What comes out are blocks
of sorted users with one row of numbers each, by handles, so that nobody has to hold all of
them.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from daskrec.data import columns as roles
from daskrec.data import frames, ids, ranges
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.paths import open_frame
from daskrec.data.rows import Faults, check_ids
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.shared import Shared, as_array
from daskrec.errors import LogError

WHAT = "user_features"


class FeatureBlock:
    """Features of some users.

    Parameters
    ----------
    user_ids
        Sorted ids.
    values
        float64, users x features.
    """

    __slots__ = ("user_ids", "values")

    def __init__(self, user_ids: Ids, values: Vector) -> None:
        self.user_ids = user_ids
        self.values = values

    def __len__(self) -> int:
        return len(self.user_ids)

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return {"user_ids": self.user_ids.values, "values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "FeatureBlock":
        """Make the object of its arrays."""
        return cls(Ids(arrays["user_ids"]), as_array(arrays["values"]))


class FeatureTable:
    """Features of all users, in blocks by range.

    Parameters
    ----------
    blocks
        Handles on the blocks, in the order of users; none is empty but a single one.
    names
        Names of the features.
    """

    def __init__(self, blocks: Sequence[Shared[FeatureBlock]], names: Sequence[str]) -> None:
        self.blocks = list(blocks)
        self.names = list(names)

    def map(self, function: Callable[..., Any], *args: Any, label: str) -> list[Any]:
        """Call ``function(block, *args)`` on every block; return the results in order."""
        tasks = [runtime.task(_on_block, block, function, *args) for block in self.blocks]
        return runtime.compute(tasks, label)

    def user_parts(self) -> list[Any]:
        """Return tasks that give the ids of each block."""
        return [runtime.task(_ids_of, block) for block in self.blocks]

    def users(self) -> ShardedIds:
        """Return the users, in shards where they are many."""
        folder = runtime.storage()
        shards, counts, firsts = zip(
            *self.map(_shard, folder, label="reading features"), strict=True
        )
        bounds = ids.concat(firsts[1:]) if len(firsts) > 1 else firsts[0][:0]
        return ranges.keep_ids(shards, bounds, np.concatenate([[0], np.cumsum(counts)]))

    def merged(self, other: "FeatureTable") -> "FeatureTable":
        """Return the features of both; a user of both has those of the other."""
        ends = other.map(_ends, label="reading features")
        mine = self.map(_ends, label="reading features")
        bounds = ids.union([Ids(end[:1]) for end in mine[1:] + ends[1:]] or [Ids(mine[0][:0])])
        folder = runtime.storage()
        tasks = [
            runtime.task(_merge, self.blocks, other.blocks, bounds.values, n, folder)
            for n in range(len(bounds) + 1)
        ]
        merged = runtime.compute(tasks, "joining features")
        return FeatureTable([block for block, count in merged if count] or self.blocks, self.names)


def _on_block(block: Shared[FeatureBlock], function: Callable[..., Any], *args: Any) -> Any:
    return function(block.get(), *args)


def _ids_of(block: Shared[FeatureBlock]) -> Ids:
    return block.get().user_ids


def _shard(block: FeatureBlock, folder: str | None) -> tuple[Shared[Ids], int, Array]:
    users = block.user_ids
    return Shared.stored(users, folder), len(users), users.values[:1]


def _ends(block: FeatureBlock) -> Array:
    return block.user_ids.values[:1]


def _merge(
    old: Sequence[Shared[FeatureBlock]],
    new: Sequence[Shared[FeatureBlock]],
    bounds: Array,
    number: int,
    folder: str | None,
) -> tuple[Shared[FeatureBlock], int]:
    """Join what two tables hold of one range of users."""
    mine, theirs = (_cut(blocks, bounds, number) for blocks in (old, new))
    known = ids.union([mine.user_ids, theirs.user_ids])
    values = np.empty((len(known), mine.values.shape[1]))
    for block in (mine, theirs):  # what is new comes last
        values[known.encode(block.user_ids.values)] = block.values
    return Shared.stored(FeatureBlock(known, values), folder), len(known)


def _cut(blocks: Sequence[Shared[FeatureBlock]], bounds: Array, number: int) -> FeatureBlock:
    pieces = []
    for handle in blocks:
        block = handle.get()
        home = ids.route(bounds, block.user_ids.values)
        start, stop = np.searchsorted(home, [number, number + 1])
        pieces.append(FeatureBlock(block.user_ids[start:stop], block.values[start:stop]))
    users = ids.concat([piece.user_ids.values for piece in pieces])
    return FeatureBlock(Ids(users), np.concatenate([piece.values for piece in pieces]))


class _Rows:
    """Features as they come: users in any order."""

    def __init__(self, users: Array, values: Vector, faults: Faults) -> None:
        self.users = users
        self.values = values
        self.faults = faults


def read_features(source: Any, names: Sequence[str] | None = None) -> FeatureTable:
    """Read numeric features of users.

    Parameters
    ----------
    source
        A frame of any kind, or a path or glob of files.
    names
        The features that are wanted; by default every column but that of users.

    Raises
    ------
    LogError
        There is no column of users or no feature, features are other ones than wanted, a
        column is not numeric or has missing or infinite values, or a user has several rows.
        One error tells of all faults.
    """
    frame = open_frame(source, WHAT)
    kind = frames.kind_of(frame, WHAT)
    present = kind.columns(frame)
    user = roles.require(present, "user", WHAT)
    found = [name for name in present if name != user]
    wanted = _choose(found, names)
    if not kind.partitioned:
        rows = _read(frame, kind.name, user, wanted)
        rows.faults.raise_any(WHAT)
        return FeatureTable(_in_memory(rows), wanted)
    part = kind.part_kind(frame)
    chunks = kind.parts(frame, [user, *wanted])
    tasks = [runtime.task(_read, chunk, part, user, wanted) for chunk in chunks]
    return FeatureTable(_by_range(tasks), wanted)


def _choose(found: list[str], names: Sequence[str] | None) -> list[str]:
    if not found:
        raise LogError(f"{WHAT} has no feature: it has no column besides that of users")
    if names is None:
        return found
    missing, extra = sorted(set(names) - set(found)), sorted(set(found) - set(names))
    if missing or extra:
        raise LogError(
            f"{WHAT} has other columns than that of the fit: {missing} are missing and {extra} "
            "are new"
        )
    return list(names)


def _read(frame: Any, kind: str, user: str, names: Sequence[str]) -> _Rows:
    """Turn a frame in memory into checked arrays; faults are counted, not raised."""
    arrays = frames.kind_named(kind).arrays(frame, [user, *names])
    faults = Faults()
    users = check_ids(arrays[user], user, faults)
    values = np.zeros((len(arrays[user]), len(names)))
    for place, name in enumerate(names):
        values[:, place] = _numbers(arrays[name], name, faults)
    return _Rows(users, values, faults)


def _numbers(array: Array, name: str, faults: Faults) -> Vector:
    """Return a column as float64; count what cannot be used."""
    if not isinstance(array, np.ndarray):
        number = pa.types.is_integer(array.type) or pa.types.is_boolean(array.type)
        if not number and len(array):
            faults.add(
                f"values that are no numbers ({array.type}) in column {name!r}", len(array), []
            )
            return np.zeros(len(array))
        faults.add(f"missing values in column {name!r}", array.null_count, [])
        return np.zeros(len(array)) if array.null_count else array.cast("float64").to_numpy()
    if array.dtype.kind not in "iufb":
        faults.add(f"values that are no numbers ({array.dtype}) in column {name!r}", len(array), [])
        return np.zeros(len(array))
    values = array.astype(np.float64)
    faults.add(f"missing values in column {name!r}", int(np.isnan(values).sum()), [])
    faults.add(f"infinite values in column {name!r}", int(np.isinf(values).sum()), [])
    return values


def _sorted(users: Array, values: Vector) -> tuple[FeatureBlock, int]:
    """Return rows by user, and the number of rows too many."""
    known, codes = ids.factorize(users)
    ordered = np.empty((len(known), values.shape[1]))
    ordered[codes] = values
    return FeatureBlock(known, ordered), len(users) - len(known)


def _in_memory(rows: _Rows) -> list[Shared[FeatureBlock]]:
    block, repeated = _sorted(rows.users, rows.values)
    _refuse_repeats(repeated)
    count = len(block.user_ids)
    cuts = np.linspace(0, count, ranges.block_count(count) + 1).astype(np.int64)
    return [
        Shared(FeatureBlock(block.user_ids[a:b], block.values[a:b]))
        for a, b in itertools.pairwise(cuts)
    ]


def _refuse_repeats(count: int) -> None:
    if count:
        raise LogError(f"{WHAT} has {count} rows of users who have a row already: keep one a user")


def _by_range(parts: Sequence[Any]) -> list[Shared[FeatureBlock]]:
    """Send partitions to ranges of users, each in a task of its own."""
    held = runtime.persist(parts, "reading features")
    found = runtime.compute([runtime.task(_survey, part) for part in held], "reading features")
    runtime.tree_reduce([s.faults for s in found], Faults.merge).raise_any(WHAT)
    count = sum(s.row_count for s in found)
    if count == 0:
        raise LogError(f"{WHAT} has no rows")
    bounds = ranges.choose_bounds(found, ranges.block_count(count))
    split = [runtime.task(_split, part, bounds) for part in held]
    folder = runtime.storage()
    tasks = [
        runtime.task(_join, [runtime.task(_pick, pieces, n) for pieces in split], folder)
        for n in range(len(bounds) + 1)
    ]
    joined = runtime.compute(tasks, "reading features")
    _refuse_repeats(sum(repeated for _, repeated, _ in joined))
    return [block for block, _, size in joined if size]


def _survey(rows: _Rows) -> ranges.Survey:
    plain = np.empty(0, dtype=np.int64)
    if rows.faults.found or not len(rows.users):
        return ranges.Survey(len(rows.values), rows.faults, Ids(plain), rows.users[:0])
    return ranges.Survey(len(rows.users), rows.faults, Ids(plain), ranges.sample_users(rows.users))


def _split(rows: _Rows, bounds: Array) -> list[_Rows]:
    home = ids.route(bounds, rows.users)
    order = np.argsort(home, kind="stable")
    cuts = np.searchsorted(home[order], np.arange(len(bounds) + 2))
    return [
        _Rows(rows.users.take(order[a:b]), rows.values[order[a:b]], Faults())
        for a, b in itertools.pairwise(cuts)
    ]


def _pick(pieces: Sequence[_Rows], number: int) -> _Rows:
    return pieces[number]


def _join(pieces: Sequence[_Rows], folder: str | None) -> tuple[Shared[FeatureBlock], int, int]:
    filled = [piece for piece in pieces if len(piece.users)] or list(pieces[:1])
    users = ids.concat([piece.users for piece in filled])
    block, repeated = _sorted(users, np.concatenate([piece.values for piece in filled]))
    return Shared.stored(block, folder), repeated, len(block.user_ids)
