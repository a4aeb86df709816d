"""Large square tables, worked on in their own memory: inverse, mirror image, transpose."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.jit import kernel

Table: TypeAlias = NDArray[Any]

_TILE = 32  # a square of it and its mirror image stay in the first cache


def invert(table: Table, ridge: str) -> None:
    """Put the inverse of a symmetric positive definite table in its place.

    Parameters
    ----------
    table
        float32 or float64, square and contiguous by rows; its lower half is read.
    ridge
        The parameter that an error says to raise.

    Raises
    ------
    ArithmeticError
        The table is not positive definite in its precision.

    Notes
    -----
    A Cholesky factorisation and the inverse of it (LAPACK ``potrf`` and ``potri``): n^3
    operations, and no second table.
    """
    from scipy.linalg import lapack

    single = table.dtype == np.float32
    factorise = lapack.spotrf if single else lapack.dpotrf
    finish = lapack.spotri if single else lapack.dpotri
    # By columns, the lower half of the table is the upper one of the same memory.
    found, failed = factorise(table.T, lower=0, clean=0, overwrite_a=1)
    if not failed:
        found, failed = finish(found, lower=0, overwrite_c=1)
    if failed:
        raise ArithmeticError(
            f"the table of products is not positive definite in {table.dtype}: raise {ridge}"
        )
    if not np.shares_memory(found, table):
        table[...] = found.T
    mirror(table)


@kernel()
def mirror(table: Table) -> None:
    """Copy the lower half of a square table into its upper half."""
    n = table.shape[0]
    for top in range(0, n, _TILE):
        for left in range(0, top + 1, _TILE):
            for i in range(top, min(top + _TILE, n)):
                for j in range(left, min(left + _TILE, i)):
                    table[j, i] = table[i, j]


@kernel()
def transpose(table: Table) -> None:
    """Turn a square table over."""
    n = table.shape[0]
    for top in range(0, n, _TILE):
        for left in range(0, top + 1, _TILE):
            for i in range(top, min(top + _TILE, n)):
                for j in range(left, min(left + _TILE, i)):
                    table[i, j], table[j, i] = table[j, i], table[i, j]
