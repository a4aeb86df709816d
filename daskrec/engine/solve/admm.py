"""SLIM by the alternating direction method of multipliers, column by column.

Minimises ``1/2 |A - A C|^2 + ridge / 2 |C|^2 + weight |C|_1`` over matrices C with a zero
diagonal, given ``A.T @ A`` (H. Steck, M. Dimakopoulou, N. Riabov and T. Jebara, "ADMM SLIM:
sparse recommendations for many users", WSDM 2020).

With a rho that stays, columns of C do not depend on each other, so they are solved in blocks
that each end when they are done. Two identities save tables. With ``M = inv(A.T A + (ridge +
rho) I)`` the step of B, ``M (A.T A + rho (C - U))``, is ``I + M (rho (C - U) - (ridge + rho) I)``:
the products are not needed beside M. And the scaled multipliers U and the weights C are both
functions of their sum ``T = B + U``: U is T cut off at the threshold, C is what is beyond it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.jit import kernel

Table: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Stop:
    """When a solution is good enough.

    Parameters
    ----------
    absolute, relative
        Tolerances of the residuals: of each weight, and relative to the norms of the weights.
    rounds
        Rounds at most.
    """

    absolute: float
    relative: float
    rounds: int


@dataclass(frozen=True)
class Problem:
    """What all columns share.

    Parameters
    ----------
    weight, ridge
        ``lambda_1`` and ``lambda_2``.
    rho
        Of the method: any number above 0 leads to the same weights, more or less soon.
    stop
        When to stop: its tolerances are those of a column, so that together they keep those
        of the whole table.
    """

    weight: float
    ridge: float
    rho: float
    stop: Stop


def usual_rho(gram: Table, ridge: float) -> float:
    """Return a rho with which rounds are few.

    The best one is the root of the least times the largest curvature; the mean of the diagonal
    stands for the largest one, which few columns feel, and bounds rho where the ridge is tiny.
    """
    usual = float(np.mean(np.diagonal(gram), dtype=np.float64))
    return max(float(np.sqrt(ridge * (ridge + usual))), usual / 8)


@kernel()
def _targets(t: Table, cut: Any, pull: Any, shift: Any, items: Any, x: Table) -> None:
    """Write ``pull * (C - U)``, less ``shift`` where an item meets itself."""
    for r in range(t.shape[0]):
        for i in range(t.shape[1]):
            inside = min(max(t[r, i], -cut), cut)
            x[r, i] = pull * (t[r, i] - inside - inside)
        x[r, items[r]] -= shift


@kernel(fast=True)
def _advance(b: Table, inverse: Table, items: Any, cut: Any, t: Table, norms: Table) -> None:
    """Keep items from themselves, and take the step of the weights and multipliers.

    The norms of a row are squares: of ``B - C``, of the change of C, of B, C and U.
    """
    for r in range(b.shape[0]):
        j = items[r]
        mine, own = b[r], inverse[j]
        excess = (mine[j] + own.dtype.type(1)) / own[j]
        gap = moved = of_b = of_c = of_u = own.dtype.type(0)
        for i in range(mine.size):
            value = mine[i] - excess * own[i] if i != j else own.dtype.type(0)
            old = t[r, i]
            inside = min(max(old, -cut), cut)
            before = old - inside
            total = value + inside
            clipped = min(max(total, -cut), cut)
            after = total - clipped
            t[r, i] = total
            gap += (value - after) ** 2
            moved += (after - before) ** 2
            of_b += value * value
            of_c += after * after
            of_u += clipped * clipped
        norms[r, 0], norms[r, 1], norms[r, 2], norms[r, 3], norms[r, 4] = (
            gap, moved, of_b, of_c, of_u,
        )  # fmt: skip


class Columns(NamedTuple):
    """Solved columns.

    Parameters
    ----------
    weights
        (columns x items): row r holds the weights of all items into the r-th.
    rounds
        int64 rounds that each took.
    done
        Whether each kept the tolerances.
    """

    weights: Table
    rounds: NDArray[np.int64]
    done: NDArray[np.bool_]


def solve_columns(inverse: Table, start: int, stop: int, problem: Problem) -> Columns:
    """Return the weights into a range of items.

    Parameters
    ----------
    inverse
        ``inv(A.T A + (ridge + rho) I)``, items x items, float32 or float64.
    start, stop
        The range.
    problem
        Weights, rho and when to stop.

    Returns
    -------
    Columns
        Weights of the type of ``inverse``.

    Notes
    -----
    One product of (stop - start) x items by items x items a round, of the columns that are not
    done; memory four times the result.
    """
    count, kind = len(inverse), inverse.dtype.type
    cut = kind(problem.weight / problem.rho)
    sums, t, x, b = (np.zeros((stop - start, count), inverse.dtype) for _ in range(4))
    norms = np.zeros((stop - start, 5), inverse.dtype)
    rounds = np.zeros(stop - start, dtype=np.int64)
    left = np.arange(start, stop)
    for _ in range(problem.stop.rounds):
        n = len(left)
        rounds[left - start] += 1
        shift = kind(problem.ridge + problem.rho)
        _targets(t[:n], cut, kind(problem.rho), shift, left, x[:n])
        np.matmul(x[:n], inverse, out=b[:n])
        _advance(b[:n], inverse, left, cut, t[:n], norms[:n])
        going = ~near(norms[:n], problem, count)
        if not going.all():
            sums[left[~going] - start] = t[:n][~going]
            left, t[: going.sum()] = left[going], t[:n][going]
        if not len(left):
            break
    sums[left - start] = t[: len(left)]
    done = np.ones(stop - start, dtype=np.bool_)
    done[left - start] = False
    return Columns(_shrunk(sums, cut), rounds, done)


def near(squares: Table, problem: Problem, count: int) -> Any:
    """Tell which columns have small residuals, primal and dual.

    Parameters
    ----------
    squares
        Columns x 5: of ``B - C``, of the change of C, of B, C and the multipliers.
    problem
        What is solved.
    count
        Number of items.
    """
    gap, moved, of_b, of_c, of_u = np.sqrt(squares, dtype=np.float64).T
    stop, least = problem.stop, problem.stop.absolute * np.sqrt(count)
    near = gap <= least + stop.relative * np.maximum(of_b, of_c)
    return near & (problem.rho * moved <= least + stop.relative * problem.rho * of_u)


def _shrunk(t: Table, cut: Any) -> Table:
    """Return the weights that sums of weights and multipliers stand for."""
    t -= np.clip(t, -cut, cut)
    return t
