"""Ranked lists of many owners at once: rows grouped, ordered, freed of repeats and compared.

Lists lie end to end, as the rows of a CSR matrix do: ``indptr`` says where the list of each
owner starts, and an entry is the number of a row of the table that the lists came from. All
functions are linear in the rows but for the sort of lists that are not in order.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.jit import kernel

Int64s: TypeAlias = NDArray[np.int64]
Int32s: TypeAlias = NDArray[np.int32]
Codes: TypeAlias = NDArray[Any]
Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

NOWHERE = np.iinfo(np.int32).max  # the place of what is not in a list

_SHORT = 32  # lists up to this length are sorted by insertion


@kernel()
def _count(codes: Codes, indptr: Int64s) -> int:
    """Count the rows of each owner, and those that come before their turn."""
    drops = 0
    last = np.int64(0)
    for row in range(codes.size):
        code = np.int64(codes[row])
        indptr[code + 1] += 1
        drops += 1 if code < last else 0
        last = code
    for owner in range(1, indptr.size):
        indptr[owner] += indptr[owner - 1]
    return drops


@kernel()
def _place(codes: Codes, free: Int64s, order: Int64s) -> None:
    for row in range(codes.size):
        code = codes[row]
        order[free[code]] = row
        free[code] += 1


def group_rows(codes: Codes, count: int) -> tuple[Int64s, Int64s]:
    """Bring the rows of each owner together, in the order in which they lie.

    Parameters
    ----------
    codes
        Owner of each row, from 0.
    count
        Number of owners.

    Returns
    -------
    tuple
        ``indptr`` int64 (``count + 1``) and the rows int64 (one entry a row).
    """
    indptr = np.zeros(count + 1, np.int64)
    if _count(codes, indptr) == 0:
        return indptr, np.arange(codes.size, dtype=np.int64)
    order = np.empty(codes.size, np.int64)
    _place(codes, indptr.copy(), order)
    return indptr, order


@kernel()
def _sort_short(rows: Int64s, scores: Floats) -> None:
    for at in range(1, rows.size):
        row = rows[at]
        score = scores[row]
        to = at
        while to > 0 and scores[rows[to - 1]] < score:
            rows[to] = rows[to - 1]
            to -= 1
        rows[to] = row


@kernel()
def _sort_lists(indptr: Int64s, rows: Int64s, scores: Floats) -> None:
    for owner in range(indptr.size - 1):
        mine = rows[indptr[owner] : indptr[owner + 1]]
        ordered = True
        for at in range(1, mine.size):
            if scores[mine[at]] > scores[mine[at - 1]]:
                ordered = False
                break
        if ordered:
            continue
        if mine.size <= _SHORT:
            _sort_short(mine, scores)
        else:
            # Backwards and back again, not negated: the lowest integer has no negative.
            back = mine[::-1].copy()
            mine[:] = back[np.argsort(scores[back], kind="mergesort")][::-1]


def rank_rows(indptr: Int64s, rows: Int64s, scores: Floats) -> None:
    """Order each list by descending score, in place; equal scores keep their order.

    Parameters
    ----------
    indptr, rows
        Lists as ``group_rows`` makes them.
    scores
        float64, the score of each row of the table.
    """
    _sort_lists(indptr, rows, scores)


@kernel()
def _first(
    indptr: Int64s, rows: Int64s, items: Codes, depth: int, stamp: Int32s,
    out_indptr: Int64s, out: Int64s,
) -> None:  # fmt: skip
    found = np.int64(0)
    for owner in range(indptr.size - 1):
        start = found
        for at in range(indptr[owner], indptr[owner + 1]):
            if found - start == depth:
                break
            item = items[rows[at]]
            if stamp[item] != owner:
                stamp[item] = owner
                out[found] = rows[at]
                found += 1
        out_indptr[owner + 1] = found


def first_rows(
    indptr: Int64s, rows: Int64s, items: Codes, item_count: int, depth: int
) -> tuple[Int64s, Int64s]:
    """Return the first rows of each list, an item that comes again left out.

    Parameters
    ----------
    indptr, rows
        Ranked lists.
    items
        Item of each row of the table, from 0.
    item_count
        Number of items: an int32 of memory for each.
    depth
        Most entries of a list.

    Returns
    -------
    tuple
        ``indptr`` and rows of the shorter lists.
    """
    out_indptr, out = np.zeros_like(indptr), np.empty_like(rows)
    stamp = np.full(item_count, -1, np.int32)
    _first(indptr, rows, items, depth, stamp, out_indptr, out)
    return out_indptr, out[: out_indptr[-1]]


@kernel()
def _mark(
    indptr: Int64s, items: Codes, set_indptr: Int64s, set_items: Codes, stamp: Int32s,
    found: Bools, sizes: Int64s,
) -> None:  # fmt: skip
    for owner in range(indptr.size - 1):
        size = np.int64(0)
        for at in range(set_indptr[owner], set_indptr[owner + 1]):
            item = set_items[at]
            if stamp[item] != owner:
                stamp[item] = owner
                size += 1
        sizes[owner] = size
        for at in range(indptr[owner], indptr[owner + 1]):
            found[at] = stamp[items[at]] == owner


def mark_members(
    indptr: Int64s, items: Codes, set_indptr: Int64s, set_items: Codes, item_count: int
) -> tuple[Bools, Int64s]:
    """Tell which entries of lists are in the set of their owner, and how large the sets are.

    Parameters
    ----------
    indptr, items
        The lists, as items.
    set_indptr, set_items
        The sets of the same owners, as items; repeats change nothing.
    item_count
        Number of items: an int32 of memory for each.

    Returns
    -------
    tuple
        bool an entry, and int64 an owner: the number of distinct items of the set.
    """
    found, sizes = np.zeros(items.size, np.bool_), np.zeros(indptr.size - 1, np.int64)
    stamp = np.full(item_count, -1, np.int32)
    _mark(indptr, items, set_indptr, set_items, stamp, found, sizes)
    return found, sizes


@kernel()
def _find(
    indptr: Int64s, items: Codes, other_indptr: Int64s, other: Codes, stamp: Int32s,
    place: Int32s, out: Int32s,
) -> None:  # fmt: skip
    for owner in range(indptr.size - 1):
        first = other_indptr[owner]
        for at in range(first, other_indptr[owner + 1]):
            stamp[other[at]] = owner
            place[other[at]] = at - first
        for at in range(indptr[owner], indptr[owner + 1]):
            item = items[at]
            out[at] = place[item] if stamp[item] == owner else NOWHERE


def find_places(
    indptr: Int64s, items: Codes, other_indptr: Int64s, other: Codes, item_count: int
) -> Int32s:
    """Return the place of each entry in another list of its owner, from 0.

    Parameters
    ----------
    indptr, items
        The lists, as items.
    other_indptr, other
        The other lists of the same owners, as items, none of them twice.
    item_count
        Number of items: two int32 of memory for each.

    Returns
    -------
    ndarray of int32
        ``NOWHERE`` where the other list has no such item.
    """
    out = np.empty(items.size, np.int32)
    stamp, place = np.full(item_count, -1, np.int32), np.zeros(item_count, np.int32)
    _find(indptr, items, other_indptr, other, stamp, place, out)
    return out


@kernel()
def _best(indptr: Int64s, items: Codes, best: Int32s) -> None:
    for owner in range(indptr.size - 1):
        first = indptr[owner]
        for at in range(first, indptr[owner + 1]):
            best[items[at]] = min(best[items[at]], at - first)


def best_places(indptr: Int64s, items: Codes, item_count: int) -> Int32s:
    """Return the best place that each item has in any list; ``NOWHERE`` for none."""
    best = np.full(item_count, NOWHERE, np.int32)
    _best(indptr, items, best)
    return best


@kernel()
def _owners(indptr: Int64s, members: Codes, stamp: Int32s, out: Int64s) -> None:
    for owner in range(indptr.size - 1):
        for at in range(indptr[owner], indptr[owner + 1]):
            member = members[at]
            if stamp[member] != owner:
                stamp[member] = owner
                out[member] += 1


def count_owners(indptr: Int64s, members: Codes, member_count: int) -> Int64s:
    """Return for each member of any set the number of owners whose sets it is in."""
    out = np.zeros(member_count, np.int64)
    _owners(indptr, members, np.full(member_count, -1, np.int32), out)
    return out
