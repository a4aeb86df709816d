"""A column of ids as encoding sees it: on the host here, on a GPU in ``data.gpu_rows``."""

from typing import Protocol

import numpy as np

from daskrec.data import ids
from daskrec.data.ids import Ids
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.backend import DeviceArray


class IdColumn(Protocol):
    """What encoding asks of a column of ids, wherever its rows lie."""

    def distinct(self) -> Ids:
        """Return the sorted distinct ids."""

    def factorize(self) -> tuple[Ids, DeviceArray]:
        """Return the sorted distinct ids and the code of each row, where the rows lie."""

    def among(self, known: Ids) -> DeviceArray:
        """Return the code of each row among other ids, -1 where its id is not one of them."""

    def at_steps(self, steps: Vector) -> Array:
        """Return ids at steps of the sorted rows."""

    def examples(self) -> Array:
        """Return ids of the column that show of what type they are."""


class HostColumn:
    """A column of ids on the host.

    Parameters
    ----------
    values
        The id of each row.
    """

    def __init__(self, values: Array) -> None:
        self.values = values

    def distinct(self) -> Ids:
        """Return the sorted distinct ids."""
        return ids.distinct(self.values)

    def factorize(self) -> tuple[Ids, Vector]:
        """Return the sorted distinct ids and the code of each row."""
        return ids.factorize(self.values)

    def among(self, known: Ids) -> Vector:
        """Return the code of each row among other ids, -1 where its id is not one of them."""
        return known.encode(self.values)

    def at_steps(self, steps: Vector) -> Array:
        """Return ids at steps of the sorted rows."""
        known, codes = self.factorize()
        return known.decode(np.sort(codes)[steps])

    def examples(self) -> Array:
        """Return the ids."""
        return self.values
