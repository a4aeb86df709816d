"""Large square tables, worked on in their own memory: inverse, mirror image, transpose."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.jit import kernel

Table: TypeAlias = NDArray[Any]

_TILE = 32  # a square of it and its mirror image stay in the first cache
# Rows from which on LAPACK is called on blocks alone: the factorisation of OpenBLAS runs over its
# buffers on large tables (OpenBLAS issues 352, 2562), from about 16,000 rows of float64 on.
_LARGE = 8192
_BLOCK = 2048
_ROWS = 512  # updated at a time


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
    n^3 operations. To 8192 rows a Cholesky factorisation and the inverse of it (LAPACK ``potrf``
    and ``potri``), and no second table; beyond, the sweep operator block by block (A. Dempster,
    Elements of continuous multivariate analysis, 1969), and 4,608 rows of working space.
    """
    try:
        if len(table) <= _LARGE:
            _invert_whole(table)
        else:
            sweep(table, _BLOCK)
    except ArithmeticError:
        raise not_definite(table, ridge) from None
    mirror(table)


def not_definite(table: Table, ridge: str) -> ArithmeticError:
    """Return the error of a table that has no Cholesky factor; ``ridge`` is what to raise."""
    return ArithmeticError(
        f"the table of products is not positive definite in {table.dtype}: raise {ridge}"
    )


def _invert_whole(table: Table) -> None:
    """Invert by LAPACK; the lower half holds the inverse."""
    from scipy.linalg import lapack

    single = table.dtype == np.float32
    factorise = lapack.spotrf if single else lapack.dpotrf
    finish = lapack.spotri if single else lapack.dpotri
    # By columns, the lower half of the table is the upper one of the same memory.
    found, failed = factorise(table.T, lower=0, clean=0, overwrite_a=1)
    if not failed:
        found, failed = finish(found, lower=0, overwrite_c=1)
    if failed:
        raise ArithmeticError
    if not np.shares_memory(found, table):
        table[...] = found.T


def sweep(table: Table, block: int) -> None:
    """Invert block by block; the lower half holds the inverse.

    Parameters
    ----------
    table
        As for ``invert``.
    block
        Rows that are swept together.
    """
    n = len(table)
    buffer = np.empty(_ROWS * n, table.dtype)
    for start in range(0, n, block):
        pivot = slice(start, min(start + block, n))
        own = table[pivot, pivot].copy()
        _invert_whole(own)
        mirror(own)
        # The columns of the pivot: right of it they are known by their mirror image.
        known = np.concatenate([table[pivot, :start].T, table[start:, pivot]])
        known[pivot] = 0
        swept = known @ own
        for at in range(0, n, _ROWS):
            stop = min(at + _ROWS, n)
            change = buffer[: (stop - at) * stop].reshape(stop - at, stop)
            np.matmul(swept[at:stop], known[:stop].T, out=change)
            table[at:stop, :stop] -= change
        table[pivot, :start] = swept[:start].T
        table[start:, pivot] = swept[start:]
        table[pivot, pivot] = -own
    np.negative(table, out=table)


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
