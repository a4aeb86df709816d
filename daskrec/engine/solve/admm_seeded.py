"""SLIM by the alternating direction method of multipliers as the original runs it.

It starts at random, and moves rho while the table that was inverted stays that of the first
one: what it stops at depends on the start, and is not quite the optimum that ``admm`` finds.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel
from daskrec.engine.solve.admm import Stop
from daskrec.engine.solve.square import invert

Table: TypeAlias = NDArray[Any]

THRESHOLD = 5.0  # how far residuals may be apart before rho is moved
FACTOR = 2.0  # by which it is moved
TABLES = 6  # of items x items that a solution holds at once


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


def start(count: int, seed: int, dtype: Any) -> tuple[Table, Table]:
    """Return C and the multipliers at random."""
    # The stream of numpy's global generator after a seed, without touching that one.
    generator = np.random.RandomState(seed)
    generator.random_sample((count, count))  # the start of B, which no step reads
    c, gamma = (generator.random_sample((count, count)).astype(dtype) for _ in range(2))
    return c, gamma


def solve(gram: Table, weight: float, ridge: float, seed: int, stop: Stop) -> Table:
    """Return C.

    Parameters
    ----------
    gram
        items x items, float32 or float64, symmetric.
    weight, ridge
        ``lambda_1`` and ``lambda_2``.
    seed
        Of the start.
    stop
        When to stop; tolerances are those of the whole table.

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
    m = gram.copy()
    m[diagonal, diagonal] += ridge + rho
    invert(m, "lambda_2")
    own = m[diagonal, diagonal].copy()
    c, gamma = start(count, seed, gram.dtype)
    kind = gram.dtype.type
    for _ in range(stop.rounds):
        b = c * kind(rho)
        b -= gamma
        b += gram
        b = m @ b
        b -= m * (b[diagonal, diagonal] / own)
        norms = np.sqrt(_shrink(b, c, gamma, rho, weight))
        rho, done = judged(norms, rho, count, stop)
        if done:
            break
    return c


def judged(norms: Vector, rho: float, count: int, stop: Stop) -> tuple[float, bool]:
    """Return the rho of the next round, and whether the residuals are small enough.

    Parameters
    ----------
    norms
        Of ``B - C``, of the change of C, of B, C and the multipliers.
    rho
        Of the round.
    count
        Number of items.
    stop
        Tolerances of the whole table.
    """
    gap, moved = norms[0], rho * norms[1]
    near = stop.absolute * count + stop.relative * max(norms[2], norms[3])
    still = stop.absolute * count + stop.relative * norms[4]
    done = bool(gap <= near and moved <= still)
    if gap > THRESHOLD * moved:
        return rho * FACTOR, done
    return (rho / FACTOR if THRESHOLD * gap < moved else rho), done
