"""A table of shares: for pairs of an id and a category one number."""

from collections.abc import Sequence

import numpy as np

from daskrec.data.ids import Ids
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.keys import hash_ids
from daskrec.engine.shared import Shared
from daskrec.history_features.categories import Categories


class Shares:
    """The shares of one shard.

    Parameters
    ----------
    ids
        Sorted distinct ids.
    keys
        Sorted int64: ``row of the id * (categories + 1) + code + 1``, where the code of a
        missing category is -1.
    shares
        float64, one a key.
    """

    __slots__ = ("ids", "keys", "shares")

    def __init__(self, ids: Ids, keys: Vector, shares: Vector) -> None:
        self.ids = ids
        self.keys = keys
        self.shares = shares

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return {"ids": self.ids.values, "keys": self.keys, "shares": self.shares}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Shares":
        """Make the object of its arrays."""
        return cls(Ids(arrays["ids"]), np.asarray(arrays["keys"]), np.asarray(arrays["shares"]))

    def take(self, ids: Array, codes: Vector, size: int) -> tuple[Vector, Vector]:
        """Return the shares of pairs, and a mask of those that are there."""
        rows = self.ids.encode(ids)
        wanted = rows.astype(np.int64) * (size + 1) + codes + 1
        place = np.searchsorted(self.keys, wanted)
        inside = (place < len(self.keys)) & (rows >= 0) & (codes >= 0)
        inside[inside] = self.keys[place[inside]] == wanted[inside]
        out = np.zeros(len(ids))
        out[inside] = self.shares[place[inside]]
        return out, inside


class ShareTable:
    """Shares of all ids, in shards by the hash of the id.

    Parameters
    ----------
    shards
        Handles on ``Shares``.
    categories
        The categories.
    """

    def __init__(self, shards: Sequence[Shared[Shares]], categories: Categories) -> None:
        self.shards = list(shards)
        self.categories = categories

    def take(self, ids: Array, column: Array, name: str) -> tuple[Vector, Vector]:
        """Return the shares of pairs of an id and a category, and a mask of those known.

        A missing category has none.
        """
        codes = self.categories.encode(column, name)
        count, size = len(self.shards), len(self.categories)
        if count == 1:
            return self.shards[0].get().take(ids, codes, size)
        home = (hash_ids(ids) % np.uint64(count)).astype(np.int64)
        out, known = np.zeros(len(ids)), np.zeros(len(ids), dtype=bool)
        for shard in np.unique(home):
            here = np.flatnonzero(home == shard)
            held = self.shards[shard].get()
            out[here], known[here] = held.take(ids.take(here), codes[here], size)
        return out, known

    def has_missing(self, shard: Shared[Shares]) -> bool:
        """Tell whether some interactions of a shard have no category."""
        return bool((shard.get().keys % (len(self.categories) + 1) == 0).any())
