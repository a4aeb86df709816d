"""Exact top-k of inner products, tile by tile.

Ranks by score descending, then item code ascending; minus infinity marks a masked entry; it
and NaN are never selected. Results come as three arrays, ``items`` (rows x k), ``scores``
(rows x k) and ``counts`` (rows): a row holds ``counts[r]`` sorted entries and unspecified
values after them. ``topk_sparse`` has the rankings that need no dense scores.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.jit import kernel
from daskrec.engine.select import (
    Ranked,
    buffer_size,
    empty_ranked,
    first_bound,
    merge_runs,
    rank_row,
)

Floats: TypeAlias = NDArray[Any]
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
Seen: TypeAlias = tuple[Int64s, Int32s, Int64s]

TILE_BYTES = 2 * 2**20  # a tile of scores near a core's cache; wider tiles select faster


@kernel()
def merge_tile(
    scores: Floats, first_item: int, best_items: Int32s, best_scores: Floats, counts: Int32s
) -> None:
    """Merge a tile of scores into the running top-k of its rows.

    Tiles of one row must come in ascending item order.

    Parameters
    ----------
    scores
        (rows x width) float32 or float64; column c is item ``first_item + c``. Minus infinity
        and NaN are never selected.
    first_item
        Item code of the first column.
    best_items, best_scores, counts
        Running state, updated in place: (rows x k) int32, (rows x k) of the dtype of
        ``scores``, (rows,) int32.

    Notes
    -----
    O(width) vector compares a row, and O(k log k) once something beats the k-th score;
    memory O(k) per call.
    """
    k = best_items.shape[1]
    if k == 0 or scores.shape[1] == 0:
        return
    size = buffer_size(k)
    buf_s, tmp_s = np.empty(size, scores.dtype), np.empty(size, scores.dtype)
    buf_i, tmp_i = np.empty(size, np.int32), np.empty(size, np.int32)
    for r in range(scores.shape[0]):
        count, row = counts[r], scores[r]
        if count == k:
            bound = np.nextafter(best_scores[r, k - 1], scores.dtype.type(np.inf))
        else:
            bound = first_bound(row, k, tmp_s)
        n = rank_row(row, first_item, bound, k, buf_s, buf_i, tmp_s, tmp_i)
        if n == 0:
            continue
        total = min(k, count + n)
        for j in range(count):
            tmp_s[j], tmp_i[j] = best_scores[r, j], best_items[r, j]
        merge_runs(
            tmp_s[:count], tmp_i[:count], buf_s[:n], buf_i[:n],
            best_scores[r, :total], best_items[r, :total],
        )  # fmt: skip
        counts[r] = total


@kernel()
def mask_seen(
    scores: Floats, first_item: int, indptr: Int64s, indices: Int32s, rows: Int64s
) -> None:
    """Write minus infinity over the seen entries of a tile.

    Parameters
    ----------
    scores
        (len(rows) x width) tile; column c is item ``first_item + c``; changed in place.
    indptr, indices
        CSR of the seen items, sorted within each row; ``indptr`` may be any slice of a larger
        one (it need not start at zero).
    rows
        CSR row of each tile row, int64.

    Notes
    -----
    A binary search a row, then one write for each seen item in the tile.
    """
    stop = first_item + scores.shape[1]
    for r in range(rows.size):
        low, end = indptr[rows[r]], indptr[rows[r] + 1]
        high = end
        while low < high:
            middle = (low + high) // 2
            if indices[middle] < first_item:
                low = middle + 1
            else:
                high = middle
        while low < end and indices[low] < stop:
            scores[r, indices[low] - first_item] = -np.inf
            low += 1


@kernel()
def _seen_positions(
    indptr: Int64s, indices: Int32s, rows: Int64s, position: Int32s, out: Int32s
) -> Int64s:
    """Rewrite the seen lists of ``rows`` as positions among the candidates."""
    pointer = np.zeros(rows.size + 1, np.int64)
    n = 0
    for r in range(rows.size):
        for p in range(indptr[rows[r]], indptr[rows[r] + 1]):
            place = position[indices[p]]
            if place >= 0:
                out[n] = place
                n += 1
        pointer[r + 1] = n
    return pointer


def dot_topk(
    users: Floats, items: Floats, k: int,
    indptr: Int64s | None = None, indices: Int32s | None = None, *,
    rows: Int64s | None = None, candidates: Int32s | None = None, tile_bytes: int = TILE_BYTES,
) -> Ranked:  # fmt: skip
    """Rank the items of each user by inner product, tile by tile.

    Parameters
    ----------
    users, items
        (rows x rank) and (n_items x rank) factors of one dtype, float32 or float64.
    k
        Length of a result list.
    indptr, indices
        CSR of the items to leave out, sorted within each row; None leaves out nothing.
    rows
        CSR row of each user, int64; by default user r has row r.
    candidates
        Sorted int32 item codes to rank; None ranks all.
    tile_bytes
        Size of a tile of scores.

    Returns
    -------
    tuple
        ``items`` int32 (rows x k), ``scores`` of the dtype of the factors (rows x k),
        ``counts`` int32 (rows).

    Notes
    -----
    One matrix product a tile, then ``mask_seen`` and ``merge_tile``. Memory is one tile, and
    a copy of the candidates' factors. How a product rounds may depend on the shape of the
    tile, so scores may differ in the last bit between tile sizes.
    """
    n_users = users.shape[0]
    seen_rows = np.arange(n_users, dtype=np.int64) if rows is None else rows
    seen = None if indptr is None or indices is None else (indptr, indices, seen_rows)
    if candidates is not None:
        seen = seen and seen_among(*seen, candidates, items.shape[0])
        items = items[candidates]

    def fill(part: slice, columns: slice, scores: Floats) -> None:
        np.matmul(users[part], items[columns].T, out=scores)

    tile = tile_shape(n_users, items.shape[0], users.dtype.itemsize, tile_bytes)
    best = empty_ranked(n_users, k, users.dtype)
    if k > 0:
        rank_tiles(fill, items.shape[0], best, seen, tile)
    if candidates is not None and candidates.size > 0:
        best = (candidates[best[0]], best[1], best[2])
    return best


def seen_among(
    indptr: Int64s, indices: Int32s, rows: Int64s, candidates: Int32s, n_items: int
) -> Seen:
    """Return what is seen as ``rank_tiles`` takes it, where its columns are candidates."""
    position = np.full(n_items, -1, np.int32)
    position[candidates] = np.arange(candidates.size, dtype=np.int32)
    kept = np.empty(int((indptr[rows + 1] - indptr[rows]).sum()), np.int32)
    pointer = _seen_positions(indptr, indices, rows, position, kept)
    return pointer, kept, np.arange(rows.size, dtype=np.int64)


def rank_tiles(
    fill: Callable[[slice, slice, Floats], None],
    n_columns: int,
    best: Ranked,
    seen: Seen | None,
    tile: tuple[int, int],
) -> None:
    """Rank scores that are made a tile at a time.

    Parameters
    ----------
    fill
        ``fill(rows, columns, scores)`` writes a tile of scores. Tiles of the same rows come
        one after the other, by ascending columns.
    n_columns
        Number of columns; column c is item c.
    best
        An empty running top-k, filled in place.
    seen
        CSR of the items to leave out (``indptr`` and ``indices``, as ``mask_seen`` takes them)
        and the CSR row of each row; None leaves out nothing.
    tile
        Rows and columns of a tile.
    """
    n_rows, (height, width) = best[2].size, tile
    buffer = np.empty(height * width, best[1].dtype)
    for top in range(0, n_rows, height):
        part = slice(top, min(top + height, n_rows))
        state = [array[part] for array in best]
        for first in range(0, n_columns, width):
            columns = slice(first, min(first + width, n_columns))
            shape = (part.stop - top, columns.stop - first)
            scores = buffer[: shape[0] * shape[1]].reshape(shape)
            fill(part, columns, scores)
            if seen is not None:
                mask_seen(scores, first, seen[0], seen[1], seen[2][part])
            merge_tile(scores, first, *state)


def tile_shape(n_rows: int, n_items: int, itemsize: int, tile_bytes: int) -> tuple[int, int]:
    """Return the rows and items of a tile of at most ``tile_bytes`` (at least one score).

    Wide before high: a wide tile raises each row's threshold quickly, but a product needs
    some rows to pay for packing the item factors.
    """
    cells = max(1, tile_bytes // itemsize)
    width = max(1, min(n_items, max(cells // 128, 1)))
    return max(1, min(n_rows, cells // width)), width


def flatten_items(items: Int32s, counts: Int32s) -> tuple[Int64s, Int32s]:
    """Return the valid entries in row order: row numbers int64 and items."""
    valid = np.arange(items.shape[1]) < counts[:, None]
    return np.repeat(np.arange(counts.size, dtype=np.int64), counts), items[valid]


def flatten(
    items: Int32s, scores: Floats, counts: Int32s
) -> tuple[Int64s, Int32s, NDArray[np.float64]]:
    """Return the valid entries in row order: row numbers int64, items, scores float64."""
    valid = np.arange(items.shape[1]) < counts[:, None]
    return *flatten_items(items, counts), scores[valid].astype(np.float64)


def rank_in_row(rows: Int64s) -> Int64s:
    """Return the place of each entry within its run of equal row numbers, from zero."""
    place = np.arange(rows.size, dtype=np.int64)
    if rows.size == 0:
        return place
    starts = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))
    return place - np.repeat(starts, np.diff(starts, append=rows.size))


def order_equal(
    rows: Int64s, items: Int32s, scores: NDArray[np.float64]
) -> tuple[Int64s, Int32s, NDArray[np.float64]]:
    """Put equal scores of a row in the order of items, where rounding made them equal.

    Parameters
    ----------
    rows, items, scores
        Entries by row ascending, then score descending.
    """
    tied = (np.diff(rows) == 0) & (np.diff(scores) == 0) & (np.diff(items) < 0)
    if tied.any():
        order = np.lexsort((items, -scores, rows))
        return rows[order], items[order], scores[order]
    return rows, items, scores
