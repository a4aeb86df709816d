"""Rows by their rating."""

from typing import Any

import numpy as np

from daskrec.data.reading import read_numbers, resolve
from daskrec.data.tables import Table, each
from daskrec.engine.arrays import Arrays, Vector
from daskrec.filters.base import Filter


class LowRatingFilter(Filter):
    """Keep rows whose rating reaches a value.

    Parameters
    ----------
    value
        The lowest rating that stays.
    rating_column
        The column.
    strict
        Keep only ratings above the value.

    Notes
    -----
    One comparison a row; missing ratings are an error.

    Examples
    --------
    >>> import pandas as pd
    >>> LowRatingFilter(3.5).transform(pd.DataFrame({"rating": [1, 5, 3.5, 4]}))
       rating
    1     5.0
    2     3.5
    3     4.0
    """

    def __init__(self, value: float, rating_column: str = "rating", strict: bool = False) -> None:
        self.value = value
        self.rating_column = rating_column
        self.strict = strict

    def masks(self, table: Table) -> list[Any]:
        """Compare each rating."""
        name = resolve(table, self.rating_column)
        options = name, self.value, self.strict, table.what
        return each(table.lazy, _reaches, [(part, *options) for part in table.arrays([name])])


def _reaches(columns: Arrays, name: str, value: float, strict: bool, what: str) -> Vector:
    ratings = read_numbers(columns[name], name, what)
    return np.greater(ratings, value) if strict else np.greater_equal(ratings, value)
