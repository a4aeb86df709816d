"""What filters have in common: a frame comes in, the rows that stay go out."""

from abc import ABC, abstractmethod
from typing import Any

from daskrec.data.once import undone_on_failure
from daskrec.data.tables import Table


class Filter(ABC):
    """A rule that says which rows of a log stay.

    Every filter takes a frame of any kind, or a path of Parquet or CSV files, and returns a
    frame of that kind. Rows keep their order, and pandas frames their index; a Dask frame is
    not read before the result is computed, unless the filter says so.

    A column that is named by one of the usual spellings of its role, as the defaults are, is
    found under whichever spelling the frame has: ``user_id`` stands for ``user_idx`` too.
    """

    def transform(self, interactions: Any) -> Any:
        """Return the rows that stay.

        Parameters
        ----------
        interactions
            A frame of any kind, or a path.

        Returns
        -------
        frame
            Of the kind that came in; its columns are those that came in.

        Raises
        ------
        LogError
            A column is missing, or ids or times are missing or cannot be used. Values of a
            Dask frame are checked when the result is computed.
        """
        with undone_on_failure():
            table = Table.of(interactions)
            return table.filter(self.masks(table))

    @abstractmethod
    def masks(self, table: Table) -> list[Any]:
        """Return for each part of a table a bool array with an entry a row, or a task."""
