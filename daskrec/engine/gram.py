"""Item-item similarity with the n best neighbours of each item, never the whole table.

``sim(a, b) = dot(a, b) / (norm_a * norm_b + shrink)`` for a != b, where ``dot`` runs over the
users. The data come as *blocks*: consecutive ranges of users, each with its users x items
matrix in CSR and the transpose of it. A tile of items holds one dense row of sums an item,
collects all blocks and is then reduced to the n best; memory is bounded by the tile.

Data of ones are counted in int32 without reading any values, which is exact; other data are
summed in float64 in user order, so cutting users into other blocks changes nothing either.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.gram_bits import Block, Head, add_head, plan_head
from daskrec.engine.jit import kernel
from daskrec.engine.select import buffer_size, first_bound, rank_row

Floats: TypeAlias = NDArray[Any]
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.uint64]
Csr: TypeAlias = tuple[Int64s, Int32s, Floats]

__all__ = [
    "Block",
    "Head",
    "accumulate",
    "plan_head",
    "select_neighbours",
    "similarity_range",
]

WORD = 64  # columns flagged by one word
# Position of a lone bit by a multiplicative perfect hash (Leiserson, Prokop, Randall 1998).
DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
LOWEST_BIT = np.zeros(WORD, np.int32)
LOWEST_BIT[[((1 << bit) * 0x03F79D71B4CB0A89 % 2**64) >> 58 for bit in range(WORD)]] = range(WORD)
BATCH_CELLS = 2**18  # neighbours compacted at once
TILE_BYTES = 2 * 2**20  # the rows that a tile updates stay in cache, its overhead small


@kernel(fast=True)
def accumulate(
    acc: Any, flags: Flags, first: int,
    x_indptr: Int64s, x_indices: Int32s, x_data: Floats,
    t_indptr: Int64s, t_indices: Int32s, t_data: Floats,
) -> None:  # fmt: skip
    """Add one block to the sums of a tile: ``acc[a - first] += sum_u t[a, u] * x[u]``.

    Parameters
    ----------
    acc
        (T x items) sums of the items from ``first``: int32 when the data are empty (ones),
        else float64.
    flags
        (T x ceil(items / WORD)) uint64: bit j % WORD of word j // WORD is set where sum j may
        have changed. With no rows, nothing is flagged, which is faster where rows fill up.
    first
        Item code of the first row.
    x_indptr, x_indices, x_data, t_indptr, t_indices, t_data
        The fields of a ``Block``.

    Notes
    -----
    One multiply-add for each pair of entries of one user, half a nanosecond each while the
    row of sums fits the first-level cache.
    """
    for r in range(acc.shape[0]):
        row = acc[r]
        for p in range(t_indptr[first + r], t_indptr[first + r + 1]):
            user = t_indices[p]
            low, high = x_indptr[user], x_indptr[user + 1]
            # Unsigned indices spare the test for negative ones, a third of the loop.
            if x_data.size == 0:
                for q in range(low, high):
                    row[np.uint32(x_indices[q])] += 1
            else:
                weight = np.float64(t_data[p])
                for q in range(low, high):
                    row[np.uint32(x_indices[q])] += weight * x_data[q]
            if flags.shape[0] > 0:
                for q in range(low, high):
                    column = np.uint32(x_indices[q])
                    bit = np.uint64(1) << np.uint64(column % WORD)
                    flags[r, column // WORD] |= bit


@kernel(inline=True)
def _similarity(total: Any, product: float, shrink: float) -> Any:
    """Divide; minus infinity where there is no similarity (zero, or not finite)."""
    sim = np.float32(total / (product + shrink))
    return sim if abs(sim) < np.inf and sim != 0.0 and product > 0.0 else np.float32(-np.inf)


@kernel()
def _flagged(flags: Flags, columns: Int32s) -> int:
    """List the flagged columns in ascending order, and clear the flags."""
    n = 0
    for place in range(flags.size):
        word = flags[place]
        while word != 0:
            lowest = word & (~word + np.uint64(1))
            columns[n] = place * WORD + LOWEST_BIT[(lowest * DE_BRUIJN) >> np.uint64(58)]
            n += 1
            word ^= lowest
        flags[place] = 0
    return n


@kernel()
def select_neighbours(
    acc: Any, flags: Flags, first: int, norms: Floats, shrink: float,
    indices: Int32s, values: Floats, counts: Int32s,
) -> None:  # fmt: skip
    """Reduce a tile of sums to the n best neighbours of its items, and reset it to zero.

    Parameters
    ----------
    acc, flags, first
        The tile as ``accumulate`` left it.
    norms
        (items,) float64; an item of norm zero has no neighbours and is none.
    shrink
        Added to the product of the norms.
    indices, values, counts
        Output: (T x n) int32, (T x n) float32, (T,) int32. Similarity (rounded to float32)
        descending, then item ascending; zeros are left out. Unspecified past the count.

    Notes
    -----
    O(items) vector operations a row, or O(flagged columns); memory 8 bytes an item.
    """
    n_items, n = acc.shape[1], indices.shape[1]
    size = buffer_size(n)
    buf_s, tmp_s = np.empty(size, np.float32), np.empty(size, np.float32)
    buf_i, tmp_i = np.empty(size, np.int32), np.empty(size, np.int32)
    row, columns = np.empty(n_items, np.float32), np.empty(n_items, np.int32)
    for r in range(acc.shape[0]):
        norm, sums = norms[first + r], acc[r]
        sums[first + r] = 0
        if flags.shape[0] > 0:
            found = _flagged(flags[r], columns)
            for j in range(found):
                column = np.uint32(columns[j])
                row[j] = _similarity(sums[column], norm * norms[column], shrink)
                sums[column] = 0
        else:
            found = n_items
            for j in range(n_items):
                row[j] = _similarity(sums[j], norm * norms[j], shrink)
            sums[:] = 0
        bound = first_bound(row[:found], n, tmp_s)
        count = min(n, rank_row(row[:found], np.int64(0), bound, n, buf_s, buf_i, tmp_s, tmp_i))
        for j in range(count):
            place = buf_i[j]
            indices[r, j] = columns[place] if flags.shape[0] > 0 else place
            values[r, j] = buf_s[j]
        counts[r] = count


@kernel()
def _pairs(x_indptr: Int64s, t_indptr: Int64s, t_indices: Int32s, start: int, work: Int64s) -> None:
    """Add to ``work`` the multiply-adds that the rows from ``start`` need in one block."""
    for r in range(work.size):
        for p in range(t_indptr[start + r], t_indptr[start + r + 1]):
            work[r] += x_indptr[t_indices[p] + 1] - x_indptr[t_indices[p]]


def similarity_range(
    blocks: Sequence[Block], norms: Floats, shrink: float, n: int, start: int, stop: int, *,
    head: Head | None = None, tile_bytes: int = TILE_BYTES,
) -> Csr:  # fmt: skip
    """Find the n most similar items of each item in a range.

    Parameters
    ----------
    blocks
        The ratings, in user order; all with empty data (ones) or all with float32 data.
    norms
        (items,) float64, at least zero; often the square roots of the sums of squares.
    shrink
        Added to the product of two norms, at least zero.
    n
        Neighbours of an item at most.
    start, stop
        Range of item codes.
    head
        ``plan_head`` of the same blocks, for ones only: the same result sooner where popular
        items share many users.
    tile_bytes
        Bound for a tile of sums (at least one row of them is held).

    Returns
    -------
    tuple
        CSR of the (stop - start) x items neighbour lists: ``indptr`` int64, ``indices``
        int32, ``values`` float32; within a row the best first (not sorted by item).

    Notes
    -----
    Time: the sum over the range of the squared lengths of the users' lists, plus the
    selection. Memory: a tile, and 12 bytes a neighbour. Ranges are independent, so threads
    can take one each. Items whose sums stay sparse are tracked by flags a block of columns,
    so a large catalogue costs nothing where nothing co-occurs.
    """
    n_items = norms.size
    ones = all(block.x_data.size == 0 for block in blocks)
    dtype = np.dtype(np.int32 if ones else np.float64)
    height = max(1, min(stop - start, tile_bytes // (dtype.itemsize * max(n_items, 1))))
    n = max(0, min(n, n_items - 1))
    acc = np.zeros((height, n_items), dtype)
    flags = np.zeros((height, -(-n_items // WORD)), np.uint64)
    work = np.zeros(max(stop - start, 0), np.int64)
    parts = blocks if head is None else head.blocks
    for block in parts:
        _pairs(block.x_indptr, block.t_indptr, block.t_indices, start, work)
    # Results are compacted some tiles at a time: tiles may be as low as one row.
    batch = height * max(1, min(-(-work.size // height), BATCH_CELLS // (height * max(n, 1))))
    indices, values = np.empty((batch, n), np.int32), np.empty((batch, n), np.float32)
    counts = np.zeros(work.size, np.int32)
    pieces: list[tuple[Int32s, Floats]] = []
    for begin in range(start, stop, batch):
        end = min(begin + batch, stop)
        found = counts[begin - start : end - start]
        for first in range(begin, end, height):
            rows, out = min(height, end - first), slice(first - begin, first - begin + height)
            # Flagging pays while a row touches few of its columns.
            pairs = int(work[first - start : first - start + rows].sum())
            tile = (acc[:rows], flags[: 0 if 4 * pairs > rows * n_items else rows], first)
            for block in parts:
                accumulate(*tile, *block)
            if head is not None and head.items.size > 0:
                add_head(*tile, head.items, head.bits)
            select_neighbours(*tile, norms, shrink, indices[out], values[out], found[out])
        valid = np.arange(n) < found[:, None]
        pieces.append((indices[: end - begin][valid], values[: end - begin][valid]))
    return _join(counts, pieces)


def _join(counts: Int32s, pieces: Iterable[tuple[Int32s, Floats]]) -> Csr:
    """Concatenate the ragged rows of the tiles."""
    indptr = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    indices, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
    at = 0
    for some_indices, some_values in pieces:
        indices[at : at + some_indices.size] = some_indices
        values[at : at + some_indices.size] = some_values
        at += some_indices.size
    return indptr, indices, values
