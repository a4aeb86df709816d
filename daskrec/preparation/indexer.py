"""Indexer: ids to gapless numbers and back, as the original's models need them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.data import ids as id_tools
from daskrec.data.ids import Ids
from daskrec.data.once import reading_once
from daskrec.data.reading import read_numbers
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table, each
from daskrec.engine import runtime
from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.shared import Shared
from daskrec.errors import LogError, NotFittedError
from daskrec.preparation import labels as label_tools
from daskrec.preparation.labels import Counted, Labels

ROLES = ("user", "item")


class Indexer:
    """Turn ids of users and of items into numbers from 0 on, and back.

    The models of daskrec take any ids and need no indexer; it is here for scripts of the
    original, and for libraries that want matrices without gaps.

    Parameters
    ----------
    user_col, item_col
        Names of the columns of ids. Those of numbers are ``user_idx`` and ``item_idx``.

    Attributes
    ----------
    user_count, item_count : int
        Number of ids that have a number.

    Notes
    -----
    The most frequent id is number 0; among equally frequent ones the lowest id comes first.
    All ids lie on the driver, at about 16 bytes an integer; workers map them from a file.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_id": ["b", "a", "b"], "item_id": [30, 10, 20]})
    >>> indexer = Indexer().fit(log, log)
    >>> indexer.transform(log)
       user_idx  item_idx
    0         0         2
    1         1         0
    2         0         1
    >>> indexer.inverse_transform(pd.DataFrame({"user_idx": [1], "item_idx": [2]}))
      user_id  item_id
    0       a       30
    """

    def __init__(self, user_col: str = "user_id", item_col: str = "item_id") -> None:
        self.user_col = user_col
        self.item_col = item_col
        self._labels: dict[str, Labels] = {}
        self._dtypes: dict[str, str] = {}

    @reading_once()
    def fit(self, users: Any, items: Any) -> "Indexer":
        """Give numbers to the ids of two frames, which may be the same.

        Parameters
        ----------
        users, items
            Frames of any kind, or paths, or lists of several whose rows are counted together.
            Other columns than that of ids are ignored. Dask frames are read at once.

        Returns
        -------
        Indexer
            This object; what it knew before is forgotten.

        Raises
        ------
        LogError
            A column is missing, or ids are missing or cannot be ids.
        """
        found = {"user": self._count(users, "user"), "item": self._count(items, "item")}
        self._labels = {role: label_tools.by_frequency(one) for role, one in found.items()}
        self._dtypes = {role: one.dtype for role, one in found.items()}
        return self

    def _count(self, sources: Any, role: str) -> Counted:
        name = self._column(role)
        counted = [
            _count_frame(source, name, f"the frame of {role}s")
            for source in (sources if isinstance(sources, list) else [sources])
        ]
        total: Counted = runtime.tree_reduce(counted, label_tools.add_counts)
        return total

    def _column(self, role: str) -> str:
        return self.user_col if role == "user" else self.item_col

    @property
    def user_count(self) -> int:
        """Number of users that have a number."""
        return len(self._fitted()["user"])

    @property
    def item_count(self) -> int:
        """Number of items that have a number."""
        return len(self._fitted()["item"])

    def _fitted(self) -> dict[str, Labels]:
        if not self._labels:
            raise NotFittedError("the Indexer is not fitted: call fit first")
        return self._labels

    def transform(self, df: Any) -> Any:
        """Put numbers in the place of ids.

        Parameters
        ----------
        df
            A frame of any kind, or a path, with a column of users, of items or of both.

        Returns
        -------
        frame
            Without the columns of ids and with ``user_idx`` and ``item_idx`` (int32) as the
            last columns; of the kind that came in. The numbers of a Dask frame are lazy.

        Notes
        -----
        Ids that the indexer does not know are added to it, with the next numbers in the order
        of the ids. To find them, the ids of a Dask frame are read at once.

        Raises
        ------
        NotFittedError
            The indexer is not fitted.
        LogError
            The frame has neither column, ids are missing, or strings where the fit had
            integers.
        """
        known = self._fitted()
        table = Table.of(df, "the frame")
        names = {role: self._column(role) for role in ROLES if self._column(role) in table.names}
        self._refuse_none(names, table, [self.user_col, self.item_col])
        for role, more in self._unseen(table, names).items():
            known[role] = known[role].extended(more)
        plan = tuple((names[role], f"{role}_idx", Shared(known[role])) for role in names)
        arrays = table.arrays(list(names.values()))
        columns = each(table.lazy, _encode, [(part, plan, table.what) for part in arrays])
        empty = {f"{role}_idx": np.empty(0, dtype=np.int32) for role in names}
        return table.assign(columns, empty, drop=tuple(names.values()))

    def _unseen(self, whole: Table, names: dict[str, str]) -> dict[str, Ids]:
        """Return the ids of a frame that have no number yet."""
        table = whole.only(list(names.values()))
        plan = tuple((role, names[role], Shared(self._labels[role])) for role in names)
        arrays = table.arrays(list(names.values()))
        found = each(table.lazy, _new_ids, [(part, plan, table.what) for part in arrays])
        new: dict[str, Ids] = (
            runtime.reduce(found, _union, "reading ids") if table.lazy else found[0]
        )
        return new

    def inverse_transform(self, df: Any) -> Any:
        """Put ids in the place of numbers.

        Parameters
        ----------
        df
            A frame of any kind, or a path, with ``user_idx``, ``item_idx`` or both.

        Returns
        -------
        frame
            With the ids in the type that they had when the indexer was fitted (categories come
            back as their values), as the last columns; of the kind that came in, lazy for a
            Dask frame.

        Raises
        ------
        NotFittedError
            The indexer is not fitted.
        LogError
            The frame has neither column, or numbers that stand for no id.
        """
        known = self._fitted()
        table = Table.of(df, "the frame")
        roles = [role for role in ROLES if f"{role}_idx" in table.names]
        self._refuse_none(roles, table, [f"{role}_idx" for role in ROLES])
        names = tuple(f"{role}_idx" for role in roles)
        plan = tuple(
            (f"{role}_idx", self._column(role), Shared(known[role]), self._dtypes[role])
            for role in roles
        )
        arrays = table.arrays(names)
        columns = each(table.lazy, _decode, [(part, plan, table.what) for part in arrays])
        empty = {self._column(r): label_tools.without_rows(self._dtypes[r]) for r in roles}
        return table.assign(columns, empty, drop=names)

    @staticmethod
    def _refuse_none(found: Any, table: Table, wanted: Sequence[str]) -> None:
        if not found:
            raise LogError(f"{table.what} has none of the columns {wanted}: it has {table.names}")

    def save(self, path: Any, overwrite: bool = False) -> None:
        """Save the indexer to a folder; see ``save_indexer``."""
        from daskrec.preparation.saved import save_indexer

        save_indexer(self, path, overwrite)

    @classmethod
    def load(cls, path: Any) -> "Indexer":
        """Load an indexer that ``save`` wrote; see ``load_indexer``."""
        from daskrec.preparation.saved import load_indexer

        return load_indexer(path)


def _count_frame(source: Any, name: str, what: str) -> Counted:
    table = Table.of(source, what, only=[name])
    arrays = table.arrays([name])
    counted = each(table.lazy, label_tools.count_ids, [(part, name, what) for part in arrays])
    total: Counted = (
        runtime.reduce(counted, label_tools.add_counts, "reading ids") if table.lazy else counted[0]
    )
    return total


def _new_ids(
    columns: Arrays, plan: tuple[tuple[str, str, Shared[Labels]], ...], what: str
) -> dict[str, Ids]:
    new = {}
    for role, name, labels in plan:
        given = read_ids(columns[name], name, what)
        unknown = np.flatnonzero(labels.get().encode(given) < 0)
        if len(unknown) == 0:  # a part without rows does not know the type of its ids
            new[role] = labels.get().known[:0]
        else:
            new[role] = id_tools.distinct(given.take(unknown))
    return new


def _union(left: dict[str, Ids], right: dict[str, Ids]) -> dict[str, Ids]:
    return {role: id_tools.union([left[role], right[role]]) for role in left}


def _encode(
    columns: Arrays, plan: tuple[tuple[str, str, Shared[Labels]], ...], what: str
) -> Arrays:
    return {
        out: labels.get().encode(read_ids(columns[name], name, what)) for name, out, labels in plan
    }


def _decode(
    columns: Arrays, plan: tuple[tuple[str, str, Shared[Labels], str], ...], what: str
) -> Arrays:
    return {
        out: label_tools.typed(labels.get().decode(_whole(columns, name, what), name, what), dtype)
        for name, out, labels, dtype in plan
    }


def _whole(columns: Arrays, name: str, what: str) -> Vector:
    numbers = read_numbers(columns[name], name, what)
    whole: Vector = numbers.astype(np.int64)
    if (whole != numbers).any():
        raise LogError(f"{what}: column {name!r} holds fractional numbers")
    return whole
