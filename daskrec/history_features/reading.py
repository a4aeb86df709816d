"""The columns of a log that history features are made of, checked."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from daskrec.data.rows import read_ids
from daskrec.data.tables import Table, timestamps
from daskrec.engine import runtime
from daskrec.engine.arrays import Arrays, Vector
from daskrec.errors import LogError


def read_log(table: Table) -> tuple[Table, list[Any]]:
    """Read a log once.

    Returns
    -------
    tuple
        The table with the columns that count alone, and its parts as ``Arrays`` under the
        names of roles: ``user``, ``item``, ``relevance`` (float64) where there is one,
        ``time`` (nanoseconds) where times are dates. Parts of a lazy log are held.
    """
    found = (
        table.role("user"),
        table.role("item"),
        table.find("relevance"),
        table.find("timestamp"),
    )
    columns = [name for name in found if name is not None]
    read = table.arrays(columns)
    parts = replace(table, parts=read).map(_read, found)
    if table.lazy:
        parts = runtime.persist(parts, "reading the log")
    return table, parts


@dataclass(frozen=True)
class Survey:
    """What a log shows as a whole: whether and how far its times and relevances differ."""

    rows: int
    relevance: tuple[float, float] | None = None
    times: tuple[int, int] | None = None
    unit: str = ""

    def merge(self, other: "Survey") -> "Survey":
        """Return the survey of two parts."""
        return Survey(
            self.rows + other.rows,
            hull(self.relevance, other.relevance),
            hull(self.times, other.times),
            self.unit or other.unit,
        )


def hull(left: Any, right: Any) -> Any:
    """Return the least and the largest of two pairs of them; None stands for no values."""
    if left is None or right is None:
        return right if left is None else left
    return min(left[0], right[0]), max(left[1], right[1])


def _read(arrays: Arrays, names: tuple[str | None, ...]) -> Arrays:
    """Return checked columns under the names of their roles; dates alone count as times."""
    user, item, rating, time = names
    assert user is not None
    assert item is not None
    out: Arrays = {
        "user": read_ids(arrays[user], user, "the log"),
        "item": read_ids(arrays[item], item, "the log"),
    }
    if rating is not None:
        out["relevance"] = _relevance(arrays[rating], rating)
    if time is not None:
        array = arrays[time]
        if isinstance(array, np.ndarray) and array.dtype.kind == "M":
            out["time"] = timestamps(array, time)
            out["unit"] = np.empty(0, dtype=array.dtype)
    return out


def _relevance(array: Any, name: str) -> Vector:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iufb":
        kind = array.dtype if isinstance(array, np.ndarray) else array.type
        missing = 0 if isinstance(array, np.ndarray) else array.null_count
        if missing:
            raise LogError(f"{missing} rows of the log have no finite relevance in column {name!r}")
        if len(array):
            raise LogError(f"relevance of type {kind} in column {name!r} of the log")
        return np.empty(0)
    values = array.astype(np.float64)
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise LogError(f"{bad} rows of the log have no finite relevance in column {name!r}")
    return values


def _survey(arrays: Arrays) -> Survey:
    rows = len(arrays["user"])
    if not rows:
        return Survey(0)
    relevance, times = (
        (arrays[name].min(), arrays[name].max()) if name in arrays else None
        for name in ("relevance", "time")
    )
    unit = str(arrays["unit"].dtype) if "unit" in arrays else ""
    return Survey(rows, relevance, times, unit)


def survey_all(parts: list[Any], lazy: bool) -> Survey:
    """Return the survey of all parts that ``read_log`` gave."""
    if not lazy:
        return _survey(parts[0])
    found = runtime.compute([runtime.task(_survey, part) for part in parts], "reading the log")
    whole: Survey = runtime.tree_reduce(found, Survey.merge)
    return whole
