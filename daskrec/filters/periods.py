"""Rows by when they were: days of a user or of all, and periods between two dates."""

from typing import Any

import numpy as np

from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.moments import DAY, as_moment, as_numbers, per_second, read_times
from daskrec.data.reading import resolve
from daskrec.data.tables import Table, call, each
from daskrec.engine.arrays import Arrays, Vector
from daskrec.errors import LogError
from daskrec.filters.base import Filter
from daskrec.filters.order import by_user


class EntityDaysFilter(Filter):
    """Keep the first or the last days of each user (or item).

    Parameters
    ----------
    days
        Rows less than so many days after the first row of the user stay, or before the last.
    first
        The first days, else the last ones.
    entity_column, timestamp_column
        The columns. Times are dates, texts of them, or seconds since 1970.

    Raises
    ------
    LogError
        The number of days is not positive.

    Notes
    -----
    One pass over the rows; of a Dask frame these columns travel, once.
    """

    def __init__(
        self,
        days: float = 10,
        first: bool = True,
        entity_column: str = "user_id",
        timestamp_column: str = "timestamp",
    ) -> None:
        self.days = _positive(days)
        self.first = first
        self.entity_column = entity_column
        self.timestamp_column = timestamp_column

    def masks(self, table: Table) -> list[Any]:
        """Compare each row with the first or last of its user."""
        time = resolve(table, self.timestamp_column)
        groups: Groups = by_user(table, resolve(table, self.entity_column), time, None)
        return groups.back(groups.map(_near_end, self.days, self.first, time))


def _positive(days: float) -> float:
    if not days > 0:
        raise LogError(f"the number of days is {days}: it has to be positive")
    return days


def _near_end(
    columns: Arrays, codes: Vector, ids: Ids, days: float, first: bool, time: str
) -> Vector:
    times = np.asarray(columns[time])
    numbers = as_numbers(times)
    span = days * DAY * per_second(times)
    if first:
        ends = np.full(len(ids), numbers.max(initial=0), dtype=numbers.dtype)
        np.minimum.at(ends, codes, numbers)
        near: Vector = numbers - ends[codes] < span
        return near
    ends = np.full(len(ids), numbers.min(initial=0), dtype=numbers.dtype)
    np.maximum.at(ends, codes, numbers)
    near = ends[codes] - numbers < span
    return near


class GlobalDaysFilter(Filter):
    """Keep the first or the last days of a log.

    Parameters
    ----------
    days
        Rows less than so many days after the first row of the log stay, or before the last.
    first
        The first days, else the last ones.
    timestamp_column
        The column. Times are dates, texts of them, or seconds since 1970.

    Raises
    ------
    LogError
        The number of days is not positive.

    Notes
    -----
    Two passes over the times.
    """

    def __init__(
        self, days: float = 10, first: bool = True, timestamp_column: str = "timestamp"
    ) -> None:
        self.days = _positive(days)
        self.first = first
        self.timestamp_column = timestamp_column

    def masks(self, table: Table) -> list[Any]:
        """Compare each row with the first or last of all."""
        name = resolve(table, self.timestamp_column)
        arrays = table.arrays([name])
        times = each(table.lazy, times_of, [(part, name, table.what) for part in arrays])
        ends = each(table.lazy, end_of, [(part, self.first) for part in times])
        end = call(table.lazy, last_end, ends, self.first)
        return each(table.lazy, _near, [(part, end, self.days, self.first) for part in times])


def times_of(columns: Arrays, name: str, what: str) -> Vector:
    """Return the times of a part."""
    return read_times(columns[name], name, what)


def end_of(times: Vector, first: bool) -> Any:
    """Return the first or the last time of a part, None where it has no rows."""
    if len(times) == 0:
        return None
    numbers = as_numbers(times)
    return (numbers.min() if first else numbers.max()).item()


def last_end(ends: list[Any], first: bool) -> Any:
    """Return the first or the last of all times, None where there is none."""
    known = [end for end in ends if end is not None]
    if not known:
        return None
    return min(known) if first else max(known)


def _near(times: Vector, end: Any, days: float, first: bool) -> Vector:
    numbers = as_numbers(times)
    if len(numbers) == 0:
        return np.empty(0, dtype=bool)
    passed = numbers - end if first else end - numbers
    near: Vector = passed < days * DAY * per_second(times)
    return near


class TimePeriodFilter(Filter):
    """Keep the rows of a period: from its start on, and before its end.

    Parameters
    ----------
    start_date, end_date
        Dates, texts of dates, or seconds since 1970; None for no bound. A date without a zone
        is one of UTC.
    timestamp_column
        The column. Times are dates, texts of them, or seconds since 1970.
    time_column_format
        How the two texts are written: a pattern of ``strptime``, or one of Spark. By default
        ISO 8601, such as ``2020-01-01 14:00:00`` or ``2020-01-01``.

    Raises
    ------
    LogError
        A bound is no time.

    Notes
    -----
    One comparison a row.
    """

    def __init__(
        self,
        start_date: Any = None,
        end_date: Any = None,
        timestamp_column: str = "timestamp",
        time_column_format: str | None = None,
    ) -> None:
        for name, value in (("start_date", start_date), ("end_date", end_date)):
            if value is not None:
                as_moment(value, True, name, time_column_format)
        self.start_date = start_date
        self.end_date = end_date
        self.timestamp_column = timestamp_column
        self.time_column_format = time_column_format

    def masks(self, table: Table) -> list[Any]:
        """Compare each row with the bounds."""
        name = resolve(table, self.timestamp_column)
        bounds = [
            None
            if value is None
            else tuple(
                as_moment(value, dated, label, self.time_column_format) for dated in (False, True)
            )
            for label, value in (("start_date", self.start_date), ("end_date", self.end_date))
        ]
        options = name, *bounds, table.what
        return each(table.lazy, _between, [(part, *options) for part in table.arrays([name])])


def _between(columns: Arrays, name: str, start: Any, end: Any, what: str) -> Vector:
    times = read_times(columns[name], name, what)
    numbers, dated = as_numbers(times), times.dtype.kind == "M"
    inside: Vector = np.ones(len(numbers), dtype=bool)
    if start is not None:
        inside &= numbers >= start[dated]
    if end is not None:
        inside &= numbers < end[dated]
    return inside
