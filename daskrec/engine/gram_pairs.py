"""Sums of pairs that are kept, so that neighbours can be chosen from them many times.

``sim(a, b) = dot(a, b) / (norm_a * norm_b + shrink)``. Of the pairs of an item only those are
kept that can be among its n best for some shrinkage from ``low`` to ``high``. Whether b is
more similar than c is a linear inequality in the shrinkage::

    dot(a, b) (norm_a norm_c + shrink) > dot(a, c) (norm_a norm_b + shrink)

so where b beats c at both ends, it does between them too. The n best of a shrinkage between
the ends are taken as witnesses; a pair that is less similar than all of them at both ends is
never needed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.engine.gram import Cosines, similarity
from daskrec.engine.gram_bits import Block, Head
from daskrec.engine.jit import kernel
from daskrec.engine.select import buffer_size, first_bound, rank_row
from daskrec.engine.tiles import TILE_BYTES, Csr, Flags, Floats, Int32s, Int64s, flagged, walk

WITNESSES = 0.4  # where between the ends they are taken: it leaves about the fewest pairs
MARGIN = 1e-6  # more than the rounding of similarities to float32, so that ties stay
LEAST, MOST = 1e-30, 1e30  # within them, no similarity leaves the range of float32


@kernel()
def select_pairs(
    acc: Any, flags: Flags, first: int, norms: Floats, low: float, high: float, n: int,
    indices: Int32s, sums: Any, counts: Int32s,
) -> None:  # fmt: skip
    """Reduce a tile of sums to the pairs that may be needed, and reset it to zero.

    Parameters
    ----------
    acc, flags, first, norms
        As for ``gram.select_neighbours``.
    low, high
        The least and the largest shrinkage.
    n
        Neighbours of an item at most.
    indices, sums, counts
        Output: (T x items) int32, (T x items) of the type of ``acc``, (T,) int32. Items
        ascending. Unspecified past the count.

    Notes
    -----
    O(items) operations a row, or O(flagged columns), and one selection of n; memory 12 bytes
    an item.
    """
    n_items, size = acc.shape[1], buffer_size(n)
    buf_s, tmp_s = np.empty(size, np.float64), np.empty(size, np.float64)
    buf_i, tmp_i = np.empty(size, np.int32), np.empty(size, np.int32)
    row, columns = np.empty(n_items, np.float64), np.empty(n_items, np.int32)
    middle = low + WITNESSES * (high - low)
    for r in range(acc.shape[0]):
        norm, total = norms[first + r], acc[r]
        total[first + r] = 0
        if flags.shape[0] > 0:
            listed = flagged(flags[r], columns)
        else:
            listed = n_items
            for j in range(n_items):
                columns[j] = j
        found = 0
        for j in range(listed):
            column = np.uint32(columns[j])
            product = norm * norms[column]
            columns[found] = column
            row[found] = total[column] / (product + middle)
            found += total[column] != 0 and product > 0.0
        bound = first_bound(row[:found], n, tmp_s)
        best = min(n, rank_row(row[:found], np.int64(0), bound, n, buf_s, buf_i, tmp_s, tmp_i))
        at_low, at_high, most = np.inf, np.inf, 0.0
        for j in range(best):
            column = np.uint32(columns[buf_i[j]])
            product = norm * norms[column]
            near, far = total[column] / (product + low), total[column] / (product + high)
            at_low, at_high, most = min(at_low, near), min(at_high, far), max(most, near)
        if best < n or not at_high > LEAST or not most < MOST:
            at_low = at_high = -np.inf  # too few witnesses: every pair is kept
        at_low, at_high = at_low * (1 - MARGIN), at_high * (1 - MARGIN)
        kept = 0
        for j in range(found):
            column = np.uint32(columns[j])
            product = norm * norms[column]
            indices[r, kept], sums[r, kept] = column, total[column]
            near, far = total[column] / (product + low), total[column] / (product + high)
            kept += near >= at_low or far >= at_high
        counts[r] = kept
        total[:] = 0


class Pairs(Cosines):
    """Tiles of inner products, reduced to the pairs that may be needed; see ``pair_range``."""

    def __init__(
        self, ones: bool, norms: Floats, shrinks: tuple[float, float], n: int, head: Head | None
    ) -> None:
        super().__init__(ones, norms, shrinks[0], head)
        self.values = self.dtype
        self.high, self.n = shrinks[1], n

    def select(
        self, rows: int, flags: Flags, first: int,
        indices: Int32s, values: Floats, counts: Int32s,
    ) -> None:  # fmt: skip
        """Keep the pairs that may be needed."""
        acc, ends = self.acc[:rows], (float(self.shrink), float(self.high))
        select_pairs(acc, flags, first, self.norms, *ends, self.n, indices, values, counts)


def pair_range(
    blocks: Sequence[Block], norms: Floats, shrinks: tuple[float, float], n: int,
    start: int, stop: int, *, head: Head | None = None, tile_bytes: int = TILE_BYTES,
) -> Csr:  # fmt: skip
    """Find the pairs of a range of items that ``choose_neighbours`` may need.

    Parameters
    ----------
    blocks, norms, start, stop, head, tile_bytes
        As for ``gram.similarity_range``.
    shrinks
        The least and the largest shrinkage that will be asked for.
    n
        The largest number of neighbours that will be asked for.

    Returns
    -------
    tuple
        CSR of the (stop - start) x items sums: ``indptr`` int64, ``indices`` int32 ascending
        in a row, sums int32 where blocks hold ones, else float64.

    Notes
    -----
    Time and memory are those of ``similarity_range``, besides the result: a few times n pairs
    an item, at worst all that co-occur.
    """
    ones = all(block.x_data.size == 0 for block in blocks)
    n = max(0, min(n, norms.size - 1))
    tiles = Pairs(ones, norms, shrinks, n, head)
    parts = blocks if head is None else head.blocks
    return walk(tiles, parts, norms.size, norms.size, start, stop, tile_bytes)


@kernel()
def _choose(
    indptr: Int64s, indices: Int32s, sums: Any, norms: Floats, shrink: float, n: int, first: int,
    near: Int32s, values: Floats, ends: Int64s,
) -> None:  # fmt: skip
    """Write the n best pairs of each row after each other, and where each row ends."""
    longest = 0
    for r in range(indptr.size - 1):
        longest = max(longest, indptr[r + 1] - indptr[r])
    size = buffer_size(n)
    buf_s, tmp_s = np.empty(size, np.float32), np.empty(size, np.float32)
    buf_i, tmp_i = np.empty(size, np.int32), np.empty(size, np.int32)
    row = np.empty(longest, np.float32)
    at = 0
    for r in range(indptr.size - 1):
        start, norm = indptr[r], norms[first + r]
        found = indptr[r + 1] - start
        for j in range(found):
            product = norm * norms[np.uint32(indices[start + j])]
            row[j] = similarity(sums[start + j], product, shrink)
        bound = first_bound(row[:found], n, tmp_s)
        count = min(n, rank_row(row[:found], np.int64(0), bound, n, buf_s, buf_i, tmp_s, tmp_i))
        for j in range(count):
            near[at + j], values[at + j] = indices[start + buf_i[j]], buf_s[j]
        at += count
        ends[r + 1] = at


def choose_neighbours(pairs: Csr, norms: Floats, shrink: float, n: int, first: int) -> Csr:
    """Return what ``gram.similarity_range`` would, from pairs that were kept.

    Parameters
    ----------
    pairs
        What ``pair_range`` returned.
    norms
        As they were there.
    shrink, n
        Within what the pairs were kept for.
    first
        The first item of the range.
    """
    indptr, indices, sums = pairs
    n = max(0, min(n, norms.size - 1))
    room = int(np.minimum(np.diff(indptr), n).sum())
    near, values = np.empty(room, np.int32), np.empty(room, np.float32)
    ends = np.zeros_like(indptr)
    _choose(indptr, indices, sums, norms, shrink, n, first, near, values, ends)
    return ends, near[: ends[-1]], values[: ends[-1]]
