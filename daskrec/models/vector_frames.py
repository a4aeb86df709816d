"""Frames of the vectors of users or items: what ``get_features`` returns."""

from typing import Any

import numpy as np
import pyarrow as pa

from daskrec.data import output
from daskrec.data.columns import find
from daskrec.data.frames import find_kind
from daskrec.data.ids import Ids
from daskrec.data.output import Form
from daskrec.data.selection import read_selection
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.shared import RowShards
from daskrec.errors import warn_caller
from daskrec.models.asked import Catalogue


def role_of(ids: Any, first: str = "user") -> str:
    """Return whether a frame has users or items.

    Parameters
    ----------
    ids
        The frame.
    first
        Which of the two is taken where it has both.

    Raises
    ------
    ValueError
        It has neither, or is no frame.
    """
    kind = find_kind(ids)
    columns = kind.columns(ids) if kind is not None else []
    order = sorted(("user", "item"), key=first.__ne__)
    role = next((role for role in order if find(columns, role)), None)
    if role is None:
        raise ValueError("ids must be a frame with a column user_idx or item_idx")
    return role


def read_ids(fitted: Catalogue, ids: Any, role: str) -> Ids:
    """Return the distinct ids of a frame, known to the model or not."""
    own = fitted.some_users if role == "user" else fitted.item_ids.get()
    chosen = read_selection(ids, role, own)
    assert chosen is not None
    return chosen


def factor_frame(
    fitted: Catalogue, ids: Any, role: str, table: RowShards, among: Vector | None = None
) -> Any:
    """Return a frame of the rows of a table for the ids of a frame.

    Parameters
    ----------
    fitted
        The users and items of the model.
    ids
        A frame with a column of the role. Unknown ids have no rows, and a warning counts them.
    role
        ``"user"`` or ``"item"``.
    table
        Vectors of all users, or of all items.
    among
        Codes of those that have one; None for all.
    """
    chosen = read_ids(fitted, ids, role)
    encoder = fitted.user_ids if role == "user" else fitted.item_ids.get()
    codes = encoder.encode(chosen.values)
    if among is not None:
        codes = np.where(np.isin(codes, among), codes, -1)
    found = np.flatnonzero(codes >= 0)
    if len(found) < len(codes):
        missing = len(codes) - len(found)
        warn_caller(f"{missing} {role}s are not known to the model, or have no vector")
    known = Ids(chosen.values.take(found))
    task = runtime.task(_factor_rows, known, codes[found], table, names_of(fitted, role)[::2])
    return finish(fitted, [task], known, role)


def names_of(fitted: Catalogue, role: str) -> tuple[str, str, str]:
    """Return the names of the columns of ids, biases and factors."""
    names = fitted.layout.names
    return (names.user if role == "user" else names.item), f"{role}_bias", f"{role}_factors"


def finish(fitted: Catalogue, tasks: list[Any], known: Ids, role: str, biased: bool = False) -> Any:
    """Return a frame, of the kind of the log, of tasks that give its columns.

    Parameters
    ----------
    fitted
        The users and items of the model.
    tasks
        Each gives ``Arrays``: ids, biases where there are some, and factors (``as_lists``).
    known
        The ids.
    role
        ``"user"`` or ``"item"``.
    biased
        Whether there is a column of biases.
    """
    layout = fitted.layout
    name, bias, factors = names_of(fitted, role)
    empty: Arrays = {name: known.values[:0]}
    if biased:
        empty[bias] = np.empty(0, dtype=np.float32)
    empty[factors] = as_lists(np.empty((0, 1)))
    dtype = layout.user if role == "user" else layout.item
    form = Form(layout.kind, layout.part, empty, {name: dtype, **_list_dtype(layout.kind, factors)})
    return output.finish(tasks, form, label="factors")


def _factor_rows(
    known: Ids, codes: Vector, table: RowShards, names: tuple[str, str]
) -> dict[str, Array]:
    return {names[0]: known.values, names[1]: as_lists(table.take(codes))}


def as_lists(rows: Vector) -> pa.Array:
    """Return rows of numbers as a column of lists of float32."""
    flat = pa.array(np.ascontiguousarray(rows, dtype=np.float32).reshape(-1))
    starts = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(pa.array(starts), flat)


def _list_dtype(kind: str, column: str) -> dict[str, Any]:
    """Name the type of lists for Dask, which would make strings of an object column."""
    import pandas as pd

    return {column: pd.ArrowDtype(pa.list_(pa.float32()))} if kind == "dask" else {}
