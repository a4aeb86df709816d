"""What a log tells of its items: which there are, and how many users had each."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from daskrec.data import ids
from daskrec.data.groups import join_pieces
from daskrec.data.ids import Ids
from daskrec.engine import ranking, runtime
from daskrec.engine.arrays import Arrays, Vector
from daskrec.errors import LogError
from daskrec.metrics import buckets
from daskrec.metrics.buckets import Scratch, Sent
from daskrec.metrics.columns import Names, Side, Wanted, open_side
from daskrec.metrics.scene import ByItem, category_codes, encode_together, widen


@dataclass(frozen=True)
class Catalogue:
    """The items of a log.

    Parameters
    ----------
    items
        The items.
    owners
        For each the number of distinct users that had it; empty where it was not asked for.
    user_count
        Number of users; 0 where it was not asked for.
    """

    items: Ids
    owners: Vector
    user_count: int

    def merge(self, other: "Catalogue") -> "Catalogue":
        """Return the items of two logs that have no user in common."""
        items = ids.union([self.items, other.items])
        owners = np.zeros(len(items) if len(self.owners) or len(other.owners) else 0, np.int64)
        if len(owners):
            for one in (self, other):
                owners[items.encode(one.items.values)] += one.owners
        return Catalogue(items, owners, self.user_count + other.user_count)

    def self_information(self) -> ByItem:
        """Return ``log2(N / u) / log2(N)`` of each item: 1 for an item of one user.

        With a single user every item is one of one user.
        """
        if self.user_count <= 1:
            return ByItem(self.items, np.ones(len(self.items)))
        bits = np.log2(self.user_count / self.owners)
        return ByItem(self.items, bits / np.log2(self.user_count))


def read_catalogue(source: Any, what: str, names: Names, count_users: bool) -> Catalogue:
    """Read the items of a log.

    Parameters
    ----------
    source
        A frame of any kind, or a path.
    what
        How errors call it.
    names
        Names of its columns, where they are not usual ones.
    count_users
        Count the users of each item too: rows of a lazy log then go through storage once.

    Raises
    ------
    LogError
        The log has no rows.
    """
    roles = ("user", "item") if count_users else ("item",)
    side = open_side(source, Wanted(what, roles), names)
    found = _count(side) if count_users else _list(side)
    if len(found.items) == 0:
        raise LogError(f"{what} has no rows, so that there are no items to compare with")
    return found


def _list(side: Side) -> Catalogue:
    if not side.lazy:
        return _items_of(side.parts()[0])
    tasks = runtime.tasks(_items_of, [(part,) for part in side.parts()])
    found: Catalogue = runtime.reduce(tasks, Catalogue.merge, "reading the items")
    return found


def _items_of(arrays: Arrays) -> Catalogue:
    known = Ids(widen(ids.distinct(arrays["item"]).values))
    return Catalogue(known, np.empty(0, np.int64), 0)


def _count(side: Side) -> Catalogue:
    if not side.lazy:
        return _owners_of(side.parts()[0])
    scratch = Scratch()
    sent, bounds = buckets.send({"log": side}, scratch)
    calls = [(sent["log"], *each) for each in buckets.ranges(bounds)]
    tasks = runtime.tasks(_owners_of_bucket, calls)
    found: Catalogue = runtime.reduce(tasks, Catalogue.merge, "counting the users of items")
    return found


def _owners_of_bucket(sent: Sent, start: int, stop: int) -> Catalogue:
    return _owners_of(sent.rows(start, stop))


def _owners_of(arrays: Arrays) -> Catalogue:
    """Count users of items among the rows of complete users."""
    users, user_codes = encode_together({"user": arrays["user"]})
    items, item_codes = encode_together({"item": arrays["item"]})
    indptr, rows = ranking.group_rows(user_codes["user"], len(users))
    owners = ranking.count_owners(indptr, item_codes["item"][rows], len(items))
    return Catalogue(items, owners, len(users))


def read_categories(source: Any, names: Names) -> ByItem:
    """Read the category of each item from a frame of features, as codes.

    Raises
    ------
    LogError
        An item has two categories.
    """
    side = open_side(source, Wanted("item_features", ("item", "category")), names)
    parts = runtime.compute(side.parts(), "reading categories") if side.lazy else side.parts()
    arrays = join_pieces(parts)
    known, codes = encode_together({"item": arrays["item"]})
    labels = category_codes(arrays["category"])
    values = np.full(len(known), -2, np.int64)
    values[codes["item"]] = labels
    differs = np.flatnonzero(values[codes["item"]] != labels)
    if len(differs):
        item = known.decode(codes["item"][differs[:1]])[0]
        raise LogError(f"item_features: item {item} has more than one category")
    return ByItem(known, values)
