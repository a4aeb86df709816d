"""What all splitters do: find the columns, give each row its side, drop what is cold.

A splitter says for every row whether it is of the training, of the test, or of neither. The
frame itself is cut only at the end, so that both parts keep all its columns, its order and its
kind, and no row can be on both sides.
"""

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskrec.data.groups import Groups
from daskrec.data.ids import Ids, factorize
from daskrec.data.once import undone_on_failure
from daskrec.data.order_statistics import words
from daskrec.data.rows import Faults, check_ids, read_ids
from daskrec.data.tables import Table, each, timestamps
from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.keys import hash_ids
from daskrec.engine.random import hash64
from daskrec.errors import LogError
from daskrec.params import Params, check_choice

TRAIN, TEST, OUT = np.int8(0), np.int8(1), np.int8(2)


@dataclass(frozen=True)
class Columns:
    """The names of the columns that a splitter reads; None where the log has none."""

    user: str | None
    item: str | None
    time: str | None = None
    relevance: str | None = None
    session: str | None = None

    def present(self) -> list[str]:
        """Return the names that are there, each once."""
        names = (self.user, self.item, self.time, self.relevance, self.session)
        return list(dict.fromkeys(name for name in names if name is not None))


class BaseSplitter(Params, ABC):
    """What splits into two and into folds have in common; it is not used by itself.

    All parts are frames of the kind of the log (lazy for a Dask log) with all its columns,
    and rows in the order of the log. No row is on both sides, whatever the partitioning: what
    is drawn is drawn by the ids, and by the time where there is one.
    """

    drop_cold_items: bool = False
    drop_cold_users: bool = False
    drop_zero_rel_in_test: bool = False
    query_column: str | None = None
    item_column: str | None = None
    timestamp_column: str | None = None
    session_id_column: str | None = None
    session_id_processing_strategy: str = "test"

    _needs_time = False
    _needs_item = False

    def _open(self, interactions: Any) -> tuple[Table, Columns]:
        table = Table.of(interactions)
        return table, self._columns(table)

    def _columns(self, table: Table) -> Columns:
        """Find the columns of a log."""
        item_wanted = self._needs_item or self.drop_cold_items
        return Columns(
            named(table, self.query_column, "user"),
            named(table, self.item_column, "item", needed=item_wanted),
            named(table, self.timestamp_column, "timestamp", needed=self._needs_time),
            table.find("relevance") if self.drop_zero_rel_in_test else None,
            named(table, self.session_id_column, "session") if self.session_id_column else None,
        )

    def _check_params(self) -> None:
        check_choice(
            "session_id_processing_strategy",
            self.session_id_processing_strategy,
            ("train", "test"),
        )

    def _whole_sessions(self, table: Table, names: Columns, sides: list[Any]) -> list[Any]:
        """Send the sessions that are on both sides to one of them."""
        if names.session is None:
            return sides
        parts = with_sides(table, [names.user, names.session], sides)
        groups = Groups.by(parts, str(names.user), table.lazy)
        kept = TEST if self.session_id_processing_strategy == "test" else TRAIN
        return groups.back(groups.map(_unsplit, names.session, kept))

    def _drop_cold(self, table: Table, names: Columns, sides: list[Any]) -> list[Any]:
        """Drop test rows that are cold or without relevance, as the flags say."""
        columns = [(self.drop_cold_items, names.item), (self.drop_cold_users, names.user)]
        train = sides  # what is cold is seen against the whole training part
        for wanted, name in columns:
            if wanted:
                groups = Groups.by(with_sides(table, [name], train), str(name), table.lazy)
                cold = groups.back(groups.map(_is_cold))
                sides = each(table.lazy, _leave_out, zip(sides, cold, strict=True))
        if names.relevance is not None:
            arrays = table.arrays([names.relevance])
            sides = each(
                table.lazy,
                _without_relevance,
                [(s, a, names.relevance) for s, a in zip(sides, arrays, strict=True)],
            )
        return sides


class Splitter(BaseSplitter):
    """The base of splitters: ``split`` cuts a log into a train and a test part."""

    @abstractmethod
    def _sides(self, table: Table, names: Columns) -> list[Any]:
        """Return for each part the side of each row (int8), or a task that gives it."""

    @undone_on_failure()
    def split(self, interactions: Any) -> tuple[Any, Any]:
        """Cut a log into two.

        Parameters
        ----------
        interactions
            A frame of any kind, or a path or glob of Parquet or CSV files.

        Returns
        -------
        train, test : frame
            Of the kind of the log. For a Dask log nothing is read before they are computed.

        Raises
        ------
        LogError
            A column that the splitter needs is missing, or its values cannot be used.
        ValueError
            A parameter is not allowed for this log.
        """
        self._check_params()
        table, names = self._open(interactions)
        sides = self._drop_cold(
            table, names, self._whole_sessions(table, names, self._sides(table, names))
        )
        return cut(table, sides)


def cut(table: Table, sides: list[Any]) -> tuple[Any, Any]:
    """Return the rows of the training and those of the test as two frames."""
    train, test = (
        table.filter(each(table.lazy, _on_side, [(side, which) for side in sides]))
        for which in (TRAIN, TEST)
    )
    return train, test


def _on_side(sides: Vector, which: np.int8) -> Vector:
    return np.equal(sides, which)


def named(table: Table, name: str | None, role: str, *, needed: bool = True) -> str | None:
    """Return the column that the caller named, else the one that plays a role.

    Raises
    ------
    LogError
        The log has no column of that name, or none of the role although one is needed.
    """
    if name is None:
        return table.role(role) if needed else table.find(role)
    if name not in table.names:
        raise LogError(f"{table.what} has no column {name!r}: it has {table.names}")
    return name


def with_sides(table: Table, names: list[str | None], sides: list[Any]) -> list[Any]:
    """Return columns of a table with the side of each row as one more."""
    arrays = table.arrays([str(name) for name in names])
    return each(table.lazy, _join_side, zip(arrays, sides, strict=True))


def _join_side(arrays: Arrays, sides: Vector) -> Arrays:
    return arrays | {"": sides}  # no column of a log is called that


def _is_cold(columns: Arrays, codes: Vector, ids: Ids) -> Vector:
    known = np.zeros(len(ids), dtype=bool)
    known[codes[columns[""] == TRAIN]] = True
    return ~known[codes]


def _leave_out(sides: Vector, unwanted: Vector) -> Vector:
    return np.where((sides == TEST) & unwanted, OUT, sides)


def _without_relevance(sides: Vector, arrays: Arrays, name: str) -> Vector:
    relevance = arrays[name]
    if not isinstance(relevance, np.ndarray) or relevance.dtype.kind not in "iufb":
        raise LogError(f"column {name!r} of relevance does not hold numbers alone")
    return _leave_out(sides, ~(relevance > 0))


def _unsplit(columns: Arrays, codes: Vector, ids: Ids, session: str, kept: np.int8) -> Vector:
    """Put all rows of a session on one side where they are on both."""
    sides = columns[""].copy()
    faults = Faults()
    known, place = factorize(check_ids(columns[session], session, faults))
    faults.raise_any("the log")
    where = codes.astype(np.int64) * len(known) + place
    _, where = np.unique(where, return_inverse=True)
    on_kept = np.zeros(where.max(initial=-1) + 1, dtype=bool)
    on_kept[where[sides == kept]] = True
    sides[(sides != OUT) & on_kept[where]] = kept
    return sides


def row_keys(arrays: Arrays, names: Columns, seed: int) -> Vector:
    """Return the word that a row is drawn by: a hash of its user, item and time.

    Rows that agree in all three are drawn together.
    """
    key = hash64(seed, hash_ids(read_ids(arrays[str(names.user)], str(names.user), "the log")))
    if names.item is not None:
        item = read_ids(arrays[names.item], names.item, "the log")
        key = hash64(0, key, hash_ids(item))
    if names.time is not None:
        key = hash64(0, key, words(timestamps(arrays[names.time], names.time)))
    return key


def drawn_seed(seed: int | None) -> int:
    """Return a seed, or a fresh one, which then holds for both parts of the split."""
    return secrets.randbits(63) if seed is None else int(seed)
