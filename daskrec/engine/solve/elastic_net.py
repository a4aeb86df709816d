"""Columns of a sparse linear model from a table of products of items, one at a time.

For column j of the users x items matrix A, with ``G = A.T A``, the weights minimise
``1/2 |a_j - A w|^2 + ridge / 2 |w|^2 + weight |w|_1`` with ``w_j = 0``. A working set of items
grows by those that violate the conditions of an optimum most; the rows of G on it are gathered,
``descend`` solves the problem on them, and residuals of all items tell which are missing. The
time does not depend on the number of users.
"""

from dataclasses import dataclass

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel
from daskrec.engine.select import kth_largest
from daskrec.engine.solve.descent import descend, row_at, slope, subtract

_FIRST = 64  # items of the first working set, and that one grows by at least
_LOOSE = 0.1  # violation left on a working set, in parts of the worst outside of it
_TIGHT = 0.3  # and in parts of the tolerance at the end, as residuals are rounded
FLOOR = 1e-4  # least l1 weight that the tolerance is a part of, in parts of the largest product
_SPARSE = 8  # residuals of some items are brought up to date one by one if there are so many more
_PAD = 16  # float32 numbers that rows of a gathered table are rounded up to, and apart
ALL = 2**62
ROOM = 4096  # items of a working set at most; beyond, rows are read where they are


@dataclass(frozen=True)
class Penalty:
    """What a column minimises besides the squared error, and how well.

    Parameters
    ----------
    ridge, weight
        Of the squares, and of the absolute values, which is above 0; in units of the table
        (the number of users included).
    signed
        Whether weights may be negative.
    tolerance
        Largest violation of the conditions of an optimum, as a part of ``weight``, or of 1e-4
        of the largest product of the column where that is more.
    turns
        Sweeps over a working set and steps of conjugate gradients at most, all together.
    """

    ridge: float
    weight: float
    signed: bool = False
    tolerance: float = 1e-4
    turns: int = 5000


@dataclass(frozen=True)
class Choice:
    """Which weights of a column are looked at, and which are kept.

    Parameters
    ----------
    candidates
        Items that may have a weight: those that alone would explain the column best.
    top
        The largest weights that are kept, by absolute value.
    """

    candidates: int = ALL
    top: int = ALL


EVERY = Choice()


class RowTable:
    """A symmetric table of products whose rows lie in one or several arrays.

    Parameters
    ----------
    parts
        float32 arrays (rows x items), C-contiguous, end to end the whole table.
    diagonal
        float64.
    screened
        Whether no product is negative: then weights of 0 or more only lie on items whose
        product with the column is above the weight of absolute values.
    """

    def __init__(self, parts: list[Vector], diagonal: Vector, screened: bool) -> None:
        self.parts = parts  # they must outlive the addresses
        starts = [_addresses(part) for part in parts]
        self.rows = np.concatenate(starts) if len(starts) > 1 else starts[0]
        self.diagonal = diagonal
        self.screened = screened

    def __len__(self) -> int:
        return len(self.diagonal)


def _addresses(part: Vector) -> Vector:
    if part.dtype != np.float32 or not part.flags.c_contiguous:
        raise TypeError("rows of products must be float32, one after the other")
    return part.ctypes.data + part.strides[0] * np.arange(len(part), dtype=np.int64)


class ColumnSolver:
    """A solver of columns, with its working space; for one thread.

    Parameters
    ----------
    items
        Largest number of items of a table.
    penalty
        What is minimised.
    choice
        Which weights are looked at and kept.
    room
        Items of a working set at most. 4 bytes for each pair of them are used, and 40 bytes
        an item.
    """

    def __init__(
        self, items: int, penalty: Penalty, choice: Choice = EVERY, room: int = ROOM
    ) -> None:
        room = min(room, items)
        self.penalty, self.choice, self.room = penalty, choice, room
        self._gathered = np.empty(room * (room + 2 * _PAD), np.float32)
        self._weights = np.empty(items, np.float64)

    def solve(self, table: RowTable, column: int) -> tuple[Vector, Vector, bool]:
        """Return a column of weights.

        Parameters
        ----------
        table
            The products.
        column
            The item that the others explain.

        Returns
        -------
        items
            int32, ascending.
        values
            float32 weights.
        solved
            Whether the tolerance was reached.
        """
        penalty, choice, w = self.penalty, self.choice, self._weights[: len(table)]
        solved = _solve_column(
            table.rows, table.diagonal, column, float(penalty.ridge), float(penalty.weight),
            penalty.signed, table.screened and not penalty.signed, choice.candidates,
            float(penalty.tolerance), penalty.turns,
            self._gathered, self._gathered.ctypes.data, self.room, w,
        )  # fmt: skip
        items = np.flatnonzero(w)
        if len(items) > choice.top:
            best = np.argsort(-np.abs(w[items]), kind="stable")[: choice.top]
            items = items[np.sort(best)]
        values = w[items].astype(np.float32)
        return items.astype(np.int32), values, bool(solved)


@kernel()
def _gather(
    rows: Vector, items: Vector, length: int, table: Vector, address: int, inside: Vector
) -> None:
    """Copy the rows and columns of some items, and tell where the copied rows begin."""
    stride = (items.size + _PAD - 1) // _PAD * _PAD + _PAD  # no power of 2, which caches dislike
    for a in range(items.size):
        row, at = row_at(rows, items[a], length), a * stride
        for b in range(items.size):
            table[at + b] = row[items[b]]
        inside[a] = address + 4 * at


@kernel()
def _open_items(
    q: Vector, diagonal: Vector, column: int, weight: float, screened: bool, items: Vector
) -> int:
    """List the items that may have a weight."""
    count = 0
    for i in range(q.size):
        if i != column and diagonal[i] > 0.0 and (q[i] > weight or not screened):
            items[count] = i
            count += 1
    return count


@kernel()
def _keep_candidates(
    q: Vector, diagonal: Vector, ridge: float, candidates: int, items: Vector, gains: Vector
) -> int:
    """Keep the items that alone explain a column best, the first of equal ones."""
    for a in range(items.size):
        gains[a] = q[items[a]] / np.sqrt(diagonal[items[a]] + ridge)
    bound = kth_largest(gains.copy(), items.size, candidates)
    spare = candidates
    for a in range(items.size):
        spare -= gains[a] > bound
    count = 0
    for a in range(items.size):
        if gains[a] > bound or (gains[a] == bound and spare > 0):
            spare -= gains[a] == bound
            items[count] = items[a]
            count += 1
    return count


@kernel()
def _choose(
    items: Vector, diagonal: Vector, ridge: float, weight: float, signed: bool, limit: float,
    room: int, w: Vector, r: Vector, gains: Vector, chosen: Vector,
) -> tuple[int, float]:  # fmt: skip
    """List the items with a weight, and those whose weight would lower the objective most.

    Returns how many there are, more than there is room for by their number alone, and the
    worst violation of items without a weight.
    """
    held, missing, worst = 0, 0, 0.0
    for a in range(items.size):
        i = items[a]
        steepest = abs(slope(w[i], r[i], weight, signed)) if w[i] == 0.0 else 0.0
        gains[a] = steepest * steepest / (diagonal[i] + ridge) if steepest > limit else 0.0
        held += w[i] != 0.0
        missing += gains[a] > 0.0
        worst = max(worst, steepest)
    more = max(_FIRST, held)
    bound = 0.0
    if missing > more:
        bound = kth_largest(gains.copy(), items.size, more)
    count = 0
    for a in range(items.size):
        i = items[a]
        if w[i] != 0.0 or (gains[a] > 0.0 and gains[a] >= bound):
            if count < room:
                chosen[count] = i
            count += 1
    return count, worst


@kernel()
def _update(rows: Vector, items: Vector, number: int, change: float, r: Vector) -> None:
    """Bring residuals up to date with a weight: of all items, or of those that matter."""
    row = row_at(rows, number, r.size)
    if _SPARSE * items.size > r.size:
        subtract(r, row, change)
    else:
        for a in range(items.size):
            r[items[a]] -= change * row[items[a]]


@kernel()
def _solve_column(
    rows: Vector, diagonal: Vector, column: int, ridge: float, weight: float, signed: bool,
    screened: bool, candidates: int, tolerance: float, turns: int, table: Vector,
    address: int, room: int, w: Vector,
) -> bool:  # fmt: skip
    """Write the weights of a column; tell whether the tolerance was reached."""
    length = diagonal.size
    q = row_at(rows, column, length)
    items, chosen = np.empty(length, np.int64), np.empty(room, np.int64)
    items = items[: _open_items(q, diagonal, column, weight, screened, items)]
    r, gains = np.empty(length, np.float64), np.empty(items.size, np.float64)
    if candidates < items.size:
        items = items[: _keep_candidates(q, diagonal, ridge, candidates, items, gains)]
    for i in range(length):
        r[i], w[i] = q[i], 0.0
    top = 0.0
    for a in range(items.size):
        top = max(top, abs(r[items[a]]))
    limit = tolerance * max(weight, FLOOR * top)
    inner = 0.0
    while turns > 0:
        count, worst = _choose(
            items, diagonal, ridge, weight, signed, limit, room, w, r, gains, chosen
        )
        if worst <= limit and inner <= limit:
            return True
        aim = max(_TIGHT * limit, _LOOSE * worst)
        if count > room:
            curvature = np.zeros(length)
            for a in range(items.size):
                curvature[items[a]] = diagonal[items[a]] + ridge
            aim = _TIGHT * limit
            inner, done = descend(rows, curvature, ridge, weight, signed, aim, turns, w, r)
            return inner <= limit
        some = chosen[:count]
        inside = np.empty(count, np.int64)
        _gather(rows, some, length, table, address, inside)
        curvature, part, left = np.empty(count), np.empty(count), np.empty(count)
        for a in range(count):
            curvature[a], part[a], left[a] = diagonal[some[a]] + ridge, w[some[a]], r[some[a]]
        inner, done = descend(inside, curvature, ridge, weight, signed, aim, turns, part, left)
        turns -= done
        for a in range(count):
            change = part[a] - w[some[a]]
            if change != 0.0:
                _update(rows, items, some[a], change, r)
                w[some[a]] = part[a]
        for a in range(count):  # those have the ridge too
            r[some[a]] = left[a]
    return False
