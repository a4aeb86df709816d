"""Descent on a quadratic with a weight on absolute values, for a table that fits the cache.

Minimises ``1/2 w.H w - q.w + weight |w|_1`` over w that are 0 or more, or of either sign. ``H``
is a symmetric table of products plus a ridge on its diagonal. Sweeps over coordinates find
which weights are not zero (J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for
generalized linear models via coordinate descent", J. Stat. Soft. 33, 2010). Conjugate gradients
on those, projected back to the signs that they have, bring them to their values, which takes
sweeps alone long where many are not zero (J. Moré and G. Toraldo, "On the solution of large
quadratic programming problems with bound constraints", SIAM J. Optim. 1, 1991).

Tables are given by the address of each row, so that rows may lie in several arrays. Steps are
found in float32, as the table is kept; weights and residuals are float64, and hence the result.
"""

from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]
from numba.core import types
from numba.extending import intrinsic

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel

_STEPS = 100  # of conjugate gradients at most
_SHARE = 1e-2  # of the residual that they leave
_HALVINGS = 8  # of a projected step that does not descend


def _floats_at_code(context: Any, address: Any) -> Any:
    """Return a pointer to the float32 numbers at an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    pointer = types.CPointer(types.float32)  # type: ignore[no-untyped-call]
    return pointer(types.int64), code


_floats_at: Any = intrinsic(_floats_at_code)


@kernel()
def row_at(rows: Vector, number: int, length: int) -> Any:
    """Return a row of a table that is given by the addresses of its rows."""
    return carray(_floats_at(rows[number]), (length,))


@kernel()
def slope(value: float, residual: float, weight: float, signed: bool) -> float:
    """Return the steepest descent of one coordinate, 0 where it is at its best.

    ``residual`` is that of ``q - H w``.
    """
    if value > 0.0 or (value == 0.0 and residual > weight):
        return residual - weight
    if value < 0.0 or (signed and residual < -weight):
        return residual + weight
    return 0.0


@kernel(fast=True)
def subtract(total: Vector, row: Vector, scale: float) -> None:
    """Subtract a multiple of a row."""
    for k in range(total.size):
        total[k] -= scale * row[k]


@kernel(fast=True)
def _dot(row: Vector, other: Vector) -> Any:
    total = np.float32(0.0)
    for k in range(other.size):
        total += row[k] * other[k]
    return total


@kernel()
def _sweep(
    rows: Vector, curvature: Vector, ridge: float, weight: float, signed: bool,
    w: Vector, r: Vector,
) -> None:  # fmt: skip
    """Put every coordinate to its best in turn."""
    for i in range(w.size):
        bend, old = curvature[i], w[i]
        if bend > 0.0:
            z = r[i] + bend * old
            new = 0.0
            if z > weight:
                new = (z - weight) / bend
            elif signed and z < -weight:
                new = (z + weight) / bend
            if new != old:
                subtract(r, row_at(rows, i, w.size), new - old)
                r[i] -= ridge * (new - old)
                w[i] = new


@kernel()
def _worst(curvature: Vector, weight: float, signed: bool, w: Vector, r: Vector) -> float:
    worst = 0.0
    for i in range(w.size):
        if curvature[i] > 0.0:
            worst = max(worst, abs(slope(w[i], r[i], weight, signed)))
    return worst


@kernel(fast=True)
def _conjugate(
    rows: Vector, curvature: Vector, ridge: float, support: Vector, left: Vector, step: Vector
) -> int:
    """Solve ``H step = left`` on a support, roughly; ``left`` is used up.

    Preconditioned by the diagonal; the largest number of ``left`` is about 1. Returns how many
    times the table was read.
    """
    size, count = curvature.size, support.size
    scale, curved = np.empty(count, np.float32), np.empty(count, np.float32)
    dense, small = np.zeros(size, np.float32), np.float32(ridge)
    largest = 0.0
    for i in support:
        largest = max(largest, curvature[i])
    energy = np.float32(0.0)
    for a in range(count):
        step[a] = 0.0
        scale[a] = largest / curvature[support[a]]
        dense[support[a]] = scale[a] * left[a]
        energy += scale[a] * left[a] * left[a]
    goal = energy * np.float32(_SHARE * _SHARE)
    for number in range(_STEPS):
        bend = np.float32(0.0)
        for a in range(count):
            p = dense[support[a]]
            curved[a] = _dot(row_at(rows, support[a], size), dense) + small * p
            bend += p * curved[a]
        if not bend > 0.0:  # flat, to the rounding of float32
            return number + 1
        length = energy / bend
        before, energy = energy, np.float32(0.0)
        for a in range(count):
            step[a] += length * dense[support[a]]
            left[a] -= length * curved[a]
            energy += scale[a] * left[a] * left[a]
        if energy <= goal:
            return number + 1
        turn = energy / before
        for a in range(count):
            dense[support[a]] = scale[a] * left[a] + turn * dense[support[a]]
    return _STEPS


@kernel()
def _project(
    rows: Vector, ridge: float, support: Vector, slopes: Vector, step: Vector, length: float,
    w: Vector, r: Vector,
) -> bool:  # fmt: skip
    """Go along a step, with weights that would change their sign to zero, if that descends.

    Tells whether that made some zero.
    """
    moved, change = np.empty(support.size, np.float64), np.empty(w.size, np.float64)
    for _ in range(_HALVINGS):
        change[:] = 0.0
        gain, stopped = 0.0, False
        for a in range(support.size):
            i = support[a]
            new = w[i] + length * step[a]
            crossed = new * w[i] <= 0.0
            stopped |= crossed
            moved[a] = -w[i] if crossed else new - w[i]
            gain += moved[a] * slopes[a]
            subtract(change, row_at(rows, i, w.size), -moved[a])
            change[i] += ridge * moved[a]
        for a in range(support.size):
            gain -= 0.5 * moved[a] * change[support[a]]
        if gain > 0.0:
            for a in range(support.size):
                w[support[a]] += moved[a]
            for k in range(w.size):
                r[k] -= change[k]
            return stopped
        length *= 0.5
    return False


@kernel()
def descend(
    rows: Vector, curvature: Vector, ridge: float, weight: float, signed: bool, limit: float,
    turns: int, w: Vector, r: Vector,
) -> tuple[float, int]:  # fmt: skip
    """Descend until no coordinate violates the conditions of an optimum by more than a limit.

    Parameters
    ----------
    rows
        int64 addresses of the rows of the table of products, without the ridge; float32.
    curvature
        float64 diagonal of H, with the ridge; 0 holds a coordinate where it is.
    ridge, weight
        What H has on its diagonal besides; the weight of absolute values.
    signed
        Whether weights may be negative.
    limit
        Of the violation: the slope of the steepest coordinate.
    turns
        Sweeps and steps of conjugate gradients at most, up to a few more.
    w, r
        float64, changed in place: the weights, and ``q - H w``.

    Returns
    -------
    worst
        The largest violation that is left.
    done
        Sweeps and steps that were taken.

    Notes
    -----
    Each takes one multiply-add for each number in the rows of weights that are not zero.
    """
    support = np.empty(w.size, np.int64)
    worst, done, stopped = np.inf, 0, False
    while done < turns:
        if not stopped:
            _sweep(rows, curvature, ridge, weight, signed, w, r)
            done += 1
        worst = _worst(curvature, weight, signed, w, r)
        if worst <= limit:
            break
        count, steepest = 0, 0.0
        for i in range(w.size):
            if w[i] != 0.0 and curvature[i] > 0.0:
                support[count] = i
                count += 1
                steepest = max(steepest, abs(slope(w[i], r[i], weight, signed)))
        if steepest <= limit:
            stopped = False
            continue
        slopes = np.empty(count, np.float64)
        left, step = np.empty(count, np.float32), np.empty(count, np.float32)
        for a in range(count):
            slopes[a] = slope(w[support[a]], r[support[a]], weight, signed)
            left[a] = slopes[a] / steepest
        done += _conjugate(rows, curvature, ridge, support[:count], left, step)
        stopped = _project(rows, ridge, support[:count], slopes, step, steepest, w, r)
    return worst, done
