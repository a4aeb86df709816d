"""Users solved from their histories: a step of alternating least squares for a few rows."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import borrow
from daskrec.engine.csr import Csr
from daskrec.engine.gpu import fold_in as on_gpu
from daskrec.engine.gpu.batches import with_zeros
from daskrec.engine.score import DotScorer, Histories
from daskrec.engine.shared import Shared
from daskrec.engine.threads import single_threaded_blas

_ROWS = 64  # systems that are solved together


def fold_in(
    history: Csr, factors: Vector, gram: Vector, regularization: float, alpha: float
) -> Vector:
    """Return the factors of users, given those of the items.

    ``x = (G + regularization I + sum_i (|c_i| - 1) y_i y_i^T)^-1 sum_i max(c_i, 0) y_i`` over
    the items of a history, with the confidence ``c_i = alpha r_i``.

    Parameters
    ----------
    history
        One row a user.
    factors
        Y, items x rank.
    gram
        ``G = Y^T Y``, float64.
    regularization, alpha
        The penalty, and the weight of the relevance r.

    Returns
    -------
    ndarray
        float32, users x rank; solved in float64.

    Notes
    -----
    ``history x rank^2 + rank^3 / 3`` multiply-adds a user. The confidence is that of the
    library ``implicit``, which has no 1 of its own: below 1 it takes weight from a pair, so
    that the solver of ``solve.rows`` does not serve. Y. Hu, Y. Koren and C. Volinsky,
    Collaborative filtering for implicit feedback datasets, ICDM 2008.
    """
    rank = factors.shape[1]
    base = gram + regularization * np.eye(rank)
    values, out = history.values(), np.empty((len(history), rank), dtype=np.float32)
    for first in range(0, len(history), _ROWS):
        last = min(first + _ROWS, len(history))
        left, right = np.empty((last - first, rank, rank)), np.empty((last - first, rank, 1))
        for row in range(first, last):
            part = slice(history.indptr[row], history.indptr[row + 1])
            items = factors[history.indices[part]].astype(np.float64)
            confidence = alpha * values[part].astype(np.float64)
            left[row - first] = base + (items.T * (np.abs(confidence) - 1)) @ items
            right[row - first, :, 0] = np.maximum(confidence, 0) @ items
        out[first:last] = _solved(left, right)[:, :, 0]
    return out


def _solved(left: Vector, right: Vector) -> Vector:
    try:
        found: Vector = np.linalg.solve(left, right)
    except np.linalg.LinAlgError:  # no penalty, and fewer items than factors
        found = np.linalg.pinv(left, hermitian=True) @ right
    return found


class FoldInScorer(DotScorer):
    """Inner products with vectors of users that are solved from the histories of the call.

    Parameters
    ----------
    item_vectors
        As for ``DotScorer``.
    regularization, alpha
        As for ``fold_in``.
    """

    def __init__(self, item_vectors: Shared[Vector], regularization: float, alpha: float) -> None:
        super().__init__(item_vectors)
        items = item_vectors.get().astype(np.float64)
        self.gram: Shared[Vector] = Shared(items.T @ items)
        self.regularization = regularization
        self.alpha = alpha

    def _vectors(self, users: Histories) -> tuple[Vector, Vector]:
        known = np.flatnonzero(np.diff(users.matrix.indptr) > 0)
        histories, vectors = users.matrix.take(known), self.item_vectors.get()
        rule = self.gram.get(), self.regularization, self.alpha
        rank = vectors.shape[1]
        with borrow(rank**2 * (histories.nnz + len(known) * rank / 3)) as gpu:
            if gpu is not None:
                table = gpu.held(self.item_vectors, with_zeros)
                return known, on_gpu.fold_in(gpu, histories, table, *rule, _solved)
        with single_threaded_blas():
            return known, fold_in(histories, vectors, *rule)
