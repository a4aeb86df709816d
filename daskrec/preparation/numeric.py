"""Features of any type as numbers alone."""

from typing import Any

from daskrec.data.columns import SPELLINGS
from daskrec.data.moments import is_number
from daskrec.data.reading import declared
from daskrec.data.tables import Table
from daskrec.errors import LogError, NotFittedError, warn_caller
from daskrec.preparation.categories import CatFeaturesTransformer, distinct_values

_IDS = {*SPELLINGS["user"], *SPELLINGS["item"]}


class ToNumericFeatureTransformer:
    """Make features numeric: numbers stay, categories become columns of 0 and 1.

    Columns that are not numeric are one-hot encoded where they have few categories, and left
    out with a warning where they have many. Columns of ids stay, whatever they hold; truth
    values and dates are categories.

    Parameters
    ----------
    threshold
        The most categories of a column that is encoded; None encodes all.

    Notes
    -----
    Categories are counted exactly, in one pass; see ``CatFeaturesTransformer`` for the names of
    the new columns.
    """

    def __init__(self, threshold: int | None = 100) -> None:
        self.threshold = threshold
        self.cols_to_ohe: list[str] = []
        self.cols_to_del: list[str] = []
        self._columns: list[str] | None = None
        self._encoder: CatFeaturesTransformer | None = None

    def fit(self, features: Any) -> None:
        """Learn which columns to encode, and their categories.

        Parameters
        ----------
        features
            A frame of any kind, or a path. None for no features: ``transform`` then gives None.
            The columns of a Dask frame that are no numbers are read at once.
        """
        self._columns, self.cols_to_ohe, self.cols_to_del = None, [], []
        self._encoder = CatFeaturesTransformer([])
        self._encoder.fit(None)
        if features is None:
            return
        table = Table.of(features, "the frame of features")
        self._columns = sorted(table.names)
        types = declared(table, table.names)
        other = [n for n in table.names if n not in _IDS and not is_number(types[n])]
        if not other:
            return
        categories = distinct_values(table.only(other), other)
        for name in other:
            many = self.threshold is not None and len(categories[name]) > self.threshold
            (self.cols_to_del if many else self.cols_to_ohe).append(name)
        self._encoder = CatFeaturesTransformer(self.cols_to_ohe)
        self._encoder._categories = {name: categories[name] for name in self.cols_to_ohe}
        if self.cols_to_del:
            warn_caller(
                f"columns {self.cols_to_del} have more than {self.threshold} values that are no "
                "numbers: they are left out"
            )

    def transform(self, features: Any) -> Any:
        """Return the features as numbers.

        Parameters
        ----------
        features
            A frame with the columns of the fit; None gives None.

        Returns
        -------
        frame or None
            Of the kind that came in, lazy for a Dask frame; None where the fit had no features.

        Raises
        ------
        NotFittedError
            ``fit`` was not called; it is an ``AttributeError`` too.
        LogError
            The columns are other ones than those of the fit.
        """
        if self._encoder is None:
            raise NotFittedError("the ToNumericFeatureTransformer is not fitted: call fit first")
        if features is None or self._columns is None:
            return None
        table = Table.of(features, "the frame of features")
        if sorted(table.names) != self._columns:
            raise LogError(
                f"{table.what} has other columns than that of the fit: {sorted(table.names)} and "
                f"not {self._columns}"
            )
        if self.cols_to_del:
            features = table.assign([{} for _ in table.parts], {}, tuple(self.cols_to_del))
        return self._encoder.transform(features)

    def fit_transform(self, features: Any) -> Any:
        """Fit on features and return them as numbers."""
        self.fit(features)
        return self.transform(features)
