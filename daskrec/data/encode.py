"""From a log to user blocks.

A log in memory takes the short way: one factorize a column, one counting sort, slices. A
log of partitions takes two waves: the first checks the rows and gathers the items, and a
sample of the users that says where to cut; the second sends each row to the block of its
user. Every partition is read once.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.data import exchange, ids, ranges
from daskrec.data.blocks import Interactions, UserBlock, UserBlocks, make_block
from daskrec.data.id_column import HostColumn, IdColumn
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.log import Log
from daskrec.data.rows import Rows
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.backend import DeviceArray
from daskrec.engine.shared import Shared
from daskrec.errors import EmptyLogError, warn_caller


def encode_training(
    log: Log,
    users: Sequence[Any] = (),
    items: Ids | None = None,
    blocks: int | None = None,
) -> Interactions:
    """Turn a log into the training data of a model.

    Parameters
    ----------
    log
        The log.
    users
        Users known from elsewhere (feature frames): ``Ids``, or tasks that give them. They
        count as users of the training although the log may not mention them.
    items
        The same for items.
    blocks
        Number of blocks; by default it follows from the rows and the scheduler.

    Raises
    ------
    LogError
        The log holds no row, or values that cannot be used.
    """
    if log.rows is not None:
        data = _encode_in_memory(log.rows, users, items, blocks)
    else:
        data = _encode_partitions(log.parts, users, items, blocks, log.timed)
    warn_of_repeats(data.row_count - data.entry_count, log.owner)
    return data


def distinct_users(log: Log) -> ShardedIds:
    """Return the users of a log alone, in shards where they are many."""
    if log.rows is not None:
        return ShardedIds.of(log.rows.in_place()[0].distinct())
    parts, found = ranges.survey_parts(log.parts)
    if not any(survey.row_count for survey in found):
        return ShardedIds.of(Ids(found[0].sample))
    bounds = ranges.choose_bounds(found, ranges.block_count(sum(s.row_count for s in found)))
    return ranges.collect_ids([runtime.task(_users_of, part) for part in parts], bounds)


def _users_of(rows: Rows) -> Ids:
    return rows.in_place()[0].distinct()


def warn_of_repeats(count: int, owner: str = "user") -> None:
    """Warn of rows that repeat a pair, if there are any."""
    if count:
        warn_caller(
            f"{count} rows of the log repeat a ({owner}, item) pair: each pair counts as one "
            "interaction whose relevance is the sum"
        )


def _encode_in_memory(
    rows: Rows, users: Sequence[Any], items: Ids | None, blocks: int | None
) -> Interactions:
    if len(rows) == 0:
        raise EmptyLogError("the log holds no rows")
    user_column, item_column, relevance = rows.in_place()
    user_ids, user_codes = _factorize_with(user_column, ranges.all_ids(users))
    item_ids, item_codes = _factorize_with(item_column, items)
    block = make_block(user_ids, user_codes, item_codes, relevance, len(item_ids), rows.times)
    offsets = _even_cuts(block.matrix.indptr, blocks or ranges.block_count(len(rows)))
    parts = [Shared(block.users(a, b)) for a, b in itertools.pairwise(offsets)]
    return Interactions(
        parts,
        user_ids.values.take(offsets[1:-1]),
        item_ids,
        user_ids=ShardedIds.of(user_ids),
        offsets=offsets,
        entry_offsets=block.matrix.indptr[offsets],
        row_count=len(rows),
    )


def _factorize_with(column: IdColumn, more: Ids | None) -> tuple[Ids, DeviceArray]:
    if more is None:
        return column.factorize()
    known = ids.union([column.distinct(), more])
    return known, column.among(known)


def _even_cuts(indptr: Vector, count: int) -> Vector:
    """Cut rows into ranges of about equal numbers of entries, none of them empty."""
    rows = len(indptr) - 1
    goals = np.linspace(0, indptr[-1], count + 1)[1:-1]
    inner = np.searchsorted(indptr, goals)
    cuts = np.concatenate([[0], inner, [rows]]).astype(np.int64)
    return np.unique(np.clip(cuts, 0, rows))


def _encode_partitions(
    parts: Sequence[Any],
    users: Sequence[Any],
    items: Ids | None,
    count: int | None,
    timed: bool,
) -> Interactions:
    parts, found = ranges.survey_parts(parts)
    row_count = sum(s.row_count for s in found)
    if row_count == 0:
        raise EmptyLogError("the log holds no rows")
    item_ids = ids.union([s.items for s in found] + ([items] if items else []))
    bounds = ranges.choose_bounds(found, count or ranges.block_count(row_count))
    pieces = exchange.by_user(parts, Shared(item_ids), bounds, timed)
    extra = ranges.gather_ids(users, bounds)
    blocks = [
        runtime.task(block_of_pieces, piece, len(item_ids), None, more)
        for piece, more in zip(pieces, extra, strict=True)
    ]
    return ranges.measured(runtime.persist(blocks, "building blocks"), bounds, item_ids)


def block_of_pieces(
    pieces: Sequence[Rows], item_count: int, users: Ids | None, more: Sequence[Ids]
) -> UserBlock:
    """Join the pieces of a range of users into their block.

    Parameters
    ----------
    pieces
        Rows whose items are codes.
    item_count
        Number of items.
    users
        Exactly the users of the block; by default those of the pieces.
    more
        Users that are in the block besides those of the pieces, in several parts.
    """
    pieces = [piece for piece in pieces if len(piece)] or list(pieces[:1])
    column = ids.concat([piece.users for piece in pieces])
    items = np.concatenate([np.asarray(piece.items) for piece in pieces])
    graded = [piece.relevance for piece in pieces if piece.relevance is not None]
    relevance = np.concatenate(graded) if graded else None
    if users is None:
        user_ids, codes = _factorize_with(HostColumn(column), ranges.all_ids(more))
        timed = [piece.times for piece in pieces if piece.times is not None]
        times = np.concatenate(timed) if timed else None
        return make_block(user_ids, codes, items, relevance, item_count, times)
    return make_block(users, users.encode(column), items, relevance, item_count)


def encode_history(
    log: Log, item_ids: Ids, users: Ids | None, bounds: Array, *, exact_bounds: bool = False
) -> UserBlocks:
    """Turn a log into blocks of histories for a fitted model.

    Parameters
    ----------
    log
        The log; rows of items that the model does not know are left out.
    item_ids
        The items of the model.
    users
        Exactly the users that are wanted, whether the log mentions them or not; by
        default the users of the log.
    bounds
        Where to cut a log of partitions: the bounds of the training.
    exact_bounds
        Cut a log in memory there too.

    Returns
    -------
    UserBlocks
        For a log of partitions, lazy ones: nothing is read.
    """
    if log.rows is None:
        pieces = exchange.by_user(log.parts, Shared(item_ids), bounds)
        wanted = ranges.split_ids(users, bounds) if users is not None else [None] * len(pieces)
        tasks = [
            runtime.task(block_of_pieces, piece, len(item_ids), chosen, [])
            for piece, chosen in zip(pieces, wanted, strict=True)
        ]
        return UserBlocks(tasks, bounds, item_ids)
    block = _history_block(log.rows, item_ids, users)
    return slice_blocks(block, item_ids, bounds if exact_bounds else None)


def _history_block(rows: Rows, item_ids: Ids, users: Ids | None) -> UserBlock:
    user_column, item_column, relevance = rows.in_place()
    if users is None:
        users, codes = user_column.factorize()
    else:
        codes = user_column.among(users)
    return make_block(users, codes, item_column.among(item_ids), relevance, len(item_ids))


def slice_blocks(block: UserBlock, item_ids: Ids, bounds: Array | None = None) -> UserBlocks:
    """Cut one block into many: at bounds, else into ranges of about equal work."""
    if bounds is None:
        # Scoring costs something for a user without a history too.
        work = block.matrix.indptr + 16 * np.arange(len(block) + 1)
        cuts = _even_cuts(work, ranges.block_count(int(work[-1])))
        bounds = block.user_ids.values.take(cuts[1:-1])
    else:
        cuts = np.searchsorted(ids.route(bounds, block.user_ids.values), np.arange(len(bounds) + 2))
    parts = [Shared(block.users(a, b)) for a, b in itertools.pairwise(cuts)]
    return UserBlocks(parts, bounds, item_ids)


def empty_histories(users: ShardedIds, item_ids: Ids) -> UserBlocks:
    """Return blocks of users who have no history."""
    if len(users.shards) == 1:
        return slice_blocks(_empty_block(users.shards[0], len(item_ids)), item_ids)
    tasks = [runtime.task(_empty_block, shard, len(item_ids)) for shard in users.shards]
    return UserBlocks(tasks, users.bounds, item_ids)


def _empty_block(users: Shared[Ids], item_count: int) -> UserBlock:
    nothing = np.empty(0, dtype=np.int32)
    return make_block(users.get(), nothing, nothing, None, item_count)
