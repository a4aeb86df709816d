"""The examples of a training: read from blocks, cut into batches, ready before they are needed.

Histories stay where they are, in handles that are opened when they are read. An epoch goes
through *windows*: a window is a number of *pages* (ranges of users, of equal numbers of them),
picked at random anew for each epoch, and its examples are shuffled. A log of up to ``WINDOW``
rows is one window, and is shuffled wholly; of a larger one, a window at a time is in memory.
Pages, windows and orders follow from the users, the seed and the epoch, never from how the log
was partitioned.
"""

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from daskrec.data.blocks import Interactions, UserBlock
from daskrec.engine import runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr, stack
from daskrec.engine.random import hash64, stream, uniform
from daskrec.engine.shared import Shared

WINDOW = 1 << 25  # log rows of a window: 256 MB of entries
PAGES = 16  # of a window
_KEYS = 1 << 20  # drawn for at once

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """The histories of all users, by handles.

    Parameters
    ----------
    shards
        Handles on users x items; values are the log rows behind an entry, or empty where
        each is one row.
    offsets
        int64, one longer: the first user of each shard, then the number of users.
    item_count
        Number of items.
    row_count
        Number of log rows.
    """

    shards: Sequence[Shared[Csr]]
    offsets: Vector
    item_count: int
    row_count: int

    @classmethod
    def of(cls, data: Interactions) -> "Source":
        """Take what training reads of a log.

        In this process its arrays are kept as they are; workers write theirs to storage, 4
        bytes an entry and 4 more where rows are repeated.
        """
        return cls(
            data.map(_kept, runtime.storage(), label="reading histories"),
            data.offsets,
            data.item_count,
            data.row_count,
        )

    @property
    def user_count(self) -> int:
        """Number of users."""
        return int(self.offsets[-1])

    def read(self, start: int, stop: int) -> Csr:
        """Return the histories of a range of users."""
        first = int(np.searchsorted(self.offsets, start, side="right")) - 1
        pieces = []
        for number in range(first, len(self.shards)):
            base = int(self.offsets[number])
            if base >= stop:
                break
            matrix = self.shards[number].get()
            pieces.append(matrix.rows(max(start - base, 0), min(stop - base, len(matrix))))
        return pieces[0] if len(pieces) == 1 else stack(pieces)

    def digest(self) -> int:
        """Return a hash of all of it, which no partitioning changes."""
        calls = zip(self.shards, self.offsets[:-1].tolist(), strict=True)
        found = runtime.compute(runtime.tasks(_hashed, calls), "reading histories")
        total: int = sum(found) % (1 << 64)
        return total

    def close(self) -> None:
        """Let go of the files that were read."""
        for shard in self.shards:
            shard.close()

    def release(self) -> None:
        """Remove what lies in storage."""
        for shard in self.shards:
            shard.release()


def _kept(block: UserBlock, folder: str | None) -> Shared[Csr]:
    matrix, repeats = block.matrix, block.repeats
    if not (repeats > 1).any():
        repeats = repeats[:0]
    kept = Csr(matrix.indptr, matrix.indices, repeats.astype(np.float32), matrix.width)
    return Shared.stored(kept, folder)


def _hashed(shard: Shared[Csr], first: int) -> int:
    matrix = shard.get()
    users = np.repeat(np.arange(first, first + len(matrix)), np.diff(matrix.indptr))
    keys = hash64(0, users, matrix.indices)
    if len(matrix.data):
        keys *= matrix.data.astype(np.uint64)
    return int(keys.sum(dtype=np.uint64))


@dataclass(frozen=True)
class Split:
    """Which examples are for validation: a share of them, drawn by key.

    Parameters
    ----------
    share
        0 for none.
    seed
        Of the draw.
    """

    share: float
    seed: int

    def held_out(self, a: Vector, b: Vector | int = 0) -> Vector:
        """Tell of each key whether it is for validation."""
        held = np.zeros(len(a), dtype=bool)
        if self.share == 0:
            return held
        seed = stream(self.seed, "neural.validation")
        for start in range(0, len(a), _KEYS):  # words and numbers are 16 bytes a key
            part = slice(start, start + _KEYS)
            keys = b if isinstance(b, int) else b[part]
            held[part] = uniform(seed, a[part], keys) < self.share
        return held


@dataclass(frozen=True)
class Window:
    """Some users with their histories: their codes, ascending, and a row for each."""

    users: Vector
    matrix: Csr
    number: int


def windows(source: Source, seed: int, epoch: int | None) -> Iterator[Window]:
    """Walk through the users, a window of memory at a time.

    Parameters
    ----------
    source
        The histories.
    seed, epoch
        Of the order of pages; None leaves them as they lie.
    """
    count = max(1, -(-source.row_count // WINDOW))
    pages = min(count * PAGES if count > 1 else 1, source.user_count)
    cuts = np.linspace(0, source.user_count, pages + 1).astype(np.int64)
    order = np.arange(pages)
    if epoch is not None and pages > 1:
        shuffle(order, stream(seed, "neural.pages"), epoch, 0)
    for number, first in enumerate(range(0, pages, PAGES)):
        mine = np.sort(order[first : first + PAGES])
        users = np.concatenate([np.arange(cuts[p], cuts[p + 1]) for p in mine])
        yield Window(
            users, _joined(source, [(int(cuts[p]), int(cuts[p + 1])) for p in mine]), number
        )


def _joined(source: Source, ranges: Sequence[tuple[int, int]]) -> Csr:
    """Read ranges of users, one or a copy of several: then no file stays open."""
    parts = [source.read(start, stop) for start, stop in ranges]
    if len(parts) == 1:
        return parts[0]
    matrix = stack(parts)
    source.close()
    return matrix


def shuffle(values: Vector, seed: int, epoch: int, number: int) -> None:
    """Bring values into an order of their own for each epoch and window, in place."""
    key = np.array([seed % (1 << 64), (epoch << 32) | number], dtype=np.uint64)
    np.random.Generator(np.random.Philox(key=key)).shuffle(values)


def prefetched(items: Iterable[T], depth: int = 3) -> Iterator[T]:
    """Make items in a thread, some ahead of who takes them."""
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(depth)
    stop = threading.Event()

    def put(kind: str, value: Any) -> None:
        while not stop.is_set():
            try:
                ready.put((kind, value), timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put("item", item)
                if stop.is_set():
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=work, name="daskrec-batches", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stop.set()
        thread.join()
