"""Features for a search: the rows whose users and items a log mentions."""

from typing import Any

import numpy as np

from daskrec.data import encode, ids, ranges
from daskrec.data.blocks import Features
from daskrec.data.ids import ShardedIds
from daskrec.data.log import Log
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table, call
from daskrec.engine.arrays import Arrays, Vector


def restricted(model: Any, features: Features, log: Log, users: ShardedIds | None) -> Features:
    """Return the rows of features whose users and items a log mentions.

    Parameters
    ----------
    model
        It says which features it takes; others are left out.
    features
        Frames, or None.
    log
        The log.
    users
        The users of it, where they are known already.
    """
    found = {}
    for role in model._feature_roles:
        frame = getattr(features, f"{role}s")
        if frame is not None and role == "user":
            found["users"] = _rows_of(frame, role, users or encode.distinct_users(log))
        elif frame is not None:
            found["items"] = _rows_of(frame, role, _items_of(log))
    return Features(**found)


def _rows_of(source: Any, role: str, known: ShardedIds) -> Any:
    """Return the rows of a frame of features whose ids are among some."""
    table = Table.of(source, f"{role}_features")
    column = table.role(role)
    options = column, table.what, known
    return table.filter([call(table.lazy, _mask, a, *options) for a in table.arrays([column])])


def _mask(arrays: Arrays, column: str, what: str, known: ShardedIds) -> Vector:
    found = read_ids(arrays[column], column, what)
    if len(found) and len(known):
        ids.same_kind(known.shards[0].get().values, found)
    return np.asarray(known.encode(found) >= 0)


def _items_of(log: Log) -> ShardedIds:
    if log.rows is not None:
        return ShardedIds.of(ids.distinct(log.rows.items))
    _, found = ranges.survey_parts(log.parts)
    return ShardedIds.of(ids.union([survey.items for survey in found]))
