"""Products of tables as cuBLAS makes them: by columns, of what lies behind pointers."""

import ctypes
from types import SimpleNamespace

import numpy as np


def _at(pointer, leading, columns, dtype):
    """Return a table by columns, leading x columns."""
    kind = ctypes.c_float if dtype == np.float32 else ctypes.c_double
    flat = np.ctypeslib.as_array((kind * (leading * columns)).from_address(pointer))
    return flat.reshape((leading, columns), order="F")


def _gemm(dtype):
    """Return C = A B for n tables, where alpha is 1 and beta 0."""
    step = np.dtype(dtype).itemsize

    def call(handle, turn_a, turn_b, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c,
             ldc, stride_c, count):  # fmt: skip
        assert (_at(alpha, 1, 1, dtype)[0, 0], _at(beta, 1, 1, dtype)[0, 0]) == (1, 0)
        for i in range(count):
            left = _at(a + i * stride_a * step, lda, m if turn_a else k, dtype)
            right = _at(b + i * stride_b * step, ldb, k if turn_b else n, dtype)
            left, right = (left.T if turn_a else left), (right.T if turn_b else right)
            _at(c + i * stride_c * step, ldc, n, dtype)[:m] = left[:m, :k] @ right[:k, :n]

    return call


def library():
    """Return what stands for cuBLAS."""
    return SimpleNamespace(
        sgemmStridedBatched=_gemm(np.float32), dgemmStridedBatched=_gemm(np.float64)
    )
