"""Columns of a table: found by name or by role, and checked with one error."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from daskrec.data.columns import SPELLINGS
from daskrec.data.moments import read_times
from daskrec.data.rows import Faults, check_ids
from daskrec.data.tables import Table, each
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.errors import LogError


def resolve(table: Table, name: str | None, role: str | None = None) -> str:
    """Return the column that a caller named.

    Parameters
    ----------
    table
        The frame.
    name
        Its name. A usual spelling of a role, such as the default ``"user_id"``, stands for
        whichever spelling the frame has; so does None for ``role``.
    role
        The role where there is no name.

    Raises
    ------
    LogError
        The frame has no such column.
    """
    if name is not None and name in table.names:
        return name
    meant = role if name is None else next((r for r, s in SPELLINGS.items() if name in s), None)
    if meant is not None:
        return table.role(meant)
    raise LogError(f"{table.what} has no column {name!r}: it has {table.names}")


def checked(columns: Arrays, ids: Sequence[str], times: Sequence[str], what: str) -> Arrays:
    """Return columns of ids and of times as they are worked on.

    Parameters
    ----------
    columns
        Arrays by name.
    ids, times
        Names of the columns; others are left out.
    what
        How errors call the frame.

    Raises
    ------
    LogError
        Ids or times are missing or cannot be used.
    """
    faults = Faults()
    out: Arrays = {name: check_ids(columns[name], name, faults) for name in ids}
    faults.raise_any(what)
    return out | {name: read_times(columns[name], name, what) for name in times}


def checked_parts(table: Table, ids: Sequence[str], times: Sequence[str] = ()) -> list[Any]:
    """Return for each part of a table what ``checked`` gives, or a task that gives it."""
    names = list(dict.fromkeys([*ids, *times]))
    calls = [(part, tuple(ids), tuple(times), table.what) for part in table.arrays(names)]
    return each(table.lazy, checked, calls)


def read_numbers(array: Array, name: str, what: str = "the log") -> Vector:
    """Return a column of numbers, none of which is missing, in its own type.

    Raises
    ------
    LogError
        Values are missing, or are no numbers.
    """
    numbers: Vector
    missing = 0
    if not isinstance(array, np.ndarray):
        if not (pa.types.is_integer(array.type) or pa.types.is_null(array.type)):
            raise LogError(f"{what}: column {name!r} holds {array.type}, not numbers")
        missing = array.null_count
        numbers = array.drop_null().cast(pa.int64()).to_numpy(zero_copy_only=False)
    else:
        if array.dtype.kind not in "iufb":
            raise LogError(f"{what}: column {name!r} holds {array.dtype}, not numbers")
        numbers = array.astype(np.int64) if array.dtype.kind == "b" else array
        missing = int(np.isnan(array).sum()) if array.dtype.kind == "f" else 0
    if missing:
        raise LogError(f"{what}: {missing} values are missing in column {name!r}")
    return numbers


def declared(table: Table, names: Sequence[str]) -> Arrays:
    """Return columns without rows, of the types that a table declares.

    A lazy table is not read. The columns of one in memory are turned into arrays for it.
    """
    form = Table.of(table.empty) if table.lazy else table
    (arrays,) = form.arrays(names)
    return {name: array[:0] for name, array in arrays.items()}


def fold(lazy: bool, parts: Sequence[Any], merge: Callable[[Any, Any], Any]) -> Any:
    """Merge results pairwise in a fixed order, now or as tasks.

    Neighbours are merged first, so that no task gathers the results of all parts.
    """
    level = list(parts)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        level = each(lazy, merge, pairs) + level[len(level) - len(level) % 2 :]
    return level[0]
