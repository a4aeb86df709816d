"""Times of a log as arrays: numbers are seconds since 1970, dates and texts are dates.

What compares or subtracts times has to know which of the two it has: a day is 86 400 of the
numbers and 86 400 thousand million nanoseconds of the dates. Dates therefore stay of numpy's
type ``datetime64[ns]``, and numbers plain numbers.
"""

import re
from datetime import date
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from daskrec.data.tables import timestamps
from daskrec.engine.arrays import Array, Vector
from daskrec.errors import LogError

DAY = 86_400  # seconds
_NANOSECONDS = 10**9
_STEPS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # nanoseconds

# Letters of the date patterns of Java, which Spark takes, and what they are here.
_JAVA = {
    "yyyy": "%Y",
    "yy": "%y",
    "MMM": "%b",
    "MM": "%m",
    "M": "%m",
    "dd": "%d",
    "d": "%d",
    "HH": "%H",
    "H": "%H",
    "hh": "%I",
    "h": "%I",
    "mm": "%M",
    "m": "%M",
    "ss": "%S",
    "s": "%S",
    "a": "%p",
}


def is_text(array: Array) -> bool:
    """Tell whether a column holds strings."""
    return not isinstance(array, np.ndarray) and bool(pa.types.is_large_string(array.type))


def is_number(array: Array) -> bool:
    """Tell whether a column holds numbers; truth values are none."""
    if isinstance(array, np.ndarray):
        return bool(array.dtype.kind in "iuf")
    kind = array.type
    tests = pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal
    return any(test(kind) for test in tests)


def is_dated(array: Array) -> bool:
    """Tell whether a column holds dates or times (not numbers, not strings)."""
    if isinstance(array, np.ndarray):
        return bool(array.dtype.kind == "M")
    return bool(pa.types.is_temporal(array.type))


def read_times(
    array: Array, name: str, what: str = "the log", date_format: str | None = None
) -> Vector:
    """Return a column of times.

    Parameters
    ----------
    array
        Seconds since 1970 (integers or floats), dates, times, or texts of them.
    name, what
        How errors call the column and the frame.
    date_format
        How texts are written; see ``parse_texts``.

    Returns
    -------
    ndarray of int64, float64 or datetime64[ns]
        Numbers as they are; dates, times and texts as dates, in UTC where they have a zone.

    Raises
    ------
    LogError
        Times are missing, a text is none, or the column holds something else.
    """
    if is_text(array):
        array = parse_texts(cast(pa.Array, array), name, what, date_format)
    elif len(array) == 0 and not isinstance(array, np.ndarray):
        return np.empty(0, dtype="datetime64[ns]")  # a part without rows that has no type
    numbers = timestamps(array, name, what)
    return numbers.view("datetime64[ns]") if is_dated(array) else numbers


def per_second(times: Vector) -> int:
    """Return the number of steps that a second has in times that ``read_times`` gave."""
    return _NANOSECONDS if times.dtype.kind == "M" else 1


def as_numbers(times: Vector) -> Vector:
    """Return times as int64 or float64, in the steps that ``per_second`` counts."""
    return times.view(np.int64) if times.dtype.kind == "M" else times


def parse_texts(
    texts: pa.Array, name: str, what: str = "the log", date_format: str | None = None
) -> Vector:
    """Return texts as dates.

    Parameters
    ----------
    texts
        Strings without missing values.
    name, what
        How errors call the column and the frame.
    date_format
        A pattern of ``strptime`` (with ``%``), or one of Java as Spark takes it (without),
        such as ``yyyy/MM/dd[ HH:mm:ss]``, where what stands in brackets may be absent.
        By default texts are ISO 8601: ``2020-02-01``, ``2020-02-01 23:59:59``.

    Returns
    -------
    ndarray of datetime64[us]
        In UTC where a text gives a zone.

    Raises
    ------
    LogError
        Texts are missing, or are not written so.
    """
    if texts.null_count:
        raise LogError(f"{what}: {texts.null_count} rows have no time in column {name!r}")
    series = pd.Series(texts.to_pandas(), dtype=object)
    formats = ["ISO8601"] if date_format is None else patterns(date_format)
    parsed = pd.Series(pd.NaT, index=series.index, dtype="datetime64[us, UTC]")
    # Words that pandas takes for the present would give another time at every run.
    series[series.str.strip().str.lower().isin(["now", "today"])] = ""
    for pattern in formats:
        left = parsed.isna()
        found = pd.to_datetime(series[left], format=pattern, utc=True, errors="coerce")
        parsed[left] = found.astype("datetime64[us, UTC]")
    wrong = series[parsed.isna()]
    if len(wrong):
        wanted = "ISO 8601 (2020-02-01 23:59:59)" if date_format is None else repr(date_format)
        raise LogError(
            f"{what}: {len(wrong)} texts in column {name!r} are no times written as {wanted} "
            f"(first: {', '.join(map(repr, wrong.head(3)))}); a date_format says how they are"
        )
    return cast(Vector, parsed.dt.tz_localize(None).to_numpy())


def patterns(date_format: str) -> list[str]:
    """Return the patterns of ``strptime`` that a date format stands for, longest first.

    Raises
    ------
    LogError
        The format has a letter that no pattern knows.
    """
    if "%" in date_format:
        return [date_format]
    found = re.search(r"\[([^\[\]]*)\]", date_format)
    if found is None:
        return [_strptime(date_format)]
    before, after = date_format[: found.start()], date_format[found.end() :]
    both = {*patterns(before + found.group(1) + after), *patterns(before + after)}
    return sorted(both, key=len, reverse=True)


def _strptime(java: str) -> str:
    """Turn one pattern of Java without brackets into one of ``strptime``."""
    out = []
    for match in re.finditer(r"'([^']*)'|([A-Za-z])\2*|.", java):
        word = match.group()
        if match.group(2) is None:
            literal = word if match.group(1) is None else match.group(1)
            out.append(literal.replace("%", "%%"))
        elif word in _JAVA or set(word) == {"S"}:
            out.append(_JAVA.get(word, "%f"))
        else:
            raise LogError(f"the date format {java!r} has {word!r}, which is none of {[*_JAVA]}")
    return "".join(out)


def as_moment(value: Any, dated: bool, name: str, date_format: str | None = None) -> Any:
    """Return a bound that a user gave as a number that times are compared with.

    Parameters
    ----------
    value
        A date, a time, a text of one, or seconds since 1970.
    dated
        Whether it is compared with dates, in nanoseconds, or with numbers, in seconds.
    name
        How errors call it.
    date_format
        How a text is written; see ``parse_texts``.

    Returns
    -------
    int or float
        Python's own, so that no bound is beyond what a type holds.
    """
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        if not np.isfinite(value):
            raise LogError(f"{name} is {value}, which is no time")
        number = value.item() if isinstance(value, np.number) else value
        if not dated:
            return number
        whole, rest = divmod(number, 1)
        return int(whole) * _NANOSECONDS + round(rest * _NANOSECONDS)
    if isinstance(value, str):
        value = parse_texts(pa.array([value], pa.large_string()), name, name, date_format)[0]
    if not isinstance(value, date | np.datetime64):  # a datetime and a Timestamp are dates
        raise LogError(f"{name} is a {type(value).__name__}: give a date, a text of one or seconds")
    stamp = pd.Timestamp(value)
    if pd.isna(stamp):
        raise LogError(f"{name} is a missing time")
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert(None)
    fine = int(stamp.asm8.view(np.int64)) * _STEPS[stamp.unit]
    if dated:
        return fine
    seconds, rest = divmod(fine, _NANOSECONDS)
    return fine / _NANOSECONDS if rest else seconds
