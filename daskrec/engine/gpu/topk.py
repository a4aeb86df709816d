"""Exact top-k of tiles of scores on a device: the order of ``engine.topk``.

Score descending, then item ascending; minus infinity and NaN are never selected.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray, Handle, on_device
from daskrec.engine.csr import Csr
from daskrec.engine.gpu.rows import DeviceRows
from daskrec.engine.select import Ranked, empty_ranked
from daskrec.engine.topk import Seen, seen_among

_CELL = 48  # bytes of a score, its key, and what making and ranking keys takes
_ROWS = 64  # of a tile at least, as far as there are so many

Fill: TypeAlias = Callable[[slice, slice], DeviceArray]


def rank_tiles(
    backend: Backend, fill: Fill, shape: tuple[int, int], k: int, seen: Csr | None, cell: int = 0
) -> Ranked:
    """Rank scores that are made a tile at a time.

    Parameters
    ----------
    backend
        Of the device.
    fill
        ``fill(rows, columns)`` returns a new float32 array of scores, which is changed here.
        Tiles of the same rows come one after the other, by ascending columns.
    shape
        Number of rows and of columns.
    k
        Length of a result list.
    seen
        Columns to leave out, a row for each, on the host; None leaves out nothing.
    cell
        Bytes that ``fill`` takes for each score, beside it.

    Returns
    -------
    tuple
        ``items`` int32 (rows x k), ``scores`` float32 (rows x k), ``counts`` int32 (rows).
    """
    items, scores, counts = empty_ranked(shape[0], k, np.float32)
    height, width = _tile(backend, shape, _CELL + cell)
    past = None if seen is None else DeviceRows(backend, seen)
    for top in range(0, shape[0] if k > 0 and shape[1] > 0 else 0, height):
        rows = slice(top, min(top + height, shape[0]))
        best: tuple[DeviceArray, DeviceArray] | None = None
        for first in range(0, shape[1], width):
            columns = slice(first, min(first + width, shape[1]))
            tile = fill(rows, columns)
            if past is not None:
                past.write(tile, rows.start, rows.stop, -np.inf, first)
            best = _merged(backend, best, tile, first, k)
        assert best is not None
        found, values = (backend.to_host(array) for array in best)
        items[rows, : found.shape[1]], scores[rows, : found.shape[1]] = found, values
        counts[rows] = (values > -np.inf).sum(axis=1)
    return items, scores, counts


def _tile(backend: Backend, shape: tuple[int, int], cell: int) -> tuple[int, int]:
    """Return the rows and columns of a tile: all columns, where some rows fit beside."""
    cells = backend.chunk(cell)
    width = max(1, min(shape[1], cells // _ROWS))
    return max(1, min(shape[0], cells // width)), width


def _merged(
    backend: Backend,
    best: tuple[DeviceArray, DeviceArray] | None,
    tile: DeviceArray,
    first: int,
    k: int,
) -> tuple[DeviceArray, DeviceArray]:
    """Return the best of what was found and of a tile; columns of the tile come later."""
    xp = backend.xp
    columns, values = backend.largest(tile, min(k, tile.shape[1]))
    columns = columns + first
    if best is None:
        return columns, values
    columns = xp.concat([best[0], columns], axis=1)
    values = xp.concat([best[1], values], axis=1)
    places, values = backend.largest(values, min(k, values.shape[1]))
    return xp.take_along_axis(columns, places, axis=1), values


def dot_topk(
    backend: Backend,
    users: Vector,
    item_vectors: Handle,
    k: int,
    indptr: Vector | None = None,
    indices: Vector | None = None,
    *,
    rows: Vector | None = None,
    candidates: Vector | None = None,
) -> Ranked:
    """Rank items by inner products; see ``engine.topk.dot_topk``.

    Parameters
    ----------
    backend
        Of the device.
    users
        float32, users x rank.
    item_vectors
        Handle on float32, items x rank, which stay on the device.
    k, indptr, indices, rows, candidates
        As there.

    Notes
    -----
    ``2 rank`` operations a score in float32, and a tile of memory.
    """
    items = backend.held(item_vectors, on_device)
    seen = None
    if indptr is not None and indices is not None:
        mine = np.arange(len(users), dtype=np.int64) if rows is None else rows
        seen = _seen_rows((indptr, indices, mine), candidates, items.shape[0])
    if candidates is not None:
        items = backend.xp.take(items, backend.asarray(candidates), axis=0)

    def fill(part: slice, columns: slice) -> DeviceArray:
        xp = backend.xp
        return xp.matmul(backend.asarray(users[part]), xp.matrix_transpose(items[columns, :]))

    best = rank_tiles(backend, fill, (len(users), items.shape[0]), k, seen)
    return _named(best, candidates)


def _seen_rows(seen: Seen, candidates: Vector | None, n_items: int) -> Csr:
    """Return what is seen, a row for each user and a column for each candidate."""
    nothing = np.empty(0, np.float32)
    if candidates is None:
        return Csr(seen[0], seen[1], nothing, n_items).take(seen[2])
    pointer, kept, _ = seen_among(*seen, candidates, n_items)
    return Csr(pointer, kept[: pointer[-1]], nothing, len(candidates))


def _named(best: Ranked, candidates: Vector | None) -> Ranked:
    """Return lists of items where they are lists of places among candidates."""
    if candidates is None or candidates.size == 0:
        return best
    return candidates[best[0]], best[1], best[2]
