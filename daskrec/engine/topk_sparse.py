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


@kernel()
def _sum_neighbours(
    history: Int32s, sim_indptr: Int64s, sim_indices: Int32s, sim_values: Floats,
    acc: Floats, mark: Bytes, flag: Bytes,
) -> None:  # fmt: skip
    """Add the neighbour lists of one history, marking items and blocks of items touched."""
    for item in history:
        for p in range(sim_indptr[item], sim_indptr[item + 1]):
            j = sim_indices[p]
            acc[j] += sim_values[p]
            mark[j] = 1
            flag[j // BLOCK] = 1


@kernel()
def _drain(
    acc: Floats, mark: Bytes, flag: Bytes, allowed: Bools, row_s: Floats, row_i: Int32s
) -> int:
    """Move the marked and allowed sums to a compact row in item order; reset what was touched."""
    n = 0
    for block in range(flag.size):
        if flag[block] == 0:
            continue
        flag[block] = 0
        for j in range(block * BLOCK, min((block + 1) * BLOCK, acc.size)):
            row_s[n], row_i[n] = acc[j], j
            n += mark[j] and (allowed.size == 0 or allowed[j])
            acc[j], mark[j] = 0.0, 0
    return n


@kernel()
def _sparse_rows(
    indptr: Int64s, indices: Int32s, sim_indptr: Int64s, sim_indices: Int32s, sim_values: Floats,
    allowed: Bools, filter_seen: bool, items: Int32s, scores: Floats, counts: Int32s,
) -> None:  # fmt: skip
    """Score and rank every row; see ``sparse_topk``."""
    n_items, k = sim_indptr.size - 1, items.shape[1]
    size = buffer_size(k)
    buf_s, tmp_s = np.empty(size, np.float32), np.empty(size, np.float32)
    buf_i, tmp_i = np.empty(size, np.int32), np.empty(size, np.int32)
    row_s, row_i = np.empty(n_items + 1, np.float32), np.empty(n_items + 1, np.int32)
    acc, mark = np.zeros(n_items, np.float64), np.zeros(n_items, np.uint8)
    flag = np.zeros(n_items // BLOCK + 1, np.uint8)
    for r in range(counts.size):
        history = indices[indptr[r] : indptr[r + 1]]
        _sum_neighbours(history, sim_indptr, sim_indices, sim_values, acc, mark, flag)
        if filter_seen:
            for item in history:
                mark[item] = 0
        row = row_s[: _drain(acc, mark, flag, allowed, row_s, row_i)]
        bound = first_bound(row, k, tmp_s)
        n = min(k, rank_row(row, np.int64(0), bound, k, buf_s, buf_i, tmp_s, tmp_i))
        for j in range(n):
            items[r, j], scores[r, j] = row_i[buf_i[j]], buf_s[j]
        counts[r] = n


def sparse_topk(
    indptr: Int64s, indices: Int32s, sim_indptr: Int64s, sim_indices: Int32s, sim_values: Floats,
    k: int, *, allowed: Bools | None = None, filter_seen: bool = True,
) -> Ranked:  # fmt: skip
    """Rank items by the sum of their similarities from the items of each history.

    ``score(u, j) = sum of sim(i -> j) over i in history(u)``, added in the order of the
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

    Returns
    -------
    tuple
        ``items`` int32 (rows x k), ``scores`` float32 (rows x k), ``counts`` int32 (rows).

    Notes
    -----
    O(sum of the neighbour lists + items / 64) a row; 17 bytes an item of memory a call.
    """
    items, scores, counts = empty_ranked(indptr.size - 1, k, np.float32)
    if k > 0:
        mask = np.zeros(0, np.bool_) if allowed is None else allowed
        _sparse_rows(
            indptr, indices, sim_indptr, sim_indices, sim_values, mask, filter_seen,
            items, scores, counts,
        )  # fmt: skip
    return items, scores, counts


@kernel()
def _pair_scores(
    indptr: Int64s, indices: Int32s, sim_indptr: Int64s, sim_indices: Int32s, sim_values: Floats,
    rows: Int64s, items: Int32s, order: Int64s, scores: Floats,
) -> None:  # fmt: skip
    """Score pairs, visited row by row; see ``sparse_pairs``."""
    n_items = sim_indptr.size - 1
    acc, mark = np.zeros(n_items, np.float64), np.zeros(n_items, np.uint8)
    flag = np.zeros(n_items // BLOCK + 1, np.uint8)
    start = 0
    while start < order.size:
        row, stop = rows[order[start]], start
        history = indices[indptr[row] : indptr[row + 1]]
        _sum_neighbours(history, sim_indptr, sim_indices, sim_values, acc, mark, flag)
        while stop < order.size and rows[order[stop]] == row:
            item = items[order[stop]]
            if mark[item]:
                scores[order[stop]] = np.float32(acc[item])
            stop += 1
        start = stop
        for block in range(flag.size):
            if flag[block]:
                flag[block] = 0
                for j in range(block * BLOCK, min((block + 1) * BLOCK, n_items)):
                    acc[j], mark[j] = 0.0, 0


def sparse_pairs(
    indptr: Int64s, indices: Int32s, sim_indptr: Int64s, sim_indices: Int32s, sim_values: Floats,
    rows: Int64s, items: Int32s,
) -> NDArray[np.float64]:  # fmt: skip
    """Score pairs of a history and an item exactly as ``sparse_topk`` scores them.

    Parameters
    ----------
    indptr, indices, sim_indptr, sim_indices, sim_values
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
    _pair_scores(indptr, indices, sim_indptr, sim_indices, sim_values, rows, items, order, scores)
    return scores
