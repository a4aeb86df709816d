"""Categorical features as columns of 0 and 1."""

import string
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from daskrec.data.tables import Table, each
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.errors import LogError, NotFittedError

_LONGEST = 30  # letters of a value in the name of its column
_STRIPPED = str.maketrans("", "", string.punctuation + string.whitespace)

Categories = dict[str, pa.Array]  # for each column its values, sorted


class CatFeaturesTransformer:
    """One-hot encoding of the categories that the fit has seen.

    Each category gets a column of 0 and 1 (int32), which is called by the alias, the column and
    the category without punctuation and blanks, cut to 30 letters: ``ohe_class_cat``,
    ``ohe_timestamp_20190101000000``. Where categories share such a name, the second one (in
    their order) ends in ``_1``, and so on. New columns come last, by column and category.

    Parameters
    ----------
    cat_cols_list
        The columns to encode; other columns stay as they are.
    alias
        The first part of the names.

    Notes
    -----
    Missing values and categories that the fit has not seen are 0 in all columns. The categories
    lie on the driver.

    Examples
    --------
    >>> import pandas as pd
    >>> pets = pd.DataFrame({"item_id": [1, 2], "class": ["cat", "dog"]})
    >>> encode = CatFeaturesTransformer(["class"])
    >>> encode.fit(pets)
    >>> encode.transform(pets)
       item_id  ohe_class_cat  ohe_class_dog
    0        1              1              0
    1        2              0              1
    """

    def __init__(self, cat_cols_list: Sequence[str], alias: str = "ohe") -> None:
        self.cat_cols_list = list(cat_cols_list)
        self.alias = alias
        self._categories: Categories | None = None

    def fit(self, features: Any) -> None:
        """Learn the categories.

        Parameters
        ----------
        features
            A frame of any kind, or a path; None for nothing to learn. A Dask frame is read at
            once.

        Raises
        ------
        LogError
            A column is missing.
        """
        if features is None or not self.cat_cols_list:
            self._categories = {}
            return
        table = Table.of(features, "the frame of features", only=self.cat_cols_list)
        self._categories = distinct_values(table, self.cat_cols_list)

    def transform(self, features: Any) -> Any:
        """Put columns of 0 and 1 in the place of categories.

        Parameters
        ----------
        features
            A frame of any kind, or a path; None gives None.

        Returns
        -------
        frame
            Of the kind that came in, lazy for a Dask frame.

        Raises
        ------
        NotFittedError
            ``fit`` was not called.
        LogError
            A column is missing, or one has the name of a new column.
        """
        if self._categories is None:
            raise NotFittedError("the CatFeaturesTransformer is not fitted: call fit first")
        if features is None:
            return None
        table = Table.of(features, "the frame of features")
        missing = [name for name in self.cat_cols_list if name not in table.names]
        if missing:
            raise LogError(f"{table.what} has no column {missing}: it has {table.names}")
        if not self.cat_cols_list:
            return features
        names = {c: self._names(c, values) for c, values in self._categories.items()}
        new = [name for group in names.values() for name in group]
        taken = sorted(set(new) & (set(table.names) - set(self.cat_cols_list)))
        if taken:
            raise LogError(f"{table.what} already has columns {taken}: choose another alias")
        arrays = table.arrays(self.cat_cols_list)
        columns = each(table.lazy, _one_hot, [(a, self._categories, names) for a in arrays])
        empty: Arrays = {name: np.empty(0, dtype=np.int32) for name in new}
        return table.assign(columns, empty, drop=tuple(self.cat_cols_list))

    def _names(self, column: str, values: pa.Array) -> list[str]:
        seen: dict[str, int] = {}
        names = []
        for value in values.to_pylist():
            name = f"{self.alias}_{column}_{str(value).translate(_STRIPPED)[:_LONGEST]}"
            again = seen.get(name, 0)
            seen[name] = again + 1
            names.append(f"{name}_{again}" if again else name)
        return names


def distinct_values(table: Table, names: Sequence[str]) -> Categories:
    """Return the sorted distinct values of columns, without missing ones.

    The frame is read at once; the values of each column come to the driver.
    """
    found = each(table.lazy, _distinct, [(part,) for part in table.arrays(names)])
    values: Categories = (
        runtime.reduce(found, _union, "reading features") if table.lazy else found[0]
    )
    return values


def as_arrow(array: Array) -> pa.Array:
    """Return a column as an Arrow array in which what is missing is null."""
    return array if not isinstance(array, np.ndarray) else pa.array(pd.Series(array))


def _distinct(columns: Arrays) -> Categories:
    found = {}
    for name, array in columns.items():
        values = as_arrow(array)
        try:
            found[name] = _sorted(values)
        except pa.ArrowNotImplementedError as error:
            raise LogError(
                f"column {name!r} holds {values.type}, whose values are no categories"
            ) from error
    return found


def _sorted(values: pa.Array) -> pa.Array:
    known = pc.unique(values).drop_null()
    if pa.types.is_null(known.type) or pa.types.is_boolean(known.type):
        return pa.array(sorted(known.to_pylist()), known.type)
    return known.take(pc.sort_indices(known))


def _union(left: Categories, right: Categories) -> Categories:
    return {name: _join(left[name], right[name]) for name in left}


def _join(left: pa.Array, right: pa.Array) -> pa.Array:
    """Join values of two parts; one without values says nothing of types."""
    if len(left) == 0 or len(right) == 0:
        return right if len(left) == 0 else left
    if left.type != right.type:
        right = right.cast(left.type)
    return _sorted(pa.concat_arrays([left, right]))


def _one_hot(columns: Arrays, categories: Categories, names: dict[str, list[str]]) -> Arrays:
    out: Arrays = {}
    for column, values in categories.items():
        places = _places(as_arrow(columns[column]), values, column)
        for place, name in enumerate(names[column]):
            out[name] = (places == place).astype(np.int32)
    return out


def _places(array: pa.Array, values: pa.Array, name: str) -> Vector:
    """Return the place of each value among the categories, -1 where it has none."""
    if len(values) == 0 or pa.types.is_null(array.type):
        return np.full(len(array), -1)
    if array.type != values.type:
        try:
            array = array.cast(values.type)
        except pa.ArrowInvalid as error:
            raise LogError(
                f"column {name!r} holds {array.type} here and {values.type} in the fit"
            ) from error
    places = pc.fill_null(pc.index_in(array, value_set=values), -1)
    return cast(Vector, places.to_numpy(zero_copy_only=False))
