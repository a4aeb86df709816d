"""Products of histories, as rows of length one, and a table: the first layer of an encoder."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr
from daskrec.engine.jit import kernel
from daskrec.engine.topk_dense import add_rows

_STRIP = 256  # columns summed at a time: sums stay in the first cache


@kernel()
def _sum_rows(
    indptr: Vector, indices: Vector, rows: Vector, table: Vector, bias: Vector, out: Vector
) -> None:
    for first in range(0, table.shape[1], _STRIP):
        width = min(_STRIP, table.shape[1] - first)
        acc = np.empty(width, np.float32)
        for r in range(rows.size):
            history = indices[indptr[rows[r]] : indptr[rows[r] + 1]]
            acc[:] = np.float32(0)
            add_rows(history, table, first, acc)
            scale = np.float32(1 / np.sqrt(max(history.size, 1)))
            for j in range(width):
                out[r, first + j] = acc[j] * scale + bias[first + j]


def unit_product(history: Csr, rows: Vector, table: Vector, bias: Vector) -> Vector:
    """Return ``x @ table + bias``, where x is 1 / sqrt(n) at each of the n items of a history.

    Parameters
    ----------
    history
        Histories; their values do not count.
    rows
        int64 numbers of the histories that are wanted.
    table
        float32, items x width.
    bias
        float32, width.

    Returns
    -------
    ndarray
        float32, len(rows) x width; of an empty history, the bias.

    Notes
    -----
    ``history x width`` additions a row, in the order of the history.
    """
    out = np.empty((len(rows), table.shape[1]), np.float32)
    _sum_rows(history.indptr, history.indices, rows, table, bias, out)
    return out
