"""Splits at a point of time: what is earlier trains, what is later tests."""

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from daskrec.data.order_statistics import value_at
from daskrec.data.tables import Table, each, timestamps
from daskrec.engine.arrays import Arrays, Vector
from daskrec.errors import LogError
from daskrec.splitters.base import TEST, TRAIN, Columns, Splitter


class TimeSplitter(Splitter):
    """Put all rows from a point of time on into the test.

    Parameters
    ----------
    time_threshold
        The first time of the test: a ``datetime`` or ``date``, a string, or a whole number,
        which is compared as it is to a column of numbers and is Unix seconds for one of
        times. A float from 0 to 1 is the share of the test: the threshold is then the time of
        row ``int(N * (1 - share)) + 1`` in order of time, and rows of the same time are all in
        the test.
    query_column, item_column, timestamp_column
        Names of columns; None recognises the usual ones.
    drop_cold_users, drop_cold_items
        Leave test rows out whose user (or item) is not in the training.
    session_id_column, session_id_processing_strategy
        Sessions that would be split go whole to ``"train"`` or to ``"test"``.
    time_column_format
        How a string threshold is read, as ``strptime`` does; None recognises ISO 8601.

    Notes
    -----
    Times without a zone are taken as UTC. One pass over the rows; a share takes four more
    passes over the column of times of a Dask log.
    """

    _needs_time = True

    def __init__(
        self,
        time_threshold: Any,
        query_column: str | None = None,
        drop_cold_users: bool = False,
        drop_cold_items: bool = False,
        item_column: str | None = None,
        timestamp_column: str | None = None,
        session_id_column: str | None = None,
        session_id_processing_strategy: str = "test",
        time_column_format: str | None = None,
    ) -> None:
        self.time_threshold = time_threshold
        self.query_column = query_column
        self.drop_cold_users = drop_cold_users
        self.drop_cold_items = drop_cold_items
        self.item_column = item_column
        self.timestamp_column = timestamp_column
        self.session_id_column = session_id_column
        self.session_id_processing_strategy = session_id_processing_strategy
        self.time_column_format = time_column_format
        self._check_params()

    def _check_params(self) -> None:
        super()._check_params()
        check_threshold("time_threshold", self.time_threshold, self.time_column_format)

    def _sides(self, table: Table, names: Columns) -> list[Any]:
        return split_at(table, names, self.time_threshold, self.time_column_format)


class DateSplitter(Splitter):
    """Put all rows from a date on into the test, as the original does.

    Parameters
    ----------
    test_start
        As ``time_threshold`` of ``TimeSplitter``.
    drop_cold_items, drop_cold_users
        Leave test rows out whose item (or user) is not in the training.
    drop_zero_rel_in_test
        Leave test rows out whose relevance is not above 0, as the original does.
    """

    _needs_time = True

    def __init__(
        self,
        test_start: Any,
        drop_cold_items: bool = False,
        drop_cold_users: bool = False,
        drop_zero_rel_in_test: bool = True,
    ) -> None:
        self.test_start = test_start
        self.drop_cold_items = drop_cold_items
        self.drop_cold_users = drop_cold_users
        self.drop_zero_rel_in_test = drop_zero_rel_in_test
        self._check_params()

    def _check_params(self) -> None:
        check_threshold("test_start", self.test_start, None)

    def _sides(self, table: Table, names: Columns) -> list[Any]:
        return split_at(table, names, self.test_start, None)


def check_threshold(name: str, threshold: Any, pattern: str | None) -> None:
    """Raise unless a threshold is a point of time or a share from 0 to 1."""
    if isinstance(threshold, float | np.floating):
        if not 0 <= threshold <= 1:
            raise ValueError(f"{name} as a share must lie from 0 to 1, and is {threshold}")
    elif isinstance(threshold, str | date | np.datetime64):
        _nanoseconds(threshold, pattern)
    elif isinstance(threshold, bool) or not hasattr(threshold, "__index__"):
        raise ValueError(
            f"{name} must be a point of time (datetime, string, Unix seconds) or a share as a "
            f"float, not {threshold!r}"
        )


def split_at(table: Table, names: Columns, threshold: Any, pattern: str | None) -> list[Any]:
    """Return the sides of rows before and after a threshold."""
    name = str(names.time)
    times = table.arrays([name])
    if isinstance(threshold, float | np.floating):
        columns = each(table.lazy, _times, [(part, name) for part in times])
        start = value_at(columns, _first_of_test, (float(threshold),), table.lazy)
        return each(table.lazy, _from_value, [(column, start) for column in columns])
    if isinstance(threshold, str | date | np.datetime64):
        threshold = _nanoseconds(threshold, pattern)
    else:
        threshold = int(threshold)
    moment = not isinstance(threshold, int)
    given = int(threshold.value) if moment else threshold
    return each(table.lazy, _from_moment, [(part, name, given, moment) for part in times])


def _nanoseconds(threshold: Any, pattern: str | None) -> pd.Timestamp:
    """Return a point of time in UTC."""
    try:
        if isinstance(threshold, str) and pattern is not None:
            threshold = datetime.strptime(threshold, pattern)
        stamp = pd.Timestamp(threshold)
    except ValueError as error:
        raise ValueError(f"{threshold!r} is no point of time: {error}") from error
    if pd.isna(stamp):
        raise ValueError(f"{threshold!r} is no point of time")
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp
    return stamp.as_unit("ns")


def _times(arrays: Arrays, name: str) -> Vector:
    return timestamps(arrays[name], name)


def _first_of_test(count: int, share: float) -> int:
    return int(count * (1 - share))


def _from_value(times: Vector, start: Any) -> Vector:
    if start is None:  # the share is 0
        return np.full(len(times), TRAIN)
    return np.where(times >= start, TEST, TRAIN)


def _from_moment(arrays: Arrays, name: str, given: int, moment: bool) -> Vector:
    """Compare times to a threshold: nanoseconds (``moment``) or a number."""
    column = arrays[name]
    times = timestamps(column, name)
    is_time = isinstance(column, np.ndarray) and column.dtype.kind == "M"
    if is_time and not moment:
        given *= 1_000_000_000
    elif moment and not is_time:
        given = given / 1_000_000_000  # type: ignore[assignment]
    if is_time and not -(2**63) <= given < 2**63:
        raise LogError(f"threshold {given} is beyond the times of column {name!r}")
    return np.where(times >= given, TEST, TRAIN)
