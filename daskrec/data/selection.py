"""The ``users``, ``items`` and ``candidates`` that a call names, as sorted distinct ids.

None means the default and is told apart from an empty selection, which selects nothing.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from daskrec.data import columns as roles
from daskrec.data import frames, ids
from daskrec.data.ids import Ids
from daskrec.data.paths import open_frame
from daskrec.data.rows import read_ids
from daskrec.data.values import pandas_array, plain_array
from daskrec.engine import runtime
from daskrec.engine.arrays import Array
from daskrec.errors import LogError


def read_selection(chosen: Any, role: str, like: Ids) -> Ids | None:
    """Return the ids that a caller chose.

    Parameters
    ----------
    chosen
        None, one id, or any iterable, array, series, index or frame of ids. A frame has a
        column of the role, or one column alone; its other columns are ignored.
    role
        ``"user"`` or ``"item"``.
    like
        Ids of the kind that is expected; an empty selection takes it.

    Returns
    -------
    Ids or None
        Sorted distinct ids; None for None.

    Raises
    ------
    LogError
        Ids are missing or fractional, or strings where the log has integers.
    """
    if chosen is None:
        return None
    what = f"the selection of {role}s"
    array = _column(chosen, role, what)
    if len(array) == 0:
        return like[:0]
    selected = read_ids(array, role, what)
    if len(like):
        ids.same_kind(like.values, selected)
    return ids.distinct(selected)


def _column(chosen: Any, role: str, what: str) -> Array:
    """Return the ids as an array, in the order and number in which they were given."""
    if hasattr(chosen, "dask") and hasattr(chosen, "compute"):
        chosen = chosen.compute()
    kind = frames.find_kind(chosen)
    if kind is not None:
        names = kind.columns(chosen)
        name = roles.find(names, role)
        if name is None and len(names) == 1:
            name = names[0]
        name = name or roles.require(names, role, what)
        return kind.arrays(chosen, [name])[name]
    if isinstance(chosen, str | int | float | np.generic):
        chosen = [chosen]
    if isinstance(chosen, pd.Index):
        chosen = chosen.to_series()
    if isinstance(chosen, pd.Series):
        return pandas_array(chosen)
    if hasattr(chosen, "to_arrow"):  # a column of cuDF or polars
        return plain_array(chosen.to_arrow())
    if hasattr(chosen, "__arrow_c_stream__") or isinstance(chosen, pa.Array | pa.ChunkedArray):
        return plain_array(_as_arrow(chosen))
    if isinstance(chosen, np.ndarray) and chosen.ndim == 1 and chosen.dtype.kind in "iuf":
        return chosen
    if not isinstance(chosen, Iterable):
        raise LogError(f"{what} is a {type(chosen).__name__}: give ids, or a frame of them")
    return _from_values(list(chosen), what)


def _as_arrow(chosen: Any) -> "pa.Array | pa.ChunkedArray":
    return chosen if isinstance(chosen, pa.Array | pa.ChunkedArray) else pa.chunked_array(chosen)


def _from_values(values: list[Any], what: str) -> Array:
    try:
        return plain_array(pa.array(values, from_pandas=True))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        if all(isinstance(value, int | np.integer) for value in values):
            try:
                return np.array(values, dtype=np.uint64)  # beyond 2**63
            except OverflowError:
                raise LogError(f"{what} holds ids that no 64-bit type holds together") from error
        raise LogError(f"{what} mixes types: give integers or strings alone") from error


def feature_ids(features: Any, role: str) -> list[Any]:
    """Return the distinct ids of a frame of features: ``Ids``, or tasks that give them."""
    if features is None:
        return []
    what = f"{role}_features"
    frame = open_frame(features, what)
    kind = frames.kind_of(frame, what)
    name = roles.require(kind.columns(frame), role, what)
    frame = frames.opened(frame, [name])
    kind = frames.kind_of(frame, what)
    if not kind.partitioned:
        return [_ids_of(frame, kind.name, name, what)]
    part = kind.part_kind(frame)
    return [runtime.task(_ids_of, chunk, part, name, what) for chunk in kind.parts(frame, [name])]


def _ids_of(frame: Any, kind: str, name: str, what: str) -> Ids:
    column = frames.kind_named(kind).arrays(frame, [name])[name]
    return ids.distinct(read_ids(column, name, what))
