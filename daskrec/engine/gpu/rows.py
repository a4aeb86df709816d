"""A sparse matrix by rows on a device: uploaded once, spread out or multiplied in parts."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from daskrec.engine.backend import Backend, DeviceArray, Handle
from daskrec.engine.csr import Csr

_RESIDENT = 1 / 4  # of a device that the blocks of one job may take, to stay there


class DeviceRows:
    """A sparse matrix on a device.

    Parameters
    ----------
    backend
        Of the device.
    matrix
        At most 2^31 - 1 entries; data that are empty stand for ones.
    dtype
        Of the values on the device, float32 or float64.
    arrays
        The indices and the values, where they are on the device already.

    Notes
    -----
    12 bytes an entry (16 in float64), and as much once more while a part is worked on.
    """

    def __init__(
        self,
        backend: Backend,
        matrix: Csr,
        dtype: Any = np.float32,
        arrays: tuple[DeviceArray, ...] | None = None,
    ) -> None:
        self.backend = backend
        self.width = matrix.width
        self.indptr = matrix.indptr  # on the host: where a range of rows starts is asked there
        self.dtype = np.dtype(dtype)
        if arrays is None:
            arrays = tuple(backend.asarray(array) for array in _arrays_of(matrix, self.dtype))
        self.indices, self.data = arrays
        self._row_of: DeviceArray | None = None

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def nbytes(self) -> int:
        """Bytes on the device, with those that are made on the first use."""
        return int(self.indptr[-1]) * (4 + int(self.dtype.itemsize) + 8)

    def dense(self, start: int, stop: int) -> DeviceArray:
        """Return a range of rows, (stop - start) x width, with zeros where there is no entry."""
        tile = self.backend.zeros((stop - start, self.width), self.dtype)
        self.write(tile, start, stop, None)
        return tile

    def write(
        self, tile: DeviceArray, start: int, stop: int, value: float | None, first: int = 0
    ) -> None:
        """Write a range of rows into a tile, or one value at the place of each of their entries.

        The columns of the tile are those from ``first``; entries in others are left out.
        """
        part = self._part(start, stop)
        rows = self._rows()[part] - start
        columns = self.backend.xp.astype(self.indices[part], rows.dtype) - first
        values = self.data[part] if value is None else value
        if tile.shape[1] < self.width:
            inside = (columns >= 0) & (columns < tile.shape[1])
            rows, columns = rows[inside], columns[inside]
            values = self.data[part][inside] if value is None else value
        self.backend.scatter(tile, rows, columns, values)

    def dot(self, dense: DeviceArray, start: int = 0, stop: int | None = None) -> DeviceArray:
        """Multiply a range of rows with a dense matrix of width rows."""
        stop = len(self) if stop is None else stop
        part = self._part(start, stop)
        pointers = (self.indptr[start : stop + 1] - self.indptr[start]).astype(np.int32)
        return self.backend.sparse_dot(
            self.backend.asarray(pointers), self.indices[part], self.data[part], dense
        )

    def _part(self, start: int, stop: int) -> slice:
        return slice(int(self.indptr[start]), int(self.indptr[stop]))

    def _rows(self) -> DeviceArray:
        """Return the row of each entry, int64."""
        if self._row_of is None:
            xp = self.backend.xp
            lengths = self.backend.asarray(np.diff(self.indptr))
            self._row_of = xp.repeat(self.backend.arange(0, len(self)), lengths)
        return self._row_of


def _arrays_of(matrix: Csr, dtype: Any) -> tuple[Any, Any]:
    return matrix.indices, matrix.values().astype(dtype, copy=False)


@lru_cache(maxsize=64)
def _maker(side: Callable[[Any], Csr], dtype: str) -> Callable[[Backend, Any], DeviceRows]:
    """Return what makes rows on a device: the same function for the same matrices."""
    return lambda backend, value: DeviceRows(backend, side(value), np.dtype(dtype))


def uploaded(
    backend: Backend, handles: Sequence[Handle], side: Callable[[Any], Csr], dtype: Any
) -> Iterator[DeviceRows]:
    """Yield matrices on a device, in order.

    They stay there for the next pass where all of them fit; else each is copied while the one
    before it is worked on.

    Parameters
    ----------
    backend
        Of the device.
    handles
        Handles on what ``side`` takes the matrix of.
    side
        A function at module level.
    dtype
        Of the values on the device.
    """
    matrices = [side(handle.get()) for handle in handles]
    needed = sum(matrix.nnz for matrix in matrices) * (12 + np.dtype(dtype).itemsize)
    if needed <= _RESIDENT * backend.total_bytes():
        make = _maker(side, np.dtype(dtype).name)
        for handle in handles:
            yield backend.held(handle, make)
    else:
        groups = (_arrays_of(matrix, dtype) for matrix in matrices)
        for matrix, arrays in zip(matrices, backend.ahead(groups), strict=True):
            yield DeviceRows(backend, matrix, dtype, arrays)
