"""What one scene gives: the value of each metric for its users, and what is added up of them.

``Measured`` holds values, one a user; ``Summary`` holds counts, sums and squares, which are
all that leaves a worker in a lazy evaluation. Sums are taken in the order of users and merged
in a fixed order, with the squares about the mean (Chan, Golub and LeVeque, "Updating
formulae and a pairwise algorithm for computing sample variances", 1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from daskrec.data import ids
from daskrec.data.ids import Ids
from daskrec.engine import ranking
from daskrec.engine.arrays import Array, Vector
from daskrec.metrics.scene import Scene


@dataclass(frozen=True)
class Measure:
    """A metric as the work that it is.

    Parameters
    ----------
    name
        Name of the metric.
    over
        The side whose users it is averaged over: ``truth``, ``recs``, ``train`` or ``base``.
    function
        ``function(scene, ks, *args)`` returns depths x users of the scene.
    args
        More arguments of the function.
    """

    name: str
    over: str
    function: Any
    args: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Values:
    """Values of one metric.

    Parameters
    ----------
    users
        The users that count, as places among the users of the scene.
    table
        float64, depths x those users.
    """

    users: Vector
    table: Vector


@dataclass(frozen=True)
class Best:
    """The best place that items have in any list.

    Parameters
    ----------
    items
        The items.
    places
        int32, from 0.
    """

    items: Ids
    places: Vector

    def merge(self, other: "Best") -> "Best":
        """Return the best places in the lists of either."""
        items = ids.union([self.items, other.items])
        places = np.full(len(items), ranking.NOWHERE, np.int32)
        for best in (self, other):
            codes = items.encode(best.items.values)
            places[codes] = np.minimum(places[codes], best.places)
        return Best(items, places)


@dataclass(frozen=True)
class Measured:
    """Values of the users of one scene.

    Parameters
    ----------
    users
        All users of the scene.
    values
        For each measure its values; None where they were let go.
    summary
        What is added up.
    rows
        For each user the number of rows of the log, where it was asked for.
    """

    users: Ids
    values: list[Values] | None
    summary: "Summary"
    rows: Vector | None = None

    def ids_of(self, at: int) -> Array:
        """Return the users that count for a measure."""
        assert self.values is not None
        return self.users.decode(self.values[at].users)


@dataclass(frozen=True)
class Summary:
    """Sums over users.

    Parameters
    ----------
    counts
        For each measure the number of users.
    sums, squares
        For each measure and depth the sum of the values, and that of the squares of their
        distances from their mean.
    best
        The best places of the items, where it was asked for.
    strangers
        Number of users that have recommendations but no truth.
    kept
        Whether all values were kept.
    """

    counts: list[int] = field(default_factory=list)
    sums: list[Vector] = field(default_factory=list)
    squares: list[Vector] = field(default_factory=list)
    best: Best | None = None
    strangers: int = 0
    kept: bool = True

    def merge(self, other: "Summary") -> "Summary":
        """Return the sums over the users of both."""
        squares = []
        for at, (mine, theirs) in enumerate(zip(self.squares, other.squares, strict=True)):
            n, m = self.counts[at], other.counts[at]
            squares.append(mine + theirs)
            if n and m:
                gap = self.sums[at] / n - other.sums[at] / m
                squares[at] = squares[at] + gap * gap * (n * m / (n + m))
        best = self.best
        if best is not None and other.best is not None:
            best = best.merge(other.best)
        return Summary(
            [n + m for n, m in zip(self.counts, other.counts, strict=True)],
            [a + b for a, b in zip(self.sums, other.sums, strict=True)],
            squares,
            best,
            self.strangers + other.strangers,
            self.kept and other.kept,
        )


def measure(
    scene: Scene, measures: Sequence[Measure], ks: Vector, best: bool, rows: bool
) -> Measured:
    """Work out metrics for the users of a scene.

    Parameters
    ----------
    scene
        Complete users.
    measures
        The metrics.
    ks
        Depths in ascending order.
    best
        Find the best place of each item as well.
    rows
        Count the rows of the log of each user as well.
    """
    found = []
    counted = {one.over: scene.users_of(one.over) for one in measures}
    for one in measures:
        users = counted[one.over]
        table = one.function(scene, ks, *one.args)
        found.append(Values(users, table if len(users) == scene.user_count else table[:, users]))
    summary = Summary(
        [len(values.users) for values in found],
        # The last axis is contiguous, so that numpy sums it pairwise.
        [values.table.sum(axis=1) for values in found],
        [_squares(values.table) for values in found],
        _best_of(scene) if best else None,
        _strangers(scene, counted["truth"]) if "truth" in counted else 0,
    )
    return Measured(scene.users, found, summary, scene.rows_of("log") if rows else None)


def _squares(table: Vector) -> Vector:
    if table.shape[1] == 0:
        return np.zeros(len(table))
    apart = table - table.mean(axis=1, keepdims=True)
    return np.asarray((apart * apart).sum(axis=1))


def _best_of(scene: Scene) -> Best:
    places = ranking.best_places(scene.lists.indptr, scene.lists.items, len(scene.items))
    shown = np.flatnonzero(places < ranking.NOWHERE)
    return Best(Ids(scene.items.values.take(shown)), places[shown])


def _strangers(scene: Scene, known: Vector) -> int:
    return len(np.setdiff1d(scene.users_of("recs"), known, assume_unique=True))


def drop_values(measured: Measured, budget: float) -> Measured:
    """Let values go that take more than so many bytes."""
    assert measured.values is not None
    if sum(values.table.nbytes for values in measured.values) <= budget:
        return measured
    return Measured(measured.users[:0], None, replace(measured.summary, kept=False), None)
