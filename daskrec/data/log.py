"""A log as it comes in: checked once, with every fault told in one error.

A log is a frame with a column of users, one of items and, when there is one, one of
relevance. ``read_log`` finds the columns and turns each partition into plain arrays;
faults of the values are counted over all partitions before any is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from dask.delayed import Delayed

from daskrec.data import columns as roles
from daskrec.data import frames
from daskrec.data.columns import Names
from daskrec.data.paths import open_frame
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.errors import LogError

_SHOWN = 3  # offenders that an error names


@dataclass
class Faults:
    """Faults of a log: for each kind of fault a count and the first offenders."""

    found: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    def add(self, fault: str, count: int, examples: Sequence[str]) -> None:
        """Count a fault."""
        if count:
            before, shown = self.found.get(fault, (0, []))
            self.found[fault] = (before + count, (shown + list(examples))[:_SHOWN])

    def merge(self, other: "Faults") -> "Faults":
        """Return the faults of two parts of a log."""
        merged = Faults(dict(self.found))
        for fault, (count, examples) in other.found.items():
            merged.add(fault, count, examples)
        return merged

    def raise_any(self, what: str) -> None:
        """Raise one error that tells of all faults, if there is any."""
        if self.found:
            lines = [
                f"{fault} in {count} row{'s' * (count != 1)}"
                + (f" (first: {', '.join(shown)})" if shown else "")
                for fault, (count, shown) in self.found.items()
            ]
            raise LogError(f"{what} cannot be used: " + "; ".join(lines))


class Rows:
    """Checked rows of a log: users, items and relevance as arrays of one length."""

    __slots__ = ("faults", "items", "relevance", "users")

    def __init__(
        self, users: Array, items: Array, relevance: Vector | None, faults: Faults
    ) -> None:
        self.users = users
        self.items = items
        self.relevance = relevance
        self.faults = faults

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class Layout:
    """How a frame looks, so that a result can be made alike.

    Parameters
    ----------
    kind
        Name of the kind of frame.
    names
        Names of the three columns.
    user, item
        Types of the two id columns, as the kind of frame (of its partitions) spells them.
    part
        Name of the kind of the partitions; the kind itself for a frame in memory.
    """

    kind: str = "pandas"
    names: Names = field(default_factory=Names)
    user: Any = None
    item: Any = None
    part: str = "pandas"

    @property
    def partitioned(self) -> bool:
        """Whether the frame is a lazy one of partitions."""
        return bool(frames.kind_named(self.kind).partitioned)


@dataclass(frozen=True)
class Log:
    """A log whose columns are known and whose values are checked, now or when it is read.

    Exactly one of ``rows`` and ``parts`` is set: rows for a log in memory, tasks that give
    ``Rows`` for one of partitions.
    """

    layout: Layout
    rows: Rows | None
    parts: list[Delayed]


def read_log(source: Any, what: str = "the log", *, relevance: bool = True) -> Log:
    """Find the columns of a log and check its values.

    Parameters
    ----------
    source
        A frame of any kind, or a path or glob of Parquet or CSV files.
    what
        How errors call it.
    relevance
        Read the column of relevance, if there is one.

    Raises
    ------
    LogError
        A column is missing or doubled, or values cannot be used. Faults of the values of
        a partitioned log are found when its partitions are read.
    """
    frame = open_frame(source, what)
    kind = frames.kind_of(frame, what)
    present = kind.columns(frame)
    user = roles.require(present, "user", what)
    item = roles.require(present, "item", what)
    rating = roles.find(present, "relevance") if relevance else None
    wanted = [user, item] + ([rating] if rating else [])
    dtypes = kind.dtypes(frame, [user, item])
    part = kind.part_kind(frame) if kind.partitioned else kind.name
    layout = Layout(kind.name, roles.names_of(present), dtypes[user], dtypes[item], part)
    if kind.partitioned:
        parts = [
            runtime.task(read_rows, chunk, part, wanted, what)
            for chunk in kind.parts(frame, wanted)
        ]
        return Log(layout, None, parts)
    rows = read_rows(frame, kind.name, wanted, what)
    rows.faults.raise_any(what)
    return Log(layout, rows, [])


def read_rows(frame: Any, kind: str, wanted: Sequence[str], what: str) -> Rows:
    """Turn a frame in memory into checked arrays; faults are counted, not raised."""
    arrays: Arrays = frames.kind_named(kind).arrays(frame, wanted)
    faults = Faults()
    users = _check_ids(arrays[wanted[0]], wanted[0], faults)
    items = _check_ids(arrays[wanted[1]], wanted[1], faults)
    relevance = None
    if len(wanted) > 2:
        relevance = _check_relevance(arrays[wanted[2]], wanted[2], arrays, wanted, faults)
    return Rows(users, items, relevance, faults)


def read_ids(array: Array, name: str, what: str) -> Array:
    """Check a column of ids alone.

    Raises
    ------
    LogError
        Ids are missing or fractional, or neither integers nor strings.
    """
    faults = Faults()
    ids = _check_ids(array, name, faults)
    faults.raise_any(what)
    return ids


def _check_ids(array: Array, name: str, faults: Faults) -> Array:
    """Return ids as int64, uint64 or strings; count those that cannot be ids."""
    if not isinstance(array, np.ndarray):
        faults.add(f"missing ids in column {name!r}", array.null_count, [])
        if pa.types.is_large_string(array.type):
            return array.drop_null() if array.null_count else array
        if not (pa.types.is_integer(array.type) or pa.types.is_null(array.type)):
            faults.add(f"ids of type {array.type} in column {name!r}", len(array), [])
        return np.empty(0, dtype=np.int64)  # never used: a fault was counted
    if array.dtype.kind == "i":
        return array.astype(np.int64, copy=False)
    if array.dtype.kind == "u":
        fits = array.dtype.itemsize < 8 or not len(array) or int(array.max()) < 2**63
        return array.astype(np.int64 if fits else np.uint64)
    if array.dtype.kind == "f":
        return _check_float_ids(array, name, faults)
    faults.add(f"ids of type {array.dtype} in column {name!r}", len(array), [])
    return np.empty(0, dtype=np.int64)


def _check_float_ids(array: Vector, name: str, faults: Faults) -> Array:
    """Accept floats that are whole numbers: a frame with a gap once makes them of integers."""
    missing = np.isnan(array)
    faults.add(f"missing ids in column {name!r}", int(missing.sum()), [])
    with np.errstate(invalid="ignore", over="ignore"):
        fractional = ~missing & ((array != np.floor(array)) | (np.abs(array) > 2.0**53))
    faults.add(
        f"fractional or inexact ids in column {name!r}",
        int(fractional.sum()),
        [str(value) for value in array[fractional][:_SHOWN]],
    )
    return np.where(missing | fractional, 0, array).astype(np.int64)


def _check_relevance(
    array: Array, name: str, arrays: Arrays, wanted: Sequence[str], faults: Faults
) -> Vector | None:
    if not isinstance(array, np.ndarray):
        if pa.types.is_integer(array.type):  # integers with gaps
            array = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
        elif pa.types.is_boolean(array.type) or pa.types.is_null(array.type):
            faults.add(f"missing relevance in column {name!r}", array.null_count, [])
            return None
        else:
            faults.add(f"relevance of type {array.type} in column {name!r}", len(array), [])
            return None
    if array.dtype.kind not in "iufb":
        faults.add(f"relevance of type {array.dtype} in column {name!r}", len(array), [])
        return None
    with np.errstate(over="ignore"):
        relevance = array.astype(np.float32)
    if array.dtype.kind == "f" and not np.isfinite(relevance).all():
        for fault, bad in (("missing", np.isnan(array)), ("infinite", np.isinf(relevance))):
            first = np.flatnonzero(bad)[:_SHOWN]
            shown = [
                f"{wanted[0]}={_show(arrays[wanted[0]], row)} "
                f"{wanted[1]}={_show(arrays[wanted[1]], row)}"
                for row in first
            ]
            faults.add(f"{fault} relevance in column {name!r}", int(bad.sum()), shown)
    return relevance


def _show(array: Array, row: int) -> Any:
    value = array[int(row)]
    return value if isinstance(array, np.ndarray) else value.as_py()
