"""InteractionEntriesFilter: the core of a log, in which all users and items have enough rows."""

from typing import Any

import numpy as np

from daskrec.data import ids as id_tools
from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.reading import checked_parts, resolve
from daskrec.data.tables import Table, each
from daskrec.engine import runtime
from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.shared import Shared
from daskrec.errors import LogError
from daskrec.filters.base import Filter

_Bounds = tuple[int | None, int | None]
_Rows = tuple[Vector, Vector, Vector, int]  # rows that stay, their users and items; rows in all


class InteractionEntriesFilter(Filter):
    """Keep the core of a log: users and items whose numbers of rows lie in bounds.

    Users out of their bounds go with all their rows, then items out of theirs, and so on until
    nothing changes. With lower bounds alone that is the k-core of the log.

    Parameters
    ----------
    query_column, item_column
        The columns.
    min_inter_per_user, max_inter_per_user
        Bounds of the rows of a user, both inclusive; None for no bound.
    min_inter_per_item, max_inter_per_item
        The same for an item.
    allow_caching
        Accepted for the original's sake, without effect.

    Raises
    ------
    LogError
        A bound is below 1, or a lower one above its upper one.

    Notes
    -----
    Each round is one pass over the rows that are left; there are seldom more than some tens.
    The ids of a Dask frame are read and held where the tasks run, the rounds are run at once,
    and the driver holds the items; the frame itself is read when the result is computed.

    References
    ----------
    Batagelj and Zaversnik, "An O(m) Algorithm for Cores Decomposition of Networks", 2003.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_id": [1, 1, 2, 2, 3], "item_id": [7, 8, 7, 8, 8]})
    >>> InteractionEntriesFilter(min_inter_per_user=2, min_inter_per_item=2).transform(log)
       user_id  item_id
    0        1        7
    1        1        8
    2        2        7
    3        2        8
    """

    def __init__(
        self,
        query_column: str = "user_id",
        item_column: str = "item_id",
        min_inter_per_user: int | None = None,
        max_inter_per_user: int | None = None,
        min_inter_per_item: int | None = None,
        max_inter_per_item: int | None = None,
        allow_caching: bool = True,
    ) -> None:
        _check_bounds("user", min_inter_per_user, max_inter_per_user)
        _check_bounds("item", min_inter_per_item, max_inter_per_item)
        self.query_column = query_column
        self.item_column = item_column
        self.min_inter_per_user = min_inter_per_user
        self.max_inter_per_user = max_inter_per_user
        self.min_inter_per_item = min_inter_per_item
        self.max_inter_per_item = max_inter_per_item
        self.allow_caching = allow_caching

    def masks(self, table: Table) -> list[Any]:
        """Remove users and items in turn."""
        user, item = resolve(table, self.query_column), resolve(table, self.item_column)
        parts = checked_parts(table, (user, item))
        user_bounds = self.min_inter_per_user, self.max_inter_per_user
        item_bounds = self.min_inter_per_item, self.max_inter_per_item
        if table.lazy:
            parts = runtime.persist(parts, "reading ids")
        known = Shared(_all_items(parts, item, table.lazy))
        groups = Groups.by(parts, user, table.lazy, table.what)
        rows = groups.map(_start, item, known)
        rows = _core(rows, len(known.get()), user_bounds, item_bounds, table.lazy)
        return groups.back(each(table.lazy, _mask, [(one,) for one in rows]))


def _check_bounds(role: str, least: int | None, most: int | None) -> None:
    for bound in (least, most):
        if bound is not None and bound < 1:
            raise LogError(f"a bound of the rows of a {role} is {bound}: at least 1 is needed")
    if least is not None and most is not None and least > most:
        raise LogError(f"the bounds of the rows of a {role} exclude all: {least} to {most}")


def _all_items(parts: list[Any], item: str, lazy: bool) -> Ids:
    found = each(lazy, _items_of, [(part, item) for part in parts])
    every: Ids = runtime.reduce(found, _union, "reading ids") if lazy else found[0]
    return every


def _items_of(columns: Arrays, item: str) -> Ids:
    return id_tools.distinct(columns[item])


def _union(left: Ids, right: Ids) -> Ids:
    return id_tools.union([left, right])


def _start(columns: Arrays, codes: Vector, ids: Ids, item: str, known: Shared[Ids]) -> _Rows:
    items = columns[item] if item in columns else ids.decode(codes)  # users may be the items
    return np.arange(len(codes)), codes, known.get().encode(items), len(codes)


def _core(
    rows: list[Any], item_count: int, user_bounds: _Bounds, item_bounds: _Bounds, lazy: bool
) -> list[Any]:
    """Remove users and items until all that are left lie in their bounds."""
    stays: Shared[Vector] | None = None
    while True:
        # A user goes after the items of the round before: that changes no other user.
        rows = each(lazy, _remove, [(one, stays, user_bounds) for one in rows])
        if lazy:
            rows = runtime.persist(rows, "counting rows")
        counts = each(lazy, _count_items, [(one, item_count) for one in rows])
        total = runtime.reduce(counts, np.add, "counting rows") if lazy else counts[0]
        inside = (total == 0) | _inside(total, item_bounds)
        if inside.all():
            return rows
        stays = Shared(inside)


def _remove(rows: _Rows, stays: Shared[Vector] | None, bounds: _Bounds) -> _Rows:
    """Remove rows of items that do not stay, then users out of bounds."""
    places, users, items, size = rows
    if stays is not None:
        kept = stays.get()[items]
        places, users, items = places[kept], users[kept], items[kept]
    if len(users) and bounds != (None, None):
        kept = _inside(np.bincount(users), bounds)[users]
        places, users, items = places[kept], users[kept], items[kept]
    return places, users, items, size


def _inside(counts: Vector, bounds: _Bounds) -> Vector:
    least, most = bounds
    inside: Vector = np.ones(len(counts), dtype=bool)
    if least is not None:
        inside &= counts >= least
    if most is not None:
        inside &= counts <= most
    return inside


def _count_items(rows: _Rows, item_count: int) -> Vector:
    return np.bincount(rows[2], minlength=item_count)


def _mask(rows: _Rows) -> Vector:
    mask: Vector = np.zeros(rows[3], dtype=bool)
    mask[rows[0]] = True
    return mask
