"""One pass over the frames of an evaluation: in memory at once, else in buckets of users.

In memory nothing of Dask is touched. Where any frame is lazy, the rows of all frames are
left in buckets by a hash of their users, and each bucket is a task that holds complete users.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from daskrec.engine import runtime
from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.shared import Shared
from daskrec.metrics import buckets
from daskrec.metrics.buckets import Scratch, Sent
from daskrec.metrics.columns import Side
from daskrec.metrics.measured import Measure, Measured, Summary, drop_values, measure
from daskrec.metrics.scene import ByItem, Scene

_KEPT_BYTES = 256e6  # values that all workers together hold on to
_WHOLE_LISTS = 2**31 - 1


@dataclass(frozen=True)
class Work:
    """What is worked out of every scene; small enough to travel with every task.

    Parameters
    ----------
    measures
        The metrics.
    ks
        Depths in ascending order.
    whole
        Lists are not cut at the largest depth: a metric of the user's asks for all of them.
    best
        Find the best places of items.
    rows
        Count the rows of the log.
    tables
        Numbers of items.
    """

    measures: Sequence[Measure]
    ks: Vector
    whole: bool = False
    best: bool = False
    rows: bool = False
    tables: Mapping[str, Shared[ByItem]] | None = None

    def do(self, sides: Mapping[str, Arrays]) -> Measured:
        """Work on complete users."""
        depth = _WHOLE_LISTS if self.whole else int(self.ks[-1])
        scene = Scene(sides, depth, self.tables)
        return measure(scene, self.measures, self.ks, self.best, self.rows)


@dataclass(frozen=True)
class Stored:
    """Frames in storage, and what is worked out of their buckets."""

    names: list[str]
    frames: list[Sent]
    ranges: list[tuple[int, int]]
    work: Work
    scratch: Scratch

    def tasks(self, work: Work, budget: float) -> list[Any]:
        """Return a task for each bucket; values beyond so many bytes are let go."""
        calls = [(self.names, self.frames, work, budget, *each) for each in self.ranges]
        return runtime.tasks(_measure_bucket, calls)


@dataclass(frozen=True)
class Pass:
    """The outcome of a pass.

    Parameters
    ----------
    summary
        What is added up.
    measured
        ``Measured`` of all users, or tasks that give that of each bucket.
    lazy
        Whether they are tasks.
    stored
        Where values were not kept, what they can be worked out of again.
    """

    summary: Summary
    measured: list[Any]
    lazy: bool
    stored: Stored | None = None

    def values(self, at: int) -> tuple[list[Any], int]:
        """Return what holds the values of a measure (or tasks), and its place in there."""
        if self.stored is None:
            return self.measured, at
        work = self.stored.work
        return self.stored.tasks(replace(work, measures=[work.measures[at]], best=False), np.inf), 0


def run(sides: Mapping[str, Side], work: Work) -> Pass:
    """Go over the frames once.

    Notes
    -----
    In memory: one factorise of the users and one of the items, a stable sort of lists that are
    not in order, and a compiled loop for each metric; about 100 bytes a row beside the frames.

    Lazy: every frame is read once, and every row goes to storage once (16 bytes or less a row
    of integer ids, 8 without relevance; in memory, where tasks run in this process). Values
    stay on the workers as long as they are few (256 MB in all); otherwise the buckets are
    worked on again when they are asked for.
    """
    if not any(side.lazy for side in sides.values()):
        measured = work.do({name: side.parts()[0] for name, side in sides.items()})
        return Pass(measured.summary, [measured], False)
    scratch = Scratch()
    sent, bounds = buckets.send(sides, scratch)
    stored = Stored(list(sent), list(sent.values()), buckets.ranges(bounds), work, scratch)
    kept = runtime.persist(stored.tasks(work, _KEPT_BYTES / len(stored.ranges)), "evaluating")
    summaries = runtime.tasks(_summary_of, [(one,) for one in kept])
    summary = runtime.reduce(summaries, Summary.merge, "evaluating")
    if summary.kept:
        return Pass(summary, kept, True)
    return Pass(summary, [], True, stored)


def _summary_of(measured: Measured) -> Summary:
    return measured.summary


def _measure_bucket(
    names: Sequence[str],
    frames: Sequence[Sent],
    work: Work,
    budget: float,
    start: int,
    stop: int,
) -> Measured:
    """Work on the users of one bucket."""
    sides = {name: sent.rows(start, stop) for name, sent in zip(names, frames, strict=True)}
    return drop_values(work.do(sides), budget)
