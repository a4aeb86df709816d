"""Rows of ALS on a device: weights, targets and the factors that rows point to."""

from typing import Any, NamedTuple

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray
from daskrec.engine.csr import Csr
from daskrec.engine.gpu.batches import Batch, Batches, taken


class Feedback(NamedTuple):
    """How values become weights and targets: see ``engine.solve.rows``."""

    implicit: bool
    alpha: float


class Block:
    """Rows of one side on a device, with all that does not change from round to round.

    Parameters
    ----------
    backend
        Of the device.
    matrix
        The rows.
    penalties
        float32, one a row.
    feedback
        Kind and weight.
    uploaded
        As of ``Batches``.

    Attributes
    ----------
    batches
        Of those rows that have a target; the solutions of others are zero.
    penalties
        Of these, by length, n x 1.
    least_penalty, least_weight
        Of all of these and of their entries with a target.
    """

    def __init__(
        self,
        backend: Backend,
        matrix: Csr,
        penalties: Vector,
        feedback: Feedback,
        uploaded: tuple[DeviceArray, ...] | None = None,
    ) -> None:
        self.backend = backend
        self.feedback = feedback
        wanted = _has_target(matrix, feedback.implicit)
        self.batches = Batches(backend, matrix, wanted, uploaded)
        by_length = np.asarray(penalties, dtype=np.float32)[self.batches.order]
        self.least_penalty = float(by_length.min(initial=np.inf))
        self.penalties = backend.asarray(by_length[:, None])
        self.least_weight = _least_weight(matrix, feedback)

    def some(self, places: slice | Vector) -> "Block":
        """Return the rows at ascending places by length."""
        part: Block = object.__new__(Block)
        part.__dict__ |= self.__dict__
        part.batches = self.batches.some(places)
        part.penalties = taken(self.backend, self.penalties, places)
        return part

    def load(
        self, batch: Batch, piece: tuple[int, int], table: DeviceArray, dtype: Any
    ) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
        """Return gathered factors, weights and targets of a piece; weights may be one number."""
        xp, (implicit, alpha) = self.backend.xp, self.feedback
        columns, values = self.batches.entries(batch, piece)
        values = xp.astype(values, dtype, copy=False)
        gathered = self.batches.gather(table, columns, dtype)
        if not implicit:
            return gathered, 1.0, values
        if not self.batches.graded:
            return gathered, alpha, values * (1.0 + alpha)
        weights = xp.abs(values) * alpha
        return gathered, weights, (weights + 1.0) * xp.astype(values > 0, dtype)


def _has_target(matrix: Csr, implicit: bool) -> Vector:
    """Tell which rows have a target that is not zero: the solution of others is zero."""
    if not len(matrix.data):
        return np.diff(matrix.indptr) > 0
    hit = matrix.data > 0 if implicit else matrix.data != 0
    below = np.concatenate([[0], np.cumsum(hit)])
    found: Vector = np.diff(below[matrix.indptr]) > 0
    return found


def _least_weight(matrix: Csr, feedback: Feedback) -> float:
    """Return the least weight of an entry that has a target."""
    if not feedback.implicit:
        return 1.0
    if not len(matrix.data):
        return feedback.alpha
    positive = matrix.data[matrix.data > 0]
    return feedback.alpha * float(positive.min(initial=np.inf))
