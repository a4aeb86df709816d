"""k-means by map and reduce: what a block contributes, and how contributions are merged.

Values are standardised on their way in, so that far-off origins cost no precision. The first
centres come from scikit-learn on a sample of the rows; the sample is drawn by keys, so that
no cut of the rows into blocks shows in it.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel
from daskrec.engine.random import hash64, stream
from daskrec.engine.threads import single_threaded_blas

SAMPLE = 16_384  # rows from which the first centres are made
_STARTS = 10  # of k-means on the sample: as many as scikit-learn took for long
_SLICE = 256  # rows at a time: what is only in between stays in the cache


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
        # About the first row, so that a constant column has squares of exactly 0.
        moved = values - values[0]
        mean = moved.mean(axis=0)
        moved -= mean
        return cls(len(values), values[0] + mean, (moved * moved).sum(axis=0))

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
        return cls(moments.mean, np.where(scaled & (deviation > 0.0), deviation, 1.0))

    def apply(self, values: Vector) -> Vector:
        """Return moved values."""
        return (values - self.mean) / self.scale


@dataclass(frozen=True)
class Sample:
    """Rows with the least keys of all, by key."""

    keys: Vector
    values: Vector

    @classmethod
    def of(cls, words: Vector, values: Vector, seed: int, most: int) -> "Sample":
        """Draw the rows of a block whose keys are below ``most``.

        Parameters
        ----------
        words
            A hash of the owner of each row.
        values
            The rows.
        seed
            Of the draw.
        most
            See ``key_limit``.
        """
        keys = hash64(stream(seed, "clusters"), words)
        drawn = np.flatnonzero(keys <= np.uint64(most))
        return cls(keys[drawn], values[drawn])

    @classmethod
    def join(cls, parts: "Sequence[Sample]", size: int) -> "Sample":
        """Return the rows with the least keys of all parts, by key."""
        keys = np.concatenate([part.keys for part in parts])
        order = np.argsort(keys, kind="stable")[:size]
        return cls(keys[order], np.concatenate([part.values for part in parts])[order])


def key_limit(size: int, count: int) -> int:
    """Return a key that about ``size`` of so many rows are below, and hardly ever fewer.

    Blocks leave out by it what has no chance, so that not every block sends a whole sample.
    """
    wanted = size + 6.0 * size**0.5  # six standard deviations above
    return 2**64 - 1 if wanted >= count else int(wanted / count * 2.0**64)


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


@kernel()
def _walk(
    values: Any, mean: Any, scale: Any, centres: Any, labels: Any, sums: Any, counts: Any
) -> None:
    """Find the nearest centre of each row, and add the row to its sum."""
    rows, width = values.shape
    across = np.ascontiguousarray(centres.T)
    half = np.empty(len(centres))
    for c in range(len(centres)):
        half[c] = 0.5 * np.dot(centres[c], centres[c])
    moved = np.empty((_SLICE, width))
    inner = np.empty((_SLICE, len(centres)))
    for start in range(0, rows, _SLICE):
        size = min(_SLICE, rows - start)
        for r in range(size):
            for j in range(width):
                moved[r, j] = (values[start + r, j] - mean[j]) / scale[j]
        np.dot(moved[:size], across, inner[:size])
        for r in range(size):
            best, least = 0, half[0] - inner[r, 0]
            for c in range(1, len(half)):
                far = half[c] - inner[r, c]
                if far < least:
                    best, least = c, far
            labels[start + r] = best
            counts[best] += 1
            for j in range(width):
                sums[best, j] += moved[r, j]


def contribution(values: Vector, frame: Frame, centres: Vector) -> tuple[Vector, Vector, Vector]:
    """Find the nearest centre of each row, and add the rows of each centre up.

    Parameters
    ----------
    values
        float64, rows x columns, not moved yet.
    frame
        Where they are moved to.
    centres
        float64, moved.

    Returns
    -------
    tuple
        The nearest centre of each row, int32, of equally near ones the first; and for each
        centre the sum of its moved rows, and their number.

    Notes
    -----
    One walk over the rows, 2 x columns x clusters operations each, by products of matrices.
    """
    labels = np.empty(len(values), dtype=np.int32)
    sums, counts = np.zeros(centres.shape), np.zeros(len(centres), dtype=np.int64)
    table = np.ascontiguousarray(values, dtype=np.float64)
    with single_threaded_blas():
        _walk(table, frame.mean, frame.scale, centres, labels, sums, counts)
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
