"""From a log to user blocks.

A log in memory takes the short way: one factorize a column, one counting sort, slices. A
log of partitions takes two waves: the first checks the rows and gathers the items, and a
sample of the users that says where to cut; the second sends each row to the block of its
user. Every partition is read once.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from daskrec.data import exchange, ids
from daskrec.data.blocks import Interactions, UserBlock, UserBlocks, make_block
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.log import Faults, Log, Rows
from daskrec.engine import config, runtime
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.shared import Shared
from daskrec.errors import LogError, warn_caller

_ROWS_PER_BLOCK = 20_000_000  # bounds the memory of a task: about 0.4 GB
_ROWS_WORTH_A_TASK = 65_536
_MOST_BLOCKS = 4096
_BLOCKS_PER_THREAD = 4  # so that threads that finish early find more to do
_SAMPLE = 1024  # users that a partition puts forward as places to cut


def block_count(row_count: int) -> int:
    """Return the number of blocks for a log of so many rows."""
    wanted = min(_BLOCKS_PER_THREAD * runtime.parallelism(), row_count // _ROWS_WORTH_A_TASK)
    return int(min(max(wanted, -(-row_count // _ROWS_PER_BLOCK), 1), _MOST_BLOCKS))


def encode_training(
    log: Log, users: Ids | None = None, items: Ids | None = None, blocks: int | None = None
) -> Interactions:
    """Turn a log into the training data of a model.

    Parameters
    ----------
    log
        The log.
    users, items
        Ids known from elsewhere (feature frames): they count as users and items of the
        training although the log may not mention them.
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
        data = _encode_partitions(log, users, items, blocks)
    repeated = data.row_count - data.entry_count
    if repeated:
        warn_caller(
            f"{repeated} rows of the log repeat a (user, item) pair: each pair counts as one "
            "interaction whose relevance is the sum"
        )
    return data


def _encode_in_memory(
    rows: Rows, users: Ids | None, items: Ids | None, blocks: int | None
) -> Interactions:
    if len(rows) == 0:
        raise LogError("the log holds no rows")
    user_ids, user_codes = _factorize_with(rows.users, users)
    item_ids, item_codes = _factorize_with(rows.items, items)
    block = make_block(user_ids, user_codes, item_codes, rows.relevance, len(item_ids))
    offsets = _even_cuts(block.matrix.indptr, blocks or block_count(len(rows)))
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


def _factorize_with(column: Array, more: Ids | None) -> tuple[Ids, Vector]:
    if more is None:
        return ids.factorize(column)
    known = ids.union([ids.distinct(column), more])
    return known, known.encode(column)


def _even_cuts(indptr: Vector, count: int) -> Vector:
    """Cut rows into ranges of about equal numbers of entries, none of them empty."""
    rows = len(indptr) - 1
    goals = np.linspace(0, indptr[-1], count + 1)[1:-1]
    inner = np.searchsorted(indptr, goals)
    cuts = np.concatenate([[0], inner, [rows]]).astype(np.int64)
    return np.unique(np.clip(cuts, 0, rows))


def _encode_partitions(
    log: Log, users: Ids | None, items: Ids | None, count: int | None
) -> Interactions:
    parts = runtime.persist(log.parts, "reading the log")
    found = runtime.compute([runtime.task(summarise, p) for p in parts], "reading the log")
    runtime.tree_reduce([s.faults for s in found], Faults.merge).raise_any("the log")
    row_count = sum(s.row_count for s in found)
    if row_count == 0:
        raise LogError("the log holds no rows")
    item_ids = ids.union([s.items for s in found] + ([items] if items else []))
    bounds = _choose_bounds(found, count or block_count(row_count))
    pieces = exchange.by_user(parts, Shared(item_ids), bounds)
    extra = _split_ids(users, bounds) if users else [None] * len(pieces)
    blocks = runtime.persist(
        [
            runtime.task(block_of_pieces, piece, len(item_ids), None, more)
            for piece, more in zip(pieces, extra, strict=True)
        ],
        "building blocks",
    )
    folder = runtime.storage()
    sizes = runtime.compute([runtime.task(_measure, b, folder) for b in blocks], "building blocks")
    offsets, entries = (
        np.concatenate([[0], np.cumsum([getattr(s, name) for s in sizes])]).astype(np.int64)
        for name in ("user_count", "entry_count")
    )
    return Interactions(
        [Shared(b) if isinstance(b, UserBlock) else b for b in blocks],
        bounds,
        item_ids,
        user_ids=_gather_users([s.users for s in sizes], bounds, offsets),
        offsets=offsets,
        entry_offsets=entries,
        row_count=row_count,
    )


class _Summary:
    """What the driver must know of a partition."""

    def __init__(self, rows: Rows) -> None:
        self.row_count = len(rows)
        self.faults = rows.faults
        usable = not rows.faults.found and len(rows) > 0
        self.items = ids.distinct(rows.items if usable else rows.items[:0])
        self.sample = _sample_users(rows.users) if usable else rows.users[:0]


def summarise(rows: Rows) -> _Summary:
    """Return the number of rows, the faults, the items, and users at even steps of rows."""
    return _Summary(rows)


def _sample_users(users: Array) -> Array:
    known, codes = ids.factorize(users)
    codes = np.sort(codes)
    steps = np.linspace(0, len(codes) - 1, min(_SAMPLE, len(codes))).astype(np.int64)
    return known.decode(codes[steps])


def _choose_bounds(found: Sequence[_Summary], count: int) -> Array:
    """Cut at quantiles of the sampled rows; a cut is the first user of a block."""
    filled = [s for s in found if len(s.sample)]
    known, codes = ids.factorize(ids.concat([s.sample for s in filled]))
    weights = np.concatenate([np.full(len(s.sample), s.row_count / len(s.sample)) for s in filled])
    load = np.concatenate([[0.0], np.cumsum(np.bincount(codes, weights))])
    goals = np.linspace(0, load[-1], count + 1)[1:-1]
    cuts = np.unique(np.searchsorted(load, goals))
    # The first block starts below every user, so that no bound is needed for it.
    return known.values.take(cuts[(cuts > 0) & (cuts < len(known))])


def _split_ids(known: Ids, bounds: Array) -> list[Ids]:
    """Return the ids of each range."""
    cuts = np.searchsorted(ids.route(bounds, known.values), np.arange(len(bounds) + 2))
    return [known[a:b] for a, b in itertools.pairwise(cuts)]


def block_of_pieces(
    pieces: Sequence[Rows], item_count: int, users: Ids | None, more: Ids | None
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
        Users that are in the block besides those of the pieces.
    """
    pieces = [piece for piece in pieces if len(piece)] or list(pieces[:1])
    column = ids.concat([piece.users for piece in pieces])
    items = np.concatenate([np.asarray(piece.items) for piece in pieces])
    graded = [piece.relevance for piece in pieces if piece.relevance is not None]
    relevance = np.concatenate(graded) if graded else None
    if users is None:
        user_ids, codes = _factorize_with(column, more)
        return make_block(user_ids, codes, items, relevance, item_count)
    codes = users.encode(column)
    wanted = codes >= 0
    if relevance is not None:
        relevance = relevance[wanted]
    return make_block(users, codes[wanted], items[wanted], relevance, item_count)


class _Size:
    """The size of a block, and its users by handle."""

    def __init__(self, block: UserBlock, folder: str | None) -> None:
        self.user_count = len(block)
        self.entry_count = block.matrix.nnz
        self.users = Shared.stored(block.user_ids, folder)


def _measure(block: UserBlock, folder: str | None) -> _Size:
    return _Size(block, folder)


def _gather_users(shards: list[Shared[Ids]], bounds: Array, offsets: Vector) -> ShardedIds:
    """Keep user ids in their shards, or as one array when there are few enough."""
    sharded = ShardedIds(shards, bounds, offsets)
    if len(sharded) > int(config.get("user-id-limit")):
        return sharded
    whole = ShardedIds.of(sharded.whole())
    for shard in shards:
        shard.release()
    return whole


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
        wanted = _split_ids(users, bounds) if users is not None else [None] * len(pieces)
        tasks = [
            runtime.task(block_of_pieces, piece, len(item_ids), chosen, None)
            for piece, chosen in zip(pieces, wanted, strict=True)
        ]
        return UserBlocks(tasks, bounds, item_ids)
    rows = log.rows
    if users is None:
        users, codes = ids.factorize(rows.users)
    else:
        codes = users.encode(rows.users)
    items = item_ids.encode(rows.items)
    known = (codes >= 0) & (items >= 0)
    if not known.all():
        codes, items = codes[known], items[known]
    relevance = rows.relevance
    if relevance is not None and not known.all():
        relevance = relevance[known]
    block = make_block(users, codes, items, relevance, len(item_ids))
    return slice_blocks(block, item_ids, bounds if exact_bounds else None)


def slice_blocks(block: UserBlock, item_ids: Ids, bounds: Array | None = None) -> UserBlocks:
    """Cut one block into many: at bounds, else into ranges of about equal work."""
    if bounds is None:
        # Scoring costs something for a user without a history too.
        work = block.matrix.indptr + 16 * np.arange(len(block) + 1)
        cuts = _even_cuts(work, block_count(int(work[-1])))
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
