"""Which users, items and rows a model is asked about."""

from typing import Any

import numpy as np

from daskrec.data import encode, frames, ids
from daskrec.data import log as logs
from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.paths import open_frame
from daskrec.data.rows import read_ids
from daskrec.data.rows_among import rows_among
from daskrec.data.selection import read_selection
from daskrec.data.tables import Table
from daskrec.engine.arrays import Array, Arrays, Vector

PLAIN = logs.Needs(relevance=False)


def chosen_users(model: Any, users: Any) -> Ids | None:
    """Return the users that a call names, in a form that can be read twice; None for None."""
    return read_selection(users, "user", model._fitted.some_users)


def chosen_items(model: Any, items: Any) -> Ids | None:
    """Return the items that a call names, in a form that can be read twice; None for None."""
    return read_selection(items, "item", model._fitted.item_ids.get())


def served_users(model: Any, users: Ids, log: Any = None) -> Ids:
    """Return those of some users that a model can serve, so that it has nothing to warn of.

    Users whom only a lazy log could tell from others stay among them.
    """
    if not len(users):
        return users
    if not model.can_predict_cold_users:
        users = _only(users, model._fitted.user_ids.encode(users.values) >= 0)
    if getattr(model, "_needs_history", False) and log is not None:
        table = Table.of(log)
        if not table.lazy:
            name = table.role("user")
            rows = read_ids(table.arrays([name])[0][name], name, "the log")
            users = both(users, ids.distinct(rows))
    return users


def served_items(model: Any, items: Ids | None) -> Array | None:
    """Return those of some items that a model can recommend; None for None."""
    if items is None:
        return None
    if model.can_predict_cold_items:
        return items.values
    return _only(items, model._fitted.item_ids.get().encode(items.values) >= 0).values


def both(left: Ids, right: Ids) -> Ids:
    """Return the ids that are in both."""
    if not len(left) or not len(right):
        return left[:0]
    return _only(left, right.encode(left.values) >= 0)


def frequent(users: Array, threshold: int) -> Ids:
    """Return the distinct users with at least so many rows."""
    known, codes = ids.factorize(users)
    return _only(known, np.bincount(codes, minlength=len(known)) >= threshold)


def _only(held: Ids, mask: Any) -> Ids:
    return held if mask.all() else Ids(held.values.take(np.flatnonzero(mask)))


def served_pairs(model: Any, frame: Any) -> Any:
    """Return the rows of a frame of pairs that a model knows the ids of."""
    users = None if model.can_predict_cold_users else model._fitted.user_ids
    items = None if model.can_predict_cold_items else model._fitted.item_ids.get()
    if users is None and items is None:
        return frame
    return rows_among(frame, "pairs", users=users, items=items)


def held(log: Any) -> Any:
    """Return a log in a form that may be read several times at little cost."""
    return frames.held(open_frame(log))


def rows_of_frequent(frame: Any, threshold: int) -> Any:
    """Return the rows of users with at least so many of them."""
    if threshold <= 1:
        return frame
    table = Table.of(frame)
    user = table.role("user")
    parts = table.only([user]).arrays([user])
    groups = Groups.by(parts, user, table.lazy)
    return table.filter(groups.back(groups.map(_has_rows, threshold)))


def _has_rows(columns: Arrays, codes: Vector, found: Ids, threshold: int) -> Vector:
    mask: Vector = np.bincount(codes, minlength=len(found))[codes] >= threshold
    return mask


def rows_of_users(test: Any, log: Any) -> Any:
    """Return the rows of a test whose users are in a log."""
    users = encode.distinct_users(logs.read_log(log, needs=PLAIN))
    return rows_among(test, "test", users=users)
