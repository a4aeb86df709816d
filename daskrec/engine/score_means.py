"""The scorer of models that know a user by the mean of the vectors of what she had."""

from dataclasses import replace

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel
from daskrec.engine.score import DotScorer, Histories, Ragged, Request
from daskrec.engine.shared import Shared
from daskrec.engine.topk import order_equal


class MeanScorer(DotScorer):
    """A score is ``shift + v_j . u``, where u is the mean of ``weight_i v_i`` over the history.

    The mean runs over the log rows of the user, repeated ones too, whose item has a vector.

    Parameters
    ----------
    vectors
        Handle on float32, items x rank.
    weights
        Handle on float64, one an item; NaN for one without a vector, which has no score.
    shift
        Added to every score.
    """

    unserved_because = "users have only items without a vector"

    def __init__(self, vectors: Shared[Vector], weights: Shared[Vector], shift: float) -> None:
        super().__init__(vectors)
        self.weights = weights
        self.shift = shift

    def _means(self, users: Histories) -> tuple[Vector, Vector]:
        """Return the vectors of users, float32, and how many log rows they are the means of.

        ``history x rank`` operations a user.
        """
        vectors, matrix = self.item_vectors.get(), users.matrix
        means = np.zeros((len(matrix), vectors.shape[1]), dtype=np.float32)
        counts = np.zeros(len(matrix), dtype=np.int64)
        weights, repeats = self.weights.get(), users.repeats
        _average(matrix.indptr, matrix.indices, repeats, vectors, weights, means, counts)
        return means, counts

    def _vectors(self, users: Histories) -> tuple[Vector, Vector]:
        means, counts = self._means(users)
        known = np.flatnonzero(counts > 0)
        return known, means[known]

    def top(self, users: Histories, request: Request) -> Ragged:
        """Walk tiles of users x items: 2 x rank operations a score, one tile of memory."""
        return self._shifted(*super().top(users, replace(request, candidates=self._some(request))))

    def _some(self, request: Request) -> Vector | None:
        """Return the items that can be recommended; None for all."""
        without = np.isnan(self.weights.get())
        if not without.any():
            return request.candidates
        allowed = request.candidates
        if allowed is None:
            return np.flatnonzero(~without).astype(np.int32)
        return allowed[~without[allowed]]

    def _shifted(self, rows: Vector, items: Vector, scores: Vector) -> Ragged:
        """Add the shift; scores that it makes equal go by item."""
        return order_equal(rows, items, scores.astype(np.float64) + self.shift)

    def pairs(self, users: Histories, rows: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Score pairs of users with a vector and items with one."""
        scores, held = super().pairs(users, rows, items)
        return scores + self.shift, held & ~np.isnan(self.weights.get()[items])

    def unserved(self, users: Histories) -> int:
        """Count users who had something, but nothing that has a vector."""
        _, counts = self._means(users)
        return int(((np.diff(users.matrix.indptr) > 0) & (counts == 0)).sum())


@kernel()
def _average(
    indptr: Vector,
    indices: Vector,
    repeats: Vector,
    vectors: Vector,
    weights: Vector,
    means: Vector,
    counts: Vector,
) -> None:
    rank = vectors.shape[1]
    total = np.empty(rank, np.float64)
    for user in range(len(counts)):
        total[:] = 0.0
        rows = 0
        for entry in range(indptr[user], indptr[user + 1]):
            item = indices[entry]
            weight = weights[item]
            if np.isnan(weight):
                continue
            times = repeats[entry] if len(repeats) > 0 else 1
            rows += times
            weight *= times
            for k in range(rank):
                total[k] += weight * vectors[item, k]
        counts[user] = rows
        if rows > 0:
            for k in range(rank):
                means[user, k] = total[k] / rows
