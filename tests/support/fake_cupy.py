"""CuPy's names over numpy: what of the backend can be run without a GPU is run on this."""

import sys
import types
from contextlib import contextmanager, nullcontext

import numpy as np
from scipy import sparse

from support import fake_cublas


def _posv(left, right):
    """CuPy's, which looks at the outcome only inside ``errstate(linalg="raise")``."""
    assert _raising, "the outcome of the factorisation is not looked at"
    np.linalg.cholesky(left)  # raises where it fails
    flat = right if right.ndim == left.ndim else right[..., None]
    return np.linalg.solve(left, flat).reshape(right.shape).astype(right.dtype)


_raising: list[bool] = []


@contextmanager
def _errstate(linalg):
    assert linalg == "raise"
    _raising.append(True)
    try:
        yield
    finally:
        _raising.pop()


def _spmm(matrix, dense):
    assert dense.flags.f_contiguous, "expected F-contiguous array for b"
    assert matrix.has_canonical_format, "expected canonical format for a"
    return np.asfortranarray(matrix @ dense)


class _Event:
    def __init__(self, log):
        self.log = log

    def synchronize(self):
        self.log.append("event")


class _Stream:
    """A stream that does at once what it is told, and writes down who waits."""

    log: list[str]

    def __init__(self, non_blocking=False):
        self.log = []

    def record(self):
        return _Event(self.log)

    def wait_event(self, event):
        assert event.log is not self.log, "a stream need not wait for itself"

    def synchronize(self):
        self.log.append("stream")


class _Array(np.ndarray):
    @property
    def data(self):
        """Where the numbers lie."""
        return types.SimpleNamespace(ptr=self.ctypes.data)

    def set(self, array, stream):
        assert array.dtype == self.dtype
        self[...] = array


class _Cupy(types.ModuleType):
    """A module that has what numpy has."""

    def __getattr__(self, name):
        return getattr(np, name)


def modules(devices=1):
    """Return the modules of a CuPy that finds so many devices, by name."""
    cupy = _Cupy("cupy")
    cupy.asnumpy = np.array
    runtime = types.SimpleNamespace(
        getDeviceCount=lambda: devices,
        getDeviceProperties=lambda number: {"name": f"card {number}".encode()},
        memGetInfo=lambda: (1000, 2000),
    )
    current = _Stream()
    cupy.cuda = types.SimpleNamespace(
        is_available=lambda: devices > 0,
        runtime=runtime,
        Device=lambda number: nullcontext(),
        Stream=_Stream,
        get_current_stream=lambda: current,
        device=types.SimpleNamespace(get_cublas_handle=lambda: 0),
    )
    cupy.empty = lambda shape, dtype: np.empty(shape, dtype).view(_Array)
    cupy.swapaxes = lambda array, *axes: np.swapaxes(array, *axes).view(_Array)
    cupy.ascontiguousarray = lambda array: np.ascontiguousarray(array).view(_Array)
    pool = types.SimpleNamespace(free_bytes=lambda: 24, free_all_blocks=lambda: None)
    cupy.get_default_memory_pool = lambda: pool
    cupyx = types.ModuleType("cupyx")
    cupyx.errstate = _errstate
    cupyx.empty_pinned = np.empty
    kept = {np.dtype(np.float32): "plain"}
    inside = {
        "cupy._core": {},
        "cupy._core._routines_linalg": {
            "COMPUTE_TYPE_TF32": "short",
            "get_compute_type": kept.__getitem__,
            "set_compute_type": kept.__setitem__,
        },
        "cupyx.cusparse": {"spmm": _spmm},
        "cupyx.lapack": {"posv": _posv},
        "cupyx.scipy": {},
        "cupy_backends.cuda.libs": {"cublas": fake_cublas.library()},
        "cupyx.scipy.sparse": {"csr_matrix": sparse.csr_matrix},
    }
    found = {"cupy": cupy, "cupyx": cupyx}
    for name, values in inside.items():
        found[name] = types.ModuleType(name)
        found[name].__dict__.update(values)
    found["cupy._core"]._routines_linalg = found["cupy._core._routines_linalg"]
    return found


@contextmanager
def installed(monkeypatch, devices=1):
    """Let imports find the stand-in; torch has no GPU for it."""
    with monkeypatch.context() as patch:
        for name, module in modules(devices).items():
            patch.setitem(sys.modules, name, module)
        if "torch" in sys.modules:
            patch.setattr(sys.modules["torch"].cuda, "is_available", lambda: False)
        yield
