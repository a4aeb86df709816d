"""Rows with fewer entries than factors, solved for their entries on a device.

As ``engine.solve.direct`` does: with G + lambda I = Q D Q^T and P = sqrt(W) Y_u Q D^(-1/2),

    x = Q D^(-1/2) P^T (I + P P^T)^-1 W^(-1/2) t

so that n entries cost ``n^2 d + n^3 / 3`` multiply-adds and not ``n d^2 + d^3 / 3``, and rounding
is that of a matrix whose least eigenvalue is 1.
"""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import DeviceArray
from daskrec.engine.gpu.als_block import Block
from daskrec.engine.gpu.als_primal import add_to_diagonals
from daskrec.engine.gpu.batches import Batch

# The dual divides by the eigenvalues of G + lambda I, which must not be rounding error.
_TINY_EIGENVALUE = 1e-6
# It divides by the square roots of weights too.
_TINY_WEIGHT = 1e-30


def suits(block: Block, spectrum: Vector) -> bool:
    """Tell whether rows of a block can be solved so, given the eigenvalues of G, ascending."""
    least, largest = max(spectrum[0], 0.0), spectrum[-1]
    ridge = block.least_penalty
    regular = least + ridge > _TINY_EIGENVALUE * (largest + ridge)
    return bool(regular) and block.least_weight > _TINY_WEIGHT


class Dual:
    """The systems of the entries of rows.

    Parameters
    ----------
    block
        Rows of fewer entries than factors.
    table
        Y behind a row of zeros.
    spectrum, vectors
        Of G, float64; no vectors where G is zero.
    """

    whole = True  # a row is not worked on in pieces

    def __init__(
        self, block: Block, table: DeviceArray, spectrum: Vector, vectors: Vector | None
    ) -> None:
        backend = block.backend
        self.block = block
        width = table.shape[1]
        self.entry_bytes, self.row_bytes = 4 * width, 12 * width * width
        self._spectrum = backend.asarray(np.maximum(spectrum, 0.0).astype(np.float32)[None, :])
        self._vectors = None if vectors is None else backend.asarray(vectors.astype(np.float32))
        self._table = table if vectors is None else backend.xp.matmul(table, self._vectors)

    def systems(self, batch: Batch) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
        """Return matrices, right-hand sides, and what their eigenvalues are not below."""
        backend, xp = self.block.backend, self.block.backend.xp
        ridge = self._spectrum + self.block.penalties[batch.rows, :]
        self._scale = 1.0 / xp.sqrt(ridge)
        piece = batch.pieces[0]
        scaled, weights, targets = self.block.load(batch, piece, self._table, self._table.dtype)
        scaled *= self._scale[:, None, :]
        if isinstance(weights, float):
            scaled *= weights**0.5
            right = targets * weights**-0.5
        else:
            roots = xp.sqrt(weights)
            scaled *= roots[:, :, None]
            # An entry without a target may have no weight, and padding has neither.
            right = targets / xp.where(targets != 0, roots, xp.ones_like(roots))
        self._scaled = scaled
        left = backend.products(scaled, xp.matrix_transpose(scaled))
        ones = xp.ones_like(right[:, :1])
        return add_to_diagonals(xp, left, ones), right, ones[:, 0]

    def finish(self, solved: DeviceArray) -> DeviceArray:
        """Return the factors of the batch whose systems were made last."""
        xp = self.block.backend.xp
        found = xp.matmul(solved[:, None, :], self._scaled)[:, 0, :] * self._scale
        if self._vectors is None:
            return found
        return xp.matmul(found, xp.matrix_transpose(self._vectors))
