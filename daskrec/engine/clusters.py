"""k-means by map and reduce: what a block contributes, and how contributions are merged.

Values are standardised on their way in, so that far-off origins cost no precision. The first
centres come from scikit-learn on a sample of the rows; the sample is drawn by keys, so that
no cut of the rows into blocks shows in it.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel
from daskrec.engine.random import hash64, stream

SAMPLE = 16_384  # rows from which the first centres are made
_STARTS = 10


@dataclass(frozen=True)
class Moments:
    """Number of rows, their mean, and the sum of squares about it, by column."""

    count: int
    mean: Vector
    squares: Vector

    @classmethod
    def of(cls, values: Vector) -> "Moments":
        """Return the moments of some rows."""
        if not len(values):
            return cls(0, np.zeros(values.shape[1]), np.zeros(values.shape[1]))
        mean = values.mean(axis=0)
        return cls(len(values), mean, ((values - mean) ** 2).sum(axis=0))

    def merge(self, other: "Moments") -> "Moments":
        """Return the moments of both (Chan, Golub and LeVeque 1979)."""
        count = self.count + other.count
        share = other.count / max(count, 1)
        apart = other.mean - self.mean
        squares = self.squares + other.squares + apart**2 * self.count * share
        return Moments(count, self.mean + apart * share, squares)

    @property
    def variance(self) -> Vector:
        """Variance of each column."""
        return self.squares / max(self.count, 1)


@dataclass(frozen=True)
class Frame:
    """Where values are moved to before they are clustered: ``(values - mean) / scale``."""

    mean: Vector
    scale: Vector

    @classmethod
    def of(cls, moments: Moments, scaled: bool) -> "Frame":
        """Centre columns and, if asked, divide by their deviations; constant ones stay."""
        deviation = np.sqrt(moments.variance)
        tiny = np.finfo(float).eps * np.maximum(np.abs(moments.mean), 1.0)
        scale = np.where(scaled & (deviation > tiny), deviation, 1.0)
        return cls(moments.mean, scale)

    def apply(self, values: Vector) -> Vector:
        """Return moved values."""
        return (values - self.mean) / self.scale


@dataclass(frozen=True)
class Sample:
    """Rows with the least keys of all, by key."""

    keys: Vector
    values: Vector

    @classmethod
    def of(cls, words: Vector, values: Vector, seed: int, size: int) -> "Sample":
        """Draw from rows with a hash of their owner each."""
        keys = hash64(stream(seed, "clusters"), words)
        order = np.argsort(keys, kind="stable")[:size]
        return cls(keys[order], values[order])

    def merge(self, other: "Sample", size: int) -> "Sample":
        """Return the sample of both."""
        keys = np.concatenate([self.keys, other.keys])
        order = np.argsort(keys, kind="stable")[:size]
        return Sample(keys[order], np.concatenate([self.values, other.values])[order])


def first_centres(values: Vector, count: int, seed: int, max_iter: int, tol: float) -> Vector:
    """Return the centres of k-means on a sample.

    Parameters
    ----------
    values
        float64, rows x columns, moved.
    count
        Number of clusters; there are never more than distinct rows.
    seed, max_iter, tol
        Of scikit-learn's ``KMeans``, which starts several times from k-means++ (Arthur and
        Vassilvitskii 2007) and keeps the best.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    count = min(count, len(np.unique(values, axis=0)))
    model = KMeans(
        count, n_init=_STARTS, max_iter=max_iter, tol=tol, random_state=stream(seed, "k") % 2**32
    )
    with warnings.catch_warnings(), threadpool_limits(1):  # threads add up in any order
        warnings.simplefilter("ignore")
        return np.asarray(model.fit(values).cluster_centers_, dtype=np.float64)


@kernel(fast=True)
def _nearest(row: Vector, turned: Vector, squares: Vector, room: Vector) -> int:
    """Return the nearest centre of a row; of equally near ones the first.

    Distances are compared without the square of the row, which all of them share. Centres
    are columns, so that a vector register holds some of them.
    """
    for c in range(len(room)):
        room[c] = squares[c]
    for f in range(len(row)):
        value = row[f]
        for c in range(len(room)):
            room[c] += value * turned[f, c]
    best = 0
    for c in range(1, len(room)):
        if room[c] < room[best]:
            best = c
    return best


@kernel()
def _walk(
    values: Vector, mean: Vector, scale: Vector, turned: Vector, squares: Vector,
    labels: Vector, sums: Vector, counts: Vector,
) -> None:  # fmt: skip
    """Move rows, find their centres, and add them up; see ``assign`` and ``contribution``."""
    row, room = np.empty(values.shape[1]), np.empty(len(squares))
    for r in range(len(values)):
        for f in range(len(row)):
            row[f] = (values[r, f] - mean[f]) / scale[f]
        best = _nearest(row, turned, squares, room)
        labels[r] = best
        counts[best] += 1
        for f in range(len(row)):
            sums[best, f] += row[f]


def contribution(values: Vector, frame: Frame, centres: Vector) -> tuple[Vector, Vector, Vector]:
    """Return the labels of rows, the sum of the rows of each centre, and their number.

    Parameters
    ----------
    values
        float64, rows x columns, as they came.
    frame
        Where they are moved to.
    centres
        float64, clusters x columns.

    Returns
    -------
    tuple
        int32 label of each row, the nearest centre and of equally near ones the first;
        float64 sums of moved rows (clusters x columns); int64 counts.

    Notes
    -----
    One walk over the rows, 2 x columns x clusters operations each.
    """
    labels = np.empty(len(values), dtype=np.int32)
    sums, counts = np.zeros_like(centres), np.zeros(len(centres), dtype=np.int64)
    turned, squares = np.ascontiguousarray(-2.0 * centres.T), (centres**2).sum(axis=1)
    _walk(values, frame.mean, frame.scale, turned, squares, labels, sums, counts)
    return labels, sums, counts


def moved_centres(centres: Vector, merged: tuple[Vector, Vector]) -> Vector:
    """Return the means of the rows of each centre (Lloyd 1982); one without rows stays."""
    sums, counts = merged
    filled = counts > 0
    moved = centres.copy()
    moved[filled] = sums[filled] / counts[filled, None]
    return moved


def add(left: tuple[Any, Any], right: tuple[Any, Any]) -> tuple[Any, Any]:
    """Add contributions."""
    return left[0] + right[0], left[1] + right[1]
