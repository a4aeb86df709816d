"""Splits of every history at its end: the last N rows, the last seconds, the last share."""

from typing import Any

import numpy as np

from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.tables import Table
from daskrec.engine.arrays import Arrays, Vector
from daskrec.params import check_choice, check_number, check_whole
from daskrec.splitters.base import TEST, TRAIN, Columns, Splitter, named
from daskrec.splitters.places import SECOND, TIME, histories, sides_by_place
from daskrec.splitters.random import check_share


class HistorySplitter(Splitter):
    """A splitter that cuts each history in order of time."""

    _needs_time = True
    divide_column: str | None = None

    def _histories(self, table: Table, names: Columns, seed: int | None = None) -> Groups:
        column = named(table, self.divide_column, "user")
        return histories(table, names, str(column), seed)


class LastNSplitter(HistorySplitter):
    """Put the last N rows, or the last N seconds, of each user into the test.

    Parameters
    ----------
    N
        Number of rows, or of seconds (of units of the column, where it holds numbers).
    divide_column
        Cut the history of each value of this column; None takes the users.
    time_column_format
        Accepted for the sake of the original; columns of times need none.
    strategy
        ``"interactions"`` or ``"timedelta"`` (``"seconds"`` is the same): rows later than the
        last one of the user minus N seconds.
    drop_cold_users, drop_cold_items
        Leave test rows out whose user (or item) is not in the training.
    query_column, item_column, timestamp_column
        Names of columns; None recognises the usual ones.
    session_id_column, session_id_processing_strategy
        Sessions that would be split go whole to ``"train"`` or to ``"test"``.

    Notes
    -----
    Rows of equal time are in order of their item, and then of the log. One sort of the rows.
    """

    def __init__(
        self,
        N: int,  # noqa: N803 -- the name that the original gives it
        divide_column: str | None = None,
        time_column_format: str = "yyyy-MM-dd HH:mm:ss",
        strategy: str = "interactions",
        drop_cold_users: bool = False,
        drop_cold_items: bool = False,
        query_column: str | None = None,
        item_column: str | None = None,
        timestamp_column: str | None = None,
        session_id_column: str | None = None,
        session_id_processing_strategy: str = "test",
    ) -> None:
        self.N = N
        self.divide_column = divide_column
        self.time_column_format = time_column_format
        self.strategy = strategy
        self.drop_cold_users = drop_cold_users
        self.drop_cold_items = drop_cold_items
        self.query_column = query_column
        self.item_column = item_column
        self.timestamp_column = timestamp_column
        self.session_id_column = session_id_column
        self.session_id_processing_strategy = session_id_processing_strategy
        self._check_params()

    def _check_params(self) -> None:
        super()._check_params()
        check_choice("strategy", self.strategy, ("interactions", "timedelta", "seconds"))
        if self.strategy == "interactions":
            check_whole("N", self.N, 0)
        else:
            check_number("N", self.N, 0)

    def _sides(self, table: Table, names: Columns) -> list[Any]:
        groups = self._histories(table, names)
        if self.strategy == "interactions":
            return sides_by_place(groups, _last_rows, self.N)
        return groups.back(groups.map(_last_seconds, self.N))


def _last_rows(place: Vector, count: Vector, rows: int) -> Vector:
    return np.where(place >= count - rows, TEST, TRAIN)


def _last_seconds(columns: Arrays, codes: Vector, ids: Ids, length: float) -> Vector:
    times = np.asarray(columns[TIME])
    last = np.full(len(ids), -np.inf if times.dtype.kind == "f" else np.iinfo(times.dtype).min)
    last = last.astype(times.dtype)
    np.maximum.at(last, codes, times)
    return np.where(last[codes] - times < length * columns[SECOND], TEST, TRAIN)


class RatioSplitter(HistorySplitter):
    """Put the last share of the rows of each user into the test.

    Parameters
    ----------
    test_size
        The share, from 0 to 1. Of n rows ``floor(n * (1 - test_size))`` train.
    divide_column
        Cut the history of each value of this column; None takes the users.
    drop_cold_users, drop_cold_items
        Leave test rows out whose user (or item) is not in the training.
    query_column, item_column, timestamp_column
        Names of columns; None recognises the usual ones.
    min_interactions_per_group
        Histories with fewer rows train whole.
    split_by_fractions
        False puts ``floor(n * test_size)`` rows into the test, at least one of a history of
        more than one row where ``min_interactions_per_group`` is None.
    session_id_column, session_id_processing_strategy
        Sessions that would be split go whole to ``"train"`` or to ``"test"``.

    Notes
    -----
    The original compares shares rounded to three digits, which cuts histories of more than 500
    rows a few rows off; here the share is exact. Rows of equal time are in order of their item,
    and then of the log. One sort of the rows.
    """

    def __init__(
        self,
        test_size: float,
        divide_column: str | None = None,
        drop_cold_users: bool = False,
        drop_cold_items: bool = False,
        query_column: str | None = None,
        item_column: str | None = None,
        timestamp_column: str | None = None,
        min_interactions_per_group: int | None = None,
        split_by_fractions: bool = True,
        session_id_column: str | None = None,
        session_id_processing_strategy: str = "test",
    ) -> None:
        self.test_size = test_size
        self.divide_column = divide_column
        self.drop_cold_users = drop_cold_users
        self.drop_cold_items = drop_cold_items
        self.query_column = query_column
        self.item_column = item_column
        self.timestamp_column = timestamp_column
        self.min_interactions_per_group = min_interactions_per_group
        self.split_by_fractions = split_by_fractions
        self.session_id_column = session_id_column
        self.session_id_processing_strategy = session_id_processing_strategy
        self._check_params()

    def _check_params(self) -> None:
        super()._check_params()
        check_share("test_size", self.test_size)
        if self.min_interactions_per_group is not None:
            check_whole("min_interactions_per_group", self.min_interactions_per_group, 0)

    def _sides(self, table: Table, names: Columns) -> list[Any]:
        least, share = self.min_interactions_per_group, float(self.test_size)
        groups = self._histories(table, names)
        return sides_by_place(groups, _last_share, share, least, self.split_by_fractions)


def _last_share(
    place: Vector, count: Vector, share: float, least: int | None, by_fractions: bool
) -> Vector:
    if by_fractions:
        train = floor_share(count, 1 - share)
    else:
        train = count - floor_share(count, share)
        if least is None:
            train = train - ((train == count) & (count > 1) & (share > 0))
    if least is not None:
        train = np.where(count < least, count, train)
    return np.where(place >= train, TEST, TRAIN)


def floor_share(count: Vector, share: float) -> Vector:
    """Return the whole part of a share of counts, as decimal shares are meant.

    The product of 5 and 0.4 in binary may fall just short of 2.
    """
    return np.floor(count * share + 1e-9).astype(np.int64)
