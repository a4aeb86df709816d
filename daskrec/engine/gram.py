"""Item-item similarity with the n best neighbours of each item, never the whole table.

``sim(a, b) = dot(a, b) / (norm_a * norm_b + shrink)`` for a != b, where ``dot`` runs over the
users. The data come as *blocks*: consecutive ranges of users, each with its users x items
matrix in CSR and the transpose of it. A tile of items holds one dense row of sums an item,
collects all blocks and is then reduced to the n best; memory is bounded by the tile.

Data of ones are counted in int32 without reading any values, which is exact; other data are
summed in float64 in user order, so cutting users into other blocks changes nothing either.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.gram_bits import Block, Head, add_head, plan_head
from daskrec.engine.jit import kernel
from daskrec.engine.select import buffer_size, first_bound, rank_row
from daskrec.engine.tiles import TILE_BYTES, WORD, Csr, Flags, Tiles, flagged, walk

Floats: TypeAlias = NDArray[Any]
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]

__all__ = [
    "Block",
    "Head",
    "accumulate",
    "plan_head",
    "select_neighbours",
    "similarity_range",
]


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
def similarity(total: Any, product: float, shrink: float) -> Any:
    """Divide; minus infinity where there is no similarity (zero, or not finite)."""
    sim = np.float32(total / (product + shrink))
    return sim if abs(sim) < np.inf and sim != 0.0 and product > 0.0 else np.float32(-np.inf)


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
            found = flagged(flags[r], columns)
            for j in range(found):
                column = np.uint32(columns[j])
                row[j] = similarity(sums[column], norm * norms[column], shrink)
                sums[column] = 0
        else:
            found = n_items
            for j in range(n_items):
                row[j] = similarity(sums[j], norm * norms[j], shrink)
            sums[:] = 0
        bound = first_bound(row[:found], n, tmp_s)
        count = min(n, rank_row(row[:found], np.int64(0), bound, n, buf_s, buf_i, tmp_s, tmp_i))
        for j in range(count):
            place = buf_i[j]
            indices[r, j] = columns[place] if flags.shape[0] > 0 else place
            values[r, j] = buf_s[j]
        counts[r] = count


class Cosines(Tiles):
    """Tiles of inner products, reduced to the most similar items; see ``similarity_range``."""

    values: Any = np.float32

    def __init__(self, ones: bool, norms: Floats, shrink: float, head: Head | None) -> None:
        self.cell_bytes = 4 if ones else 8
        self.dtype = np.int32 if ones else np.float64
        self.norms, self.shrink, self.head = norms, shrink, head

    def allocate(self, height: int) -> None:
        """Make the sums of a tile."""
        self.acc = np.zeros((height, self.norms.size), self.dtype)

    def fill(self, rows: int, flags: Flags, first: int, blocks: Sequence[Block]) -> None:
        """Add up all blocks."""
        tile = (self.acc[:rows], flags, first)
        for block in blocks:
            accumulate(*tile, *block)
        if self.head is not None and self.head.items.size > 0:
            add_head(*tile, self.head.items, self.head.bits)

    def select(
        self, rows: int, flags: Flags, first: int,
        indices: Int32s, values: Floats, counts: Int32s,
    ) -> None:  # fmt: skip
        """Keep the most similar items."""
        acc = self.acc[:rows]
        select_neighbours(acc, flags, first, self.norms, self.shrink, indices, values, counts)


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
    ones = all(block.x_data.size == 0 for block in blocks)
    tiles = Cosines(ones, norms, shrink, head)
    parts = blocks if head is None else head.blocks
    return walk(tiles, parts, norms.size, n, start, stop, tile_bytes)
