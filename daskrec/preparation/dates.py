"""Columns of a frame turned into times."""

from typing import Any

import numpy as np

from daskrec.data.moments import DAY, as_moment, is_dated, is_number, is_text, read_times
from daskrec.data.reading import declared, read_numbers
from daskrec.data.tables import Table, each
from daskrec.engine.arrays import Arrays, Vector
from daskrec.errors import LogError

_MICROSECONDS = 10**6
_LATEST = 2**63 // _MICROSECONDS  # seconds that 64 bits of microseconds reach


def process_timestamp_column(
    dataframe: Any, column_name: str, date_format: str | None = None
) -> Any:
    """Turn a column of numbers or of texts into times.

    Parameters
    ----------
    dataframe
        A frame of any kind, or a path.
    column_name
        Its column of seconds since 1970, or of texts; one of dates or times stays as it is.
    date_format
        How texts are written: a pattern of ``strptime``, such as ``%Y-%m-%d``, or one of
        Spark, such as ``yyyy-MM-dd[ HH:mm:ss]``. By default ISO 8601.

    Returns
    -------
    frame
        Of the kind that came in, with the column as times in microseconds without a zone (in
        UTC where texts give one); lazy for a Dask frame.

    Raises
    ------
    LogError
        There is no such column, it holds something else, values are missing, or a text is not
        written so.

    Examples
    --------
    >>> import pandas as pd
    >>> process_timestamp_column(pd.DataFrame({"ts": [1, 300_003]}), "ts")
                       ts
    0 1970-01-01 00:00:01
    1 1970-01-04 11:20:03
    """
    table = _with_column(dataframe, column_name)
    if is_dated(declared(table, [column_name])[column_name]):
        return dataframe
    parts = table.arrays([column_name])
    columns = each(
        table.lazy, _to_times, [(part, column_name, date_format, table.what) for part in parts]
    )
    return table.assign(columns, {column_name: np.empty(0, dtype="datetime64[us]")})


def _with_column(frame: Any, name: str) -> Table:
    table = Table.of(frame, "the frame")
    if name not in table.names:
        raise LogError(f"{table.what} has no column {name!r}: it has {table.names}")
    return table


def _to_times(columns: Arrays, name: str, date_format: str | None, what: str) -> Arrays:
    array = columns[name]
    if is_text(array) or not is_number(array):
        times = read_times(array, name, what, date_format)
        if times.dtype.kind != "M":
            raise LogError(f"{what}: column {name!r} holds {times.dtype}, not times")
        return {name: times.astype("datetime64[us]")}
    return {name: _add_seconds(0, read_numbers(array, name, what), name, what)}


def _add_seconds(base: int, seconds: Vector, name: str, what: str) -> Vector:
    """Return times that lie so many seconds after a base in microseconds."""
    if len(seconds) and not np.abs(seconds.astype(np.float64)).max() < _LATEST - abs(base) / 1e6:
        raise LogError(f"{what}: column {name!r} has numbers that are no times")
    if seconds.dtype.kind == "f":
        steps = np.rint(seconds * _MICROSECONDS).astype(np.int64)
    else:
        steps = seconds.astype(np.int64) * _MICROSECONDS
    times: Vector = (steps + base).view("datetime64[us]")
    return times


def add_to_date(
    dataframe: Any, column_name: str, base_date: Any, base_date_format: str | None = None
) -> Any:
    """Turn a column of days after a date into times.

    Parameters
    ----------
    dataframe
        A frame of any kind, or a path.
    column_name
        Its column of numbers of days.
    base_date
        A date, a text of one, or seconds since 1970.
    base_date_format
        How a text is written; see ``process_timestamp_column``.

    Returns
    -------
    frame
        Of the kind that came in, with the column as times in microseconds; lazy for a Dask
        frame.

    Raises
    ------
    LogError
        There is no such column, or it has missing values or no numbers, or the base is no date.

    Examples
    --------
    >>> import pandas as pd
    >>> add_to_date(pd.DataFrame({"days": [5, 6]}), "days", "2021/09/01", "yyyy/MM/dd")
            days
    0 2021-09-06
    1 2021-09-07
    """
    base = as_moment(base_date, True, "base_date", base_date_format) // 1000
    table = _with_column(dataframe, column_name)
    parts = table.arrays([column_name])
    columns = each(table.lazy, _add_days, [(part, column_name, base, table.what) for part in parts])
    return table.assign(columns, {column_name: np.empty(0, dtype="datetime64[us]")})


def _add_days(columns: Arrays, name: str, base: int, what: str) -> Arrays:
    return {name: _add_seconds(base, read_numbers(columns[name], name, what) * DAY, name, what)}
