"""Rules between two items: pairs that enough sessions hold, the best of each item by lift.

Of a pair a, b the number of sessions that hold both is counted; its weight P is that number
or, with relevance, the sum over those sessions of the smaller relevance of the two. Within
the rules of a, lift orders as ``P / R(b)`` does, R the weight of an item. That quotient is a
float64 division: a product with a reciprocal would tell apart some rules that are equal.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.gram import accumulate
from daskrec.engine.gram_bits import Block, Head, add_head
from daskrec.engine.jit import kernel
from daskrec.engine.select import buffer_size, first_bound, rank_row
from daskrec.engine.tiles import (
    TILE_BYTES,
    WORD,
    Csr,
    Flags,
    Floats,
    Int32s,
    Int64s,
    Tiles,
    flagged,
    walk,
)

NEVER = 2**31  # more sessions than a count can hold


@kernel()
def accumulate_least(
    counts: Int32s, sums: Floats, flags: Flags, first: int,
    x_indptr: Int64s, x_indices: Int32s, x_data: Floats,
    t_indptr: Int64s, t_indices: Int32s, t_data: Floats,
) -> None:  # fmt: skip
    """Count the pairs of one block, and add up the smaller relevance of each.

    Parameters
    ----------
    counts, sums
        (T x items) int32 and float64: sums[a - first, b] is that of items a and b.
    flags, first
        As for ``gram.accumulate``.
    x_indptr, x_indices, x_data, t_indptr, t_indices, t_data
        The fields of a ``Block``.

    Notes
    -----
    One count and one sum for each pair of entries of one session. A sum takes its sessions in
    order, so blocks of any size that follow each other give the same.
    """
    for r in range(counts.shape[0]):
        row, total = counts[r], sums[r]
        for p in range(t_indptr[first + r], t_indptr[first + r + 1]):
            session, weight = t_indices[p], t_data[p]
            for q in range(x_indptr[session], x_indptr[session + 1]):
                column = np.uint32(x_indices[q])
                row[column] += 1
                total[column] += np.float64(min(weight, x_data[q]))
                if flags.shape[0] > 0:
                    bit = np.uint64(1) << np.uint64(column % WORD)
                    flags[r, column // WORD] |= bit


@kernel(inline=True)
def _merit(count: Any, weight: Any, divisor: float, least: int) -> Any:
    """Return P / R(b), which orders rules as lift does; minus infinity where there is none."""
    return np.float64(weight) / divisor if count >= least and divisor != 0.0 else -np.inf


@kernel()
def select_rules(
    counts: Int32s, sums: Any, flags: Flags, first: int, weights: Floats, least: int,
    indices: Int32s, support: Floats, kept: Int32s,
) -> None:  # fmt: skip
    """Reduce a tile of counts to the best rules of its items, and reset it to zero.

    Parameters
    ----------
    counts, sums, flags, first
        The tile; where counts are the weights of pairs, ``sums`` is ``counts`` itself.
    weights
        (items,) float64 weight R; 0 for an item without rules.
    least
        Sessions that a pair needs, at least 1.
    indices, support, kept
        Output: (T x n) int32, (T x n) float64 P, (T,) int32. P / R(b) descending, then item
        ascending. Unspecified past the count.

    Notes
    -----
    O(items) vector operations a row, or O(flagged columns), and the sorting of what is kept;
    memory 12 bytes an item and 24 bytes a rule of one row.
    """
    n_items, n = counts.shape[1], indices.shape[1]
    size, sparse = buffer_size(n), flags.shape[0] > 0
    buf_s, tmp_s = np.empty(size, np.float64), np.empty(size, np.float64)
    buf_i, tmp_i = np.empty(size, np.int32), np.empty(size, np.int32)
    row, columns = np.empty(n_items, np.float64), np.empty(n_items, np.int32)
    for r in range(counts.shape[0]):
        count, total, found = counts[r], sums[r], n_items
        count[first + r] = 0  # an item makes no rule with itself
        needed = least if weights[first + r] != 0.0 else NEVER
        if sparse:
            found = flagged(flags[r], columns)
            for j in range(found):
                column = np.uint32(columns[j])
                row[j] = _merit(count[column], total[column], weights[column], needed)
        else:
            for j in range(n_items):
                row[j] = _merit(count[j], total[j], weights[j], needed)
        bound = first_bound(row[:found], n, tmp_s)
        best = min(n, rank_row(row[:found], np.int64(0), bound, n, buf_s, buf_i, tmp_s, tmp_i))
        for j in range(best):
            item = columns[buf_i[j]] if sparse else buf_i[j]
            indices[r, j], support[r, j] = item, total[item]
        kept[r] = best
        if sparse:
            for j in range(found):
                column = np.uint32(columns[j])
                count[column] = total[column] = 0
        else:
            count[:] = 0
            total[:] = 0


class Rules(Tiles):
    """Tiles of pair counts, reduced to rules; see ``rule_range``."""

    values = np.float64

    def __init__(self, graded: bool, weights: Floats, least: int, head: Head | None) -> None:
        self.cell_bytes = 12 if graded else 4
        self.graded, self.weights, self.least, self.head = graded, weights, least, head

    def allocate(self, height: int) -> None:
        """Make the counts of a tile and, with relevance, its sums."""
        shape = (height, self.weights.size)
        self.counts = np.zeros(shape, np.int32)
        self.sums: NDArray[Any] = np.zeros(shape, np.float64) if self.graded else self.counts

    def fill(self, rows: int, flags: Flags, first: int, blocks: Sequence[Block]) -> None:
        """Count all blocks."""
        counts, sums = self.counts[:rows], self.sums[:rows]
        for block in blocks:
            if self.graded:
                accumulate_least(counts, sums, flags, first, *block)
            else:
                accumulate(counts, flags, first, *block)
        if self.head is not None and self.head.items.size > 0:
            add_head(counts, flags, first, self.head.items, self.head.bits)

    def select(
        self, rows: int, flags: Flags, first: int,
        indices: Int32s, values: Floats, counts: Int32s,
    ) -> None:  # fmt: skip
        """Keep the best rules."""
        tile = (self.counts[:rows], self.sums[:rows], flags, first)
        select_rules(*tile, self.weights, self.least, indices, values, counts)


def rule_range(
    blocks: Sequence[Block], item_weights: Floats, allowed: NDArray[np.bool_], n: int | None,
    min_pair_count: int, start: int, stop: int, *,
    head: Head | None = None, tile_bytes: int = TILE_BYTES,
) -> Csr:  # fmt: skip
    """Find the best rules of each item in a range.

    Parameters
    ----------
    blocks
        Sessions, in one order; all with empty data (counts) or all with float32 relevance.
    item_weights
        (items,) float64 weight R of each item, finite; an item of weight 0 has no rules and
        is in none.
    allowed
        (items,) bool; other items have no rules and are in none. Blocks without them take
        less time and give the same.
    n
        Rules of an item at most; None keeps all.
    min_pair_count
        Sessions that a pair needs; a pair in no session is never a rule.
    start, stop
        Range of item codes.
    head
        ``plan_head`` of the same blocks, for counts only.
    tile_bytes
        Bound for a tile of sums (at least one row of them is held).

    Returns
    -------
    tuple
        CSR of the (stop - start) x items rules: ``indptr`` int64, ``indices`` int32 (the item
        b on the right) and float64 weights P; within a row by P / R(b) descending, then b.

    Notes
    -----
    Time and memory as for ``gram.similarity_range``; 12 bytes a rule. With ``n`` None the
    tile is followed by its rules, at most three times as large, and these by what is kept.
    """
    graded = any(block.x_data.size for block in blocks)
    divisors = np.where(allowed, item_weights, 0.0)
    tiles = Rules(graded, divisors, max(min_pair_count, 1), head)
    kept = divisors.size if n is None else n
    parts = blocks if head is None else head.blocks
    return walk(tiles, parts, divisors.size, kept, start, stop, tile_bytes)
