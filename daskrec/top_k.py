"""The best rows of each user."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.moments import as_numbers, is_dated, is_text, read_times
from daskrec.data.reading import read_numbers, resolve
from daskrec.data.sorting import first_of_groups, sort_key
from daskrec.data.tables import Table, each
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.errors import LogError


def get_top_k(
    dataframe: Any,
    partition_by_col: str,
    order_by_col: str | Sequence[str],
    k: int,
    ascending: bool | Sequence[bool] = False,
) -> Any:
    """Keep the first rows of each user (or item) in an order.

    Parameters
    ----------
    dataframe
        A frame of any kind, or a path.
    partition_by_col
        The column of users or items.
    order_by_col
        The column, or columns, that rows are ordered by: numbers, strings or dates. Rows that
        agree in all of them are in the order of the frame.
    k
        How many rows of each stay.
    ascending
        Whether the lowest come first; one for all columns or one for each.

    Returns
    -------
    frame
        Rows of the frame, in its order and with its index; of its kind, lazy for a Dask frame.

    Raises
    ------
    LogError
        A column is missing, values are missing or cannot be ordered, or ``k`` is negative.

    Notes
    -----
    One sort of the rows; of a Dask frame these columns travel, once.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame(
    ...     {"user_id": [1, 1, 1, 2], "item_id": [2, 3, 4, 1], "relevance": [1.0, 1.0, 0.5, 1.0]}
    ... )
    >>> get_top_k(log, "user_id", ["relevance", "item_id"], k=1)
       user_id  item_id  relevance
    1        1        3        1.0
    3        2        1        1.0
    """
    if k < 0:
        raise LogError(f"k is {k}: it cannot be negative")
    table = Table.of(dataframe, "the frame")
    given = [order_by_col] if isinstance(order_by_col, str) else list(order_by_col)
    ways = [ascending] * len(given) if isinstance(ascending, bool) else list(ascending)
    if len(ways) != len(given) or not given:
        raise LogError(f"{len(given)} columns to order by and {len(ways)} directions are given")
    group = resolve(table, partition_by_col)
    order = tuple(resolve(table, name) for name in given)
    names = list(dict.fromkeys([group, *order]))
    calls = [(part, group, order, table.what) for part in table.arrays(names)]
    groups = Groups.by(each(table.lazy, _sortable, calls), _KEY, table.lazy, table.what)
    return table.filter(groups.back(groups.map(_best, order, tuple(ways), k)))


def get_top_k_recs(recs: Any, k: int, id_type: str = "idx") -> Any:
    """Keep the ``k`` most relevant recommendations of each user.

    Parameters
    ----------
    recs
        A frame of recommendations, of any kind, or a path.
    k
        How many of each user stay.
    id_type
        The end of the name of the column of users, ``"idx"`` or ``"id"``; either stands for
        whichever name the frame has.

    Returns
    -------
    frame
        Rows of the frame, in its order. Among equal relevance those that come first stay.

    Raises
    ------
    LogError
        As for ``get_top_k``.
    """
    return get_top_k(recs, f"user_{id_type}", "relevance", k)


_KEY = ""  # no column of a frame is called that; a column may be both the group and the order


def _sortable(columns: Arrays, group: str, order: Sequence[str], what: str) -> Arrays:
    found = {name: _comparable(columns[name], name, what) for name in order}
    return {_KEY: columns[group], **found}


def _comparable(array: Array, name: str, what: str) -> Array:
    if is_dated(array):
        return as_numbers(read_times(array, name, what))
    if is_text(array):
        assert isinstance(array, pa.Array)
        if array.null_count:
            raise LogError(f"{what}: {array.null_count} values are missing in column {name!r}")
        return array
    return read_numbers(array, name, what)


def _best(
    columns: Arrays, codes: Vector, ids: Ids, order: Sequence[str], ways: Sequence[bool], k: int
) -> Vector:
    keys = [sort_key(columns[name], up) for name, up in zip(order, ways, strict=True)]
    return first_of_groups(codes, len(ids), keys, k)
