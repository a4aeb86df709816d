"""Co-occurrence counts of popular items from bit rows.

Counting pairs of entries costs one memory update for each user who has both items; for two
items that many users share it is cheaper to intersect bit rows, 64 users a word. The *head*
is the set of most popular items for which that pays: counts between two of its items come
from bits, and only the others from lists.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.jit import kernel

Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]

WORD = 64
GROUP = 8  # words of a bit row come in whole vector registers
STRIP = 512  # words of a row intersected at once: four rows of them fit the first-level cache
PANEL = 64  # items whose strips stay in the second-level cache
# Cost of intersecting one word in updates of a list: about 1/6 with vector popcount, 1/2
# with the scalar one.
WORD_COST = 0.25
MAX_BYTES = 64 * 2**20

ODD = np.uint64(0x5555555555555555)
PAIRS = np.uint64(0x3333333333333333)
NIBBLES = np.uint64(0x0F0F0F0F0F0F0F0F)
BYTES = np.uint64(0x0101010101010101)


class Block(NamedTuple):
    """Ratings of a consecutive range of users, by user and by item.

    ``x_*`` is the users x items CSR, ``t_*`` its transpose; items and users (counted from the
    start of the block) ascend within rows. Pointers are int64, indices int32, data float32;
    empty data stand for ones.
    """

    x_indptr: Int64s
    x_indices: Int32s
    x_data: NDArray[Any]
    t_indptr: Int64s
    t_indices: Int32s
    t_data: NDArray[Any]


class Head(NamedTuple):
    """The head of a set of blocks.

    ``items`` are the codes of its items, ascending; ``bits`` their rows of users (items x
    words); ``blocks`` hold the pairs of entries that the bits leave out.
    """

    items: Int32s
    bits: Words
    blocks: list[Block]


@kernel(inline=True)
def _popcount(word: Any) -> Any:
    """Count bits; compilers know this form and use the machine's instruction."""
    word = word - ((word >> np.uint64(1)) & ODD)
    word = (word & PAIRS) + ((word >> np.uint64(2)) & PAIRS)
    word = (word + (word >> np.uint64(4))) & NIBBLES
    return (word * BYTES) >> np.uint64(56)


@kernel()
def _gains(t_indptr: Int64s, t_indices: Int32s, order: Int64s, held: Int32s, gains: Any) -> None:
    """Add for each item, in order of popularity, the list updates that it adds to the head."""
    for rank in range(order.size):
        total = np.int64(0)
        for p in range(t_indptr[order[rank]], t_indptr[order[rank] + 1]):
            total += 2 * held[t_indices[p]] + 1
            held[t_indices[p]] += 1
        gains[rank] += total


@kernel()
def _set_bits(
    t_indptr: Int64s, t_indices: Int32s, items: Int32s, first_user: int, bits: Words
) -> None:
    """Set the bits of the users of one block."""
    for place in range(items.size):
        for p in range(t_indptr[items[place]], t_indptr[items[place] + 1]):
            user = first_user + t_indices[p]
            bits[place, user // WORD] |= np.uint64(1) << np.uint64(user % WORD)


@kernel()
def _count_four(
    bits: Words, group: Int64s, low: int, high: int, start: int, counts: Int64s
) -> None:
    """Intersect one strip of four rows with those from ``start``: counts (rows x 4).

    Every slice is one-dimensional: only those are known to be contiguous, as vectors need.
    """
    a, b = bits[group[0]][low:high], bits[group[1]][low:high]
    c, d = bits[group[2]][low:high], bits[group[3]][low:high]
    for j in range(counts.shape[0]):
        other = bits[start + j][low:high]
        w, x, y, z = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
        for q in range(a.size):
            word = other[q]
            w += _popcount(a[q] & word)
            x += _popcount(b[q] & word)
            y += _popcount(c[q] & word)
            z += _popcount(d[q] & word)
        counts[j, 0], counts[j, 1], counts[j, 2], counts[j, 3] = w, x, y, z


@kernel()
def add_head(acc: Any, flags: Words, first: int, items: Int32s, bits: Words) -> None:
    """Add the counts between head items to a tile of sums; see ``gram.accumulate``.

    Parameters
    ----------
    acc, flags, first
        The tile.
    items, bits
        The fields of a ``Head``.

    Notes
    -----
    ``users / 64`` words for each pair of a head row of the tile and a head item.
    """
    begin = np.searchsorted(items, first)
    end = np.searchsorted(items, first + acc.shape[0])
    counts, group = np.empty((PANEL, 4), np.int64), np.empty(4, np.int64)
    for low in range(0, bits.shape[1], STRIP):
        high = min(low + STRIP, bits.shape[1])
        for panel in range(0, items.size, PANEL):
            stop = min(panel + PANEL, items.size)
            for place in range(begin, end, 4):
                for q in range(4):
                    group[q] = min(place + q, end - 1)  # the last group repeats its last row
                _count_four(bits, group, low, high, panel, counts[: stop - panel])
                for q in range(min(4, end - place)):
                    r = items[place + q] - first
                    for j in range(panel, stop):
                        acc[r, items[j]] += counts[j - panel, q]
    if flags.shape[0] > 0:
        for place in range(begin, end):
            for item in items:
                bit = np.uint64(1) << np.uint64(item % WORD)
                flags[items[place] - first, item // WORD] |= bit


def _without_head(block: Block, in_head: NDArray[np.bool_]) -> list[Block]:
    """Split a block: head rows against tail columns, and tail rows against all columns."""
    counts = np.diff(block.t_indptr)
    sizes = np.where(in_head, counts, 0)
    of_head = np.repeat(in_head, counts)
    tail = ~in_head[block.x_indices]
    before = np.concatenate([[0], np.cumsum(tail)])
    empty = block.x_data
    head_ptr = np.concatenate([[0], np.cumsum(sizes)])
    tail_ptr = block.t_indptr - block.t_indptr[0] - head_ptr
    indices = block.t_indices[block.t_indptr[0] : block.t_indptr[-1]]
    return [
        Block(
            before[block.x_indptr], block.x_indices[tail], empty, head_ptr, indices[of_head], empty
        ),
        Block(block.x_indptr, block.x_indices, empty, tail_ptr, indices[~of_head], empty),
    ]


def plan_head(blocks: Sequence[Block], n_items: int, *, max_bytes: int = MAX_BYTES) -> Head:
    """Choose the head of blocks of ones, and prepare them for it.

    The head is the number of most popular items that saves most: the list updates between
    its items, less ``WORD_COST`` for each word of each pair.

    Parameters
    ----------
    blocks
        The ratings, in user order, with empty data.
    n_items
        Number of item codes.
    max_bytes
        Bound for the bit rows.

    Returns
    -------
    Head
        To be shared by all ranges of items; without items where bits do not pay.

    Notes
    -----
    O(entries) time. Memory: the bit rows, and at most 8 bytes an entry for the split blocks.
    """
    n_users = sum(block.x_indptr.size - 1 for block in blocks)
    words = -(-n_users // (WORD * GROUP)) * GROUP
    popularity = np.zeros(n_items, np.int64)
    for block in blocks:
        popularity += np.diff(block.t_indptr)
    most = min(n_items, max_bytes // max(8 * words, 1))
    order = np.argsort(-popularity, kind="stable")[:most]
    gains = np.zeros(most, np.float64)
    for block in blocks:
        held = np.zeros(block.x_indptr.size - 1, np.int32)
        _gains(block.t_indptr, block.t_indices, order, held, gains)
    saved = np.cumsum(gains) - WORD_COST * words * np.arange(1.0, most + 1) ** 2
    size = int(np.argmax(saved)) + 1 if most and saved.max() > 0 else 0
    items = np.sort(order[:size]).astype(np.int32)
    bits = np.zeros((size, words), np.uint64)
    if size == 0:
        return Head(items, bits, list(blocks))
    in_head = np.zeros(n_items, np.bool_)
    in_head[items] = True
    first_user, split = 0, []
    for block in blocks:
        _set_bits(block.t_indptr, block.t_indices, items, first_user, bits)
        split += _without_head(block, in_head)
        first_user += block.x_indptr.size - 1
    return Head(items, bits, split)
