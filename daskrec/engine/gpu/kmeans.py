"""A round of k-means on a device: the twin of ``engine.kmeans.contribution``."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend
from daskrec.engine.kmeans import Frame


def contribution(
    backend: Backend, values: Vector, frame: Frame, centres: Vector
) -> tuple[Vector, Vector, Vector]:
    """Find the nearest centre of each row, and add the rows of each centre up.

    Arguments and results are those of the twin; of equally near centres the first is taken.

    Notes
    -----
    Rows come to the device in pieces of an eighth of its free memory: float64, ``8 (3 columns +
    3 clusters)`` bytes each. Distances and sums are products of matrices, 2 x columns x clusters
    multiply-adds a row.
    """
    xp = backend.xp
    width, clusters = values.shape[1], len(centres)
    mean, scale, near = (
        backend.asarray(np.asarray(array, dtype=np.float64))
        for array in (frame.mean[None, :], frame.scale[None, :], centres)
    )
    half = xp.sum(near * near, axis=1)[None, :] * 0.5
    numbers = backend.arange(0, clusters)[None, :]
    sums, counts = backend.zeros(centres.shape, np.float64), backend.zeros((clusters,), np.float64)
    labels = np.empty(len(values), dtype=np.int32)
    step = backend.chunk(24.0 * (width + clusters))
    for first in range(0, len(values), step):
        part = np.asarray(values[first : first + step], dtype=np.float64)
        moved = (backend.asarray(part) - mean) / scale
        nearest = xp.argmin(half - xp.matmul(moved, xp.matrix_transpose(near)), axis=1)
        members = xp.astype(nearest[:, None] == numbers, sums.dtype)
        sums += xp.matmul(xp.matrix_transpose(members), moved)
        counts += xp.sum(members, axis=0)
        labels[first : first + step] = backend.to_host(nearest)
    return labels, backend.to_host(sums), np.rint(backend.to_host(counts)).astype(np.int64)
