"""Weighted draws without replacement, keyed: a random order of items for each user.

The next item is drawn with a chance in proportion to its weight among the items left. Seen
as a Poisson process: events fall on items in proportion to their weights, and an item takes
its place at its first event. So events are drawn from an alias table (Walker 1977), and those
of items that have their place already are passed over, which is successive sampling exactly
(Wong and Easton 1980). After a fixed number of events the items that are left follow in the
order of an exponential race (Efraimidis and Spirakis 2006), which the Poisson process makes
the same law: it has no memory.

Everything is a function of the seed, the key of the user and the candidates with their
weights, the number of events too; so a longer list begins as a shorter one does.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel
from daskrec.engine.random import alias_draw, alias_tables, lane, seed_word, unit, word
from daskrec.engine.select import Int32s

_LEAST_EVENTS = 64
_FEW = 32  # items of a row up to which counting earlier arrivals costs less than a sort
_RACE = np.uint64(0x9FB21C651E98DF25)  # tells the lane of the race from that of the events


class Draw(NamedTuple):
    """Candidates and how they are drawn.

    Parameters
    ----------
    items
        int32 codes of the items that can be drawn, ascending.
    weights
        float64 weight of each, above 0.
    cells
        uint64 alias table.
    """

    items: Int32s
    weights: NDArray[np.float64]
    cells: NDArray[np.uint64]


def plan_draw(items: Vector, weights: Vector) -> Draw:
    """Prepare to draw from candidates.

    Parameters
    ----------
    items
        int32 codes, in any order, each once.
    weights
        float64, not infinite; an item of weight NaN, 0 or less is never drawn.

    Returns
    -------
    Draw
        20 bytes a candidate.

    Notes
    -----
    Linear in the candidates (Vose 1991), but for a sort. The table keeps chances to 2**-32; of
    n candidates, one whose share is below 2**-32 / n has its place in the race alone.
    """
    drawn = np.flatnonzero(weights > 0)
    drawn = drawn[np.argsort(items[drawn], kind="stable")]
    codes, kept = np.asarray(items[drawn], np.int32), np.asarray(weights[drawn], np.float64)
    if not len(kept):
        return Draw(codes, kept, np.empty(0, np.uint64))
    if np.isinf(kept).any():
        raise ValueError("weights must be finite")
    shares = kept / kept.max()  # sums of large weights do not overflow
    return Draw(codes, kept, alias_tables((shares / shares.sum())[None])[0])


@kernel()
def _arrive(
    start: np.uint64, weights: Vector, placed: Int32s, stamp: int, rest: Int32s, arrivals: Vector
) -> int:
    """Write the candidates without a place, in code order, and their arrivals; return how many."""
    left = 0
    for place in range(len(weights)):
        if placed[place] != stamp:
            arrivals[left] = -math.log(unit(word(start, np.uint64(place)))) / weights[place]
            rest[left] = place
            left += 1
    return left


@kernel()
def _walk(
    seed: np.uint64, keys: Vector, items: Int32s, weights: Vector, cells: Vector,
    indptr: Vector, indices: Int32s, seen: Int32s, best: Int32s, places: Int32s, counts: Int32s,
) -> None:  # fmt: skip
    """Fill the lists of all rows; see ``draw_unseen``."""
    k = best.shape[1]
    placed = np.full(len(items), -1, np.int32)
    rest, arrivals = np.empty(len(items), np.int32), np.empty(len(items))
    for row in range(len(keys)):
        for entry in range(indptr[row], indptr[row + 1]):
            seen[indices[entry]] = row
        start, found, position, event = lane(seed, keys[row]), 0, 0, 0
        while found < k and position < len(items) and event < max(_LEAST_EVENTS, len(items)):
            place = alias_draw(word(start, np.uint64(event)), cells)
            event += 1
            if placed[place] != row:
                placed[place] = row
                position += 1
                if seen[items[place]] != row:
                    best[row, found], places[row, found] = items[place], position
                    found += 1
        if found < k and position < len(items):
            left = _arrive(lane(seed ^ _RACE, keys[row]), weights, placed, row, rest, arrivals)
            for n in np.argsort(arrivals[:left], kind="mergesort"):
                if found == k:
                    break
                position += 1
                item = items[rest[n]]
                if seen[item] != row:
                    best[row, found], places[row, found] = item, position
                    found += 1
        counts[row] = found


def draw_unseen(
    seed: int, keys: Vector, plan: Draw, indptr: Vector, indices: Int32s, k: int, n_items: int
) -> tuple[Int32s, Int32s, Int32s]:
    """Draw for each row until k items are found that it has not seen.

    Parameters
    ----------
    seed
        Any integer, taken modulo 2**64.
    keys
        uint64, one a row: hashes of user ids.
    plan
        The candidates.
    indptr, indices
        CSR of the seen items, one row for each key; a row pointer of zeros filters nothing.
    k, n_items
        Length of a list, and number of item codes.

    Returns
    -------
    tuple
        ``items`` int32 (rows x k), ``places`` int32 (rows x k), the place of each in the order
        of draws, from 1 and with seen items counted, and ``counts`` int32 (rows).

    Notes
    -----
    O(k + seen) a row while weights are not too uneven, else O(candidates log candidates). 4
    bytes an item and up to 32 a candidate of memory for each call.
    """
    rows = len(keys)
    best, places = np.zeros((rows, k), np.int32), np.zeros((rows, k), np.int32)
    counts = np.zeros(rows, np.int32)
    if k and rows and len(plan.items):
        seen = np.full(n_items, -1, np.int32)
        _walk(seed_word(seed), keys, *plan, indptr, indices, seen, best, places, counts)
    return best, places, counts


@kernel()
def _place_row(
    seed: np.uint64, key: np.uint64, weights: Vector, cells: Vector, row: int, wanted: int,
    asked: Int32s, placed: Int32s, rest: Int32s, arrivals: Vector, position: Int32s,
) -> None:  # fmt: skip
    """Write the places of the candidates a row asks for, and of others met on the way."""
    start, count = lane(seed, key), 0
    for event in range(max(_LEAST_EVENTS, len(weights))):
        if not wanted:
            return
        place = alias_draw(word(start, np.uint64(event)), cells)
        if placed[place] != row:
            placed[place] = row
            count += 1
            position[place] = count
            wanted -= asked[place] == row
    left = _arrive(lane(seed ^ _RACE, key), weights, placed, row, rest, arrivals)
    if wanted > _FEW:
        position[rest[np.argsort(arrivals[:left], kind="mergesort")]] = np.arange(left) + count + 1
        return
    for n in range(left):  # the same order, with ties by code, by counting what comes before
        if asked[rest[n]] == row:
            before = (arrivals[:n] <= arrivals[n]).sum()
            before += (arrivals[n + 1 : left] < arrivals[n]).sum()
            position[rest[n]] = count + before + 1


@kernel()
def _positions(
    seed: np.uint64, keys: Vector, weights: Vector, cells: Vector,
    rows: Vector, wanted: Int32s, order: Vector, out: Int32s,
) -> None:  # fmt: skip
    """Look places up row by row; see ``draw_positions``."""
    asked, placed = np.full((2, len(weights)), -1, np.int32)
    position, rest = np.empty((2, len(weights)), np.int32)
    arrivals, start = np.empty(len(weights)), 0
    while start < len(order):
        row, stop, count = rows[order[start]], start, 0
        while stop < len(order) and rows[order[stop]] == row:
            place = wanted[order[stop]]
            if place >= 0 and asked[place] != row:
                asked[place] = row
                count += 1
            stop += 1
        key = keys[row]
        _place_row(seed, key, weights, cells, row, count, asked, placed, rest, arrivals, position)
        for pair in order[start:stop]:
            if wanted[pair] >= 0:
                out[pair] = position[wanted[pair]]
        start = stop


def draw_positions(
    seed: int, keys: Vector, plan: Draw, rows: Vector, items: Int32s, n_items: int
) -> Int32s:
    """Return the places of given items in the orders of given rows.

    Parameters
    ----------
    seed, keys, plan, n_items
        As for ``draw_unseen``.
    rows, items
        Row number and item code of each pair.

    Returns
    -------
    ndarray of int32
        Place of each pair from 1, as in ``draw_unseen``; 0 for an item that is never drawn.

    Notes
    -----
    Each row that occurs is visited once, and its order followed until all items it asks for
    have their places: at most O(candidates log candidates). 4 bytes an item, 12 a
    pair and up to 40 a candidate of memory for each call.
    """
    out = np.zeros(len(rows), np.int32)
    if len(rows) and len(plan.items):
        home = np.full(n_items, -1, np.int32)
        home[plan.items] = np.arange(len(plan.items))
        order = np.argsort(rows, kind="stable")
        _positions(seed_word(seed), keys, *plan[1:], rows, home[items], order, out)
    return out
