"""The interactions that a fitted model keeps, so that more of them can be added.

A model whose counts depend on who had what (pairs of items of one user, distinct users of an
item) cannot be updated from its sums alone: it keeps the encoded log, by handles on user
blocks. What its counts do not read (relevance, repeats) is left out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.data import encode, exchange, ids, ranges
from daskrec.data.blocks import Interactions, UserBlock, join_blocks
from daskrec.data.ids import Ids
from daskrec.data.log import Log
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.csr import Csr, stack
from daskrec.engine.merge import merge_csr
from daskrec.engine.shared import Shared


class History:
    """Kept interactions: handles on blocks of contiguous ranges of users.

    Parameters
    ----------
    blocks
        Handles on the blocks, in the order of users; none but the first may be empty.
    """

    __slots__ = ("blocks", "bounds")

    def __init__(self, blocks: Sequence[Shared[UserBlock]]) -> None:
        self.blocks = list(blocks)
        firsts = [block.get().user_ids.values[:1] for block in self.blocks[1:]]
        empty = self.blocks[0].get().user_ids.values[:0]
        self.bounds: Array = ids.concat(firsts) if firsts else empty

    @classmethod
    def of(cls, data: Interactions, *, relevance: bool, repeats: bool) -> "History":
        """Keep the interactions of a fit.

        Parameters
        ----------
        data
            The training data.
        relevance, repeats
            Keep the relevance of each entry, and the number of rows behind it.

        Notes
        -----
        In this process the arrays of the blocks are kept as they are; workers write theirs
        to storage: 4 bytes an entry, and 4 for each of relevance and repeats.
        """
        folder = runtime.storage()
        if all(isinstance(part, Shared) for part in data.parts):
            # A log in memory: the arrays are here.
            return cls([_kept(part.get(), relevance, repeats, None) for part in data.parts])
        return cls(data.map(_kept, relevance, repeats, folder, label="keeping interactions"))

    def release(self) -> None:
        """Remove what the blocks left in storage, when no task reads them any more."""
        for block in self.blocks:
            block.release()

    def rows(self, users: Array) -> Csr:
        """Return what users had, one row a user; an unknown user's row is empty."""
        home = ids.route(self.bounds, users)
        found: list[Csr] = []
        order = []
        for number in np.unique(home):
            here = np.flatnonzero(home == number)
            block = self.blocks[number].get()
            found.append(block.matrix.take(block.user_ids.encode(users.take(here))))
            order.append(here)
        if len(found) == 1:
            return found[0]
        if not found:
            return self.blocks[0].get().matrix.rows(0, 0)
        return stack(found).take(np.argsort(np.concatenate(order)))


def _kept(
    block: UserBlock, relevance: bool, repeats: bool, folder: str | None
) -> Shared[UserBlock]:
    matrix, nothing = block.matrix, np.empty(0, dtype=np.float32)
    data = matrix.data if relevance else nothing
    times = block.repeats if repeats else np.empty(0, dtype=np.int32)
    kept = UserBlock(block.user_ids, Csr(matrix.indptr, matrix.indices, data, matrix.width), times)
    return Shared.stored(kept, folder)


def extend(log: Log, history: History, item_ids: Ids, users: Sequence[Any] = ()) -> Interactions:
    """Return kept interactions and those of a log as one training set.

    Parameters
    ----------
    log
        More interactions.
    history
        The kept ones.
    item_ids
        The items of the kept ones.
    users
        Users known from elsewhere, as for ``encode_training``.

    Returns
    -------
    Interactions
        As if both logs had been encoded together; relevance of a repeated pair may differ
        by the rounding of float32.

    Notes
    -----
    One pass over the log and one over what was kept; both are cut anew at even numbers of
    entries.
    """
    if log.rows is not None:
        parts, news = list[Any](), [ranges.survey_rows(log.rows)]
    else:
        parts, news = ranges.survey_parts(log.parts)
    olds = runtime.compute([runtime.task(_survey, b) for b in history.blocks], "reading the log")
    rows, entries = (sum(s.row_count for s in found) for found in (news, olds))
    bounds = ranges.choose_bounds([*olds, *news], ranges.block_count(rows + entries))
    known = ids.union([item_ids, *(s.items for s in news if s.row_count)])
    fresh = _new_blocks(log, parts, known, bounds)
    more = ranges.gather_ids(users, bounds)
    places = Shared(known.encode(item_ids.values).astype(np.int32))
    merged = [
        runtime.task(_merge, blocks, part, extra, places, len(known), bounds, number)
        for number, (blocks, part, extra) in enumerate(
            zip(_overlaps(history, bounds), fresh, more, strict=True)
        )
    ]
    data = ranges.measured(runtime.persist(merged, "building blocks"), bounds, known)
    encode.warn_of_repeats(rows + entries - data.entry_count, log.owner)
    return data


def _survey(block: Shared[UserBlock]) -> ranges.Survey:
    return ranges.survey_block(block.get())


def _new_blocks(log: Log, parts: Sequence[Any], item_ids: Ids, bounds: Array) -> list[Any]:
    """Return the blocks of a log, cut at bounds: handles, or tasks."""
    if log.rows is not None:
        return encode.encode_history(log, item_ids, None, bounds, exact_bounds=True).parts
    pieces = exchange.by_user(parts, Shared(item_ids), bounds)
    return [runtime.task(encode.block_of_pieces, p, len(item_ids), None, []) for p in pieces]


def _overlaps(history: History, bounds: Array) -> list[list[Shared[UserBlock]]]:
    """Return for each new range the kept blocks that may have users of it."""
    first = ids.route(bounds, history.bounds)
    starts, stops = np.concatenate([[0], first]), np.concatenate([first, [len(bounds)]])
    return [
        [block for block, a, b in zip(history.blocks, starts, stops, strict=True) if a <= n <= b]
        for n in range(len(bounds) + 1)
    ]


def _merge(
    kept: Sequence[Shared[UserBlock]],
    part: Any,
    extra: Sequence[Ids],
    places: Shared[Vector],
    item_count: int,
    bounds: Array,
    number: int,
) -> UserBlock:
    """Join what is kept of a range of users with what is new of it."""
    new: UserBlock = part.get() if isinstance(part, Shared) else part
    old = _cut(kept, bounds, number)
    matrix = old.matrix
    indices = places.get()[matrix.indices]  # ascending codes stay ascending
    matrix = Csr(matrix.indptr, indices, matrix.data, item_count)
    known = ids.union([old.user_ids, new.user_ids, *extra])
    merged, repeats = merge_csr(
        matrix,
        old.repeats,
        known.encode(old.user_ids.values),
        new.matrix,
        new.repeats,
        known.encode(new.user_ids.values),
        len(known),
    )
    return UserBlock(known, merged, repeats)


def _cut(kept: Sequence[Shared[UserBlock]], bounds: Array, number: int) -> UserBlock:
    """Return the users of kept blocks that lie in one range of new bounds."""
    pieces = []
    for handle in kept:
        block = handle.get()
        home = ids.route(bounds, block.user_ids.values)
        start, stop = np.searchsorted(home, [number, number + 1])
        pieces.append(block.users(int(start), int(stop)))
    return join_blocks(pieces)
