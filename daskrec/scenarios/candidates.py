"""Candidates of the first stage: what several models recommend, as pairs without scores."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daskrec.data import ids
from daskrec.data import log as logs
from daskrec.data.ids import Ids
from daskrec.data.tables import Table
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.keys import hash_ids
from daskrec.engine.random import stream
from daskrec.scenarios import known, routing
from daskrec.scenarios.composite import offer


@dataclass(frozen=True)
class Wanted:
    """What candidates are asked for.

    Parameters
    ----------
    log
        The history of the users, or None.
    count
        Candidates of a user by each model.
    users, items
        Users to serve, and items that may be candidates; None takes the default.
    filter_seen
        Leave out what the log shows that the user had.
    features
        ``user_features`` and ``item_features`` for models that take them.
    """

    log: Any
    count: int
    users: Ids | None = None
    items: Ids | None = None
    filter_seen: bool = True
    features: dict[str, Any] = field(default_factory=dict)


def cuts(model: Any, log: Any) -> Array:
    """Return where candidates of a lazy log are cut: at ranges of users of a fitted model."""
    read = None if log is None else logs.read_log(log, needs=logs.Needs(relevance=False))
    bounds: Array = model._asked().bounds(read)
    return routing.coarse(bounds, len(bounds) + 1)


def propose(
    models: Sequence[Any], fallback: Any, wanted: Wanted, bounds: Array | None
) -> list[Any]:
    """Return the candidates of models, and where they are too few, those of another.

    Returns
    -------
    list
        Columns ``user, item`` of distinct pairs: arrays in memory (exactly one), else a task
        for each range of users.
    """
    lists = [routing.read_lists(_ask(model, wanted)) for model in models]
    if fallback is not None:
        lists.append(routing.read_lists(_ask(fallback, wanted)))
    count = len(models)
    if not lists[0].lazy:
        pieces = [[one.parts[0]] for one in lists]
        return [unite(pieces[:count], pieces[count:], wanted.count)]
    sent = [routing.by_user(one.parts, bounds, 1) for one in lists]
    return [
        runtime.task(unite, list(each[:count]), list(each[count:]), wanted.count)
        for each in zip(*sent, strict=True)
    ]


def _ask(model: Any, wanted: Wanted) -> Any:
    users = wanted.users
    return offer(
        model.predict,
        log=wanted.log,
        k=wanted.count,
        users=None if users is None else known.served_users(model, users, wanted.log).values,
        items=known.served_items(model, wanted.items),
        filter_seen_items=wanted.filter_seen,
        **wanted.features,
    )


def unite(first: Sequence[Sequence[Arrays]], fill: Sequence[Sequence[Arrays]], k: int) -> Arrays:
    """Return the distinct pairs of lists, and of others where a user has fewer than k.

    Parameters
    ----------
    first
        For each model the pieces of its lists.
    fill
        Those of the model that completes them, or nothing.
    k
        Pairs that a user should have.
    """
    base = distinct(routing.joined([routing.joined(pieces) for pieces in first]))
    if not fill:
        return base
    more = routing.ranked(routing.joined(fill[0]), None)
    both = routing.joined([base, _pairs(more)])
    users, items = ids.factorize(both["user"])[1], ids.factorize(both["item"])[1]
    # Rows of ``base`` come first, then the others by relevance: the first of equal pairs stays.
    keys = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    _, places = np.unique(keys, return_index=True)
    places = np.sort(places)
    order = places[np.argsort(users[places], kind="stable")]
    place = routing.places_in_groups(users[order])
    kept = order[(order < len(base["user"])) | (place < k)]
    return _sorted({name: array.take(kept) for name, array in both.items()})


def _pairs(columns: Arrays) -> Arrays:
    return {name: columns[name] for name in ("user", "item")}


def distinct(columns: Arrays) -> Arrays:
    """Return the distinct pairs of columns, by user and item."""
    users, items = ids.factorize(columns["user"])[1], ids.factorize(columns["item"])[1]
    keys = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    _, places = np.unique(keys, return_index=True)
    return {name: array.take(places) for name, array in _pairs(columns).items()}


def _sorted(columns: Arrays) -> Arrays:
    users, items = ids.factorize(columns["user"])[1], ids.factorize(columns["item"])[1]
    order = np.lexsort((items, users))
    return {name: array.take(order) for name, array in columns.items()}


def regroup(table: Table, bounds: Array) -> list[Any]:
    """Return the distinct pairs of a table as ``propose`` returns candidates."""
    if not table.lazy:
        return [distinct(table.parts[0])]
    return [runtime.task(_joined, each) for each in routing.by_user(table.parts, bounds, 1)]


def _joined(pieces: Sequence[Arrays]) -> Arrays:
    return distinct(routing.joined(pieces))


def sample_users(frame: Any, most: int, seed: int) -> Ids:
    """Return the users of a log, or so many of them, drawn by key."""
    table = routing.read_users(frame)
    key = stream(seed, "scenarios.users")
    drawn = table.map(_draw, most, key)
    if table.lazy:
        drawn = runtime.compute(drawn, "sampling users")
    found = [ids.distinct(part) for part in drawn]
    return Ids(_draw({"user": ids.union(found).values}, most, key))


def _draw(columns: Arrays, most: int, key: int) -> Array:
    users = ids.distinct(columns["user"]).values
    if len(users) <= most:
        return users
    order = np.argsort(hash_ids(users) ^ np.uint64(key), kind="stable")[:most]
    return users.take(np.sort(order))


def pairs_of_users(frame: Any, users: Ids) -> Arrays:
    """Return the distinct pairs of a log whose users are among some, as arrays."""
    table = routing.read_lists(frame, "the log", score=False)
    parts = table.map(_of_users, users)
    if table.lazy:
        parts = runtime.compute(parts, "reading what users took")
    return distinct(routing.joined(parts))


def _of_users(columns: Arrays, users: Ids) -> Arrays:
    kept = np.flatnonzero(users.encode(columns["user"]) >= 0)
    return {name: array.take(kept) for name, array in columns.items()}


def among(pairs: Arrays, others: Arrays) -> Vector:
    """Tell which pairs are among others."""
    places = match(pairs, others)
    return places >= 0


def match(pairs: Arrays, others: Arrays) -> Vector:
    """Return for each pair its row among other distinct pairs, -1 where it is not there."""
    if not len(others["user"]) or not len(pairs["user"]):
        return np.full(len(pairs["user"]), -1, dtype=np.int64)
    users, items = ids.distinct(others["user"]), ids.distinct(others["item"])
    own = users.encode(others["user"]).astype(np.int64) * len(items)
    own += items.encode(others["item"])
    order = np.argsort(own)
    left, right = users.encode(pairs["user"]), items.encode(pairs["item"])
    wanted = left.astype(np.int64) * len(items) + right
    place = np.minimum(np.searchsorted(own[order], wanted), len(own) - 1)
    found = order[place]
    there = (own[found] == wanted) & (left >= 0) & (right >= 0)
    return np.where(there, found, -1)
