"""The systems of the factors of rows, d x d, on a device."""

from typing import Any

from daskrec.engine.backend import DeviceArray
from daskrec.engine.gpu.als_block import Block
from daskrec.engine.gpu.batches import Batch


class Primal:
    """The systems of the factors of rows.

    Parameters
    ----------
    block
        Rows.
    table
        Y behind a row of zeros.
    gram
        G on the device; its type, float32 or float64, is that of the systems.
    least
        What the eigenvalues of G are not below.
    """

    whole = False  # entries of a row may come in pieces

    def __init__(self, block: Block, table: DeviceArray, gram: DeviceArray, least: float) -> None:
        self.block = block
        width, double = table.shape[1], gram.dtype != table.dtype
        self.entry_bytes = (12 if double else 4) * width
        self.row_bytes = (24 if double else 12) * width * width
        self._table, self._gram, self._least = table, gram, least

    def systems(self, batch: Batch) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
        """Return matrices, right-hand sides, and what their eigenvalues are not below."""
        block, xp, kind = self.block, self.block.backend.xp, self._gram.dtype
        left, right = self._gram[None, :, :], 0.0
        for piece in batch.pieces:
            gathered, weights, targets = block.load(batch, piece, self._table, kind)
            right = right + xp.matmul(targets[:, None, :], gathered)[:, 0, :]
            if not isinstance(weights, float):
                gathered *= xp.sqrt(weights)[:, :, None]
            product = block.backend.products(xp.matrix_transpose(gathered), gathered)
            if isinstance(weights, float) and weights != 1.0:
                product *= weights
            product += left
            left = product
        penalties = xp.astype(block.penalties[batch.rows, :], kind)
        return add_to_diagonals(xp, left, penalties), right, penalties[:, 0] + self._least

    def finish(self, solved: DeviceArray) -> DeviceArray:
        """Return the factors, which the systems were made for."""
        return solved


def add_to_diagonals(xp: Any, tables: DeviceArray, values: DeviceArray) -> DeviceArray:
    """Return n x d x d tables with values, n x 1, added to the diagonals; they are used up."""
    width = tables.shape[1]
    flat = xp.reshape(tables, (-1, width * width))
    flat[:, :: width + 1] += values
    return xp.reshape(flat, tables.shape)


def diagonals(xp: Any, tables: DeviceArray) -> DeviceArray:
    """Return the diagonals of n tables, n x d."""
    width = tables.shape[1]
    return xp.reshape(tables, (-1, width * width))[:, :: width + 1]
