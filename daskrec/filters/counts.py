"""Rows by how many rows their user or item has."""

from typing import Any

import numpy as np

from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.reading import checked_parts, resolve
from daskrec.data.sorting import first_of_groups, sort_key
from daskrec.data.tables import Table, call, each
from daskrec.engine.arrays import Arrays, Vector
from daskrec.errors import LogError
from daskrec.filters.base import Filter


class MinCountFilter(Filter):
    """Keep rows whose user (or item) has enough rows.

    Parameters
    ----------
    num_entries
        The lowest number of rows, at least 1.
    groupby_column
        The column of users or items.

    Raises
    ------
    LogError
        The number is below 1.

    Notes
    -----
    In memory one factorise of the ids; of a Dask frame the ids alone travel, once.

    Examples
    --------
    >>> import pandas as pd
    >>> MinCountFilter(2).transform(pd.DataFrame({"user_id": [1, 1, 2]}))
       user_id
    0        1
    1        1
    """

    def __init__(self, num_entries: int, groupby_column: str = "user_id") -> None:
        if num_entries < 1:
            raise LogError(f"num_entries is {num_entries}: at least 1 is needed")
        self.num_entries = num_entries
        self.groupby_column = groupby_column

    def masks(self, table: Table) -> list[Any]:
        """Count the rows of each id."""
        name = resolve(table, self.groupby_column)
        groups = Groups.by(table.arrays([name]), name, table.lazy, table.what)
        return groups.back(groups.map(_frequent, self.num_entries))


def _frequent(columns: Arrays, codes: Vector, ids: Ids, least: int) -> Vector:
    return rows_of_each(codes, ids) >= least


def rows_of_each(codes: Vector, ids: Ids) -> Vector:
    """Return for each row how many rows its group has."""
    counts: Vector = np.bincount(codes, minlength=len(ids))[codes]
    return counts


class QuantileItemsFilter(Filter):
    """Thin out the most popular items, and keep the order of popularity.

    Items with more rows than the quantile of all items lose a share of the rows that they have
    beyond the most popular of the other items. The rows of the busiest users go first.

    Parameters
    ----------
    alpha_quantile
        The quantile of the numbers of rows of items, in (0, 1), between two values their
        middle. Items up to it stay as they are.
    items_proportion
        The share that is removed, in (0, 1).
    query_column, item_column
        The columns.

    Raises
    ------
    LogError
        A number is out of its range.

    Notes
    -----
    Among users with equally many rows, the first rows of the log go. Two sorts of the rows;
    the ids of a Dask frame travel twice, and the numbers of rows of all items to one task.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_id": [0, 0, 1, 2, 2, 2, 2], "item_id": [0, 2, 1, 1, 2, 2, 2]})
    >>> QuantileItemsFilter().transform(log)
       user_id  item_id
    0        0        0
    1        0        2
    2        1        1
    3        2        1
    5        2        2
    6        2        2
    """

    def __init__(
        self,
        alpha_quantile: float = 0.99,
        items_proportion: float = 0.5,
        query_column: str = "query_id",
        item_column: str = "item_id",
    ) -> None:
        for name, value in (
            ("alpha_quantile", alpha_quantile),
            ("items_proportion", items_proportion),
        ):
            if not 0 < value < 1:
                raise LogError(f"{name} is {value}: it has to lie in (0, 1)")
        self.alpha_quantile = alpha_quantile
        self.items_proportion = items_proportion
        self.query_column = query_column
        self.item_column = item_column

    def masks(self, table: Table) -> list[Any]:
        """Count rows of users, then thin out each item."""
        user, item = resolve(table, self.query_column), resolve(table, self.item_column)
        parts = checked_parts(table, (user, item))
        users = Groups.by(parts, user, table.lazy, table.what)
        busy = users.back(users.map(_rows_of_user))
        together = zip(parts, busy, strict=True)
        parts = each(table.lazy, _with_busy, [(part, item, mine) for part, mine in together])
        items = Groups.by(parts, item, table.lazy, table.what)
        limits = call(table.lazy, _limits, items.map(_rows_of_item), self.alpha_quantile)
        return items.back(items.map(_thin_out, limits, self.items_proportion))


def _rows_of_user(columns: Arrays, codes: Vector, ids: Ids) -> Vector:
    return rows_of_each(codes, ids)


def _with_busy(columns: Arrays, item: str, busy: Vector) -> Arrays:
    return {item: columns[item], "busy": busy}


def _rows_of_item(columns: Arrays, codes: Vector, ids: Ids) -> Vector:
    return np.bincount(codes, minlength=len(ids))


def _limits(counts: list[Vector], quantile: float) -> tuple[float, int]:
    """Return the number of rows above which items are thinned out, and to which at most."""
    every = np.concatenate(counts)
    if len(every) == 0:
        return 0.0, 0
    limit = float(np.quantile(every, quantile, method="midpoint"))
    return limit, int(every[every <= limit].max())


def _thin_out(
    columns: Arrays, codes: Vector, ids: Ids, limits: tuple[float, int], share: float
) -> Vector:
    limit, longest = limits
    counts = np.bincount(codes, minlength=len(ids))
    removed = np.where(counts > limit, (share * (counts - longest)).astype(np.int64), 0)
    busiest = sort_key(columns["busy"], ascending=False)
    return ~first_of_groups(codes, len(ids), [busiest], removed)
