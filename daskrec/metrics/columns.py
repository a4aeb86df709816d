"""Frames on their way into a metric: which columns are read, and what is made of them.

A frame becomes a ``Side``: parts of plain arrays under the names ``user``, ``item``,
``score`` and ``category``, whatever they were called, in as few bytes as hold the same
values, because the sides of a lazy evaluation go through storage.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from daskrec.data import frames
from daskrec.data.rows import Faults, check_ids
from daskrec.data.tables import Table
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.errors import LogError

CATEGORY_SPELLINGS = ("category_id", "category_idx", "category")


@dataclass(frozen=True)
class Names:
    """Names of columns that the user gave; None where a usual one is looked for."""

    user: str | None = None
    item: str | None = None
    score: str | None = None
    category: str | None = None


@dataclass(frozen=True)
class Side:
    """One of the frames of an evaluation.

    Parameters
    ----------
    table
        The frame.
    columns
        Role (``user``, ``item``, ``score``, ``category``) and name of what is read.
    """

    table: Table
    columns: dict[str, str]

    @property
    def lazy(self) -> bool:
        """Whether parts are tasks."""
        return self.table.lazy

    def parts(self) -> list[Any]:
        """Return the rows of each part as ``Arrays``, or tasks that give them."""
        table = self.table
        return table.map(read_part, table.part, tuple(self.columns.items()), table.what)


@dataclass(frozen=True)
class Wanted:
    """What a side has to tell.

    Parameters
    ----------
    what
        How errors call it.
    roles
        Roles that it has to have.
    optional
        Roles that are read where there is a column for them.
    strict
        Names that the user gave must be there; else another usual one serves.
    """

    what: str
    roles: tuple[str, ...]
    optional: tuple[str, ...] = field(default=())
    strict: bool = False


def open_side(source: Any, wanted: Wanted, names: Names) -> Side:
    """Find the columns of a frame.

    Raises
    ------
    LogError
        The source is no frame, or lacks a column.
    """
    if source is None:
        raise LogError(f"{wanted.what}: no frame was given")
    table = Table.of(source, wanted.what)
    columns = {role: _find(table, role, names, wanted.strict, True) for role in wanted.roles}
    for role in wanted.optional:
        columns[role] = _find(table, role, names, wanted.strict, False)
    found = {role: name for role, name in columns.items() if name is not None}
    if table.lazy:
        table = table.only(list(found.values()))
    return Side(table, found)


def _find(table: Table, role: str, names: Names, strict: bool, needed: bool) -> str | None:
    given: str | None = getattr(names, role)
    if given is not None and (given in table.names or strict):
        if given not in table.names:
            raise LogError(f"{table.what} has no column {given!r}: it has {table.names}")
        return given
    if role == "category":
        return _find_category(table, needed)
    usual = {"score": "relevance"}.get(role, role)
    return table.role(usual) if needed else table.find(usual)


def _find_category(table: Table, needed: bool) -> str | None:
    found = [name for name in CATEGORY_SPELLINGS if name in table.names]
    if len(found) > 1 or (needed and not found):
        raise LogError(
            f"{table.what} has the columns {table.names}: name that of the categories with "
            f"category_column, or call it one of {list(CATEGORY_SPELLINGS)}"
        )
    return found[0] if found else None


def read_part(frame: Any, kind: str, columns: Sequence[tuple[str, str]], what: str) -> Arrays:
    """Turn a part of a frame into checked arrays, in as few bytes as hold them.

    Raises
    ------
    LogError
        Ids are missing or fractional, or relevance is missing or no number.
    """
    found = frames.kind_named(kind).arrays(frame, list(dict.fromkeys(n for _, n in columns)))
    faults = Faults()
    out: Arrays = {}
    for role, name in columns:
        if role in ("user", "item"):
            out[role] = _narrow(check_ids(found[name], name, faults))
        elif role == "score":
            out[role] = _scores(found[name], name, faults)
        else:
            out[role] = found[name]
    faults.raise_any(what)
    return out


def _narrow(ids: Array) -> Array:
    """Keep integers in 32 bits where they fit: equal ids stay equal."""
    if not isinstance(ids, np.ndarray) or len(ids) == 0 or ids.dtype == np.uint64:
        return ids
    low, high = int(ids.min()), int(ids.max())
    return ids.astype(np.int32) if low >= -(2**31) and high < 2**31 else ids


def _scores(array: Array, name: str, faults: Faults) -> Vector:
    """Return relevance as floats; 32 bits where they hold every value."""
    if not isinstance(array, np.ndarray):
        faults.add(f"missing relevance in column {name!r}", array.null_count, [])
        if array.null_count == 0 and not pa.types.is_null(array.type):
            faults.add(f"relevance of type {array.type} in column {name!r}", len(array), [])
        return np.zeros(len(array), np.float32)
    if array.dtype.kind not in "iufb":
        faults.add(f"relevance of type {array.dtype} in column {name!r}", len(array), [])
        return np.zeros(len(array), np.float32)
    if array.dtype.kind == "f":
        faults.add(f"missing relevance in column {name!r}", int(np.isnan(array).sum()), [])
    if array.dtype == np.float32:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        short = array.astype(np.float32)
        exact = bool((short == array).all())
    return short if exact else array.astype(np.float64)
