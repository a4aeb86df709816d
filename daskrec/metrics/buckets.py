"""Rows of lazy frames by users: left in storage by the tasks that read them, in buckets.

Every part of a frame is sorted by a hash of its users and left in storage (in memory, where
tasks run in this process), and tells how many rows lie in each of 1,024 slots of the hash. A
bucket is a range of slots that holds complete users; the task that works on it reads its
stretch of every part and nothing else. So workers hold one part or one bucket at a time, and
not the frames.
"""

import itertools
import uuid
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskrec.data.groups import join_pieces
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector, open_folder, read_array, write_arrays
from daskrec.engine.keys import hash_ids
from daskrec.engine.shared import Shared, remove_folder
from daskrec.metrics.columns import Side

_BITS = 10
_SLOTS = 1 << _BITS
_ROWS_PER_BUCKET = 2_000_000  # bounds the memory of a task: about 150 MB
_ROWS_WORTH_A_TASK = 65_536


class Scratch:
    """A folder of the pass, which goes when nobody needs it any more."""

    def __init__(self) -> None:
        base = runtime.storage()
        self.folder = None if base is None else f"{base}/evaluation-{uuid.uuid4().hex}"
        self._end = None if self.folder is None else weakref.finalize(
            self, remove_folder, self.folder
        )  # fmt: skip

    def stay(self) -> None:
        """Leave the files until this process ends: a lazy frame may read them later."""
        if self._end is not None:
            self._end.detach()


@dataclass(frozen=True)
class Sent:
    """The rows of one frame, in the order of slots part by part.

    Parameters
    ----------
    cuts
        parts x (slots + 1): where each slot starts in each part.
    folders
        For each part its folder in storage.
    parts
        For each part its columns, where they are not in storage.
    """

    cuts: Shared[Vector]
    folders: list[str]
    parts: list[Arrays]

    def rows(self, start: int, stop: int) -> Arrays:
        """Return the rows of a range of slots, in the order of the parts."""
        cuts = self.cuts.get()
        found: list[Arrays] = []
        for part in range(len(cuts)):
            first, last = int(cuts[part, start]), int(cuts[part, stop])
            if first < last or (not found and part == len(cuts) - 1):
                found.append(self._stretch(part, first, last))
        return join_pieces(found)

    def _stretch(self, part: int, first: int, last: int) -> Arrays:
        if self.parts:
            return {name: column[first:last] for name, column in self.parts[part].items()}
        return _read(self.folders[part], first, last)


def send(sides: Mapping[str, Side], scratch: Scratch) -> tuple[dict[str, Sent], list[int]]:
    """Read frames once, and leave their rows by slots.

    Returns
    -------
    tuple
        The sent frames by name, and the bounds of the buckets among the slots.
    """
    found: dict[str, Sent] = {}
    load = np.zeros(_SLOTS, np.int64)
    for name, side in sides.items():
        parts = side.parts()
        base = scratch.folder
        folders = [f"{base}/{name}-{number}" if base else "" for number in range(len(parts))]
        calls = list(zip(parts, folders, strict=True))
        if side.lazy:
            left = runtime.compute(runtime.tasks(leave, calls), f"reading {side.table.what}")
        else:
            left = [leave(*call) for call in calls]
        cuts = np.stack([one for one, _ in left])
        load += np.diff(cuts, axis=1).sum(axis=0)
        found[name] = Sent(
            Shared.stored(cuts, base), folders, [rows for _, rows in left if rows is not None]
        )
    return found, _bounds(load)


def leave(arrays: Arrays, folder: str) -> tuple[Vector, Arrays | None]:
    """Leave a part in storage in the order of slots; return where each starts.

    Without a folder the rows come back.
    """
    home = (hash_ids(arrays["user"]) >> np.uint64(64 - _BITS)).astype(np.uint16)
    order = np.argsort(home, kind="stable")
    counts = np.bincount(home, minlength=_SLOTS)
    cuts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows: Arrays = {name: column.take(order) for name, column in arrays.items()}
    if not folder:
        return cuts, rows
    write_arrays(folder, rows)
    return cuts, None


def _bounds(load: Vector) -> list[int]:
    """Cut the slots into buckets of about equal numbers of rows."""
    total = int(load.sum())
    few = min(2 * runtime.parallelism(), total // _ROWS_WORTH_A_TASK)
    count = max(1, -(-total // _ROWS_PER_BUCKET), few)
    goals = np.linspace(0, total, count + 1)[1:-1]
    inner = np.searchsorted(np.cumsum(load), goals, side="left") + 1
    return [int(bound) for bound in np.unique(np.concatenate([[0], inner, [_SLOTS]]))]


def ranges(bounds: Sequence[int]) -> list[tuple[int, int]]:
    """Return first and last bound of each bucket."""
    return list(itertools.pairwise(bounds))


def _read(folder: str, first: int, last: int) -> Arrays:
    """Read a stretch of every column of a folder, and no more where it is one of numbers."""
    fs, root = open_folder(folder)
    found: Arrays = {}
    for path in sorted(fs.ls(root, detail=False)):
        name, _, kind = path.rpartition("/")[2].rpartition(".")
        if kind == "npy":
            with fs.open(path, "rb") as source:
                found[name] = _read_numbers(source, first, last)
        else:
            found[name] = _copy(read_array(folder, name)[first:last])
    return found


def _read_numbers(source: Any, first: int, last: int) -> Vector:
    np.lib.format.read_magic(source)
    _, _, dtype = np.lib.format.read_array_header_1_0(source)
    source.seek(source.tell() + first * dtype.itemsize)
    return np.frombuffer(source.read((last - first) * dtype.itemsize), dtype)


def _copy(column: Array) -> Array:
    return column.take(np.arange(len(column)))
