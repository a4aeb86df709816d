"""Exact top-k of sums of rows of a dense table: for each history, the rows of its items.

Same order and same results as ``topk_sparse`` on the same weights, up to the rounding of
sums: they are of float32 here, in the order of the history, and of float64 there.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.jit import kernel
from daskrec.engine.select import Ranked, empty_ranked
from daskrec.engine.topk import TILE_BYTES, mask_seen, merge_tile, tile_shape

Floats: TypeAlias = NDArray[Any]
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

_STRIP = 256  # columns summed at a time: sums stay in registers and the first cache
_UNTOUCHED = np.iinfo(np.int32).min  # the bits of -0.0, from which sums start


@kernel()
def add_rows(history: Int32s, table: Floats, first: int, acc: Floats) -> None:
    """Add the rows of a history, columns ``first`` to ``first + acc.size``.

    Four rows at a time are added in one pass over the sums, each in its turn, so that the
    rounding is that of one after the other.
    """
    stop, p = first + acc.size, 0
    while p + 4 <= history.size:
        a = table[np.uint32(history[p]), first:stop]
        b = table[np.uint32(history[p + 1]), first:stop]
        c = table[np.uint32(history[p + 2]), first:stop]
        d = table[np.uint32(history[p + 3]), first:stop]
        for j in range(acc.size):
            acc[j] = (((acc[j] + a[j]) + b[j]) + c[j]) + d[j]
        p += 4
    while p < history.size:
        a = table[np.uint32(history[p]), first:stop]
        for j in range(acc.size):
            acc[j] += a[j]
        p += 1


@kernel()
def _sum_strip(
    indptr: Int64s, indices: Int32s, row: int, table: Floats, first: int, out: Floats,
    acc: Floats, bits: Int32s,
) -> None:  # fmt: skip
    """Write the sums of some histories into a strip; minus infinity where there is none."""
    for r in range(out.shape[0]):
        acc[:] = -np.float32(0)
        add_rows(indices[indptr[row + r] : indptr[row + r + 1]], table, first, acc)
        for j in range(acc.size):
            out[r, j] = acc[j] if bits[j] != _UNTOUCHED else np.float32(-np.inf)


def _sum_tile(
    indptr: Int64s, indices: Int32s, row: int, table: Floats, first: int, allowed: Bools | None,
    out: Floats,
) -> None:  # fmt: skip
    """Fill a tile of scores strip by strip; strips without a candidate are passed over."""
    acc = np.empty(min(_STRIP, out.shape[1]), np.float32)
    for at in range(0, out.shape[1], _STRIP):
        part = slice(at, min(at + _STRIP, out.shape[1]))
        mine = None if allowed is None else allowed[first + part.start : first + part.stop]
        if mine is not None and not mine.any():
            out[:, part] = -np.inf
            continue
        sums = acc[: part.stop - part.start]
        bits = sums.view(np.int32)
        _sum_strip(indptr, indices, row, table, first + at, out[:, part], sums, bits)
        if mine is not None:
            out[:, part][:, ~mine] = -np.inf


def table_topk(
    indptr: Int64s, indices: Int32s, table: Floats, k: int, *,
    allowed: Bools | None = None, filter_seen: bool = True, tile_bytes: int = TILE_BYTES,
) -> Ranked:  # fmt: skip
    """Rank items by the sum of the rows of a table that belong to the items of each history.

    ``score(u, j) = sum of table[i, j] over i in history(u)``, added in the order of the
    history in float32. Only items are ranked to which some weight of the history leads.

    Parameters
    ----------
    indptr, indices
        CSR of the histories, one row for each output row; int64 and int32.
    table
        float32, items x items; -0.0 where there is no weight (see ``DenseRows``).
    k
        Length of a result list.
    allowed
        One bool an item; others are left out. None allows all.
    filter_seen
        Leave out the items of the history.
    tile_bytes
        Size of a tile of scores.

    Returns
    -------
    tuple
        ``items`` int32 (rows x k), ``scores`` float32 (rows x k), ``counts`` int32 (rows).

    Notes
    -----
    O(history x items) additions a row, whatever the weights; memory one tile.
    """
    rows, count = indptr.size - 1, table.shape[0]
    best = empty_ranked(rows, k, np.float32)
    height, width = tile_shape(rows, count, 4, tile_bytes)
    buffer = np.empty(height * width, np.float32)
    for top in range(0, rows if k > 0 else 0, height):
        part = slice(top, min(top + height, rows))
        state = [array[part] for array in best]
        numbers = np.arange(part.start, part.stop, dtype=np.int64)
        for first in range(0, count, width):
            shape = (part.stop - top, min(width, count - first))
            scores = buffer[: shape[0] * shape[1]].reshape(shape)
            _sum_tile(indptr, indices, top, table, first, allowed, scores)
            if filter_seen:
                mask_seen(scores, first, indptr, indices, numbers)
            merge_tile(scores, first, *state)
    return best


@kernel()
def _pair_sums(
    indptr: Int64s, indices: Int32s, table: Floats, rows: Int64s, items: Int32s, order: Int64s,
    sums: Floats,
) -> None:  # fmt: skip
    """Add up the weights of pairs, those of one row together: they read the same rows."""
    start = 0
    while start < order.size:
        row, stop = rows[order[start]], start
        while stop < order.size and rows[order[stop]] == row:
            stop += 1
        for p in range(indptr[row], indptr[row + 1]):
            weights = table[indices[p]]
            for q in range(start, stop):
                sums[order[q]] += weights[items[order[q]]]
        start = stop


def table_pairs(
    indptr: Int64s, indices: Int32s, table: Floats, rows: Int64s, items: Int32s
) -> NDArray[np.float64]:
    """Score pairs of a history and an item exactly as ``table_topk`` scores them.

    Parameters
    ----------
    indptr, indices, table
        As for ``table_topk``.
    rows, items
        History row (int64) and item code (int32) of each pair, in any order.

    Returns
    -------
    ndarray
        float64 score of each pair; NaN where no weight of the history leads to the item.

    Notes
    -----
    One addition for each pair and item of its history.
    """
    sums = np.full(rows.size, -0.0, np.float32)
    order = np.argsort(rows, kind="stable")
    _pair_sums(indptr, indices, table, rows, items, order, sums)
    scores = sums.astype(np.float64)
    scores[sums.view(np.int32) == _UNTOUCHED] = np.nan
    return scores
