"""User blocks: the form in which every model sees a log.

A block is the complete history of a contiguous range of users: a CSR matrix of those users
by all items. For five rows (user, item, relevance)::

    (10, 7, 1) (10, 9, 2) (20, 9, 1) (20, 9, 4) (35, 8, 1)

the items get the codes 7 -> 0, 8 -> 1, 9 -> 2, and one block of all three users holds::

    user_ids  10 20 35
    indptr    0 2 3 4
    indices   0 2 2 1       item codes, sorted within a user
    data      1 2 5 1       relevance; the repeated pair is one entry with the sum
    repeats   1 1 2 1       rows behind each entry (empty when all are 1)

A model that reads sequences asks for times, and gets one more array: the item of every row of a
user, repeated rows too, in the order of (time, item)::

    sequence  0 2 2 2 1     (empty when times were not asked for)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskrec.data.ids import Ids, ShardedIds, concat
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.backend import DeviceArray, on_host
from daskrec.engine.csr import Csr, stack
from daskrec.engine.csr_build import build_csr
from daskrec.engine.shared import Shared, as_array
from daskrec.engine.time_order import order_rows
from daskrec.errors import LogError


@dataclass(frozen=True)
class Features:
    """Frames of features of users and of items, where a caller gave some."""

    users: Any = None
    items: Any = None


class UserBlock:
    """The histories of some users.

    Parameters
    ----------
    user_ids
        The sorted ids of the users, one for each row.
    matrix
        Users x all items; float32 relevance, int32 item codes sorted within a row.
    repeats
        int32 number of log rows behind each entry; empty when every entry is one row.
    sequence
        int32 item code of each log row, by user, then time, then code; None, or empty, where
        times were not asked for.
    """

    __slots__ = ("matrix", "repeats", "sequence", "user_ids")

    def __init__(
        self, user_ids: Ids, matrix: Csr, repeats: Vector, sequence: Vector | None = None
    ) -> None:
        self.user_ids = user_ids
        self.matrix = matrix
        self.repeats = repeats
        self.sequence = np.empty(0, dtype=np.int32) if sequence is None else sequence

    def __len__(self) -> int:
        return len(self.user_ids)

    def __sizeof__(self) -> int:
        """Return the bytes of all that it is made of, as ``Csr`` does."""
        mine = self.user_ids.__sizeof__() + self.matrix.__sizeof__()
        mine += int(self.repeats.nbytes + self.sequence.nbytes)
        return object.__sizeof__(self) + mine

    @property
    def row_count(self) -> int:
        """Number of log rows."""
        return int(self.repeats.sum(dtype=np.int64)) if len(self.repeats) else self.matrix.nnz

    def users(self, start: int, stop: int) -> "UserBlock":
        """Return the users from ``start`` to ``stop``, as views."""
        first, last = self.matrix.indptr[start], self.matrix.indptr[stop]
        repeats = self.repeats[first:last] if len(self.repeats) else self.repeats
        sequence = self.sequence
        if len(sequence):
            before = self.repeats[:first].sum(dtype=np.int64) if len(repeats) else first
            count = repeats.sum(dtype=np.int64) if len(repeats) else last - first
            sequence = sequence[before : before + count]
        mine = self.user_ids[start:stop]
        return UserBlock(mine, self.matrix.rows(start, stop), repeats, sequence)

    def take(self, users: Ids, rows: Vector) -> "UserBlock":
        """Return the histories of some users, without their order.

        Parameters
        ----------
        users
            The ids of the users.
        rows
            The row of each; -1 gives an empty history.
        """
        matrix, repeats = self.matrix, self.repeats
        if len(repeats):
            times = Csr(matrix.indptr, matrix.indices, repeats, matrix.width)
            repeats = times.take(rows).data
        return UserBlock(users, matrix.take(rows), repeats)

    @property
    def row_starts(self) -> Vector:
        """int64, one longer than the users: where the log rows of each begin in the sequence."""
        indptr = self.matrix.indptr
        if len(self.repeats) == 0:
            return indptr
        return np.concatenate([[0], np.cumsum(self.repeats, dtype=np.int64)])[indptr]

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        ordered = {"sequence": self.sequence} if len(self.sequence) else {}
        return {
            "user_ids": self.user_ids.values,
            "repeats": self.repeats,
            **ordered,
            **self.matrix.to_arrays(),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "UserBlock":
        """Make the object of its arrays."""
        matrix, repeats = Csr.from_arrays(arrays), as_array(arrays["repeats"])
        sequence = as_array(arrays["sequence"]) if "sequence" in arrays else None
        return cls(Ids(arrays["user_ids"]), matrix, repeats, sequence)


def join_blocks(blocks: Sequence[UserBlock]) -> UserBlock:
    """Join blocks of consecutive ranges of users, without the order of their rows."""
    if len(blocks) == 1:
        return blocks[0]
    counted = any(len(block.repeats) for block in blocks)
    repeats = [
        block.repeats if len(block.repeats) or not counted else np.ones(block.matrix.nnz, np.int32)
        for block in blocks
    ]
    users = Ids(concat([block.user_ids.values for block in blocks]))
    return UserBlock(users, stack([block.matrix for block in blocks]), np.concatenate(repeats))


def make_block(
    user_ids: Ids,
    users: DeviceArray,
    items: DeviceArray,
    relevance: DeviceArray | None,
    item_count: int,
    times: Vector | None = None,
) -> UserBlock:
    """Make a block of coded rows in any order.

    Parameters
    ----------
    user_ids
        The ids of the rows of the block.
    users, items
        Codes of one length: positions in ``user_ids``, and item codes. On the host or on a GPU,
        as ``build_csr`` takes them; rows with a code of -1 are left out, but with times there
        may be none.
    relevance
        float32 there, or None where every row counts 1.
    item_count
        Number of items.
    times
        int64 in the order of time, where the order of rows is wanted.

    Raises
    ------
    LogError
        The relevance of repeated rows adds up to more than float32 holds.
    """
    matrix, repeats = build_csr(users, items, relevance, len(user_ids), item_count)
    if len(repeats) and not np.isfinite(matrix.data).all():
        raise LogError("the relevance of repeated (user, item) rows adds up beyond float32")
    sequence = None
    if times is not None:
        sequence = order_rows(on_host(users), on_host(items), times, len(user_ids))
    return UserBlock(user_ids, matrix, repeats, sequence)


class UserBlocks:
    """All users of a log, in blocks.

    Parameters
    ----------
    parts
        One entry a block: a handle on a ``UserBlock``, or a task that gives one.
    bounds
        The first user id of each block but the first.
    item_ids
        The items of the columns.
    """

    def __init__(self, parts: Sequence[Any], bounds: Array, item_ids: Ids) -> None:
        self.parts = list(parts)
        self.bounds = bounds
        self.item_ids = item_ids

    def __len__(self) -> int:
        return len(self.parts)

    def tasks(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """Return one task a block, which calls ``function(block, *args)``."""
        return [runtime.task(_on_block, part, function, *args) for part in self.parts]

    def release(self) -> None:
        """Remove what these blocks left in storage, when no task reads them any more."""
        for part in self.parts:
            if isinstance(part, Shared):
                part.release()

    def map(self, function: Callable[..., Any], *args: Any, label: str) -> list[Any]:
        """Call ``function(block, *args)`` on every block; return the results in order."""
        return runtime.compute(self.tasks(function, *args), label)


def _on_block(part: Any, function: Callable[..., Any], *args: Any) -> Any:
    return function(part.get() if isinstance(part, Shared) else part, *args)


class Interactions(UserBlocks):
    """The training log of a model: user blocks whose sizes are known.

    Parameters
    ----------
    parts, bounds, item_ids
        As for ``UserBlocks``.
    user_ids
        The users, in one shard a block or in a single one.
    offsets
        int64 array, one longer than ``parts``: the code of the first user of each block,
        then the number of users.
    entry_offsets
        The same for entries (distinct user-item pairs).
    row_count
        Number of log rows.
    """

    features: Features = Features()

    def __init__(
        self,
        parts: Sequence[Any],
        bounds: Array,
        item_ids: Ids,
        *,
        user_ids: ShardedIds,
        offsets: Vector,
        entry_offsets: Vector,
        row_count: int,
    ) -> None:
        super().__init__(parts, bounds, item_ids)
        self.user_ids = user_ids
        self.offsets = offsets
        self.entry_offsets = entry_offsets
        self.row_count = row_count

    @property
    def user_count(self) -> int:
        """Number of users."""
        return int(self.offsets[-1])

    @property
    def item_count(self) -> int:
        """Number of items."""
        return len(self.item_ids)

    @property
    def entry_count(self) -> int:
        """Number of distinct user-item pairs."""
        return int(self.entry_offsets[-1])
