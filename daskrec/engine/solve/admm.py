"""SLIM by the alternating direction method of multipliers, over a dense table of products.

Minimises ``1/2 |A - A C|^2 + lambda_2 / 2 |C|^2 + lambda_1 |C|_1`` over matrices C with a zero
diagonal, given ``gram = A.T @ A`` (H. Steck, M. Dimakopoulou, N. Riabov and T. Jebara, "ADMM
SLIM: sparse recommendations for many users", WSDM 2020).
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.jit import kernel

Table: TypeAlias = NDArray[Any]

THRESHOLD = 5.0  # how far residuals may be apart before rho is moved
FACTOR = 2.0  # by which it is moved
TABLES = 6  # of items x items that a solution holds at once


@dataclass(frozen=True)
class Stop:
    """When a solution is good enough.

    Parameters
    ----------
    absolute, relative
        Tolerances of the residuals, an item and relative to the tables.
    rounds
        Rounds at most.
    """

    absolute: float = 1e-3
    relative: float = 1e-3
    rounds: int = 100


@kernel()
def _shrink(
    b: Table, c: Table, gamma: Table, rho: float, weight: float
) -> tuple[float, float, float, float, float]:
    """Take the step of C and of the multipliers; return the squares of five norms.

    They are those of ``B - C``, of the change of C, of B, of C and of the multipliers.
    """
    gap, moved, of_b, of_c, of_gamma = 0.0, 0.0, 0.0, 0.0, 0.0
    limit = weight / rho
    for i in range(b.shape[0]):
        for j in range(b.shape[1]):
            old, value = c[i, j], b[i, j] + gamma[i, j] / rho
            new = max(abs(value) - limit, 0.0)
            new = new if value > 0 else -new
            c[i, j] = new
            left = b[i, j] - new
            gamma[i, j] += rho * left
            gap += left * left
            moved += (new - old) * (new - old)
            of_b += b[i, j] * b[i, j]
            of_c += new * new
            of_gamma += gamma[i, j] * gamma[i, j]
    return gap, moved, of_b, of_c, of_gamma


def _start(count: int, seed: int | None, dtype: Any) -> tuple[Table, Table]:
    """Return C and the multipliers: at random as the original's, or zero."""
    if seed is None:
        return np.zeros((count, count), dtype), np.zeros((count, count), dtype)
    # The stream of numpy's global generator after a seed, without touching that one.
    generator = np.random.RandomState(seed)
    generator.random_sample((count, count))  # the start of B, which no step reads
    c, gamma = (generator.random_sample((count, count)).astype(dtype) for _ in range(2))
    return c, gamma


def inverse(table: Table) -> Table:
    """Return the inverse of a symmetric positive definite table, which is overwritten."""
    from scipy.linalg import lapack

    names = ("spotrf", "spotri") if table.dtype == np.float32 else ("dpotrf", "dpotri")
    factor, failed = getattr(lapack, names[0])(table.T, lower=0, clean=0, overwrite_a=1)
    if not failed:
        found, failed = getattr(lapack, names[1])(factor, lower=0, overwrite_c=1)
    if failed:
        raise ArithmeticError("the table of products is not positive definite: raise lambda_2")
    return _mirror(found)


def _mirror(upper: Table) -> Table:
    """Return the whole of a symmetric table of which the upper half is known."""
    whole = np.triu(upper)
    whole += np.triu(upper, 1).T
    return np.ascontiguousarray(whole)


def solve(gram: Table, weight: float, ridge: float, seed: int | None, stop: Stop) -> Table:
    """Return C.

    Parameters
    ----------
    gram
        items x items, float32 or float64, symmetric.
    weight, ridge
        ``lambda_1`` and ``lambda_2``.
    seed
        Of a start at random, with which rho moves as in the original although the inverse
        stays that of the first one; None starts at zero and keeps a rho of its own.
    stop
        When to stop.

    Returns
    -------
    ndarray
        items x items of the type of ``gram``, the diagonal zero up to the shrinkage.

    Notes
    -----
    One factorisation, and a product of items x items tables a round; ``TABLES`` tables.
    """
    count, rho = len(gram), float(ridge)
    diagonal = np.arange(count)
    if seed is None:  # of the size of the table, so that a small ridge does not stall it
        rho = max(rho, float(np.mean(gram[diagonal, diagonal], dtype=np.float64)))
    shifted = gram.copy()
    shifted[diagonal, diagonal] += ridge + rho
    m = inverse(shifted)
    own = m[diagonal, diagonal].copy()
    c, gamma = _start(count, seed, gram.dtype)
    kind = gram.dtype.type
    for _ in range(stop.rounds):
        b = c * kind(rho)
        b -= gamma
        b += gram
        b = m @ b
        b -= m * (b[diagonal, diagonal] / own)
        norms = np.sqrt(_shrink(b, c, gamma, rho, weight))
        gap, moved = norms[0], rho * norms[1]
        near = stop.absolute * count + stop.relative * max(norms[2], norms[3])
        still = stop.absolute * count + stop.relative * norms[4]
        if seed is not None and gap > THRESHOLD * moved:
            rho *= FACTOR
        elif seed is not None and THRESHOLD * gap < moved:
            rho /= FACTOR
        if gap <= near and moved <= still:
            break
    return c
