"""Rows of the items x items table of inner products, whole."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.gram import accumulate
from daskrec.engine.gram_bits import Block

Floats: TypeAlias = NDArray[Any]

_TILE_BYTES = 2**20  # sums that are added to stay in the cache


def gram_rows(blocks: Sequence[Block], n_items: int, start: int, stop: int, dtype: Any) -> Floats:
    """Return ``A[:, start:stop].T @ A`` of the users x items matrix A that blocks make up.

    Parameters
    ----------
    blocks
        Rows of A, in user order; all of ones, or none.
    n_items
        Number of columns of A.
    start, stop
        Range of item codes.
    dtype
        float32 or float64 of the result.

    Returns
    -------
    ndarray
        (stop - start) x items, the diagonal included.

    Notes
    -----
    Sums are of integers where blocks hold ones, and exact; else of float64 in user order. One
    multiply-add for each pair of entries of one user; memory of the result and a megabyte.
    """
    ones = all(block.x_data.size == 0 for block in blocks)
    kind: Any = np.int32 if ones else np.float64
    out: Floats = np.empty((max(stop - start, 0), n_items), dtype)
    height = max(1, _TILE_BYTES // (np.dtype(kind).itemsize * max(n_items, 1)))
    unflagged = np.zeros((0, 0), np.uint64)
    for first in range(start, stop, height):
        sums = np.zeros((min(height, stop - first), n_items), kind)
        for block in blocks:
            accumulate(sums, unflagged, first, *block)
        out[first - start : first - start + len(sums)] = sums
    return out
