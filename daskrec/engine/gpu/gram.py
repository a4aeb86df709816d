"""Products of all pairs of items on a device, a tile of rows of the table at a time.

Blocks come behind handles on objects with two sides: ``by_user`` (rows of the users x items
matrix A) and ``by_item`` (its transpose), both ``Csr``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray, Handle
from daskrec.engine.csr import Csr
from daskrec.engine.gpu.rows import DeviceRows, uploaded

# Part of the cells of A that hold entries from which on rows are spread out and multiplied as
# dense tables: tensor cores do about a thousand multiply-adds in the time of a gather.
DENSE = 1e-3
_EXACT = 2**24  # whole numbers up to it are float32
_SLAB = 1 << 15  # rows of A that are spread out at a time, at most


class PairBlocks:
    """The blocks of A on a device, as one of the two ways of multiplying needs them.

    Parameters
    ----------
    backend
        Of the device.
    handles
        The blocks, in user order; the data of all are empty (ones), or those of none.
    n_items
        Columns of A.
    precise
        Multiply float64 numbers where the data are not ones.
    """

    def __init__(
        self, backend: Backend, handles: Sequence[Handle], n_items: int, precise: bool
    ) -> None:
        self.backend, self.handles, self.n_items = backend, handles, n_items
        blocks = [handle.get() for handle in handles]
        users, entries = (sum(f(b.by_user) for b in blocks) for f in (len, lambda m: m.nnz))
        self.ones = all(len(block.by_user.data) == 0 for block in blocks)
        self.dense = entries >= DENSE * users * n_items
        self.product = np.dtype(np.float64 if precise and not self.ones else np.float32)
        # Sums of float32 products are of float64, so that users by the million do not round off.
        exact = self.ones and users < _EXACT
        self.sums = np.dtype(np.float32 if exact else np.float64)
        self.tallest = max([1, *(len(block.by_user) for block in blocks)])

    def __iter__(self) -> Iterator[DeviceRows]:
        side = _by_user if self.dense else _by_item
        return uploaded(self.backend, self.handles, side, self.product)

    def tiles(self, start: int, stop: int, cell_bytes: int) -> Iterator[tuple[int, DeviceArray]]:
        """Yield rows of ``A.T @ A``, some at a time.

        Parameters
        ----------
        start, stop
            Range of item codes.
        cell_bytes
            What is needed for each product beside it, by who takes them.

        Yields
        ------
        tuple
            The first item of the tile, and its products (items of the tile x items).
        """
        row = self.n_items * (cell_bytes + self.sums.itemsize + self.product.itemsize)
        if not self.dense:
            row += self.tallest * 2 * self.product.itemsize
        height = self.backend.chunk(row)
        for first in range(start, stop, height):
            yield first, self._tile(first, min(first + height, stop))

    def _tile(self, start: int, stop: int) -> DeviceArray:
        xp = self.backend.xp
        total = self.backend.zeros((stop - start, self.n_items), self.sums)
        for rows in self:
            for part in self._slabs(rows, start, stop) if self.dense else [rows]:
                found = part if self.dense else self._gathered(rows, start, stop)
                total += xp.astype(found, total.dtype)
        return total

    def _slabs(self, rows: DeviceRows, start: int, stop: int) -> Iterator[DeviceArray]:
        """Spread rows of A out, and multiply them: its columns of the tile by all of them."""
        xp, height = self.backend.xp, min(_SLAB, self.backend.chunk(self.n_items * 8))
        for first in range(0, len(rows), height):
            dense = rows.dense(first, min(first + height, len(rows)))
            left = xp.matrix_transpose(dense[:, start:stop])
            yield self.backend.counts(left, dense) if self.ones else xp.matmul(left, dense)

    def _gathered(self, rows: DeviceRows, start: int, stop: int) -> DeviceArray:
        """Multiply the sparse transpose of A by its columns of the tile, spread out."""
        xp = self.backend.xp
        return xp.matrix_transpose(rows.dot(xp.matrix_transpose(rows.dense(start, stop))))


def _by_user(block: Any) -> Csr:
    side: Csr = block.by_user
    return side


def _by_item(block: Any) -> Csr:
    side: Csr = block.by_item
    return side


def gram_rows(
    backend: Backend, handles: Sequence[Handle], n_items: int, start: int, stop: int, dtype: Any
) -> Vector:
    """Return ``A[:, start:stop].T @ A``: see ``engine.gram_dense.gram_rows``.

    Notes
    -----
    Exact where blocks hold ones; else sums in float64 of products in the type of the result, of
    some ten thousand users each.
    """
    out: Vector = np.empty((max(stop - start, 0), n_items), dtype)
    blocks = PairBlocks(backend, handles, n_items, out.dtype == np.float64)
    for first, tile in blocks.tiles(start, stop, 0):
        out[first - start : first - start + tile.shape[0]] = backend.to_host(tile)
    return out
