"""Walking the products of all pairs of items in tiles of rows, never holding the whole table.

A tile holds one dense row of sums for each of a few items. All blocks of users are added to
it, then each row is reduced to what is kept of it, and the tile is used again: pairs are
pruned as soon as they are complete, and memory is bounded by the tile and by the result.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.gram_bits import Block
from daskrec.engine.jit import kernel

Floats: TypeAlias = NDArray[Any]
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.uint64]
Csr: TypeAlias = tuple[Int64s, Int32s, Floats]

WORD = 64  # columns flagged by one word
# Position of a lone bit by a multiplicative perfect hash (Leiserson, Prokop, Randall 1998).
DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
LOWEST_BIT = np.zeros(WORD, np.int32)
LOWEST_BIT[[((1 << bit) * 0x03F79D71B4CB0A89 % 2**64) >> 58 for bit in range(WORD)]] = range(WORD)
BATCH_CELLS = 2**18  # entries of the result compacted at once
TILE_BYTES = 2 * 2**20  # the rows that a tile updates stay in cache, its overhead small


class Tiles(ABC):
    """Sums of pairs for a few items at a time, and what is kept of them.

    ``flags`` (rows x ceil(items / WORD)) marks columns that may have changed: bit j % WORD of
    word j // WORD. With no rows, nothing is flagged, which is faster where rows fill up.
    """

    cell_bytes: int  # of the sums of one pair
    values: Any  # dtype of what is kept beside each item

    @abstractmethod
    def allocate(self, height: int) -> None:
        """Make the sums of a tile of so many items, zero."""

    @abstractmethod
    def fill(self, rows: int, flags: Flags, first: int, blocks: Sequence[Block]) -> None:
        """Add up the pairs of ``rows`` items from ``first``."""

    @abstractmethod
    def select(
        self, rows: int, flags: Flags, first: int,
        indices: Int32s, values: Floats, counts: Int32s,
    ) -> None:  # fmt: skip
        """Write what is kept of each row, best first, and reset the sums to zero."""


@kernel()
def flagged(flags: Flags, columns: Int32s) -> int:
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
def _pairs(x_indptr: Int64s, t_indptr: Int64s, t_indices: Int32s, start: int, work: Int64s) -> None:
    """Add to ``work`` the multiply-adds that the rows from ``start`` need in one block."""
    for r in range(work.size):
        for p in range(t_indptr[start + r], t_indptr[start + r + 1]):
            work[r] += x_indptr[t_indices[p] + 1] - x_indptr[t_indices[p]]


def pair_work(blocks: Sequence[Block], start: int, stop: int) -> float:
    """Return the multiply-adds that a range of items needs: one for each pair of a user."""
    work = np.zeros(max(stop - start, 0), np.int64)
    for block in blocks:
        _pairs(block.x_indptr, block.t_indptr, block.t_indices, start, work)
    return float(work.sum())


@kernel()
def _compact(
    indices: Int32s, values: Floats, counts: Int32s, to_indices: Int32s, to_values: Floats
) -> None:
    """Put the first ``counts[r]`` entries of each row after each other."""
    at = 0
    for r in range(counts.size):
        for j in range(counts[r]):
            to_indices[at + j], to_values[at + j] = indices[r, j], values[r, j]
        at += counts[r]


def walk(
    tiles: Tiles, blocks: Sequence[Block], n_items: int, n: int, start: int, stop: int,
    tile_bytes: int,
) -> Csr:  # fmt: skip
    """Reduce a range of items tile by tile.

    Parameters
    ----------
    tiles
        The sums, and what is kept of them.
    blocks
        What is added up, in user order.
    n_items
        Number of items.
    n
        Entries kept for an item at most.
    start, stop
        Range of item codes.
    tile_bytes
        Bound for a tile of sums (at least one row of them is held).

    Returns
    -------
    tuple
        CSR of the (stop - start) x items entries that are kept: ``indptr`` int64, ``indices``
        int32 and ``values``; within a row the best first.
    """
    height = max(1, min(stop - start, tile_bytes // (tiles.cell_bytes * max(n_items, 1))))
    n = max(0, min(n, n_items - 1))
    tiles.allocate(height)
    flags = np.zeros((height, -(-n_items // WORD)), np.uint64)
    work = np.zeros(max(stop - start, 0), np.int64)
    for block in blocks:
        _pairs(block.x_indptr, block.t_indptr, block.t_indices, start, work)
    # Results are compacted some tiles at a time: tiles may be as low as one row.
    batch = height * max(1, min(-(-work.size // height), BATCH_CELLS // (height * max(n, 1))))
    indices = np.empty((batch, n), np.int32)
    values: Floats = np.empty((batch, n), tiles.values)
    counts = np.zeros(work.size, np.int32)
    pieces: list[tuple[Int32s, Floats]] = []
    for begin in range(start, stop, batch):
        end = min(begin + batch, stop)
        found = counts[begin - start : end - start]
        for first in range(begin, end, height):
            rows, out = min(height, end - first), slice(first - begin, first - begin + height)
            # Flagging pays while a row touches few of its columns.
            pairs = int(work[first - start : first - start + rows].sum())
            marks = flags[: 0 if 4 * pairs > rows * n_items else rows]
            tiles.fill(rows, marks, first, blocks)
            tiles.select(rows, marks, first, indices[out], values[out], found[out])
        # Only what is kept is read: rows may have room for as many entries as there are items.
        size = int(found.sum(dtype=np.int64))
        pieces.append((np.empty(size, np.int32), np.empty(size, tiles.values)))
        _compact(indices, values, found, *pieces[-1])
    return _join(counts, pieces, tiles.values)


def _join(counts: Int32s, pieces: Iterable[tuple[Int32s, Floats]], dtype: type) -> Csr:
    """Concatenate the ragged rows of the tiles."""
    indptr = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    indices, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], dtype)
    at = 0
    for some_indices, some_values in pieces:
        indices[at : at + some_indices.size] = some_indices
        values[at : at + some_indices.size] = some_values
        at += some_indices.size
    return indptr, indices, values
