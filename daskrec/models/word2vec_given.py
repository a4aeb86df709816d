"""Vectors of items that were made elsewhere: gensim's, a mapping, an array or a frame."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from daskrec.data import columns as roles
from daskrec.data import ids as id_tools
from daskrec.data.frames import find_kind
from daskrec.data.ids import Ids
from daskrec.data.moments import is_text
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table
from daskrec.engine import runtime
from daskrec.engine.arrays import Vector
from daskrec.errors import LogError

_FORMS = (
    "gensim's KeyedVectors, a mapping from items to vectors, an array (row i for item i), or a "
    "frame with a column of items and one of vectors"
)


def read_vectors(given: Any, items: Ids) -> tuple[Vector, Vector]:
    """Find the vectors of some items.

    Parameters
    ----------
    given
        A gensim ``KeyedVectors`` (anything with ``key_to_index`` and ``vectors``) whose keys
        are items or their texts, or a model with one as ``wv``; a mapping, with such keys; an
        array, whose row numbers are the items; or a frame as ``get_features`` gives.
    items
        The items of the log.

    Returns
    -------
    tuple
        int32 codes of the items that have a vector, ascending, and float32 vectors, one row a
        code. A look-up an item.

    Raises
    ------
    LogError
        It is none of these; vectors differ in length, or are not finite; no item has one.
    """
    codes, vectors = _find(given, items)
    if len(codes) == 0:
        raise LogError(
            "vectors has none of the items of the log: keys are items, or their texts, "
            f"such as {_names(items)[:3]}"
        )
    if not np.isfinite(vectors).all():
        raise LogError("vectors holds numbers that are missing or infinite")
    return codes.astype(np.int32), np.ascontiguousarray(vectors, dtype=np.float32)


def _find(given: Any, items: Ids) -> tuple[Vector, Vector]:
    given = getattr(given, "wv", given)
    if hasattr(given, "key_to_index") and hasattr(given, "vectors"):
        codes, rows = _look_up(given.key_to_index, items)
        return codes, np.asarray(given.vectors)[np.array(rows, dtype=np.int64)]
    if isinstance(given, Mapping):
        codes, found = _look_up(given, items)
        return codes, _stacked(found)
    if find_kind(given) is not None:
        return _from_frame(given, items)
    table = np.asarray(given)
    if table.ndim != 2 or table.dtype.kind not in "iuf":
        raise LogError(f"vectors is a {type(given).__name__}: give {_FORMS}")
    if not isinstance(items.values, np.ndarray):
        raise LogError(f"vectors is an array, and the items of the log are strings: give {_FORMS}")
    codes = np.flatnonzero((items.values >= 0) & (items.values < len(table)))
    return codes, table[items.values[codes].astype(np.int64)]


def _look_up(known: Mapping[Any, Any], items: Ids) -> tuple[Vector, list[Any]]:
    """Return the codes of the items that a mapping knows, and what it says of them."""
    pairs = list(_pairs(known, items))
    return np.array([code for code, _ in pairs], dtype=np.int64), [value for _, value in pairs]


def _pairs(known: Mapping[Any, Any], items: Ids) -> Iterator[tuple[int, Any]]:
    for code, item in enumerate(_names(items)):
        key = item if item in known else str(item)
        if key in known:
            yield code, known[key]


def _names(items: Ids) -> list[Any]:
    values = items.values
    return list(values.tolist())


def _stacked(vectors: Any) -> Vector:
    """Return vectors as the rows of an array."""
    rows = [np.asarray(vector, dtype=np.float64) for vector in vectors]
    shapes = sorted({row.shape for row in rows})
    if len(shapes) > 1 or (shapes and len(shapes[0]) != 1):
        raise LogError(f"vectors of items have to be of one length, and have the shapes {shapes}")
    return np.stack(rows) if rows else np.empty((0, 0))


def _from_frame(frame: Any, items: Ids) -> tuple[Vector, Vector]:
    table = Table.of(frame, "vectors")
    item = roles.require(table.names, "item", "vectors")
    others = [name for name in table.names if name != item]
    if len(others) != 1:
        raise LogError(f"vectors has the columns {table.names}: give one of items, one of vectors")
    parts = table.arrays([item, others[0]])
    parts = runtime.compute(parts, "reading vectors") if table.lazy else parts
    known = id_tools.concat([read_ids(part[item], item, "vectors") for part in parts])
    if any(is_text(part[others[0]]) for part in parts):
        raise LogError(
            f"vectors: column {others[0]!r} holds texts, which Dask makes of lists: give the "
            "column an Arrow type of lists"
        )
    codes = items.encode(known)
    rows = np.flatnonzero(codes >= 0)
    order = rows[np.argsort(codes[rows], kind="stable")]
    if (np.diff(codes[order]) == 0).any():
        raise LogError("vectors has several rows for one item")
    cells = [cell for part in parts for cell in part[others[0]]]
    return codes[order], _stacked(cells[row] for row in order)
