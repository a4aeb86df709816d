"""Exact top-k where no dense scores are needed: common rankings and neighbour lists.

Same order and same results as ``topk``.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.jit import kernel
from daskrec.engine.select import BLOCK, Ranked, buffer_size, empty_ranked, first_bound, rank_row

Floats: TypeAlias = NDArray[Any]
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
Bytes: TypeAlias = NDArray[np.uint8]


@kernel()
def _walk(
    order: Int32s, indptr: Int64s, indices: Int32s, stamp: Int32s, places: Int32s, counts: Int32s
) -> None:
    """Find for each row the first places of the common list that it has not seen."""
    k = places.shape[1]
    for r in range(places.shape[0]):
        for p in range(indptr[r], indptr[r + 1]):
            stamp[indices[p]] = r
        n = 0
        for p in range(order.size):
            if n == k:
                break
            if stamp[order[p]] != r:
                places[r, n] = p
                n += 1
        counts[r] = n


def take_unseen(
    order_items: Int32s, order_scores: Floats, indptr: Int64s, indices: Int32s, k: int, n_items: int
) -> Ranked:
    """Give every row the first k items of one common ranking that it has not seen.

    Parameters
    ----------
    order_items, order_scores
        The ranking, already in exact order: item codes int32 and their scores.
    indptr, indices
        CSR of the seen items, one row for each output row; pass a row pointer of zeros to
        filter nothing.
    k
        Length of a result list.
    n_items
        Number of item codes.

    Returns
    -------
    tuple
        ``items`` int32 (rows x k), ``scores`` of the dtype of the ranking (rows x k),
        ``counts`` int32 (rows).

    Notes
    -----
    O(k + seen) a row; one int32 an item of memory for each call.
    """
    rows = indptr.size - 1
    places, counts = np.zeros((rows, k), np.int32), np.zeros(rows, np.int32)
    order = np.ascontiguousarray(order_items, np.int32)
    if order.size == 0:
        return places, np.zeros((rows, k), order_scores.dtype), counts
    _walk(order, indptr, indices, np.full(n_items, -1, np.int32), places, counts)
    return order[places], order_scores[places], counts


# Sums start at -0.0, which no addition of others gives: x + (-x) and -0.0 + 0.0 are 0.0.
# So a sum itself tells whether anything was added to it.
_UNTOUCHED = np.iinfo(np.int64).min  # the bits of -0.0
_NO_WEIGHTS = np.empty(0, np.float32)
_DENSE = 4  # where so many times the neighbours are more than the items, all items are swept


@kernel(inline=True)
def _reach(history: Int32s, sim_indptr: Int64s) -> Any:
    """Return the number of neighbours of all items of a history."""
    reach = np.int64(0)
    for item in history:
        reach += sim_indptr[item + 1] - sim_indptr[item]
    return reach


@kernel()
def _sum_all(
    history: Int32s, sim_indptr: Int64s, sim_indices: Int32s, sim_values: Floats, acc: Floats
) -> None:
    """Add the neighbour lists of one history."""
    zero = sim_values.dtype.type(0)  # makes 0.0 of a similarity that is -0.0
    for item in history:
        start, stop = sim_indptr[item], sim_indptr[item + 1]
        items, values = sim_indices[start:stop], sim_values[start:stop]
        for q in range(items.size):
            acc[np.uint32(items[q])] += values[q] + zero


@kernel()
def _sum_flagged(
    history: Int32s, sim_indptr: Int64s, sim_indices: Int32s, sim_values: Floats,
    acc: Floats, flag: Bytes,
) -> None:  # fmt: skip
    """Add the neighbour lists of one history, marking the blocks of items touched."""
    zero = sim_values.dtype.type(0)  # makes 0.0 of a similarity that is -0.0
    for item in history:
        start, stop = sim_indptr[item], sim_indptr[item + 1]
        items, values = sim_indices[start:stop], sim_values[start:stop]
        for q in range(items.size):
            j = np.uint32(items[q])
            acc[j] += values[q] + zero
            flag[j // BLOCK] = 1


@kernel()
def _sum_weighted(
    history: Int32s, weights: Floats, sim_indptr: Int64s, sim_indices: Int32s,
    sim_values: Floats, acc: Floats, flag: Bytes,
) -> None:  # fmt: skip
    """Add the neighbour lists of one history times weights; without flags none are marked."""
    for p in range(history.size):
        start, stop = sim_indptr[history[p]], sim_indptr[history[p] + 1]
        items, values = sim_indices[start:stop], sim_values[start:stop]
        weight = np.float64(weights[p])
        for q in range(items.size):
            j = np.uint32(items[q])
            acc[j] += weight * values[q] + 0.0  # makes 0.0 of a product that is -0.0
            if flag.size > 0:
                flag[j // BLOCK] = 1


@kernel()
def _sweep(acc: Floats, bits: Int64s, allowed: Bools, row_s: Floats) -> None:
    """Move all sums to a row, minus infinity for those that are none; reset them."""
    for j in range(acc.size):
        row_s[j] = np.float32(acc[j]) if bits[j] != _UNTOUCHED else np.float32(-np.inf)
    for j in range(allowed.size):
        row_s[j] = row_s[j] if allowed[j] else np.float32(-np.inf)
    bits[:] = _UNTOUCHED


@kernel()
def _drain(
    acc: Floats, bits: Int64s, flag: Bytes, allowed: Bools, row_s: Floats, row_i: Int32s
) -> int:
    """Move the touched and allowed sums to a compact row in item order; reset them."""
    n = 0
    for block in range(flag.size):
        if flag[block] == 0:
            continue
        flag[block] = 0
        for j in range(block * BLOCK, min((block + 1) * BLOCK, acc.size)):
            row_s[n], row_i[n] = acc[j], j
            n += bits[j] != _UNTOUCHED and (allowed.size == 0 or allowed[j])
            bits[j] = _UNTOUCHED
    return n


@kernel()
def _sparse_rows(
    indptr: Int64s, indices: Int32s, weights: Floats, sim_indptr: Int64s, sim_indices: Int32s,
    sim_values: Floats, allowed: Bools, filter_seen: bool, items: Int32s, scores: Floats,
    counts: Int32s,
) -> None:  # fmt: skip
    """Score and rank every row; see ``sparse_topk``."""
    n_items, k = sim_indptr.size - 1, items.shape[1]
    size = buffer_size(k)
    buf_s, tmp_s = np.empty(size, np.float32), np.empty(size, np.float32)
    buf_i, tmp_i = np.empty(size, np.int32), np.empty(size, np.int32)
    row_s, row_i = np.empty(n_items + 1, np.float32), np.empty(n_items + 1, np.int32)
    acc = np.full(n_items, -0.0)
    bits = acc.view(np.int64)
    flag = np.zeros(n_items // BLOCK + 1, np.uint8)
    for r in range(counts.size):
        history = indices[indptr[r] : indptr[r + 1]]
        dense = _DENSE * _reach(history, sim_indptr) >= n_items
        if weights.size > 0:
            own, marks = weights[indptr[r] : indptr[r + 1]], flag[: 0 if dense else flag.size]
            _sum_weighted(history, own, sim_indptr, sim_indices, sim_values, acc, marks)
        elif dense:
            _sum_all(history, sim_indptr, sim_indices, sim_values, acc)
        else:
            _sum_flagged(history, sim_indptr, sim_indices, sim_values, acc, flag)
        if filter_seen:
            for item in history:
                bits[item] = _UNTOUCHED
        width = n_items
        if dense:
            _sweep(acc, bits, allowed, row_s[:n_items])
        else:
            width = _drain(acc, bits, flag, allowed, row_s, row_i)
        row = row_s[:width]
        bound = first_bound(row, k, tmp_s)
        n = min(k, rank_row(row, np.int64(0), bound, k, buf_s, buf_i, tmp_s, tmp_i))
        for j in range(n):
            items[r, j] = buf_i[j] if dense else row_i[buf_i[j]]
            scores[r, j] = buf_s[j]
        counts[r] = n


def sparse_topk(
    indptr: Int64s, indices: Int32s, sim_indptr: Int64s, sim_indices: Int32s, sim_values: Floats,
    k: int, *, allowed: Bools | None = None, filter_seen: bool = True,
    weights: Floats | None = None,
) -> Ranked:  # fmt: skip
    """Rank items by the sum of their similarities from the items of each history.

    ``score(u, j) = sum of w_ui sim(i -> j) over i in history(u)``, added in the order of the
    history in float64 and rounded to float32 before ranking. Only items that some neighbour
    list reaches are ranked.

    Parameters
    ----------
    indptr, indices
        CSR of the histories, one row for each output row (``indptr`` may be a slice of a
        larger one); int64 and int32.
    sim_indptr, sim_indices, sim_values
        CSR of the similarities, row i holding the neighbours of item i; int64, int32, float32.
    k
        Length of a result list.
    allowed
        One bool an item; others are left out. None allows all.
    filter_seen
        Leave out the items of the history.
    weights
        float32 w_ui of each entry of the histories; None for ones.

    Returns
    -------
    tuple
        ``items`` int32 (rows x k), ``scores`` float32 (rows x k), ``counts`` int32 (rows).

    Notes
    -----
    O(sum of the neighbour lists + items / 64) a row; 16 bytes an item of memory a call.
    """
    items, scores, counts = empty_ranked(indptr.size - 1, k, np.float32)
    if k > 0:
        mask = np.zeros(0, np.bool_) if allowed is None else allowed
        _sparse_rows(
            indptr, indices, _NO_WEIGHTS if weights is None else weights, sim_indptr,
            sim_indices, sim_values, mask, filter_seen, items, scores, counts,
        )  # fmt: skip
    return items, scores, counts


@kernel()
def _pair_scores(
    indptr: Int64s, indices: Int32s, weights: Floats, sim_indptr: Int64s, sim_indices: Int32s,
    sim_values: Floats, rows: Int64s, items: Int32s, order: Int64s, scores: Floats,
) -> None:  # fmt: skip
    """Score pairs, visited row by row; see ``sparse_pairs``."""
    n_items = sim_indptr.size - 1
    acc = np.full(n_items, -0.0)
    bits = acc.view(np.int64)
    flag = np.zeros(n_items // BLOCK + 1, np.uint8)
    start = 0
    while start < order.size:
        row, stop = rows[order[start]], start
        history = indices[indptr[row] : indptr[row + 1]]
        if weights.size > 0:
            own = weights[indptr[row] : indptr[row + 1]]
            _sum_weighted(history, own, sim_indptr, sim_indices, sim_values, acc, flag)
        else:
            _sum_flagged(history, sim_indptr, sim_indices, sim_values, acc, flag)
        while stop < order.size and rows[order[stop]] == row:
            item = items[order[stop]]
            if bits[item] != _UNTOUCHED:
                scores[order[stop]] = np.float32(acc[item])
            stop += 1
        start = stop
        for block in range(flag.size):
            if flag[block]:
                flag[block] = 0
                bits[block * BLOCK : min((block + 1) * BLOCK, n_items)] = _UNTOUCHED


def sparse_pairs(
    indptr: Int64s, indices: Int32s, sim_indptr: Int64s, sim_indices: Int32s, sim_values: Floats,
    rows: Int64s, items: Int32s, *, weights: Floats | None = None,
) -> NDArray[np.float64]:  # fmt: skip
    """Score pairs of a history and an item exactly as ``sparse_topk`` scores them.

    Parameters
    ----------
    indptr, indices, sim_indptr, sim_indices, sim_values, weights
        As for ``sparse_topk``.
    rows, items
        History row (int64) and item code (int32) of each pair, in any order.

    Returns
    -------
    ndarray
        float64 score of each pair; NaN where no neighbour list of the history has the item.

    Notes
    -----
    Each row that occurs is summed once: the time of ``sparse_topk`` without its selection.
    """
    scores = np.full(rows.size, np.nan)
    order = np.argsort(rows, kind="stable")
    _pair_scores(
        indptr, indices, _NO_WEIGHTS if weights is None else weights, sim_indptr, sim_indices,
        sim_values, rows, items, order, scores,
    )  # fmt: skip
    return scores
