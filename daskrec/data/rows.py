"""Rows of a log as plain arrays: read from one frame in memory and checked.

Faults are counted and not raised, so that one error can tell of all faults of all
partitions.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from daskrec.data import frames, ids
from daskrec.data.id_column import HostColumn, IdColumn
from daskrec.data.ids import Ids
from daskrec.data.moments import as_numbers, read_times
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.backend import DeviceArray
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
    """Checked rows of a log: arrays of one length.

    Parameters
    ----------
    users, items
        Ids.
    relevance
        float32, or None where the log has none.
    faults
        What cannot be used of them.
    sessions
        Ids of sessions, where a model asked for them.
    times
        int64 whose order is that of the times, where a model asked for them.
    """

    __slots__ = ("faults", "items", "relevance", "sessions", "times", "users")

    def __init__(
        self,
        users: Array,
        items: Array,
        relevance: Vector | None,
        faults: Faults,
        sessions: Array | None = None,
        times: Vector | None = None,
    ) -> None:
        self.users = users
        self.items = items
        self.relevance = relevance
        self.faults = faults
        self.sessions = sessions
        self.times = times

    def __len__(self) -> int:
        return len(self.users)

    def __sizeof__(self) -> int:
        """Return the bytes of the columns too, as ``Csr`` does."""
        columns = (self.users, self.items, self.relevance, self.sessions, self.times)
        mine = sum(column.nbytes for column in columns if column is not None)
        return object.__sizeof__(self) + int(mine)

    def in_place(self) -> tuple[IdColumn, IdColumn, DeviceArray | None]:
        """Return users, items and relevance where they lie, which is on the host."""
        return HostColumn(self.users), HostColumn(self.items), self.relevance

    def split(self, item_ids: Ids, bounds: Array, timed: bool) -> "list[Rows]":
        """Split the rows by ranges of users.

        Parameters
        ----------
        item_ids
            What the items of the pieces are codes of; rows of other items are left out.
        bounds
            The first user id of each range but the first.
        timed
            The times go with the rows.

        Returns
        -------
        list of Rows
            One for each range, on the host.
        """
        codes = item_ids.encode(self.items)
        home = ids.route(bounds, self.users)
        count = len(bounds) + 1
        home[codes < 0] = count  # beyond the last range: left out
        order = np.argsort(home, kind="stable")
        cuts = np.searchsorted(home[order], np.arange(count + 1))
        pieces = []
        for start, stop in itertools.pairwise(cuts):
            mine = order[start:stop]
            relevance = self.relevance[mine] if self.relevance is not None else None
            times = self.times[mine] if timed and self.times is not None else None
            items = codes[mine].astype(np.int32)
            pieces.append(Rows(self.users.take(mine), items, relevance, Faults(), times=times))
        return pieces

    def by_session(self) -> "Rows":
        """Return the same rows with sessions in the place of users."""
        assert self.sessions is not None
        return Rows(self.sessions, self.items, self.relevance, self.faults, times=self.times)


@dataclass(frozen=True)
class Wanted:
    """The columns of a frame that are read, by role."""

    user: str
    item: str
    relevance: str | None = None
    session: str | None = None
    binary: bool = False
    time: str | None = None

    @property
    def columns(self) -> list[str]:
        """The names of the columns, each once."""
        names = (self.user, self.item, self.relevance, self.session, self.time)
        return list(dict.fromkeys(name for name in names if name is not None))


def read_rows(frame: Any, kind: str, wanted: Wanted, what: str) -> Rows:
    """Turn a frame in memory into checked arrays; faults are counted, not raised."""
    arrays: Arrays = frames.kind_named(kind).arrays(frame, wanted.columns)
    faults = Faults()
    users = check_ids(arrays[wanted.user], wanted.user, faults)
    items = check_ids(arrays[wanted.item], wanted.item, faults)
    relevance = sessions = times = None
    if wanted.relevance is not None:
        relevance = _check_relevance(arrays, wanted, faults)
    if wanted.session is not None and wanted.session != wanted.user:
        sessions = check_ids(_as_ids(arrays[wanted.session]), wanted.session, faults)
    elif wanted.session is not None:
        sessions = users
    if wanted.time is not None:
        times = check_times(arrays[wanted.time], wanted.time, what, faults)
    return Rows(users, items, relevance, faults, sessions, times)


def check_times(array: Array, name: str, what: str, faults: Faults) -> Vector | None:
    """Return times as integers of the same order; count those that are missing.

    Raises
    ------
    LogError
        The column holds no times.
    """
    if not isinstance(array, np.ndarray):
        missing = array.null_count
    else:
        missing = int(np.isnat(array).sum() if array.dtype.kind == "M" else (array != array).sum())
    faults.add(f"missing times in column {name!r}", missing, [])
    if missing:
        return None
    times = as_numbers(read_times(array, name, what))
    if times.dtype == np.int64:
        return times
    # The bits of floats are in their order, but that negative ones are turned around.
    bits = (times.astype(np.float64) + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & np.int64(2**63 - 1))


def _as_ids(array: Array) -> Array:
    """Return dates and truth values as the integers that stand for them."""
    if not isinstance(array, np.ndarray):
        if not pa.types.is_temporal(array.type):
            return array
        whole = array.cast(pa.int64() if array.type.bit_width == 64 else pa.int32())
        return whole if whole.null_count else whole.to_numpy()
    if array.dtype.kind in "mM":
        whole = array.view(np.int64)
        missing = np.isnat(array)
        return np.where(missing, np.nan, whole) if missing.any() else whole
    return array.astype(np.int64) if array.dtype.kind == "b" else array


def read_ids(array: Array, name: str, what: str) -> Array:
    """Check a column of ids alone.

    Raises
    ------
    LogError
        Ids are missing or fractional, or neither integers nor strings.
    """
    faults = Faults()
    ids = check_ids(array, name, faults)
    faults.raise_any(what)
    return ids


def check_ids(array: Array, name: str, faults: Faults) -> Array:
    """Return ids as int64, uint64 or strings; count as faults those that cannot be ids."""
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


def _check_relevance(arrays: Arrays, wanted: Wanted, faults: Faults) -> Vector | None:
    name = str(wanted.relevance)
    array = arrays[name]
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
            shown = [_show_pair(arrays, wanted, row) for row in np.flatnonzero(bad)[:_SHOWN]]
            faults.add(f"{fault} relevance in column {name!r}", int(bad.sum()), shown)
    elif wanted.binary:
        other = (relevance != 0) & (relevance != 1)
        shown = [str(value) for value in array[other][:_SHOWN]]
        text = f"Relevance values in log must be 0 or 1, which they are not in column {name!r}"
        faults.add(text, int(other.sum()), shown)
    return relevance


def _show_pair(arrays: Arrays, wanted: Wanted, row: int) -> str:
    return " ".join(f"{name}={_show(arrays[name], row)}" for name in (wanted.user, wanted.item))


def _show(array: Array, row: int) -> Any:
    value = array[int(row)]
    return value if isinstance(array, np.ndarray) else value.as_py()
