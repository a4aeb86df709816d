"""Features of users and items beside the log, looked up for the rows of candidates."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from daskrec.data import frames
from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.errors import LogError
from daskrec.history_features.categories import Categories, plain
from daskrec.history_features.lookup import Lookup, distinct_rows

# Text with more distinct values (names, titles) says nothing of other ids.
_MOST_VALUES = 1000


class SideFeatures:
    """A table of features of users, or of items.

    Parameters
    ----------
    lookup
        float64 columns: numbers (NaN for missing ones), or the codes of categories.
    categories
        The categories of the columns of text.
    """

    def __init__(self, lookup: Lookup, categories: dict[str, Categories]) -> None:
        self.lookup = lookup
        self.categories = categories

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return self.lookup.names

    @classmethod
    def read(
        cls, source: Any, role: str, kept: Sequence[str] = (), only: Sequence[str] | None = None
    ) -> "SideFeatures":
        """Read a frame of features.

        Parameters
        ----------
        source
            A frame of any kind, or a path.
        role
            ``"user"`` or ``"item"``.
        kept
            Columns of text that are kept however many values they have.
        only
            The features that are wanted; by default all. Those that the frame lacks count as
            missing.

        Raises
        ------
        LogError
            There is no column of ids, or an id has several rows.
        """
        what = f"{role}_features"
        table = Table.of(source, what)
        key = table.role(role)
        names = [n for n in table.names if n != key and (only is None or n in only)]
        table = table.only([key, *names])
        table = replace(table, parts=table.arrays([key, *names]))
        if table.lazy:
            table = replace(table, parts=runtime.persist(table.parts, "reading features"))
        found = table.map(_text_values, tuple(names))
        if table.lazy:
            found = runtime.compute(found, "reading features")
        categories: dict[str, Categories] = {}
        for name in list(names):
            parts = [part[name] for part in found if part.get(name) is not None]
            if not parts:
                continue
            joined = Categories.union(parts, name)
            if len(joined) > _MOST_VALUES and name not in kept:
                runtime.logger.info(
                    "%s: %r has more than %d values and is left out", what, name, _MOST_VALUES
                )
                names.remove(name)
            else:
                categories[name] = joined
        groups = Groups.by(table.parts, key, table.lazy, what)
        options = (what, tuple(names), categories)
        return cls(Lookup.build(groups, _numbers, names, *options), categories)

    def columns(self, ids: Array, names: Sequence[str]) -> Arrays:
        """Return features of ids: float64 with NaN, or text with nulls, for unknown ids."""
        found, known = self.lookup.take(ids)
        out: Arrays = {}
        for name in names:
            column = np.where(known, found[name], np.nan) if name in found else None
            if column is None:
                out[name] = np.full(len(ids), np.nan)
            elif name in self.categories:
                codes = np.where(np.isnan(column), -1, column).astype(np.int64)
                out[name] = self.categories[name].decode(codes)
            else:
                out[name] = column
        return out

    def empty(self, names: Sequence[str]) -> Arrays:
        """Return the columns without rows."""
        text = pa.array([], pa.large_string())
        return {name: text if name in self.categories else np.empty(0) for name in names}


def numeric_alone(source: Any, role: str) -> Any:
    """Return a frame of features without columns of text and dates, for first-level models."""
    if source is None:
        return None
    table = Table.of(source, f"{role}_features")
    example = table.empty if table.lazy else table.parts[0]
    key = table.role(role)
    arrays = frames.kind_named(table.part).arrays(example, table.names)
    other = [name for name in table.names if name != key and not _is_number(arrays[name])]
    if not other:
        return source
    return table.assign([{} for _ in table.parts], {}, drop=other)


def model_features(user_features: Any, item_features: Any) -> dict[str, Any]:
    """Return features as arguments of first-level models: numbers alone."""
    return {
        "user_features": numeric_alone(user_features, "user"),
        "item_features": numeric_alone(item_features, "item"),
    }


def _is_number(array: Array) -> bool:
    if isinstance(array, np.ndarray):
        return array.dtype.kind in "iufb"
    kind = array.type
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def _text_values(columns: Arrays, names: Sequence[str]) -> dict[str, Categories | None]:
    """Return the categories of the columns of text of a part."""
    out: dict[str, Categories | None] = {}
    for name in names:
        array = columns[name]
        text = not isinstance(array, np.ndarray) and pa.types.is_large_string(array.type)
        out[name] = Categories.of(array) if text and len(array) else None
    return out


def _numbers(
    columns: Arrays,
    rows: Vector,
    ids: Ids,
    what: str,
    names: Sequence[str],
    categories: dict[str, Categories],
) -> list[Vector]:
    distinct_rows(what, rows, ids)
    out = []
    for name in names:
        column = np.full(len(ids), np.nan)
        if name in categories:
            codes = categories[name].encode(columns[name], name)
            column[rows] = np.where(codes < 0, np.nan, codes)
        elif len(rows):
            values = plain(columns[name])
            if not isinstance(values, np.ndarray):
                raise LogError(f"{what}: column {name!r} mixes text and numbers")
            column[rows] = values
        out.append(column)
    return out


def look_up(columns: Arrays, key: str, side: SideFeatures, names: Sequence[str]) -> Arrays:
    """Return features for the rows of a part."""
    return side.columns(read_ids(columns[key], key, "pairs"), names)
