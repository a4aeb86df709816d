"""The rows of some users from all frames of an evaluation, set beside each other.

A ``Scene`` holds complete users: all of them in memory, those of one bucket in a lazy
evaluation. What metrics have in common is made once, when the first of them asks: ranked
lists without repeats, the entries that are in the truth or in the training, the places in
another model's lists.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from daskrec.data import ids
from daskrec.data.ids import Ids
from daskrec.engine import ranking
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.shared import Shared
from daskrec.errors import LogError


@dataclass(frozen=True)
class Lists:
    """Ranked lists end to end.

    Parameters
    ----------
    indptr
        Where the list of each user starts.
    rows
        For each entry the row of its frame.
    items
        For each entry the code of its item.
    """

    indptr: Vector
    rows: Vector
    items: Vector


class ByItem:
    """One number an item, found by id.

    Parameters
    ----------
    known
        The items.
    values
        Their numbers.
    """

    def __init__(self, known: Ids, values: Vector) -> None:
        self.known = known
        self.values = values

    def of(self, items: Ids, missing: Any) -> Vector:
        """Return the number of each item, ``missing`` for those that are not known."""
        check_types([self.known.values, items.values])
        codes = self.known.encode(items.values)
        found = np.full(len(items), missing, dtype=self.values.dtype)
        found[codes >= 0] = self.values[codes[codes >= 0]]
        return found

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return {"known": self.known.values, "values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "ByItem":
        """Make the object of its arrays."""
        return cls(Ids(arrays["known"]), np.asarray(arrays["values"]))


class Scene:
    """Users with what they were recommended, and what is true of them.

    Parameters
    ----------
    sides
        Columns of each frame: of ``recs``, and of ``truth``, ``train``, ``base`` and ``log``
        where there are such.
    depth
        Lists are cut there.
    tables
        Numbers of items that metrics brought along, by what they are for.
    """

    def __init__(
        self,
        sides: Mapping[str, Arrays],
        depth: int,
        tables: Mapping[str, Shared[ByItem]] | None = None,
    ) -> None:
        self._sides = dict(sides)
        self._tables = dict(tables or {})
        self.depth = depth
        self.users, self._user_codes = encode_together(
            {name: side["user"] for name, side in self._sides.items()}
        )

    @property
    def user_count(self) -> int:
        """Number of users of all sides."""
        return len(self.users)

    @cached_property
    def _item_codes(self) -> tuple[Ids, dict[str, Vector]]:
        return encode_together(
            {name: side["item"] for name, side in self._sides.items() if "item" in side}
        )

    @property
    def items(self) -> Ids:
        """Items of all sides."""
        return self._item_codes[0]

    @cached_property
    def lists(self) -> Lists:
        """What users were recommended, best first."""
        return self._ranked("recs")

    @cached_property
    def base(self) -> Lists:
        """What another model recommended them."""
        return self._ranked("base")

    def _ranked(self, name: str) -> Lists:
        side = self._sides[name]
        indptr, rows = ranking.group_rows(self._user_codes[name], self.user_count)
        if "score" in side:
            scores = np.asarray(side["score"], dtype=np.float64)
            ranking.rank_rows(indptr, rows, scores)
        # Without a column of items every row counts, whatever is in it.
        items = self._item_codes[1].get(name) if "item" in side else None
        if items is None:
            count, items = len(rows), np.arange(len(rows))
        else:
            count = len(self.items)
        indptr, rows = ranking.first_rows(indptr, rows, items, count, self.depth)
        return Lists(indptr, rows, items[rows])

    def sets(self, name: str) -> tuple[Vector, Vector]:
        """Return the items of each user in a side: where they start, and their codes."""
        indptr, rows = ranking.group_rows(self._user_codes[name], self.user_count)
        return indptr, self._item_codes[1][name][rows]

    def _marked(self, name: str) -> tuple[Vector, Vector]:
        lists = self.lists
        return ranking.mark_members(lists.indptr, lists.items, *self.sets(name), len(self.items))

    @cached_property
    def truth(self) -> tuple[Vector, Vector]:
        """Entries that are in the truth (bool), and the size of each user's truth."""
        return self._marked("truth")

    @cached_property
    def train(self) -> tuple[Vector, Vector]:
        """Entries that are in the training (bool), and the size of each user's training."""
        return self._marked("train")

    @cached_property
    def base_places(self) -> Vector:
        """The place of each entry in the other model's list."""
        lists, other = self.lists, self.base
        return ranking.find_places(
            lists.indptr, lists.items, other.indptr, other.items, len(self.items)
        )

    @cached_property
    def weights(self) -> Vector:
        """For each entry the weight of its item; 1 for an item that no weight is known of."""
        return self._tables["weights"].get().of(self.items, 1.0)[self.lists.items]

    @cached_property
    def categories(self) -> tuple[Vector, int]:
        """For each entry the code of its category (-1 for none), and the number of codes."""
        if "categories" in self._tables:
            table = self._tables["categories"].get()
            count = int(table.values.max(initial=-1)) + 1
            return table.of(self.items, -1)[self.lists.items], count
        codes = category_codes(self._sides["recs"]["category"])
        return codes[self.lists.rows], int(codes.max(initial=-1)) + 1

    def users_of(self, name: str) -> Vector:
        """Return the codes of the users that a side has rows of."""
        return np.flatnonzero(np.bincount(self._user_codes[name], minlength=self.user_count))

    def rows_of(self, name: str) -> Vector:
        """Return the number of rows that a side has of each user."""
        return np.bincount(self._user_codes[name], minlength=self.user_count)


def encode_together(columns: Mapping[str, Array]) -> tuple[Ids, dict[str, Vector]]:
    """Return the sorted distinct ids of several columns, and the codes of each column."""
    # A column without rows may not know that its ids are strings.
    filled = [column for column in columns.values() if len(column)]
    if not filled:
        return Ids(np.empty(0, np.int64)), {name: np.empty(0, np.int32) for name in columns}
    check_types(filled)
    known, codes = ids.factorize(filled[0] if len(filled) == 1 else ids.concat(filled))
    out, start = {}, 0
    for name, column in columns.items():
        out[name] = codes[start : start + len(column)]
        start += len(column)
    return Ids(widen(known.values)), out


def check_types(columns: Iterable[Array]) -> None:
    """Raise ``LogError`` where ids are integers here and strings there."""
    if len({isinstance(column, np.ndarray) for column in columns if len(column)}) > 1:
        raise LogError(
            "ids are integers in one frame and strings in another: convert the ids of the "
            "recommendations and of the other frames to one type"
        )


def widen(values: Array) -> Array:
    """Return ids in the 64 bits in which they are compared with others."""
    if isinstance(values, np.ndarray) and values.dtype != np.uint64:
        return values.astype(np.int64, copy=False)
    return values


def category_codes(column: Array) -> Vector:
    """Return a code for each category, -1 where it is missing."""
    if isinstance(column, np.ndarray):
        codes, _ = pd.factorize(column)
        return np.asarray(codes, dtype=np.int64)
    if pa.types.is_null(column.type):
        return np.full(len(column), -1, dtype=np.int64)
    words = column.dictionary_encode().indices.fill_null(-1)
    return np.asarray(words.to_numpy(zero_copy_only=False), dtype=np.int64)
