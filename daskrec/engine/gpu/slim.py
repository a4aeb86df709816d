"""Columns of a sparse linear model on a device, many side by side; see ``solve.elastic_net``.

As there, a working set of each column grows by the items that violate the conditions of an
optimum most. Here all working sets of a batch have one length, their products are gathered into a
stack of tables, ``slim_inner`` solves these together, and a sparse product brings the residuals of
all items up to date. Columns whose sets outgrow the stack, or that are not done in time, are left
to the host.
"""

from dataclasses import dataclass

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray, Handle
from daskrec.engine.gpu.slim_inner import Inner, violations
from daskrec.engine.solve.elastic_net import FLOOR, Choice, Penalty

# Of a pair of items: the product in float64 and, while that is made, in float32.
BYTES_A_PAIR = 12
ROOM = 512  # items of a working set at most
_FIRST = 64  # of the first working set, and that one grows by at least
_ROUNDS = 40  # of working sets
_LOOSE, _TIGHT = 0.1, 0.3  # of the worst violation, and of the tolerance: see elastic_net


@dataclass(frozen=True)
class Found:
    """Solved columns.

    Parameters
    ----------
    weights
        By column: int32 items, ascending, and their float32 weights.
    left
        The columns that are left to the host.
    """

    weights: dict[int, tuple[Vector, Vector]]
    left: list[int]


def _table_of(backend: Backend, value: Vector) -> DeviceArray:
    return backend.xp.astype(backend.asarray(value), backend.xp.float64)


def solve_columns(
    backend: Backend,
    products: Handle,
    diagonal: Vector,
    cut: tuple[int, int],
    penalty: Penalty,
    choice: Choice,
) -> Found:
    """Solve a range of columns.

    Parameters
    ----------
    backend
        Of the device.
    products
        Handle on the symmetric table of products, float32, which stays on the device in float64.
    diagonal
        Its diagonal, float64.
    cut
        The range.
    penalty, choice
        As for ``engine.solve.elastic_net.ColumnSolver``.

    Notes
    -----
    Memory: the table (8 bytes a pair of items) and, for each column of a batch, 60 bytes an item
    and 30 a pair of a working set.
    """
    table = backend.held(products, _table_of)
    count = table.shape[0]
    height = backend.chunk(60 * count + 30 * min(ROOM, count) ** 2)
    found = Found({}, [])
    for start in range(*cut, height):
        batch = _Batch(backend, table, diagonal, penalty, choice)
        batch.solve(np.arange(start, min(start + height, cut[1])), found)
    return found


class _Batch:
    """Columns that are solved side by side."""

    def __init__(
        self,
        backend: Backend,
        table: DeviceArray,
        diagonal: Vector,
        penalty: Penalty,
        choice: Choice,
    ) -> None:
        self.backend, self.table = backend, table
        self.penalty, self.choice = penalty, choice
        self.diagonal = backend.asarray(diagonal)
        self.curvature = self.diagonal + penalty.ridge

    def solve(self, columns: Vector, found: Found) -> None:
        """Add what is found for some columns."""
        xp = self.backend.xp
        r = xp.take(self.table, self.backend.asarray(columns), axis=0)
        allowed = self._open(columns, r)
        limits = self._limits(r, allowed)
        w, turns = xp.zeros_like(r), 0
        for _ in range(_ROUNDS):
            worst, held, gains = self._violations(w, r, allowed)
            ended = worst <= limits
            crowded = ~ended & (held > ROOM // 2)
            self._take(found, columns, w, ended)
            found.left.extend(columns[crowded].tolist())
            going = np.flatnonzero(~ended & ~crowded)
            columns, worst, limits, held = (a[going] for a in (columns, worst, limits, held))
            if not len(columns) or turns >= self.penalty.turns:
                break
            places = self.backend.asarray(going)
            w, r, allowed, gains = (xp.take(a, places, axis=0) for a in (w, r, allowed, gains))
            size = min(ROOM, w.shape[1], _rounded(max(_FIRST, 2 * int(held.max()))))
            aims = np.maximum(_TIGHT * limits, _LOOSE * worst)
            w, r, used = self._improve(w, r, gains, size, aims, self.penalty.turns - turns)
            turns += used
        found.left.extend(columns.tolist())

    def _open(self, columns: Vector, q: DeviceArray) -> DeviceArray:
        """Tell which items may have a weight: others than the column, the best candidates."""
        xp, count = self.backend.xp, q.shape[1]
        items = self.backend.arange(0, count)
        own = self.backend.asarray(columns)[:, None] == items[None, :]
        allowed = (self.diagonal > 0)[None, :] & ~own
        if self.choice.candidates >= count:
            return allowed
        gains = xp.astype(q / xp.sqrt(self.curvature)[None, :], xp.float32)
        gains = xp.where(allowed, gains, xp.full_like(gains, -np.inf))
        best, _ = self.backend.largest(gains, self.choice.candidates)
        kept = xp.zeros_like(gains)
        rows = xp.broadcast_to(self.backend.arange(0, q.shape[0])[:, None], best.shape)
        self.backend.scatter(kept, xp.reshape(rows, (-1,)), xp.reshape(best, (-1,)), 1.0)
        return allowed & (kept > 0)

    def _limits(self, q: DeviceArray, allowed: DeviceArray) -> Vector:
        """Return the violation that each column may have."""
        xp = self.backend.xp
        top = xp.max(xp.where(allowed, xp.abs(q), xp.zeros_like(q)), axis=1)
        least = np.maximum(self.penalty.weight, FLOOR * self.backend.to_host(top))
        limits: Vector = self.penalty.tolerance * least
        return limits

    def _violations(
        self, w: DeviceArray, r: DeviceArray, allowed: DeviceArray
    ) -> tuple[Vector, Vector, DeviceArray]:
        """Return the worst violation of each column, its weights, and what each item would gain."""
        xp = self.backend.xp
        found = violations(xp, w, r - self.penalty.ridge * w, self.penalty)
        found = xp.where(allowed, found, xp.zeros_like(found))
        held = w != 0
        worst = self.backend.to_host(xp.max(found, axis=1))
        count = self.backend.to_host(xp.sum(xp.astype(held, xp.int64), axis=1))
        gains = xp.astype(found * found / self.curvature[None, :], xp.float32)
        return worst, count, xp.where(held, xp.full_like(gains, np.inf), gains)

    def _improve(
        self,
        w: DeviceArray,
        r: DeviceArray,
        gains: DeviceArray,
        size: int,
        aims: Vector,
        turns: int,
    ) -> tuple[DeviceArray, DeviceArray, int]:
        """Solve the working sets, and bring the residuals of all items up to date."""
        backend, xp, count = self.backend, self.backend.xp, w.shape[1]
        chosen, best = backend.largest(gains, size)
        order = xp.argsort(chosen, axis=1)
        chosen = xp.take_along_axis(chosen, order, axis=1)
        usable = xp.take_along_axis(best, order, axis=1) > 0
        pairs = chosen[:, :, None] * count + chosen[:, None, :]
        stack = xp.take(xp.reshape(self.table, (-1,)), xp.reshape(pairs, (-1,)))
        stack = xp.reshape(stack, pairs.shape)
        before, left = (xp.take_along_axis(a, chosen, axis=1) for a in (w, r))
        curvature = xp.reshape(xp.take(self.curvature, xp.reshape(chosen, (-1,))), chosen.shape)
        inner = Inner(backend, stack, curvature, usable, self.penalty)
        after, used = inner.solve(before, left, backend.asarray(aims), turns)
        rows = xp.broadcast_to(backend.arange(0, w.shape[0])[:, None], chosen.shape)
        flat = (xp.reshape(a, (-1,)) for a in (rows, chosen, after))
        backend.scatter(w, *flat)
        starts = np.arange(0, size * w.shape[0] + 1, size, dtype=np.int32)
        change = xp.reshape(after - before, (-1,))
        columns = xp.astype(xp.reshape(chosen, (-1,)), xp.int32)
        # The table is symmetric; its transpose lies by columns, as a sparse product reads it.
        table = xp.matrix_transpose(self.table)
        moved = backend.sparse_dot(backend.asarray(starts), columns, change, table)
        return w, r - moved, used

    def _take(self, found: Found, columns: Vector, w: DeviceArray, ended: Vector) -> None:
        """Keep the weights of the columns that are done, the largest of them."""
        backend, xp = self.backend, self.backend.xp
        mine = np.flatnonzero(ended)
        if not len(mine):
            return
        part = xp.take(w, backend.asarray(mine), axis=0)
        rows, items = (backend.to_host(a) for a in xp.nonzero(part))
        values = backend.to_host(part[part != 0])
        ends = np.searchsorted(rows, np.arange(len(mine) + 1))
        for number, column in enumerate(columns[mine].tolist()):
            here = slice(ends[number], ends[number + 1])
            found.weights[column] = strongest_of(items[here], values[here], self.choice.top)


def strongest_of(items: Vector, values: Vector, top: int) -> tuple[Vector, Vector]:
    """Return int32 items and float32 weights of a column, the largest ones; items ascend."""
    if len(items) > top:
        best = np.sort(np.argsort(-np.abs(values), kind="stable")[:top])
        items, values = items[best], values[best]
    return items.astype(np.int32), values.astype(np.float32)


def _rounded(size: int) -> int:
    """Return a power of two at least as large: few shapes, and memory that is used again."""
    return 1 << (size - 1).bit_length()
