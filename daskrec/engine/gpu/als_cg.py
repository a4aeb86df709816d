"""Rows of ALS improved by conjugate gradients on a device, all rows of a batch at once.

The matrix of a row is applied as G p + lambda p + Y_u^T W (Y_u p), by batched products with the
gathered factors. What rows do is what they do in ``engine.solve.iterative``.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import DeviceArray
from daskrec.engine.gpu.als_block import Block
from daskrec.engine.gpu.batches import Batch, in_place

# Squared residual, relative to the first one, that float32 hardly goes below.
_CONVERGED = 1e-13


def gradients(
    block: Block, table: DeviceArray, gram: Vector, start: DeviceArray, steps: int = 3
) -> DeviceArray:
    """Improve the rows of a block by some steps of conjugate gradients.

    Parameters
    ----------
    block, table, gram
        As of ``exact``.
    start
        The solutions to start from, float32, n x d; rows without a target get zeros.
    steps
        Steps of each row; it stands still once its residual is 3e-7 of the first one.

    Notes
    -----
    ``(steps + 1) (2 n d + d^2)`` multiply-adds a row of n entries and, in batches, ``4 n d``
    bytes; a row that does not fit is gathered again at each step.
    """
    backend, width = block.backend, table.shape[1]
    shared = backend.asarray(gram.astype(np.float32)) if gram.any() else None
    solved = backend.zeros((len(block.batches), width), np.float32)
    order = backend.asarray(block.batches.order)
    for batch in block.batches.walk(4 * width, 32 * width):
        before = backend.xp.take(start, order[batch.rows], axis=0)
        system = _System(block, batch, table, shared)
        solved[batch.rows, :] = system.descend(before, steps)
    rows = block.batches.order
    return in_place(backend, block.batches.count, width, [(rows, solved)])


class _System:
    """The matrices of the rows of a batch, which are applied and not built."""

    def __init__(
        self, block: Block, batch: Batch, table: DeviceArray, gram: DeviceArray | None
    ) -> None:
        self._xp = block.backend.xp
        self._from = block, batch, table
        self._gram = gram
        self._penalties = block.penalties[batch.rows, :]
        self._kept = list(self._loaded()) if len(batch.pieces) == 1 else None

    def _loaded(self) -> Iterator[tuple[DeviceArray, DeviceArray, DeviceArray]]:
        block, batch, table = self._from
        for piece in batch.pieces:
            yield block.load(batch, piece, table, table.dtype)

    def _pieces(self) -> Iterable[tuple[DeviceArray, DeviceArray, DeviceArray]]:
        return self._loaded() if self._kept is None else self._kept

    def _across(self, values: DeviceArray, gathered: DeviceArray) -> DeviceArray:
        """Add gathered factors up, times values of n x entries."""
        return self._xp.matmul(values[:, None, :], gathered)[:, 0, :]

    def _apply(self, x: DeviceArray) -> DeviceArray:
        image = self._penalties * x
        if self._gram is not None:
            image = image + self._xp.matmul(x, self._gram)
        for gathered, weights, _ in self._pieces():
            inner = self._xp.matmul(gathered, x[:, :, None])[:, :, 0]
            image = image + self._across(inner * weights, gathered)
        return image

    def _right(self) -> DeviceArray:
        right = 0.0
        for gathered, _, targets in self._pieces():
            right = right + self._across(targets, gathered)
        return right

    def descend(self, x: DeviceArray, steps: int) -> DeviceArray:
        """Run the steps from x, n x d."""
        xp = self._xp
        residual = self._right() - self._apply(x)
        direction, square = residual, _squares(xp, residual, residual)
        goal = square * _CONVERGED
        going = square > goal
        for _ in range(steps):
            image = self._apply(direction)
            curvature = _squares(xp, direction, image)
            going = going & (square > goal) & (curvature > 0)  # who stands still goes on no more
            length = xp.where(going, square, 0.0) / xp.where(going, curvature, 1.0)
            x, residual = x + length * direction, residual - length * image
            last, square = square, _squares(xp, residual, residual)
            momentum = xp.where(going, square, 0.0) / xp.where(going, last, 1.0)
            direction = residual + momentum * direction
        return x


def _squares(xp: Any, left: DeviceArray, right: DeviceArray) -> DeviceArray:
    """Return inner products of rows, n x 1."""
    return xp.sum(left * right, axis=1, keepdims=True)
