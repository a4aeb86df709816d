"""Frames as matrices: which features are numbers, and a log as a sparse matrix."""

from typing import Any

import numpy as np
from scipy import sparse

from daskrec.data.moments import is_number
from daskrec.data.reading import declared, read_numbers
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table, each
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays
from daskrec.errors import LogError


def check_numeric(feature_table: Any) -> None:
    """Raise unless all columns of a frame are numeric; truth values are not.

    Parameters
    ----------
    feature_table
        A frame of any kind, or a path. Only its types are looked at.

    Raises
    ------
    LogError
        Columns are not numeric; all of them are told.
    """
    table = Table.of(feature_table, "the frame of features")
    types = declared(table, table.names)
    wrong = {
        name: str(array.dtype if isinstance(array, np.ndarray) else array.type)
        for name, array in types.items()
        if not is_number(array)
    }
    if wrong:
        told = ", ".join(f"{name!r} ({kind})" for name, kind in wrong.items())
        raise LogError(f"columns {told} are not numeric: ToNumericFeatureTransformer makes them so")


def to_csr(log: Any, user_count: int | None = None, item_count: int | None = None) -> Any:
    """Return a log as a sparse matrix of users by items.

    Parameters
    ----------
    log
        A frame of any kind, or a path, whose users and items are numbers from 0 on, as those
        of ``Indexer``. Its relevance fills the matrix; 1 where it has none.
    user_count, item_count
        Numbers of rows and columns; by default the highest number and one.

    Returns
    -------
    scipy.sparse.csr_matrix
        With the type of the relevance; relevance of repeated pairs is summed. A Dask log is
        read at once.

    Raises
    ------
    LogError
        Ids are strings, negative or missing, or beyond the numbers of rows or columns.

    Notes
    -----
    Memory of the entries, and 4 to 8 bytes for every row up to the highest: gaps cost memory.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_idx": [0, 1], "item_idx": [0, 2], "relevance": [1, 2]})
    >>> to_csr(log).toarray()
    array([[1, 0, 0],
           [0, 0, 2]])
    """
    table = Table.of(log)
    user, item, relevance = table.role("user"), table.role("item"), table.find("relevance")
    names = [user, item, *([relevance] if relevance else [])]
    arrays = table.only(names).arrays(names)
    found = each(
        table.lazy, _entries, [(part, user, item, relevance, table.what) for part in arrays]
    )
    parts: list[Arrays] = runtime.compute(found, "reading the log") if table.lazy else found
    filled = [part for part in parts if len(part["rows"])] or parts[:1]
    rows, columns, values = (
        np.concatenate([np.asarray(part[name]) for part in filled])
        for name in ("rows", "columns", "values")
    )
    shape = (
        _size(rows, user_count, "user_count"),
        _size(columns, item_count, "item_count"),
    )
    return sparse.csr_matrix((values, (rows, columns)), shape=shape)


def _entries(columns: Arrays, user: str, item: str, relevance: str | None, what: str) -> Arrays:
    rows = _numbers(read_ids(columns[user], user, what), user, what)
    places = _numbers(read_ids(columns[item], item, what), item, what)
    values = (
        np.ones(len(rows))
        if relevance is None
        else read_numbers(columns[relevance], relevance, what)
    )
    return {"rows": rows, "columns": places, "values": values}


def _numbers(ids: Array, name: str, what: str) -> Array:
    if not isinstance(ids, np.ndarray) and len(ids) == 0:
        return np.empty(0, dtype=np.int64)
    if not isinstance(ids, np.ndarray) or (len(ids) and int(ids.min()) < 0):
        raise LogError(
            f"{what}: ids in column {name!r} are strings or negative, and no places in a matrix: "
            "Indexer makes numbers of them"
        )
    return ids


def _size(places: Any, wanted: int | None, name: str) -> int:
    size = int(places.max(initial=-1)) + 1
    if wanted is not None and wanted < size:
        raise LogError(f"{name} is {wanted}, and the log has the number {size - 1}")
    return size if wanted is None else int(wanted)
