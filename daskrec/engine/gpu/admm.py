"""Sparse linear models of all items by ADMM on a device; see ``engine.solve.admm``."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray, Handle, on_device
from daskrec.engine.gpu.square import inverted
from daskrec.engine.solve.admm import Columns, Problem, Stop, near
from daskrec.engine.solve.admm_seeded import judged, start

COLUMN_TABLES = 12  # of columns x items that a range of columns holds at once
SEEDED_TABLES = 14  # of items x items that a solution with a seed holds at once


def solve_columns(
    backend: Backend, inverse: Handle, start: int, stop: int, problem: Problem
) -> Columns:
    """Return the weights into a range of items.

    Parameters
    ----------
    backend
        Of the device.
    inverse
        Handle on what ``engine.solve.admm.solve_columns`` takes, which stays on the device.
    start, stop, problem
        As there.

    Returns
    -------
    Columns
        As there, up to the rounding of products.

    Notes
    -----
    A product of (stop - start) x items by items x items a round; memory twelve times the result.
    """
    xp, table = backend.xp, backend.held(inverse, on_device)
    cut = problem.weight / problem.rho
    sums = backend.zeros((stop - start, table.shape[0]), _dtype_of(inverse))
    t = sums
    rounds = np.zeros(stop - start, dtype=np.int64)
    left = np.arange(start, stop)
    finished: list[tuple[Vector, DeviceArray]] = []
    for _ in range(problem.stop.rounds):
        rounds[left - start] += 1
        t, squares = _round(backend, table, t, backend.asarray(left), cut, problem)
        going = ~near(backend.to_host(squares), problem, table.shape[0])
        if not going.all():
            finished.append((left[~going] - start, _rows(backend, t, ~going)))
            left, t = left[going], _rows(backend, t, going)
        if not len(left):
            break
    done = np.ones(stop - start, dtype=np.bool_)
    done[left - start] = False
    if len(left):
        finished.append((left - start, t))
    weights: Vector = np.empty(sums.shape, _dtype_of(inverse))
    for rows, part in finished:
        weights[rows] = backend.to_host(part - xp.clip(part, -cut, cut))
    return Columns(weights, rounds, done)


def _dtype_of(inverse: Handle) -> np.dtype[np.floating]:
    dtype: np.dtype[np.floating] = inverse.get().dtype
    return dtype


def _rows(backend: Backend, table: DeviceArray, mask: Vector) -> DeviceArray:
    return backend.xp.take(table, backend.asarray(np.flatnonzero(mask)), axis=0)


def _round(
    backend: Backend,
    inverse: DeviceArray,
    t: DeviceArray,
    items: DeviceArray,
    cut: float,
    problem: Problem,
) -> tuple[DeviceArray, DeviceArray]:
    """Take a round; return the sums of weights and multipliers, and the squares of five norms.

    The norms of a row are of ``B - C``, of the change of C, of B, C and U.
    """
    xp, rows, column = backend.xp, backend.arange(0, t.shape[0]), items[:, None]
    inside = xp.clip(t, -cut, cut)
    x = problem.rho * (t - 2 * inside)
    shifted = xp.take_along_axis(x, column, axis=1) - (problem.ridge + problem.rho)
    backend.scatter(x, rows, items, shifted[:, 0])
    b = xp.matmul(x, inverse)
    own = xp.take(inverse, items, axis=0)
    excess = (xp.take_along_axis(b, column, axis=1) + 1) / xp.take_along_axis(own, column, axis=1)
    value = b - excess * own
    backend.scatter(value, rows, items, 0.0)
    before, total = t - inside, value + inside
    clipped = xp.clip(total, -cut, cut)
    after = total - clipped
    parts = (value - after, after - before, value, after, clipped)
    squares = xp.stack([xp.sum(part * part, axis=1) for part in parts], axis=1)
    return total, squares


def solve_seeded(
    backend: Backend, gram: Vector, weight: float, ridge: float, seed: int, stop: Stop
) -> Vector:
    """Return C of all items by a rho that moves; see ``engine.solve.admm_seeded.solve``.

    Notes
    -----
    One factorisation, and a product of items x items tables a round; a dozen tables.
    """
    xp, count, rho = backend.xp, len(gram), float(ridge)
    m = inverted(backend, gram, ridge + rho, "lambda_2")
    diagonal = backend.arange(0, count)[:, None]
    own = xp.take_along_axis(m, diagonal, axis=1)[:, 0]
    table = backend.asarray(gram)
    c, gamma = (backend.asarray(one) for one in start(count, seed, gram.dtype))
    for _ in range(stop.rounds):
        b = xp.matmul(m, c * rho - gamma + table)
        excess = xp.take_along_axis(b, diagonal, axis=1)[:, 0] / own
        b = b - m * excess[None, :]
        value = b + gamma / rho
        new = value - xp.clip(value, -weight / rho, weight / rho)
        moved, left = new - c, b - new
        c, gamma = new, gamma + rho * left
        parts = xp.stack([xp.sum(part * part) for part in (left, moved, b, c, gamma)])
        norms = np.sqrt(backend.to_host(parts), dtype=np.float64)
        rho, done = judged(norms, rho, count, stop)
        if done:
            break
    return backend.to_host(c)
