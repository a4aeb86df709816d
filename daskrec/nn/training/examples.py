"""Batches of examples: users with their histories, or rows of the log.

A batch is a range of the examples of an epoch in their shuffled order; of several processes
each takes its part of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr
from daskrec.engine.random import stream
from daskrec.nn.training.parallel import Group
from daskrec.nn.training.source import Source, Split, Window, shuffle, windows

_FEW = 100_000  # examples among which it is looked for one that is not for validation


@dataclass(frozen=True)
class UserBatch:
    """Users with their histories.

    Parameters
    ----------
    count
        Users of the batch in all processes together.
    users
        int64 codes of those of this process.
    matrix
        Their histories; values are numbers of log rows, or empty where all are 1.
    """

    count: int
    users: Vector
    matrix: Csr


@dataclass(frozen=True)
class RowBatch:
    """Rows of the log.

    Parameters
    ----------
    count
        Rows of the batch in all processes together.
    places
        int64 places of those of this process among all of the epoch.
    users, items
        int64 codes.
    """

    count: int
    places: Vector
    users: Vector
    items: Vector


@dataclass(frozen=True)
class Course:
    """How examples are cut into batches, by any number of processes.

    Parameters
    ----------
    source
        Histories.
    split
        What is held out.
    batch_size
        Examples of a batch.
    seed
        Of the order.
    """

    source: Source
    split: Split
    batch_size: int
    seed: int

    def users(self, epoch: int | None, group: Group) -> Iterator[UserBatch]:
        """Return batches of users: of an epoch of training, or (None) those held out."""
        for window in windows(self.source, self.seed, epoch):
            held = self.split.held_out(window.users)
            chosen = self._ordered(held, epoch, window.number)
            for count, _, mine in self._cut(chosen, group):
                yield UserBatch(count, window.users[mine], window.matrix.take(mine))

    def rows(self, epoch: int | None, group: Group) -> Iterator[RowBatch]:
        """Return batches of log rows: of an epoch of training, or (None) those held out."""
        first = 0
        for window in windows(self.source, self.seed, epoch):
            users, items = _rows_of(window)
            held = self.split.held_out(users, items)
            chosen = self._ordered(held, epoch, window.number)
            for count, start, mine in self._cut(chosen, group):
                places = np.arange(first + start, first + start + len(mine))
                who, what = (codes[mine].astype(np.int64) for codes in (users, items))
                yield RowBatch(count, places, who, what)
            first += len(chosen)

    def _ordered(self, held: Vector, epoch: int | None, number: int) -> Vector:
        """Return the examples of a window that are meant, in the order of the epoch."""
        chosen = np.flatnonzero(held if epoch is None else ~held)
        if len(held) < 2**31:  # the largest array of a training, beside the log
            chosen = chosen.astype(np.int32)
        if epoch is not None:
            shuffle(chosen, stream(self.seed, "neural.order"), epoch, number)
        return chosen

    def steps(self, examples: int) -> int:
        """Return about how many batches an epoch of so many examples has."""
        return max(1, round(examples * (1 - self.split.share) / self.batch_size))

    def _cut(self, chosen: Vector, group: Group) -> Iterator[tuple[int, int, Vector]]:
        """Yield the size of each batch, and where this process's part begins, and the part."""
        for start in range(0, len(chosen), self.batch_size):
            batch = chosen[start : start + self.batch_size]
            first, last = group.part(len(batch))
            yield len(batch), start + first, batch[first:last]


def _rows_of(window: Window) -> tuple[Vector, Vector]:
    """Return the user and the item of every log row; repeated rows follow each other."""
    matrix = window.matrix
    small = len(window.users) == 0 or window.users[-1] < 2**31  # codes ascend
    users = np.repeat(window.users.astype(np.int32 if small else np.int64), np.diff(matrix.indptr))
    items = matrix.indices
    if len(matrix.data) == 0:
        return users, items
    times = matrix.data.astype(np.int64)
    return np.repeat(users, times), np.repeat(items, times)


def usable_split(source: Source, split: Split, by_row: bool) -> Split:
    """Return the split, or one that holds nothing out where it would leave nothing to learn."""
    if source.row_count > _FEW:
        return split
    window = next(windows(source, split.seed, None))
    keys = _rows_of(window) if by_row else (window.users,)
    return Split(0.0, split.seed) if split.held_out(*keys).all() else split
