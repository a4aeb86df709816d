"""Exact top-k of sums of rows of a dense table on a device; the twin of ``engine.topk_dense``."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray, Handle
from daskrec.engine.csr import Csr
from daskrec.engine.gpu.rows import DeviceRows
from daskrec.engine.gpu.topk import rank_tiles
from daskrec.engine.select import Ranked


class _Table:
    """Weights on a device, and where there are none.

    Parameters
    ----------
    weights
        float32, items x items; 0 where there is none.
    given
        1 where there is a weight and 0 elsewhere; None where all items but themselves have one.
    """

    def __init__(self, weights: DeviceArray, given: DeviceArray | None) -> None:
        self.weights, self.given = weights, given

    @property
    def nbytes(self) -> int:
        """Bytes on the device."""
        return 4 * int(self.weights.size) * (1 if self.given is None else 2)


def _table_of(backend: Backend, value: object) -> _Table:
    table = np.asarray(value.table)  # type: ignore[attr-defined]
    absent = (table == 0) & np.signbit(table)
    others = np.count_nonzero(absent) - np.count_nonzero(np.diagonal(absent))
    weights = backend.asarray(table)
    return _Table(weights, None if others == 0 else backend.asarray((~absent).astype(np.float32)))


def table_topk(
    backend: Backend,
    history: Csr,
    weights: Handle,
    k: int,
    *,
    candidates: Vector | None = None,
    filter_seen: bool = True,
) -> Ranked:
    """Rank items by the sum of the rows of a table that belong to the items of each history.

    Parameters
    ----------
    backend
        Of the device.
    history
        One row for each output row; its values do not count.
    weights
        Handle on ``DenseRows``, which stay on the device.
    k, filter_seen
        As for ``engine.topk_dense.table_topk``.
    candidates
        Sorted int32 codes of the items that are ranked; None ranks all.

    Returns
    -------
    tuple
        As ``engine.topk_dense.table_topk`` returns it, up to the rounding of sums.

    Notes
    -----
    ``history x items`` multiply-adds a user, twice where weights are missing.
    """
    xp, table = backend.xp, backend.held(weights, _table_of)
    ones = Csr(history.indptr, history.indices, np.empty(0, np.float32), history.width)
    rows = DeviceRows(backend, ones)
    few = np.diff(history.indptr) <= 1  # these may reach all items but the one of their own
    out = None
    if candidates is not None:
        out = np.ones(history.width, dtype=bool)
        out[candidates] = False
        out = backend.asarray(out)
    nothing = -np.inf

    def fill(part: slice, columns: slice) -> DeviceArray:
        scores = rows.dot(table.weights[:, columns], part.start, part.stop)
        if table.given is not None:
            reached = rows.dot(table.given[:, columns], part.start, part.stop) > 0
            scores = xp.where(reached, scores, xp.full_like(scores, nothing))
        elif few[part].any():
            scores = _without_own(backend, rows, scores, part, columns, few[part])
        if out is not None:
            scores = xp.where(out[None, columns], xp.full_like(scores, nothing), scores)
        return scores

    shape = (len(history), history.width)
    return rank_tiles(backend, fill, shape, k, ones if filter_seen else None, cell=16)


def _without_own(
    backend: Backend,
    rows: DeviceRows,
    scores: DeviceArray,
    part: slice,
    columns: slice,
    few: Vector,
) -> DeviceArray:
    """Leave out what histories of one item or none do not reach: no item has a weight to itself."""
    xp = backend.xp
    own = xp.ones_like(scores)
    rows.write(own, part.start, part.stop, 0.0, columns.start)
    empty = backend.asarray(np.diff(rows.indptr)[part] == 0)[:, None]
    reached = (own > 0) & ~empty | ~backend.asarray(few)[:, None]
    return xp.where(reached, scores, xp.full_like(scores, -np.inf))
