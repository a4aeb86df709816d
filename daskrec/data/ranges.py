"""Ranges of users: how many there are, where they are cut, and what lies in them.

Cuts are quantiles of the interactions, not of the users, so that heavy users do not make
heavy blocks. They are found from samples, so that nobody has to hold all users.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.data import ids
from daskrec.data.blocks import Interactions, UserBlock
from daskrec.data.id_column import HostColumn
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.rows import Faults, Rows
from daskrec.engine import config, runtime
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.shared import Shared

_ROWS_PER_BLOCK = 20_000_000  # bounds the memory of a task: about 0.4 GB
_ROWS_WORTH_A_TASK = 65_536
_MOST_BLOCKS = 4096
_BLOCKS_PER_THREAD = 4  # so that threads that finish early find more to do
_SAMPLE = 1024  # users that a partition puts forward as places to cut


def block_count(row_count: int) -> int:
    """Return the number of blocks for a log of so many rows."""
    wanted = min(_BLOCKS_PER_THREAD * runtime.parallelism(), row_count // _ROWS_WORTH_A_TASK)
    return int(min(max(wanted, -(-row_count // _ROWS_PER_BLOCK), 1), _MOST_BLOCKS))


class Survey:
    """What the driver must know of some rows of a log, or of a block of them.

    Parameters
    ----------
    row_count
        Number of rows.
    faults
        Their faults.
    items
        Their distinct items.
    users
        Their users, sorted, one entry a row: a sample is taken at even steps.
    """

    def __init__(self, row_count: int, faults: Faults, items: Ids, users: Array) -> None:
        self.row_count = row_count
        self.faults = faults
        self.items = items
        self.sample = users


def survey_rows(rows: Rows) -> Survey:
    """Return the number of rows, the faults, the items, and users at even steps of rows."""
    usable = not rows.faults.found and len(rows) > 0
    if not usable:
        return Survey(len(rows), rows.faults, Ids(rows.items[:0]), rows.users[:0])
    users, items, _ = rows.in_place()
    sample = users.at_steps(_steps(len(rows)))
    return Survey(len(rows), rows.faults, items.distinct(), sample)


def sample_users(users: Array) -> Array:
    """Return the users at even steps of the sorted rows."""
    return HostColumn(users).at_steps(_steps(len(users)))


def survey_block(block: UserBlock) -> Survey:
    """Return the same of a block, whose items the caller knows."""
    entries = block.matrix.nnz
    rows = np.searchsorted(block.matrix.indptr, _steps(entries), side="right") - 1
    sample = block.user_ids.values.take(rows)
    return Survey(entries, Faults(), Ids(np.empty(0, dtype=np.int64)), sample)


def survey_parts(parts: Sequence[Any]) -> tuple[list[Any], list[Survey]]:
    """Read partitions once: return them where they are held now, and a survey of each.

    Raises
    ------
    LogError
        Some rows have faults; one error tells of all.
    """
    held = runtime.persist(parts, "reading the log")
    found = runtime.compute([runtime.task(survey_rows, p) for p in held], "reading the log")
    runtime.tree_reduce([s.faults for s in found], Faults.merge).raise_any("the log")
    return held, found


def _steps(count: int) -> Vector:
    return np.linspace(0, count - 1, min(_SAMPLE, count)).astype(np.int64)


def choose_bounds(found: Sequence[Survey], count: int) -> Array:
    """Cut at quantiles of the sampled rows; a cut is the first user of a block."""
    filled = [s for s in found if len(s.sample)]
    known, codes = ids.factorize(ids.concat([s.sample for s in filled]))
    weights = np.concatenate([np.full(len(s.sample), s.row_count / len(s.sample)) for s in filled])
    load = np.concatenate([[0.0], np.cumsum(np.bincount(codes, weights))])
    goals = np.linspace(0, load[-1], count + 1)[1:-1]
    cuts = np.unique(np.searchsorted(load, goals))
    # The first block starts below every user, so that no bound is needed for it.
    return known.values.take(cuts[(cuts > 0) & (cuts < len(known))])


def split_ids(known: Ids, bounds: Array) -> list[Ids]:
    """Return the ids of each range."""
    cuts = np.searchsorted(ids.route(bounds, known.values), np.arange(len(bounds) + 2))
    return [known[a:b] for a, b in itertools.pairwise(cuts)]


def gather_ids(parts: Sequence[Any], bounds: Array) -> list[Any]:
    """Return for each range the ids of several parts that fall in it.

    Parameters
    ----------
    parts
        ``Ids``, or tasks that give them.
    bounds
        The first id of each range but the first.

    Returns
    -------
    list
        For each range a list of ``Ids`` or of tasks that give them, one a part.
    """
    here = [split_ids(part, bounds) for part in parts if isinstance(part, Ids)]
    tasks = [runtime.task(split_ids, part, bounds) for part in parts if not isinstance(part, Ids)]
    there = runtime.pieces(tasks, len(bounds) + 1)
    return [[split[n] for split in here] + there[n] for n in range(len(bounds) + 1)]


def all_ids(parts: Sequence[Any]) -> Ids | None:
    """Return the ids of several parts (``Ids``, or tasks that give them); None for no part."""
    if not parts:
        return None
    tasks = [part for part in parts if not isinstance(part, Ids)]
    found = runtime.compute(tasks, "reading ids") if tasks else []
    return ids.union([part for part in parts if isinstance(part, Ids)] + found)


def measured(blocks: Sequence[Any], bounds: Array, item_ids: Ids) -> Interactions:
    """Return built blocks as training data, with their sizes and their users.

    Parameters
    ----------
    blocks
        ``UserBlock``, or tasks that give them, which are held where they were made.
    bounds
        The first user of each block but the first.
    item_ids
        The items of the columns.
    """
    folder = runtime.storage()
    sizes = runtime.compute([runtime.task(_Size, b, folder) for b in blocks], "building blocks")
    users, entries = (
        np.concatenate([[0], np.cumsum([getattr(s, name) for s in sizes])]).astype(np.int64)
        for name in ("user_count", "entry_count")
    )
    return Interactions(
        [Shared(b) if isinstance(b, UserBlock) else b for b in blocks],
        bounds,
        item_ids,
        user_ids=keep_ids([s.users for s in sizes], bounds, users),
        offsets=users,
        entry_offsets=entries,
        row_count=sum(s.row_count for s in sizes),
    )


class _Size:
    """The size of a block, and its users by handle."""

    def __init__(self, block: UserBlock, folder: str | None) -> None:
        self.user_count = len(block)
        self.entry_count = block.matrix.nnz
        self.row_count = block.row_count
        self.users = Shared.stored(block.user_ids, folder)


def keep_ids(shards: Sequence[Shared[Ids]], bounds: Array, offsets: Vector) -> ShardedIds:
    """Keep ids in their shards by range, or as one array when there are few enough."""
    sharded = ShardedIds(shards, bounds, offsets)
    if len(sharded) > int(config.get("user-id-limit")):
        return sharded
    whole = ShardedIds.of(sharded.whole())
    for shard in shards:
        shard.release()
    return whole


def collect_ids(parts: Sequence[Any], bounds: Array) -> ShardedIds:
    """Return the distinct ids of several parts, each range in a shard of its own.

    Parameters
    ----------
    parts
        ``Ids``, or tasks that give them; they may overlap.
    bounds
        The first id of each range but the first.
    """
    folder = runtime.storage()
    tasks = [runtime.task(_join, pieces, folder) for pieces in gather_ids(parts, bounds)]
    shards, counts = zip(*runtime.compute(tasks, "joining ids"), strict=True)
    return keep_ids(shards, bounds, np.concatenate([[0], np.cumsum(counts)]))


def _join(pieces: Sequence[Ids], folder: str | None) -> tuple[Shared[Ids], int]:
    joined = ids.union(pieces)
    return Shared.stored(joined, folder), len(joined)


def merge_ids(left: ShardedIds, right: ShardedIds) -> ShardedIds:
    """Return the ids that are in either; in one shard where both are."""
    both = (left, right)
    if all(len(side.shards) == 1 for side in both):
        return ShardedIds.of(ids.union([side.whole() for side in both]))
    bounds = left.bounds if len(left.shards) > 1 else right.bounds
    parts = [runtime.task(_open, shard) for side in both for shard in side.shards]
    return collect_ids(parts, bounds)


def _open(shard: Shared[Ids]) -> Ids:
    return shard.get()
