"""The most similar items of each item, on a device; the twin of ``engine.gram``."""

from collections.abc import Sequence

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray, Handle
from daskrec.engine.gpu.gram import PairBlocks
from daskrec.engine.tiles import Csr

_CELL = 56  # bytes of a similarity in float64 and float32, and of ranking it


def similarity_range(
    backend: Backend,
    handles: Sequence[Handle],
    norms: Vector,
    shrink: float,
    n: int,
    start: int,
    stop: int,
) -> Csr:
    """Find the n most similar items of each item in a range.

    Parameters
    ----------
    backend
        Of the device.
    handles
        The blocks, see ``engine.gpu.gram``.
    norms, shrink, n, start, stop
        As for ``engine.gram.similarity_range``.

    Returns
    -------
    tuple
        As ``engine.gram.similarity_range`` returns it: equal where blocks hold ones, else up to
        the rounding of sums.
    """
    n = max(0, min(n, norms.size - 1))
    height = max(stop - start, 0)
    indices, values = np.empty((height, n), np.int32), np.empty((height, n), np.float32)
    scale = backend.asarray(norms)
    blocks = PairBlocks(backend, handles, norms.size, False)
    for first, sums in blocks.tiles(start, stop, _CELL) if n else ():
        rows = slice(first - start, first - start + sums.shape[0])
        found = _similarities(backend, sums, scale, first, shrink)
        columns, best = backend.largest(found, n)
        indices[rows], values[rows] = backend.to_host(columns), backend.to_host(best)
    kept = values > -np.inf
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1), dtype=np.int64)])
    return indptr, indices[kept], values[kept]


def _similarities(
    backend: Backend, sums: DeviceArray, norms: DeviceArray, first: int, shrink: float
) -> DeviceArray:
    """Return float32 similarities; minus infinity where there is none."""
    xp, none = backend.xp, -np.inf
    items = backend.arange(first, first + sums.shape[0])
    product = xp.take(norms, items)[:, None] * norms[None, :]
    possible = (product > 0) & (items[:, None] != backend.arange(0, sums.shape[1])[None, :])
    safe = xp.where(product > 0, product + shrink, xp.ones_like(product))
    found = xp.astype(xp.astype(sums, product.dtype) / safe, xp.float32)
    possible = possible & (found != 0) & xp.isfinite(found)
    return xp.where(possible, found, xp.full_like(found, none))
