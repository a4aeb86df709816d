"""Rows by their place among the rows of their user, in the order of time."""

from typing import Any

import numpy as np

from daskrec.data import ids as id_tools
from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.reading import checked_parts, resolve
from daskrec.data.sorting import first_of_groups, sort_groups, sort_key
from daskrec.data.tables import Table
from daskrec.engine.arrays import Arrays, Vector
from daskrec.errors import LogError
from daskrec.filters.base import Filter


class NumInteractionsFilter(Filter):
    """Keep the first or the last interactions of each user.

    Parameters
    ----------
    num_interactions
        How many; a user who has fewer keeps all.
    first
        The first ones, else the last ones.
    query_column, timestamp_column
        The columns.
    item_column
        Among rows of one time, those with the lowest items come first (the highest, where the
        last interactions are kept). None: those that the log has first, either way.

    Raises
    ------
    LogError
        The number is negative.

    Notes
    -----
    One sort of the rows; of a Dask frame these columns travel, once.
    """

    def __init__(
        self,
        num_interactions: int = 10,
        first: bool = True,
        query_column: str = "user_id",
        timestamp_column: str = "timestamp",
        item_column: str | None = None,
    ) -> None:
        if num_interactions < 0:
            raise LogError(f"num_interactions is {num_interactions}: it cannot be negative")
        self.num_interactions = num_interactions
        self.first = first
        self.query_column = query_column
        self.timestamp_column = timestamp_column
        self.item_column = item_column

    def masks(self, table: Table) -> list[Any]:
        """Rank the rows of each user."""
        user, time = resolve(table, self.query_column), resolve(table, self.timestamp_column)
        item = None if self.item_column is None else resolve(table, self.item_column)
        item = None if item == user else item  # in a group all are the same
        groups = by_user(table, user, time, item)
        ranked = groups.map(_first_of_each, self.num_interactions, self.first, time, item)
        return groups.back(ranked)


def by_user(table: Table, user: str, time: str, item: str | None) -> Groups:
    """Bring the times (and items) of each user together."""
    ids = tuple(dict.fromkeys((user, *([] if item is None else [item]))))
    return Groups.by(checked_parts(table, ids, (time,)), user, table.lazy, table.what)


def _first_of_each(
    columns: Arrays,
    codes: Vector,
    ids: Ids,
    count: int,
    first: bool,
    time: str,
    item: str | None,
) -> Vector:
    names = [time] if item is None else [time, item]
    keys = [sort_key(columns[name], ascending=first) for name in names]
    return first_of_groups(codes, len(ids), keys, count)


class ConsecutiveDuplicatesFilter(Filter):
    """Keep one row of each run in which a user had the same item again and again.

    Parameters
    ----------
    first
        Keep the first row of a run, else the last.
    query_column, item_column, timestamp_column
        The columns.

    Notes
    -----
    Rows of one time come in the order of the log. One sort of the rows; of a Dask frame these
    columns travel, once. Rows keep their order in the log, where the original sorts them by
    user and time.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_id": [1, 1, 1], "item_id": [7, 7, 9], "timestamp": [1, 2, 3]})
    >>> ConsecutiveDuplicatesFilter(first=False).transform(log)
       user_id  item_id  timestamp
    1        1        7          2
    2        1        9          3
    """

    def __init__(
        self,
        first: bool = True,
        query_column: str = "query_id",
        item_column: str = "item_id",
        timestamp_column: str = "timestamp",
    ) -> None:
        self.first = first
        self.query_column = query_column
        self.item_column = item_column
        self.timestamp_column = timestamp_column

    def masks(self, table: Table) -> list[Any]:
        """Compare each row of a user with the one before or after it."""
        time, item = resolve(table, self.timestamp_column), resolve(table, self.item_column)
        groups = by_user(table, resolve(table, self.query_column), time, item)
        return groups.back(groups.map(_changes, self.first, time, item))


def _changes(columns: Arrays, codes: Vector, ids: Ids, first: bool, time: str, item: str) -> Vector:
    key = sort_key(columns[time], ascending=True)
    _, order = sort_groups(codes, len(ids), [key])
    # Where the users are the items, each user has but one.
    codes_of_items = id_tools.factorize(columns[item])[1] if item in columns else codes
    users, items = codes[order], codes_of_items[order]
    differs = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    stays: Vector = np.empty(len(codes), dtype=bool)
    edge = np.ones(min(1, len(codes)), dtype=bool)
    stays[order] = np.concatenate([edge, differs] if first else [differs, edge])
    return stays
