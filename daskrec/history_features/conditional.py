"""Popularity in groups: how large a share of an item's users have some feature."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.shared import Shared, as_array
from daskrec.errors import LogError, NotFittedError
from daskrec.history_features.categories import Categories
from daskrec.history_features.lookup import Lookup, distinct_rows, join_columns
from daskrec.history_features.shares import Shares, ShareTable


class ConditionalPopularityProcessor:
    """Share of the interactions of an item that came from users of some category.

    Given features of users, every categorical column of them gives one feature of items::

        i_pop_by_gender(i, g) = rows of item i by users of gender g / rows of item i

    and the other way round: features of items give ``u_pop_by_...`` of users. Interactions of
    users without a category count in the denominator.

    Parameters
    ----------
    cat_features_list
        The categorical columns: text, numbers or truth values.

    Attributes
    ----------
    entity_name
        The column of the ids that features are made for.
    conditional_pop_dict
        For each categorical column a frame (of the kind of the log) of id, category and
        share; interactions without a category have rows with a missing one.

    Notes
    -----
    Fit: features travel once and the log once; memory of the table is that of the distinct
    pairs of id and category. Transform: a look-up a row; a Dask frame stays lazy.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_idx": [1, 2, 1], "item_idx": [7, 7, 8]})
    >>> users = pd.DataFrame({"user_idx": [1, 2], "gender": ["M", "F"]})
    >>> processor = ConditionalPopularityProcessor(["gender"]).fit(log, users)
    >>> processor.transform(pd.DataFrame({"item_idx": [7, 8], "gender": ["M", "F"]}))
       item_idx gender  i_pop_by_gender  na_i_pop_by_gender
    0         7      M              0.5               False
    1         8      F              0.0                True
    """

    entity_name: str
    _tables: dict[str, ShareTable] | None = None
    _entity: str
    _like: Table
    _dtype: Any = None

    def __init__(self, cat_features_list: Sequence[str]) -> None:
        self.cat_features_list = cat_features_list

    def fit(self, log: Any, features: Any) -> "ConditionalPopularityProcessor":
        """Work the shares out.

        Parameters
        ----------
        log
            Interactions: a frame of any kind, or a path.
        features
            A frame with a column of users, or of items, and the categorical columns.

        Raises
        ------
        LogError
            Categorical columns are not in ``features``, or an id has several rows there.
        """
        names = list(self.cat_features_list)
        facts = Table.of(features, "features")
        absent = [name for name in names if name not in facts.names]
        if absent:
            raise LogError(
                f"columns {absent} of cat_features_list are absent in features, which has "
                f"{facts.names}"
            )
        self._entity = "user" if facts.find("item") is not None else "item"
        joined = "item" if self._entity == "user" else "user"
        categories, codes = _read_features(facts, facts.role(joined), names)
        table = Table.of(log)
        self.entity_name, key = table.role(self._entity), table.role(joined)
        table = table.only([self.entity_name, key])
        parts = replace(table, parts=table.arrays([self.entity_name, key])).map(
            _coded, (self.entity_name, key), codes
        )
        groups = Groups.by(parts, "entity", table.lazy)
        folder = runtime.storage() if table.lazy else None
        sizes = tuple(len(found) for found in categories)
        shards = groups.map(_count, sizes, folder)
        if table.lazy:
            shards = runtime.compute(shards, "popularity")
        self._tables = {
            name: ShareTable([shard[place] for shard in shards], found)
            for place, (name, found) in enumerate(zip(names, categories, strict=True))
        }
        self._like = replace(table, parts=[])
        self._dtype = table.dtypes([self.entity_name])[self.entity_name]
        return self

    @property
    def conditional_pop_dict(self) -> dict[str, Any] | None:
        """Frames of id, category and share, by categorical column; None before ``fit``."""
        if self._tables is None:
            return None
        return {name: self._frame(name) for name in self._tables}

    def transform(self, log: Any) -> Any:
        """Add the shares to rows.

        Parameters
        ----------
        log
            A frame of any kind with the column of ids that features are made for and the
            categorical columns, and any others.

        Returns
        -------
        frame
            Of the same kind, with ``i_pop_by_<column>`` (0 where the id, or the category for
            it, is not known) and ``na_i_pop_by_<column>``, which tells so; ``u_`` for users.

        Raises
        ------
        NotFittedError
            ``fit`` was not called.
        LogError
            A column is missing.
        """
        if self._tables is None:
            raise NotFittedError("Call fit before running transform")
        table = Table.of(log)
        entity = table.role(self._entity)
        names = list(self._tables)
        absent = [name for name in names if name not in table.names]
        if absent:
            raise LogError(f"the log has no column {absent}: it has {table.names}")
        prefix = self._entity[0]
        empty = {name: array for one in names for name, array in _blank(prefix, one).items()}
        parts = replace(table, parts=table.arrays([entity, *names]))
        tables = tuple(self._tables.values())
        return table.assign(parts.map(_shares, entity, tuple(names), prefix, tables), empty)

    def _frame(self, name: str) -> Any:
        assert self._tables is not None
        table = self._tables[name]
        columns = (self.entity_name, name, f"{self._entity[0]}_pop_by_{name}")
        filled = next((s for s in table.shards if len(s.get().keys)), table.shards[0])
        # Numbers stay what they are only where no category is missing: one type for all.
        gaps = any(table.has_missing(shard) for shard in table.shards)
        empty = {n: a[:0] for n, a in _listed(filled, table, columns, gaps).items()}
        if self._like.lazy:
            parts = [runtime.task(_listed, s, table, columns, gaps) for s in table.shards]
        else:
            parts = [join_columns([_listed(s, table, columns, gaps) for s in table.shards])]
        return self._like.build(parts, empty, {self.entity_name: self._dtype})


def _read_features(table: Table, key: str, names: list[str]) -> tuple[list[Categories], Lookup]:
    """Return the categories of each column, and a look-up of their codes by id."""
    table = replace(table, parts=table.arrays([key, *names]))
    if table.lazy:
        table = replace(table, parts=runtime.persist(table.parts, "reading features"))
    found = table.map(_categories, tuple(names))
    if table.lazy:
        found = runtime.compute(found, "reading features")
    categories = [
        Categories.union([part[place] for part in found], name) for place, name in enumerate(names)
    ]
    groups = Groups.by(table.parts, key, table.lazy, "features")
    return categories, Lookup.build(groups, _codes, names, tuple(names), tuple(categories))


def _categories(columns: Arrays, names: Sequence[str]) -> list[Categories]:
    return [Categories.of(columns[name]) for name in names]


def _codes(
    columns: Arrays, rows: Vector, ids: Ids, names: Sequence[str], known: Sequence[Categories]
) -> list[Vector]:
    distinct_rows("features", rows, ids)
    out = []
    for name, categories in zip(names, known, strict=True):
        codes = np.empty(len(ids), dtype=np.int64)
        codes[rows] = categories.encode(columns[name], name)
        out.append(codes)
    return out


def _coded(columns: Arrays, names: tuple[str, str], codes: Lookup) -> Arrays:
    """Return the ids that features are made for, and the categories of the others."""
    entity, key = names
    found, known = codes.take(read_ids(columns[key], key, "the log"))
    out: Arrays = {"entity": read_ids(columns[entity], entity, "the log")}
    return out | {name: np.where(known, column, -1) for name, column in found.items()}


def _count(
    columns: Arrays, rows: Vector, ids: Ids, sizes: Sequence[int], folder: str | None
) -> list[Shared[Shares]]:
    """Return the shares of every column of one bucket."""
    total = np.bincount(rows, minlength=len(ids))
    out = []
    for column, size in zip(columns.values(), sizes, strict=True):
        keys, counts = np.unique(rows * (size + 1) + as_array(column) + 1, return_counts=True)
        shares = counts / total[keys // (size + 1)]
        out.append(Shared.stored(Shares(ids, keys, shares), folder))
    return out


def _blank(prefix: str, name: str) -> Arrays:
    return {
        f"{prefix}_pop_by_{name}": np.empty(0),
        f"na_{prefix}_pop_by_{name}": np.empty(0, dtype=bool),
    }


def _shares(
    columns: Arrays, entity: str, names: Sequence[str], prefix: str, tables: Sequence[ShareTable]
) -> Arrays:
    """Return the new columns of a part."""
    ids: Array = read_ids(columns[entity], entity, "the log")
    out: Arrays = {}
    for name, table in zip(names, tables, strict=True):
        shares, known = table.take(ids, columns[name], name)
        out[f"{prefix}_pop_by_{name}"] = shares
        out[f"na_{prefix}_pop_by_{name}"] = ~known
    return out


def _listed(
    shard: Shared[Shares], table: ShareTable, names: tuple[str, str, str], gaps: bool
) -> Arrays:
    """Return one shard of a table as columns, a row a pair."""
    held = shard.get()
    rows, codes = np.divmod(held.keys, len(table.categories) + 1)
    values = table.categories.decode(codes - 1)
    if gaps and isinstance(values, np.ndarray):
        values = values.astype(np.float64)
    return dict(zip(names, (held.ids.decode(rows), values, held.shares), strict=True))
