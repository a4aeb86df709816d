"""Features for a search: the rows whose users and items a log mentions."""

from typing import Any

from daskrec.data import encode, ids, ranges
from daskrec.data.blocks import Features
from daskrec.data.ids import ShardedIds
from daskrec.data.log import Log
from daskrec.data.rows_among import rows_among


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
            known = users or encode.distinct_users(log)
            found["users"] = rows_among(frame, "user_features", users=known)
        elif frame is not None:
            found["items"] = rows_among(frame, "item_features", items=_items_of(log))
    return Features(**found)


def _items_of(log: Log) -> ShardedIds:
    if log.rows is not None:
        return ShardedIds.of(ids.distinct(log.rows.items))
    _, found = ranges.survey_parts(log.parts)
    return ShardedIds.of(ids.union([survey.items for survey in found]))
