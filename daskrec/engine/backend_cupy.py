"""CUDA devices by CuPy.

What CuPy is known to get wrong is not used: products of two sparse matrices (zeros without an
error on large input, CuPy issue 10033) and ``partition``, which sorts.
"""

import importlib
import importlib.util
import itertools
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray

_ENTRIES = 2**31 - 1  # of a sparse matrix: its pointers are int32
_LOWEST = -(2**63)
_LAST = 2**31 - 1
_FLIP = 0x7FFFFFFF  # turns negative floats round: the larger their bits, the smaller they are


def import_cupy() -> Any:
    """Import CuPy.

    Raises
    ------
    ImportError
        It is not installed; the error names the extras.
    """
    try:
        return importlib.import_module("cupy")
    except ImportError as error:
        raise ImportError(
            "work on a GPU needs CuPy: pip install 'daskrec[gpu-cu12]' or 'daskrec[gpu-cu13]', by "
            "the CUDA version of the driver (nvidia-smi shows it)"
        ) from error


class _Copy:
    """Arrays on their way to a device.

    Their memory is that of the stream of the work, which may still be at what lay there before:
    the copy waits for it, and the work for the copy.
    """

    def __init__(self, cupy: Any, stream: Any, group: tuple[Vector, ...]) -> None:
        from cupyx import empty_pinned

        self._work = cupy.cuda.get_current_stream()
        self._arrays = [cupy.empty(array.shape, array.dtype) for array in group]
        stream.wait_event(self._work.record())
        self._pinned = []  # until the copy has arrived
        for target, array in zip(self._arrays, group, strict=True):
            pinned = empty_pinned(array.shape, array.dtype)
            pinned[...] = array
            target.set(pinned, stream=stream)
            self._pinned.append(pinned)
        self._done = stream.record()

    def arrived(self) -> tuple[DeviceArray, ...]:
        """Return the arrays; what works on them waits on the device until they are there."""
        self._work.wait_event(self._done)
        return tuple(self._arrays)

    def release(self) -> None:
        """Let go of the pinned memory, which may be written over then."""
        self._done.synchronize()
        self._pinned.clear()


class CupyBackend(Backend):
    """One CUDA device.

    Parameters
    ----------
    number
        Of the device, as this process counts them.

    Raises
    ------
    RuntimeError
        There is no such device here.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.xp = cupy = import_cupy()
        count = cupy.cuda.runtime.getDeviceCount() if cupy.cuda.is_available() else 0
        if number >= count:
            raise RuntimeError(
                f"daskrec.device asks for GPU {number}, and CuPy finds {count} on this machine: "
                "set daskrec.device to 'auto', which works on the CPU where there is none"
            )
        self.name = f"cuda:{number}"
        self._number = number

    def active(self) -> AbstractContextManager[Any]:
        """Return a context in which arrays are made on the device."""
        device: AbstractContextManager[Any] = self.xp.cuda.Device(self._number)
        return device

    def asarray(self, array: Vector) -> DeviceArray:
        """Copy a numpy array to the device."""
        return self.xp.asarray(np.ascontiguousarray(array))

    def ahead(self, groups: Iterable[tuple[Vector, ...]]) -> Iterator[tuple[DeviceArray, ...]]:
        """Copy groups by a stream of their own, from pinned memory."""
        stream, before = self.xp.cuda.Stream(non_blocking=True), None
        try:
            for group in itertools.chain(groups, [None]):
                copy = None if group is None else _Copy(self.xp, stream, group)
                if before is not None:
                    yield before.arrived()
                    before.release()
                before = copy
        finally:
            stream.synchronize()  # pinned memory is read until then

    def to_host(self, array: DeviceArray) -> Vector:
        """Copy an array to numpy."""
        found: Vector = self.xp.asnumpy(array)
        return found

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        """Return zeros."""
        return self.xp.zeros(shape, dtype)

    def arange(self, start: int, stop: int) -> DeviceArray:
        """Return int64 numbers from ``start`` to before ``stop``."""
        return self.xp.arange(start, stop, dtype=np.int64)

    def order(self, keys: DeviceArray) -> DeviceArray:
        """Return the rows in ascending order of a key; CuPy's sort is stable."""
        return self.xp.argsort(keys).astype(np.int64, copy=False)

    def holds(self, array: DeviceArray) -> bool:
        """Tell whether an array of a GPU lies on this one."""
        return bool(array.device.id == self._number)

    def scatter(
        self, target: DeviceArray, rows: DeviceArray, columns: DeviceArray, values: Any
    ) -> None:
        """Write ``target[rows, columns] = values``."""
        target[rows, columns] = values

    def sparse_dot(
        self, indptr: DeviceArray, indices: DeviceArray, data: DeviceArray, dense: DeviceArray
    ) -> DeviceArray:
        """Multiply a sparse matrix by rows with a dense one, by cuSPARSE."""
        from cupyx.cusparse import spmm
        from cupyx.scipy.sparse import csr_matrix

        if data.size > _ENTRIES:
            raise ValueError(f"a sparse matrix on a GPU holds {_ENTRIES} entries at most")
        shape = (indptr.size - 1, dense.shape[0])
        matrix = csr_matrix((data, indices, indptr), shape=shape)
        return spmm(matrix, self.xp.asfortranarray(dense))

    def counts(self, left: DeviceArray, right: DeviceArray) -> DeviceArray:
        """Multiply by tensor cores: TF32 holds such numbers, and sums are of float32."""
        from cupy._core import _routines_linalg as linalg

        single = np.dtype(np.float32)
        before = linalg.get_compute_type(single)
        linalg.set_compute_type(single, linalg.COMPUTE_TYPE_TF32)
        try:
            return self.xp.matmul(left, right)
        finally:
            linalg.set_compute_type(single, before)

    def products(self, left: DeviceArray, right: DeviceArray) -> DeviceArray:
        """Multiply pairs of tables by cuBLAS; ``matmul`` would copy transposes."""
        cublas = importlib.import_module("cupy_backends.cuda.libs").cublas
        (count, rows, inner), columns = left.shape, right.shape[2]
        if not left.size or not right.size:
            return self.xp.zeros((count, rows, columns), left.dtype)
        single = left.dtype == np.float32
        gemm = cublas.sgemmStridedBatched if single else cublas.dgemmStridedBatched
        (one, turned_one), (other, turned_other) = self._laid_out(left), self._laid_out(right)
        out = self.xp.empty((count, rows, columns), left.dtype)
        factor, start = np.ones(1, left.dtype), np.zeros(1, left.dtype)
        # cuBLAS takes tables by columns: what it reads and writes here are their transposes.
        gemm(
            *(self.xp.cuda.device.get_cublas_handle(), turned_other, turned_one),
            *(columns, rows, inner),
            *(factor.ctypes.data, other.data.ptr, other.shape[2], inner * columns),
            *(one.data.ptr, one.shape[2], rows * inner),
            *(start.ctypes.data, out.data.ptr, columns, rows * columns, count),
        )
        return out

    def _laid_out(self, tables: DeviceArray) -> tuple[DeviceArray, int]:
        """Return tables by rows, and 1 (as cuBLAS says it) if they are the transposes of those."""
        turned = self.xp.swapaxes(tables, 1, 2)
        if turned.flags.c_contiguous and not tables.flags.c_contiguous:
            return turned, 1
        return self.xp.ascontiguousarray(tables), 0

    def largest(self, scores: DeviceArray, k: int) -> tuple[DeviceArray, DeviceArray]:
        """Return the columns and values of the k largest of each row, by one key of both."""
        keys = self._top(self._keys(scores), k)
        columns = _LAST - (keys & _FLIP)
        high = (keys >> 32).astype(np.int32)
        values = self.xp.where(high < 0, high ^ np.int32(_FLIP), high).view(np.float32)
        return columns, values

    def _keys(self, scores: DeviceArray) -> DeviceArray:
        """Return int64 keys in the order of scores, and in that of columns where these tie.

        In the high half stand the bits of the score as an int32 of the same order, in the low
        half the column counted down.
        """
        xp = self.xp
        scores = xp.where(scores == scores, scores, np.float32(-np.inf)) + np.float32(0)  # no -0.0
        bits = scores.view(np.int32)
        high = xp.where(bits < 0, bits ^ np.int32(_FLIP), bits).astype(np.int64)
        return (high << 32) + (_LAST - self.arange(0, scores.shape[1]))

    def _top(self, keys: DeviceArray, k: int) -> DeviceArray:
        """Return the k largest keys of each row, in descending order."""
        if importlib.util.find_spec("torch") is not None:
            torch = importlib.import_module("torch")
            if torch.cuda.is_available():  # a selection, where CuPy only sorts
                found = torch.from_dlpack(keys).topk(k, dim=1).values
                return self.xp.from_dlpack(found.contiguous())
        return self.xp.sort(keys, axis=1)[:, ::-1][:, :k]

    def solve(self, left: DeviceArray, right: DeviceArray) -> DeviceArray:
        """Solve positive definite systems by batched Cholesky factorisations (cuSOLVER)."""
        return self._posv(left, right) if right.size else self.xp.empty_like(right)

    def inverse(self, table: DeviceArray) -> DeviceArray:
        """Return the inverse by a Cholesky factorisation (cuSOLVER)."""
        return self._posv(table, self.xp.eye(len(table), dtype=table.dtype))

    def _posv(self, left: DeviceArray, right: DeviceArray) -> DeviceArray:
        """Solve by Cholesky factorisations; CuPy looks at their outcome only where told to."""
        from cupyx import errstate
        from cupyx.lapack import posv

        try:
            with errstate(linalg="raise"):
                return posv(left, right)
        except np.linalg.LinAlgError as error:
            raise ArithmeticError("a system is not positive definite") from error

    def describe(self) -> str:
        """Return the name of the card."""
        found: str = self.xp.cuda.runtime.getDeviceProperties(self._number)["name"].decode()
        return found

    def free_bytes(self) -> int:
        """Return what the device has free, with what CuPy holds and does not use.

        A pool of RMM holds most of the device and does not say what it has left: an eighth of the
        device is counted on.
        """
        free, total = self.xp.cuda.runtime.memGetInfo()
        held = self.xp.get_default_memory_pool().free_bytes()
        return max(int(free) + int(held), int(total) // 8)

    def total_bytes(self) -> int:
        """Return the bytes of the card."""
        return int(self.xp.cuda.runtime.memGetInfo()[1])
