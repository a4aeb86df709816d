"""Exact top-k of softmax: inner products are ranked and summed up in one pass.

The relevance of an item is ``exp(logit - log of the sum of exp over all items)``. A tile of
logits serves both the sum, which runs along with its largest term taken out, and the ranking.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.jit import kernel
from daskrec.engine.select import empty_ranked
from daskrec.engine.topk import TILE_BYTES, flatten, order_equal, rank_tiles, tile_shape

Floats: TypeAlias = NDArray[Any]
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
Doubles: TypeAlias = NDArray[np.float64]
Fill: TypeAlias = Callable[[slice, slice, Floats], None]


class _LogSums:
    """The logarithm of the sum of exp over the entries of rows, which come tile by tile."""

    def __init__(self, rows: int, cells: int) -> None:
        self._peak = np.full(rows, -np.inf, np.float32)
        self._total = np.zeros(rows)
        self._buffer = np.empty(cells, np.float32)

    def add(self, part: slice, scores: Floats) -> None:
        """Add a tile of some rows. Nothing overflows: the largest term so far counts 1."""
        before = self._peak[part]
        peak = np.maximum(before, scores.max(axis=1))
        terms = self._buffer[: scores.size].reshape(scores.shape)
        np.subtract(scores, peak[:, None], out=terms)
        np.exp(terms, out=terms)
        faded = np.exp(before.astype(np.float64) - peak)
        self._total[part] = self._total[part] * faded + terms.sum(axis=1)
        self._peak[part] = peak

    def result(self) -> Doubles:
        """Return the logarithms, float64."""
        return self._peak.astype(np.float64) + np.log(self._total)


def _tiles_of(
    users: Floats, items: Floats, bias: Floats, tile_bytes: int
) -> tuple[Fill, _LogSums, tuple[int, int]]:
    """Return what fills tiles with logits and sums them up, the sums, and the size of a tile."""
    tile = tile_shape(len(users), len(items), 4, tile_bytes)
    sums = _LogSums(len(users), tile[0] * tile[1])

    def fill(part: slice, columns: slice, scores: Floats) -> None:
        np.matmul(users[part], items[columns].T, out=scores)
        scores += bias[columns]
        sums.add(part, scores)

    return fill, sums, tile


def softmax_topk(
    users: Floats, items: Floats, bias: Floats, k: int,
    indptr: Int64s | None = None, indices: Int32s | None = None, *,
    rows: Int64s | None = None, candidates: Int32s | None = None, tile_bytes: int = TILE_BYTES,
) -> tuple[Int64s, Int32s, Doubles]:  # fmt: skip
    """Rank the items of each user by the softmax of inner products.

    Parameters
    ----------
    users, items
        float32 vectors, rows x rank and items x rank.
    bias
        float32, added to the logit of each item.
    k
        Length of a result list.
    indptr, indices, rows, candidates, tile_bytes
        As for ``topk.dot_topk``. What is left out still counts in the sum.

    Returns
    -------
    tuple
        Row numbers int64, items int32 and relevance float64, by row, relevance descending,
        item ascending. Of items whose logits differ and whose relevance is equal after
        rounding, those with larger logits are taken.

    Notes
    -----
    One matrix product and one exponential a score; two tiles of memory.
    """
    best = empty_ranked(len(users), k, np.float32)
    if k == 0 or len(users) == 0:
        return flatten(*best)
    logits, sums, tile = _tiles_of(users, items, bias, tile_bytes)
    barred = np.ones(len(items), np.bool_)
    barred[slice(None) if candidates is None else candidates] = False

    def fill(part: slice, columns: slice, scores: Floats) -> None:
        logits(part, columns, scores)
        if candidates is not None:
            np.copyto(scores, np.float32(-np.inf), where=barred[columns])

    seen_rows = np.arange(len(users), dtype=np.int64) if rows is None else rows
    seen = None if indptr is None or indices is None else (indptr, indices, seen_rows)
    rank_tiles(fill, len(items), best, seen, tile)
    found, codes, scores = flatten(*best)
    return order_equal(found, codes, np.exp(scores - sums.result()[found]))


def softmax_pairs(
    users: Floats, items: Floats, bias: Floats, rows: Int64s, codes: Int32s,
    tile_bytes: int = TILE_BYTES,
) -> Doubles:  # fmt: skip
    """Score pairs of a row of ``users`` and an item as ``softmax_topk`` scores them.

    Parameters
    ----------
    users, items, bias, tile_bytes
        As for ``softmax_topk``. The logits of every row to all items are computed.
    rows, codes
        The pairs, in any order.

    Returns
    -------
    ndarray
        float64 relevance of each pair.
    """
    logits, sums, tile = _tiles_of(users, items, bias, tile_bytes)
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows, np.arange(len(users) + 1), sorter=order)
    picked = np.empty(len(rows), np.float32)

    def fill(part: slice, columns: slice, scores: Floats) -> None:
        logits(part, columns, scores)
        mine = order[starts[part.start] : starts[part.stop]]
        _pick(scores, part.start, columns.start, rows, codes, mine, picked)

    rank_tiles(fill, len(items), empty_ranked(len(users), 0, np.float32), None, tile)
    return np.exp(picked.astype(np.float64) - sums.result()[rows])


@kernel()
def _pick(
    scores: Floats, first_row: int, first_item: int, rows: Int64s, items: Int32s, pairs: Int64s,
    out: Floats,
) -> None:  # fmt: skip
    """Take the scores of pairs out of a tile."""
    for p in pairs:
        column = items[p] - first_item
        if 0 <= column < scores.shape[1]:
            out[p] = scores[rows[p] - first_row, column]
