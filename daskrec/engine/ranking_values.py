"""What ranked lists are worth at several depths, one number an owner and a depth.

All functions take lists end to end (``indptr`` says where each starts), something that is
known of every entry, and the depths ``ks`` in ascending order; they return an array of depths
x owners. Each runs once over the first ``ks[-1]`` entries of every list.
"""

from typing import Any

import numpy as np

from daskrec.engine.jit import kernel
from daskrec.engine.ranking import Bools, Codes, Floats, Int32s, Int64s


@kernel()
def _count_hits(indptr: Int64s, hits: Bools, ks: Int64s, out: Int64s) -> None:
    for owner in range(indptr.size - 1):
        first, end = indptr[owner], indptr[owner + 1]
        at, count = first, np.int64(0)
        for j in range(ks.size):
            stop = min(first + ks[j], end)
            while at < stop:
                count += hits[at]
                at += 1
            out[j, owner] = count


def hits_at(indptr: Int64s, hits: Bools, ks: Int64s) -> Int64s:
    """Return the number of hits among the first k."""
    out = np.zeros((ks.size, indptr.size - 1), np.int64)
    _count_hits(indptr, hits, ks, out)
    return out


@kernel()
def _first_hit(indptr: Int64s, hits: Bools, ks: Int64s, out: Floats) -> None:
    for owner in range(indptr.size - 1):
        first = indptr[owner]
        for at in range(first, min(first + ks[-1], indptr[owner + 1])):
            if hits[at]:
                for j in range(ks.size):
                    if at - first < ks[j]:
                        out[j, owner] = 1.0 / (at - first + 1)
                break


def reciprocal_rank(indptr: Int64s, hits: Bools, ks: Int64s) -> Floats:
    """Return one divided by the rank of the first hit; 0 where there is none."""
    out = np.zeros((ks.size, indptr.size - 1))
    _first_hit(indptr, hits, ks, out)
    return out


@kernel()
def _sum_precision(indptr: Int64s, hits: Bools, sizes: Int64s, ks: Int64s, out: Floats) -> None:
    for owner in range(indptr.size - 1):
        if sizes[owner] == 0:
            continue
        first, end = indptr[owner], indptr[owner + 1]
        at, count, total = first, 0, 0.0
        for j in range(ks.size):
            stop = min(first + ks[j], end)
            while at < stop:
                if hits[at]:
                    count += 1
                    total += count / (at - first + 1)
                at += 1
            out[j, owner] = total / min(ks[j], sizes[owner])


def average_precision(indptr: Int64s, hits: Bools, sizes: Int64s, ks: Int64s) -> Floats:
    """Return the sum of the precision at each hit, divided by the most hits that can be.

    ``sizes`` is the number of relevant items of each owner.
    """
    out = np.zeros((ks.size, indptr.size - 1))
    _sum_precision(indptr, hits, sizes, ks, out)
    return out


@kernel()
def _sum_gain(
    indptr: Int64s, hits: Bools, sizes: Int64s, ks: Int64s, gain: Floats, ideal: Floats, out: Floats
) -> None:
    for owner in range(indptr.size - 1):
        if sizes[owner] == 0:
            continue
        first, end = indptr[owner], indptr[owner + 1]
        at, total = first, 0.0
        for j in range(ks.size):
            stop = min(first + ks[j], end)
            while at < stop:
                if hits[at]:
                    total += gain[at - first]
                at += 1
            out[j, owner] = total / ideal[min(ks[j], sizes[owner])]


def discounted_gain(indptr: Int64s, hits: Bools, sizes: Int64s, ks: Int64s) -> Floats:
    """Return the discounted gain of the hits, divided by that of the best list.

    The gain of a hit at rank r is ``1 / log2(r + 1)``.
    """
    out = np.zeros((ks.size, indptr.size - 1))
    longest = max(_most(np.diff(indptr)), _most(sizes))
    depth = min(int(ks[-1]), longest)
    gain = 1.0 / np.log2(np.arange(2, depth + 2))
    ideal = np.concatenate([[0.0], np.cumsum(gain)])
    _sum_gain(indptr, hits, sizes, ks, gain, ideal, out)
    return out


def _most(counts: Int64s) -> int:
    return int(counts.max()) if counts.size else 0


@kernel()
def _sum_inversions(indptr: Int64s, hits: Bools, ks: Int64s, out: Floats) -> None:
    for owner in range(indptr.size - 1):
        first, end = indptr[owner], indptr[owner + 1]
        at, misses, inversions = first, 0, 0
        for j in range(ks.size):
            stop = min(first + ks[j], end)
            while at < stop:
                if hits[at]:
                    inversions += misses
                else:
                    misses += 1
                at += 1
            count = stop - first
            if misses < count:
                pairs = misses * (count - misses)
                out[j, owner] = 1.0 - inversions / pairs if inversions else 1.0


def area_under_curve(indptr: Int64s, hits: Bools, ks: Int64s) -> Floats:
    """Return the share of pairs (hit, miss) of the first k that are in the right order.

    0 without a hit, 1 without a miss before a hit.
    """
    out = np.zeros((ks.size, indptr.size - 1))
    _sum_inversions(indptr, hits, ks, out)
    return out


@kernel()
def _sum_weights(indptr: Int64s, weights: Floats, ks: Int64s, out: Floats) -> None:
    for owner in range(indptr.size - 1):
        first, end = indptr[owner], indptr[owner + 1]
        at, total = first, 0.0
        for j in range(ks.size):
            stop = min(first + ks[j], end)
            while at < stop:
                total += weights[at]
                at += 1
            out[j, owner] = total / ks[j]


def mean_weight(indptr: Int64s, weights: Floats, ks: Int64s) -> Floats:
    """Return the sum of the weights of the first k entries, divided by k."""
    out = np.zeros((ks.size, indptr.size - 1))
    _sum_weights(indptr, weights, ks, out)
    return out


@kernel()
def _count_shared(indptr: Int64s, places: Int32s, ks: Int64s, out: Int64s) -> None:
    for owner in range(indptr.size - 1):
        first, end = indptr[owner], indptr[owner + 1]
        for j in range(ks.size):
            for at in range(first, min(first + ks[j], end)):
                out[j, owner] += places[at] < ks[j]


def shared_at(indptr: Int64s, places: Int32s, ks: Int64s) -> Int64s:
    """Return how many of the first k are among the first k of another list too.

    ``places`` is the place of each entry in the other list (see ``ranking.find_places``).
    """
    out = np.zeros((ks.size, indptr.size - 1), np.int64)
    _count_shared(indptr, places, ks, out)
    return out


@kernel()
def _count_distinct(indptr: Int64s, labels: Codes, ks: Int64s, stamp: Int32s, out: Int64s) -> None:
    for owner in range(indptr.size - 1):
        first, end = indptr[owner], indptr[owner + 1]
        at, count = first, np.int64(0)
        for j in range(ks.size):
            stop = min(first + ks[j], end)
            while at < stop:
                label = labels[at]
                if label >= 0 and stamp[label] != owner:
                    stamp[label] = owner
                    count += 1
                at += 1
            out[j, owner] = count


def distinct_at(indptr: Int64s, labels: Codes, label_count: int, ks: Int64s) -> Int64s:
    """Return the number of distinct labels of the first k entries; -1 is no label."""
    out = np.zeros((ks.size, indptr.size - 1), np.int64)
    _count_distinct(indptr, labels, ks, np.full(max(label_count, 1), -1, np.int32), out)
    return out


def ascending(ks: Any) -> Int64s:
    """Return distinct depths in ascending order, as these functions take them."""
    return np.unique(np.asarray(list(ks), dtype=np.int64))
