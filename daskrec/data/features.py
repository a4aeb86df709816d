"""Numeric features of users or items: read from any frame, checked, and cut by ranges of ids.

A frame has one column of ids; every other column is a feature. What comes out are blocks of
sorted ids with one row of numbers each, by handles, so that nobody has to hold all of them.
The code speaks of users, who are the many; items are read in the same way.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from daskrec.data import columns as roles
from daskrec.data import exchange, frames, ids, ranges
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.paths import open_frame
from daskrec.data.rows import Faults, check_ids
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.shared import Shared, as_array
from daskrec.errors import LogError

_OWNERS = {"user": "users who", "item": "items that"}
_LARGEST = 1e150  # squares of larger numbers overflow


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

    def release(self) -> None:
        """Remove what the blocks left in storage, when no task reads them any more."""
        for block in self.blocks:
            block.release()

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
        sides = (self, other)
        firsts = [side.map(_first, label="reading features")[1:] for side in sides]
        known = [Ids(first) for first in firsts[0] + firsts[1]]
        bounds = (ids.union(known) if known else self.blocks[0].get().user_ids[:0]).values
        # Every block starts at a bound, so that a range lies in one block of each side.
        homes = [_homes(first, bounds) for first in firsts]
        folder = runtime.storage()
        tasks = [
            runtime.task(_merge, self.blocks[mine], other.blocks[theirs], bounds, n, folder)
            for n, (mine, theirs) in enumerate(zip(*homes, strict=True))
        ]
        merged = runtime.compute(tasks, "joining features")
        filled = [block for block, count in merged if count]
        return FeatureTable(filled, self.names) if filled else self


def _on_block(block: Shared[FeatureBlock], function: Callable[..., Any], *args: Any) -> Any:
    return function(block.get(), *args)


def _ids_of(block: Shared[FeatureBlock]) -> Ids:
    return block.get().user_ids


def _shard(block: FeatureBlock, folder: str | None) -> tuple[Shared[Ids], int, Array]:
    users = block.user_ids
    return Shared.stored(users, folder), len(users), users.values[:1]


def _first(block: FeatureBlock) -> Array:
    return block.user_ids.values[:1]


def _homes(firsts: Sequence[Array], bounds: Array) -> list[int]:
    """Return the number of the block that each range lies in."""
    if not firsts:
        return [0] * (len(bounds) + 1)
    return [0, *ids.route(ids.concat(firsts), bounds).tolist()]


def _merge(
    old: Shared[FeatureBlock],
    new: Shared[FeatureBlock],
    bounds: Array,
    number: int,
    folder: str | None,
) -> tuple[Shared[FeatureBlock], int]:
    """Join what two tables hold of one range of users."""
    mine, theirs = (_cut(block.get(), bounds, number) for block in (old, new))
    known = ids.union([mine.user_ids, theirs.user_ids])
    values = np.empty((len(known), mine.values.shape[1]))
    for block in (mine, theirs):  # what is new comes last
        values[known.encode(block.user_ids.values)] = block.values
    return Shared.stored(FeatureBlock(known, values), folder), len(known)


def _cut(block: FeatureBlock, bounds: Array, number: int) -> FeatureBlock:
    home = ids.route(bounds, block.user_ids.values)
    start, stop = np.searchsorted(home, [number, number + 1])
    return FeatureBlock(block.user_ids[start:stop], block.values[start:stop])


class _Rows:
    """Features as they come: users in any order."""

    def __init__(self, users: Array, values: Vector, faults: Faults) -> None:
        self.users = users
        self.values = values
        self.faults = faults


def read_features(
    source: Any, names: Sequence[str] | None = None, role: str = "user"
) -> FeatureTable:
    """Read numeric features of users, or of items.

    Parameters
    ----------
    source
        A frame of any kind, or a path or glob of files.
    names
        The features that are wanted; by default every column but that of the ids.
    role
        ``"user"`` or ``"item"``.

    Raises
    ------
    LogError
        There is no column of ids or no feature, features are other ones than wanted, a
        column is not numeric or has missing or infinite values, or an id has several rows.
        One error tells of all faults.
    """
    what = f"{role}_features"
    frame = open_frame(source, what)
    kind = frames.kind_of(frame, what)
    present = kind.columns(frame)
    user = roles.require(present, role, what)
    wanted = _choose([name for name in present if name != user], names, role)
    columns = list(wanted.values())
    frame = frames.opened(frame, [user, *columns])
    kind = frames.kind_of(frame, what)
    if not kind.partitioned:
        rows = _read(frame, kind.name, user, columns)
        rows.faults.raise_any(what)
        return FeatureTable(_in_memory(rows, role), list(wanted))
    part = kind.part_kind(frame)
    chunks = kind.parts(frame, [user, *columns])
    tasks = [runtime.task(_read, chunk, part, user, columns) for chunk in chunks]
    return FeatureTable(_by_range(tasks, role), list(wanted))


def _choose(columns: Sequence[Any], names: Sequence[str] | None, role: str) -> dict[str, Any]:
    """Return the columns to read by the names of features: a column may have a number for one."""
    if not columns:
        raise LogError(f"{role}_features has no feature: it has no column besides that of {role}s")
    found = {str(column): column for column in columns}
    if len(found) < len(columns):
        twice = sorted(name for name, times in Counter(map(str, columns)).items() if times > 1)
        raise LogError(f"{role}_features has several columns of one name: {twice}")
    if names is None:
        return found
    missing, extra = sorted(set(names) - set(found)), sorted(set(found) - set(names))
    if missing or extra:
        raise LogError(
            f"{role}_features has other columns than that of the fit: {missing} are missing and "
            f"{extra} are new"
        )
    return {name: found[name] for name in names}


def _read(frame: Any, kind: str, user: str, names: Sequence[Any]) -> _Rows:
    """Turn a frame in memory into checked arrays; faults are counted, not raised."""
    arrays = frames.kind_named(kind).arrays(frame, [user, *names])
    faults = Faults()
    users = check_ids(arrays[user], user, faults)
    values = np.zeros((len(arrays[user]), len(names)))
    for place, name in enumerate(names):
        values[:, place] = _numbers(arrays[name], name, faults)
    return _Rows(users, values, faults)


def _numbers(array: Array, name: Any, faults: Faults) -> Vector:
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
    infinite = np.isinf(values)
    faults.add(f"infinite values in column {name!r}", int(infinite.sum()), [])
    beyond = int((np.abs(values) > _LARGEST).sum() - infinite.sum())
    faults.add(f"values beyond {_LARGEST} in column {name!r}", beyond, [])
    return values


def _sorted(users: Array, values: Vector) -> tuple[FeatureBlock, int]:
    """Return rows by user, and the number of rows too many."""
    known, codes = ids.factorize(users)
    ordered = np.empty((len(known), values.shape[1]))
    ordered[codes] = values
    return FeatureBlock(known, ordered), len(users) - len(known)


def _in_memory(rows: _Rows, role: str) -> list[Shared[FeatureBlock]]:
    block, repeated = _sorted(rows.users, rows.values)
    _refuse_repeats(repeated, role)
    count = len(block.user_ids)
    cuts = np.linspace(0, count, ranges.block_count(count) + 1).astype(np.int64)
    return [
        Shared(FeatureBlock(block.user_ids[a:b], block.values[a:b]))
        for a, b in itertools.pairwise(cuts)
    ]


def _refuse_repeats(count: int, role: str) -> None:
    if count:
        raise LogError(
            f"{role}_features has {count} rows of {_OWNERS[role]} have a row already: keep one each"
        )


def _by_range(parts: Sequence[Any], role: str) -> list[Shared[FeatureBlock]]:
    """Send partitions to ranges of users, each in a task of its own."""
    held = runtime.persist(parts, "reading features")
    found = runtime.compute([runtime.task(_survey, part) for part in held], "reading features")
    runtime.tree_reduce([s.faults for s in found], Faults.merge).raise_any(f"{role}_features")
    count = sum(s.row_count for s in found)
    wanted = ranges.block_count(count)
    bounds = ranges.choose_bounds(found, wanted) if count else found[0].sample[:0]
    # Several partitions are split at once where one at a time would be too many pieces.
    step = -(-len(held) * wanted // exchange.MOST_PIECES)
    split = [runtime.task(_split, held[at : at + step], bounds) for at in range(0, len(held), step)]
    folder = runtime.storage()
    tasks = [runtime.task(_join, mine, folder) for mine in runtime.pieces(split, len(bounds) + 1)]
    joined = runtime.compute(tasks, "reading features")
    _refuse_repeats(sum(repeated for _, repeated, _ in joined), role)
    return [block for block, _, size in joined if size] or [joined[0][0]]


def _survey(rows: _Rows) -> ranges.Survey:
    plain = np.empty(0, dtype=np.int64)
    if rows.faults.found or not len(rows.users):
        return ranges.Survey(len(rows.values), rows.faults, Ids(plain), rows.users[:0])
    return ranges.Survey(len(rows.users), rows.faults, Ids(plain), ranges.sample_users(rows.users))


def _split(parts: Sequence[_Rows], bounds: Array) -> list[_Rows]:
    rows = _joined(parts)
    home = ids.route(bounds, rows.users)
    order = np.argsort(home, kind="stable")
    cuts = np.searchsorted(home[order], np.arange(len(bounds) + 2))
    return [
        _Rows(rows.users.take(order[a:b]), rows.values[order[a:b]], Faults())
        for a, b in itertools.pairwise(cuts)
    ]


def _join(pieces: Sequence[_Rows], folder: str | None) -> tuple[Shared[FeatureBlock], int, int]:
    rows = _joined(pieces)
    block, repeated = _sorted(rows.users, rows.values)
    return Shared.stored(block, folder), repeated, len(block.user_ids)


def _joined(pieces: Sequence[_Rows]) -> _Rows:
    filled = [piece for piece in pieces if len(piece.users)] or list(pieces[:1])
    if len(filled) == 1:
        return filled[0]
    users = ids.concat([piece.users for piece in filled])
    return _Rows(users, np.concatenate([piece.values for piece in filled]), Faults())
