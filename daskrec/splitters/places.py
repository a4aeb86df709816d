"""The place of each row in the history of its user (or of another column of ids).

Histories are in order of time; rows of equal time are in order of their item (and user, in the
history of something else), and rows that agree in that too in the order of the log. Where an
order is drawn, it is by the key of a row.
"""

from typing import Any

import numpy as np

from daskrec.data.groups import Groups
from daskrec.data.ids import Ids, factorize
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table, each, timestamps
from daskrec.engine.arrays import Arrays, Vector
from daskrec.splitters.base import Columns, row_keys

# No columns of a log are called that.
KEY, ITEM, USER, TIME, SECOND = " key", " item", " user", " time", " second"
_NANOSECONDS = 1_000_000_000


def histories(table: Table, names: Columns, column: str, seed: int | None = None) -> Groups:
    """Bring rows together by a column, with what puts them in order.

    Parameters
    ----------
    table, names
        The log.
    column
        The ids that rows are grouped by.
    seed
        Order rows at random, by key, instead of by time.
    """
    wanted = dict.fromkeys([column, *names.present()])
    arrays = table.arrays(list(wanted))
    parts = each(table.lazy, _order_by, [(part, names, column, seed) for part in arrays])
    return Groups.by(parts, column, table.lazy)


def _order_by(arrays: Arrays, names: Columns, column: str, seed: int | None) -> Arrays:
    found = {column: arrays[column]}
    if seed is not None:
        return found | {KEY: row_keys(arrays, names, seed)}
    if names.time is not None:
        times = arrays[names.time]
        found[TIME] = timestamps(times, names.time)
        second = _NANOSECONDS if isinstance(times, np.ndarray) and times.dtype.kind == "M" else 1
        found[SECOND] = np.broadcast_to(np.int64(second), len(found[TIME]))
    for tie, name in ((ITEM, names.item), (USER, names.user)):
        if name not in (None, column):
            found[tie] = read_ids(arrays[str(name)], str(name), "the log")
    return found


def ordered(columns: Arrays, codes: Vector) -> Vector:
    """Return the rows by group and, inside a group, from the first to the last."""
    if KEY in columns:
        return np.lexsort((columns[KEY], codes))
    ties = [factorize(columns[tie])[1] for tie in (USER, ITEM) if tie in columns]
    return np.lexsort((*ties, columns[TIME], codes))


def places(columns: Arrays, codes: Vector, ids: Ids) -> tuple[Vector, Vector]:
    """Return for each row its place in its group, from 0, and the size of the group."""
    counts = np.bincount(codes, minlength=len(ids))
    order = ordered(columns, codes)
    place = np.empty(len(codes), dtype=np.int64)
    starts = np.cumsum(counts) - counts
    place[order] = np.arange(len(codes)) - starts[codes[order]]
    return place, counts[codes]


def sides_by_place(groups: Groups, function: Any, *args: Any) -> list[Any]:
    """Return the side of each row as ``function(place, count, *args)`` says."""
    return groups.back(groups.map(_of_place, function, *args))


def _of_place(columns: Arrays, codes: Vector, ids: Ids, function: Any, *args: Any) -> Vector:
    sides: Vector = function(*places(columns, codes, ids), *args)
    return sides
