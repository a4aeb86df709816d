"""Lower medians of values that lie in many places, without bringing them together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.data.order_statistics import value_at
from daskrec.engine import runtime
from daskrec.engine.arrays import Vector

_FEW = 1 << 22  # values that this process takes as they are


def lower_medians(tables: Sequence[Any], rows: int, count: int, lazy: bool) -> list[float]:
    """Return the lower median of each row of a table that is cut into columns.

    It is the value at place ``(count - 1) // 2`` in ascending order.

    Parameters
    ----------
    tables
        float64 arrays of ``rows`` x some of the values, or tasks that give them.
    rows
        Number of rows.
    count
        Number of values of a row in all, at least one.
    lazy
        Whether the tables are tasks.

    Notes
    -----
    Exact. Many values of tasks stay where they are; see ``order_statistics.value_at``.
    """
    if not lazy or count * rows <= _FEW:
        found = runtime.compute(tables, "median") if lazy else tables
        whole, place = np.concatenate(list(found), axis=1), _middle(count)
        return [float(row[place]) for row in np.partition(whole, place, axis=1)]
    held = runtime.persist(tables, "median")
    columns = [runtime.tasks(_row, [(table, row) for table in held]) for row in range(rows)]
    medians = [value_at(column, _middle, (), True) for column in columns]
    return [float(value) for value in runtime.compute(medians, "median")]


def _middle(count: int) -> int:
    return (count - 1) // 2


def _row(table: Vector, row: int) -> Vector:
    found: Vector = table[row]
    return found
