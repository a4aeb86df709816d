"""Frames whose rows stay where they are: rows are chosen, columns added, nothing is moved.

Splitters, filters and preparation work on whole frames, with whatever columns they have. A
``Table`` shows any kind of frame as a list of parts: one for a frame in memory, where work is
done at once, and a task for each partition of a lazy one, where work is more tasks.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from daskrec.data import columns as roles
from daskrec.data import frames
from daskrec.data.kinds import Dtypes
from daskrec.data.paths import open_frame
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.errors import LogError


def call(lazy: bool, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function now, or make a task of the call."""
    return runtime.task(function, *args) if lazy else function(*args)


def each(lazy: bool, function: Callable[..., Any], calls: Iterable[Sequence[Any]]) -> list[Any]:
    """Call a function with each of several lists of arguments, now or as tasks of one stage."""
    return runtime.tasks(function, calls) if lazy else [function(*args) for args in calls]


@dataclass(frozen=True)
class Table:
    """A frame as a list of parts.

    Parameters
    ----------
    kind, part
        Names of the kind of frame, and of the kind of its parts.
    names
        Its columns.
    parts
        Frames of kind ``part``, or tasks that give them.
    what
        How errors call the frame.
    empty
        The declared form of a lazy frame: a part without rows.
    source
        The frame that the table shows; one of Spark has been evaluated.
    """

    kind: str
    part: str
    names: list[str]
    parts: list[Any]
    what: str = "the log"
    empty: Any = field(default=None, repr=False)
    source: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, source: Any, what: str = "the log", only: Sequence[str] | None = None) -> "Table":
        """Show a frame, or what a path names, as a table.

        Parameters
        ----------
        source
            A frame of any kind, or a path or glob of Parquet or CSV files.
        what
            How errors call it.
        only
            Read these columns alone; a lazy frame then reads no other.

        Raises
        ------
        LogError
            The source is no frame, or lacks a column of ``only``.
        """
        frame = open_frame(source, what)
        kind = frames.kind_of(frame, what)
        names = kind.columns(frame)
        missing = [name for name in only or () if name not in names]
        if missing:
            raise LogError(f"{what} has no column {missing}: it has {names}")
        frame = frames.opened(frame, only)
        kind = frames.kind_of(frame, what)
        if not kind.partitioned:
            return cls(kind.name, kind.name, names, [frame], what, source=frame)
        names = names if only is None else list(only)
        part, empty = kind.part_kind(frame), kind.empty(frame, names)
        return cls(kind.name, part, names, kind.parts(frame, names), what, empty, frame)

    def only(self, names: Sequence[str]) -> "Table":
        """Return a table of some columns; of a lazy frame no other is read."""
        return Table.of(self.source, self.what, only=list(dict.fromkeys(names)))

    @property
    def lazy(self) -> bool:
        """Whether parts are tasks."""
        return bool(frames.kind_named(self.kind).partitioned)

    def role(self, role: str) -> str:
        """Return the column that plays a role; raise ``LogError`` where none does."""
        return roles.require(self.names, role, self.what)

    def find(self, role: str) -> str | None:
        """Return the column that plays a role, or None."""
        return roles.find(self.names, role)

    def dtypes(self, names: Sequence[str]) -> Dtypes:
        """Return the types of columns, as the kind of the parts spells them."""
        whole = self.empty if self.lazy else self.parts[0]
        found: Dtypes = frames.kind_named(self.part).dtypes(whole, list(names))
        return found

    def map(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """Call a function on every part, now or as tasks.

        Arguments that are lists with one entry a part give each call its own; others are the
        same for all.
        """
        return each(self.lazy, function, spread(self.parts, args))

    def arrays(self, names: Sequence[str]) -> list[Any]:
        """Return for each part its columns as ``Arrays``, or a task that gives them."""
        return self.map(_arrays, self.part, tuple(names))

    def filter(self, masks: list[Any]) -> Any:
        """Return a frame of the rows where a part's mask is true.

        Parameters
        ----------
        masks
            For each part a bool array with an entry a row, or a task that gives it.

        Returns
        -------
        frame
            Of the kind of the table, lazy for a lazy one; pandas frames keep their index.
        """
        return self._assemble(self.map(_filter, self.part, masks), self.empty)

    def assign(
        self,
        columns: list[Any],
        empty: Arrays,
        drop: Sequence[str] = (),
        dtypes: Dtypes | None = None,
    ) -> Any:
        """Return a frame with more columns.

        Parameters
        ----------
        columns
            For each part its new columns (``Arrays``), or a task that gives them. Those of
            the table that have the same names are replaced, in place.
        empty
            The new columns without rows, for their names and types.
        drop
            Columns that are left out.
        dtypes
            Types of new columns as the kind of the parts spells them, where they are not to
            follow the arrays.
        """
        options = self.part, tuple(drop), dtypes or {}
        meta = _assign(self.empty, *options, empty) if self.lazy else None
        return self._assemble(self.map(_assign, *options, columns), meta)

    def build(self, columns: list[Any], empty: Arrays, dtypes: Dtypes | None = None) -> Any:
        """Return a frame of the kind of the table, made of columns alone.

        Parameters
        ----------
        columns
            ``Arrays`` (exactly one in memory), or any number of tasks that give them.
        empty, dtypes
            As for ``assign``.
        """
        options = self.part, dtypes or {}
        meta = _build(empty, *options) if self.lazy else None
        return self._assemble(each(self.lazy, _build, [(c, *options) for c in columns]), meta)

    def _assemble(self, parts: list[Any], empty: Any) -> Any:
        if not self.lazy:
            return parts[0]
        return frames.kind_named(self.kind).assemble(parts, empty)


def spread(parts: Sequence[Any], args: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the arguments of a call for every part.

    Lists with one entry a part give each call its own; other arguments are the same for all.
    """
    count = len(parts)
    own = [arg if isinstance(arg, list) and len(arg) == count else [arg] * count for arg in args]
    return list(zip(parts, *own, strict=True))


def _arrays(frame: Any, kind: str, names: Sequence[str]) -> Arrays:
    found: Arrays = frames.kind_named(kind).arrays(frame, list(names))
    return found


def _filter(frame: Any, kind: str, mask: Vector) -> Any:
    return frames.kind_named(kind).filter(frame, mask)


def _assign(frame: Any, kind: str, drop: Sequence[str], dtypes: Dtypes, columns: Arrays) -> Any:
    return frames.kind_named(kind).assign(frame, columns, dtypes, drop)


def _build(columns: Arrays, kind: str, dtypes: Dtypes) -> Any:
    return frames.kind_named(kind).build(columns, dtypes)


def timestamps(array: Array, name: str, what: str = "the log") -> Vector:
    """Return a column of times as numbers that can be compared.

    Parameters
    ----------
    array
        Integers, floats, dates or times.
    name, what
        How errors call the column and the frame.

    Returns
    -------
    ndarray of int64 or float64
        Nanoseconds since 1970 for dates and times (in UTC where they have a zone); numbers as
        they are.

    Raises
    ------
    LogError
        Times are missing, or strings, or beyond what nanoseconds reach (1677 to 2262).
    """
    if not isinstance(array, np.ndarray):
        if array.null_count:
            raise LogError(f"{what}: {array.null_count} rows have no time in column {name!r}")
        raise LogError(
            f"{what}: column {name!r} holds {array.type}, not times: convert it to integers or "
            "dates (daskrec.statistics.process_timestamp_column does)"
        )
    if array.dtype.kind == "M":
        return _nanoseconds(array, name, what)
    if array.dtype.kind == "f":
        missing = int((~np.isfinite(array)).sum())
        if missing:
            raise LogError(f"{what}: {missing} rows have no time in column {name!r}")
        return array.astype(np.float64, copy=False)
    if array.dtype.kind not in "iu":
        raise LogError(f"{what}: column {name!r} holds {array.dtype}, not times")
    return array.astype(np.int64)


def _nanoseconds(array: Vector, name: str, what: str) -> Vector:
    missing = int(np.isnat(array).sum())
    if missing:
        raise LogError(f"{what}: {missing} rows have no time in column {name!r}")
    fine = array.astype("datetime64[ns]")
    if (fine.astype(array.dtype) != array).any():
        raise LogError(f"{what}: column {name!r} has times that nanoseconds do not reach")
    return fine.view(np.int64)


def as_text(values: Sequence[str]) -> pa.Array:
    """Return strings as the Arrow array that columns of strings are."""
    return pa.array(list(values), pa.large_string())
