"""Backends without a GPU, which the kernels of a GPU are tested on."""

from contextlib import contextmanager, nullcontext

import array_api_strict
import numpy as np
import pytest
from scipy import linalg, sparse

from daskrec.engine import backend, csr_build
from daskrec.engine.backend import Backend


class NumpyBackend(Backend):
    """The reference: numpy and scipy, by the plainest way to each answer."""

    xp = np
    name = "numpy"

    def __init__(self, free=2**30):
        super().__init__()
        self.free = free

    def active(self):
        return nullcontext()

    def asarray(self, array):
        return np.array(array, order="C")

    def to_host(self, array):
        return np.array(array)

    def zeros(self, shape, dtype):
        return np.zeros(shape, dtype)

    def arange(self, start, stop):
        return np.arange(start, stop, dtype=np.int64)

    def order(self, keys):
        return np.argsort(keys, kind="stable")

    def holds(self, array):
        return isinstance(array, np.ndarray)

    def scatter(self, target, rows, columns, values):
        target[rows, columns] = values

    def sparse_dot(self, indptr, indices, data, dense):
        assert indptr.dtype == indices.dtype == np.int32
        assert data.dtype == dense.dtype
        shape = (len(indptr) - 1, len(dense))
        return sparse.csr_array((data, indices, indptr), shape=shape) @ dense

    def counts(self, left, right):
        for table in (left, right):
            assert table.dtype == np.float32
            assert np.all((table == np.round(table)) & (np.abs(table) < 2**11))
        return left @ right

    def products(self, left, right):
        assert left.dtype == right.dtype
        assert left.ndim == right.ndim == 3
        assert len(left) == len(right)
        return np.matmul(left, right)

    def largest(self, scores, k):
        assert scores.dtype == np.float32
        known = np.where(np.isnan(scores), -np.inf, scores)
        columns = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
        order = np.lexsort((columns, -known), axis=1)[:, :k]
        return order.astype(np.int64), np.take_along_axis(known, order, axis=1)

    def solve(self, left, right):
        return np.stack([self._posv(a, b) for a, b in zip(left, right, strict=True)] or [right])

    def inverse(self, table):
        return self._posv(table, np.eye(len(table), dtype=table.dtype))

    @staticmethod
    def _posv(left, right):
        try:
            return linalg.cho_solve(linalg.cho_factor(left, lower=True), right)
        except linalg.LinAlgError as error:
            raise ArithmeticError("a system is not positive definite") from error

    def describe(self):
        return self.name

    def free_bytes(self):
        return self.free - self._held_bytes()

    def total_bytes(self):
        return 2 * self.free


class StrictBackend(Backend):
    """Arrays of the standard and nothing else, on a device that numpy cannot read.

    A kernel that copies to the host unasked, or mixes arrays of two devices, fails here. What
    the standard lacks is done by the reference.
    """

    xp = array_api_strict
    name = "strict"

    def __init__(self, free=2**30):
        super().__init__()
        self.plain = NumpyBackend(free)
        self.device = array_api_strict.Device("device1")

    def active(self):
        return nullcontext()

    def asarray(self, array):
        return array_api_strict.asarray(np.array(array, order="C"), device=self.device)

    def to_host(self, array):
        assert array.device == self.device
        return np.array(array.to_device(array_api_strict.Device("CPU_DEVICE")))

    def _by_the_reference(self, name, *arrays):
        found = getattr(self.plain, name)(
            *(self.to_host(a) if hasattr(a, "device") else a for a in arrays)
        )
        if isinstance(found, tuple):
            return tuple(self.asarray(one) for one in found)
        return self.asarray(found)

    def zeros(self, shape, dtype):
        return self.asarray(np.zeros(shape, dtype))

    def arange(self, start, stop):
        return self.asarray(np.arange(start, stop, dtype=np.int64))

    def order(self, keys):
        return array_api_strict.argsort(keys, stable=True)

    def holds(self, array):
        return array.device == self.device

    def scatter(self, target, rows, columns, values):
        changed = self.to_host(target)
        values = self.to_host(values) if hasattr(values, "device") else values
        changed[self.to_host(rows), self.to_host(columns)] = values
        target[...] = self.asarray(changed)

    def sparse_dot(self, indptr, indices, data, dense):
        return self._by_the_reference("sparse_dot", indptr, indices, data, dense)

    def counts(self, left, right):
        return self._by_the_reference("counts", left, right)

    def products(self, left, right):
        return self._by_the_reference("products", left, right)

    def largest(self, scores, k):
        return self._by_the_reference("largest", scores, k)

    def solve(self, left, right):
        return self._by_the_reference("solve", left, right)

    def inverse(self, table):
        return self._by_the_reference("inverse", table)

    def describe(self):
        return self.name

    def free_bytes(self):
        return self.plain.free_bytes()

    def total_bytes(self):
        return self.plain.total_bytes()


def real_gpu(free=None):
    """Return the first GPU of this machine; what is free there is what there is."""
    from daskrec.engine.backend_cupy import CupyBackend

    return CupyBackend(0)


BACKENDS = [NumpyBackend, StrictBackend]
DEVICES = [*BACKENDS, pytest.param(real_gpu, marks=pytest.mark.gpu(library="cupy"))]


@contextmanager
def at_hand(made, monkeypatch):
    """Lend a backend to what asks for it with the device "auto": frames there, and large work."""
    with monkeypatch.context() as patch:
        patch.setattr(backend, "gpu", lambda number: made)
        patch.setattr(backend, "has_driver", lambda: True)
        patch.setattr("daskrec.engine.device._usable_gpus", lambda: 0)  # of torch
        for module in (backend, csr_build):
            patch.setattr(module, "usable", lambda: True)
        yield made


@contextmanager
def lent(made, monkeypatch):
    """Lend a backend to every task of this process that asks for a GPU."""
    import dask

    with monkeypatch.context() as patch, dask.config.set({"daskrec.device": "cuda"}):
        patch.setattr(backend, "gpu", lambda number: made)
        for module in (backend, csr_build):
            patch.setattr(module, "usable", lambda: True)
        yield made
