"""What a log looks like in numbers."""

from typing import Any

import numpy as np

from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.moments import is_number
from daskrec.data.reading import declared, read_numbers, resolve
from daskrec.data.sorting import sort_groups, sort_key
from daskrec.data.tables import Table, each
from daskrec.engine import runtime
from daskrec.engine.arrays import Arrays, Vector
from daskrec.preparation.dates import process_timestamp_column as process_timestamp_column


def get_log_info(log: Any, user_col: str | None = None, item_col: str | None = None) -> str:
    """Count the rows, users and items of a log.

    Parameters
    ----------
    log
        A frame of any kind, or a path. A Dask log is read at once.
    user_col, item_col
        Its columns, where they have none of the usual names.

    Returns
    -------
    str
        Such as ``"total lines: 3, total users: 3, total items: 2"``.

    Raises
    ------
    LogError
        A column is missing, or ids are missing or cannot be ids.

    Notes
    -----
    Counts are exact. Only counts come to the driver.

    Examples
    --------
    >>> import pandas as pd
    >>> get_log_info(pd.DataFrame({"user_idx": [1, 3, 5], "item_idx": [2, 4, 2]}))
    'total lines: 3, total users: 3, total items: 2'
    """
    table = Table.of(log)
    names = [resolve(table, user_col, "user"), resolve(table, item_col, "item")]
    table = table.only(names)
    sizes = []
    for name in names:
        sizes += Groups.by(table.arrays([name]), name, table.lazy, table.what).map(_sizes)
    if table.lazy:
        sizes = runtime.compute(sizes, "counting rows")
    half = len(sizes) // 2
    lines, users = (sum(size[place] for size in sizes[:half]) for place in (0, 1))
    items = sum(size[1] for size in sizes[half:])
    return f"total lines: {lines}, total users: {users}, total items: {items}"


def _sizes(columns: Arrays, codes: Vector, ids: Ids) -> tuple[int, int]:
    return len(codes), len(ids)


def get_stats(log: Any, group_by: str = "user_id", target_column: str = "relevance") -> Any:
    """Describe a column for each user or item.

    Parameters
    ----------
    log
        A frame of any kind, or a path.
    group_by
        The column of users or items; a usual spelling stands for whichever the log has.
    target_column
        The column of numbers.

    Returns
    -------
    frame
        One row an id: the id, ``mean_`` (float64), ``max_``, ``min_`` (in the type of the
        column), ``count_`` (int64) and ``median_`` of the column. The median is one of the
        values, the lower one of two. Of the kind that came in, in the order of ids; for a Dask
        log lazy, in that order within a partition.

    Raises
    ------
    LogError
        A column is missing, or ids or values are missing or cannot be used.

    Notes
    -----
    One sort of the rows; of a Dask log both columns travel, once.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_id": [1, 1, 1, 2], "rel": [1, 3, 2, 2]})
    >>> get_stats(log, target_column="rel")
       user_id  mean_rel  max_rel  min_rel  count_rel  median_rel
    0        1       2.0        3        1          3           2
    1        2       2.0        2        2          1           2
    """
    table = Table.of(log)
    group, target = resolve(table, group_by), resolve(table, target_column)
    calls = [(part, group, target, table.what) for part in table.arrays([group, target])]
    groups = Groups.by(each(table.lazy, _checked, calls), group, table.lazy, table.what)
    empty = _form(table, group, target) if table.lazy else {}
    return table.build(groups.map(_describe, group, target), empty, table.dtypes([group]))


def _form(table: Table, group: str, target: str) -> Arrays:
    """Return the statistics of no rows, in the types that a lazy table declares."""
    form = declared(table, [group, target])
    none = np.empty(0, dtype=np.int64)
    values = form[target] if is_number(form[target]) else none
    return _describe({target: values}, none, Ids(form[group]), group, target)


def _checked(columns: Arrays, group: str, target: str, what: str) -> Arrays:
    return {group: columns[group], target: read_numbers(columns[target], target, what)}


def _describe(columns: Arrays, codes: Vector, ids: Ids, group: str, target: str) -> Arrays:
    values = np.asarray(columns[target])
    sums = np.bincount(codes, values, minlength=len(ids))
    bounds, rows = sort_groups(codes, len(ids), [sort_key(values, ascending=True)])
    ordered = values[rows]
    counts, starts, ends = np.diff(bounds), bounds[:-1], bounds[1:]
    return {
        group: ids.values,
        f"mean_{target}": sums / counts,
        f"max_{target}": ordered[ends - 1],
        f"min_{target}": ordered[starts],
        f"count_{target}": counts,
        f"median_{target}": ordered[starts + (counts - 1) // 2],
    }
