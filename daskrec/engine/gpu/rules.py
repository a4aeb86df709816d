"""Rules between two items on a device, by counts; the twin of ``engine.rules``.

A sum of the smaller relevance of two items is no product of tables: rules by relevance are made
on the host.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray, Handle
from daskrec.engine.gpu.gram import PairBlocks
from daskrec.engine.tiles import Csr

_CELL = 64  # bytes of a quotient in float64 and float32, of ranking it, and of what is kept


def rule_range(
    backend: Backend,
    handles: Sequence[Handle],
    item_weights: Vector,
    allowed: NDArray[np.bool_],
    n: int | None,
    min_pair_count: int,
    start: int,
    stop: int,
) -> Csr:
    """Find the best rules of each item in a range, by the number of sessions.

    Parameters
    ----------
    backend
        Of the device.
    handles
        The blocks of ones, see ``engine.gpu.gram``.
    item_weights, allowed, n, min_pair_count, start, stop
        As for ``engine.rules.rule_range``.

    Returns
    -------
    tuple
        What ``engine.rules.rule_range`` returns.

    Notes
    -----
    The device picks by float32 quotients those that may be among the best, ties of the last one
    with them; the host orders these by float64.
    """
    divisors = np.where(allowed, item_weights, 0.0)
    kept = divisors.size if n is None else min(n, divisors.size)
    scale = backend.asarray(divisors)
    blocks = PairBlocks(backend, handles, divisors.size, False)
    parts: list[tuple[Vector, Vector, Vector]] = []
    for first, counts in blocks.tiles(start, stop, _CELL) if kept else ():
        rows, columns, support = (
            backend.to_host(array)
            for array in _candidates(backend, counts, scale, first, max(min_pair_count, 1), kept)
        )
        parts.append((rows + (first - start), columns, support.astype(np.float64)))
    return _best(parts, divisors, max(stop - start, 0), kept)


def _candidates(
    backend: Backend, counts: DeviceArray, divisors: DeviceArray, first: int, least: int, n: int
) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
    """Return rows, columns and counts of the pairs that may be among the n best of their row."""
    xp = backend.xp
    items = backend.arange(first, first + counts.shape[0])
    used = (xp.take(divisors, items) != 0)[:, None] & (divisors != 0)[None, :]
    other = items[:, None] != backend.arange(0, counts.shape[1])[None, :]
    possible = used & other & (counts >= least)
    safe = xp.where(divisors != 0, divisors, xp.ones_like(divisors))
    merit = xp.astype(xp.astype(counts, safe.dtype) / safe[None, :], xp.float32)
    merit = xp.where(possible, merit, xp.full_like(merit, -np.inf))
    if n < counts.shape[1]:
        _, best = backend.largest(merit, n)
        possible = possible & (merit >= best[:, n - 1 :])
    rows, columns = xp.nonzero(possible)
    return rows, columns, counts[possible]


def _best(parts: list[tuple[Vector, Vector, Vector]], divisors: Vector, height: int, n: int) -> Csr:
    """Order candidates by their exact quotients, and keep the n best of each row."""
    empty = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    rows, columns, support = (
        np.concatenate(arrays) for arrays in zip(*[empty, *parts], strict=True)
    )
    order = np.lexsort((columns, -support / divisors[columns], rows))
    rows, columns, support = rows[order], columns[order], support[order]
    counts = np.bincount(rows, minlength=height)
    starts = np.cumsum(counts) - counts
    kept = np.arange(rows.size) - starts[rows] < n
    indptr = np.concatenate([[0], np.cumsum(np.minimum(counts, n), dtype=np.int64)])
    return indptr, columns[kept].astype(np.int32), support[kept]
