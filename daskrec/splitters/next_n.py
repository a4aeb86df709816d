"""A split of every history at a random place: what comes next tests."""

from typing import Any

import numpy as np

from daskrec.data.ids import Ids
from daskrec.data.tables import Table
from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.keys import hash_ids
from daskrec.engine.random import hash64, stream
from daskrec.params import check_whole
from daskrec.splitters.base import OUT, TEST, TRAIN, Columns, drawn_seed
from daskrec.splitters.last_n import HistorySplitter
from daskrec.splitters.places import places


class RandomNextNSplitter(HistorySplitter):
    """Cut the history of each user at a random place; the next N rows test.

    Rows before the cut train, rows after the N are of neither part. The cut may come before
    the first row: such a user has no rows in the training.

    Parameters
    ----------
    N
        Number of rows; None takes all from the cut on.
    divide_column
        Cut the history of each value of this column; None takes the users.
    seed
        Cuts are drawn by hash of the seed and the id. None draws anew at every ``split``.
    query_column
        Name of the column of users; None recognises the usual ones.
    drop_cold_users, drop_cold_items
        Leave test rows out whose user (or item) is not in the training.
    item_column, timestamp_column
        Names of columns; None recognises the usual ones.
    session_id_column, session_id_processing_strategy
        Sessions that would be split go whole to ``"train"`` or to ``"test"``.
    """

    def __init__(
        self,
        N: int | None = 1,  # noqa: N803 -- the name that the original gives it
        divide_column: str | None = None,
        seed: int | None = None,
        query_column: str | None = None,
        drop_cold_users: bool = False,
        drop_cold_items: bool = False,
        item_column: str | None = None,
        timestamp_column: str | None = None,
        session_id_column: str | None = None,
        session_id_processing_strategy: str = "test",
    ) -> None:
        self.N = N
        self.divide_column = divide_column
        self.seed = seed
        self.query_column = query_column
        self.drop_cold_users = drop_cold_users
        self.drop_cold_items = drop_cold_items
        self.item_column = item_column
        self.timestamp_column = timestamp_column
        self.session_id_column = session_id_column
        self.session_id_processing_strategy = session_id_processing_strategy
        self._check_params()

    def _check_params(self) -> None:
        super()._check_params()
        if self.N is not None:
            check_whole("N", self.N, 1)

    def _sides(self, table: Table, names: Columns) -> list[Any]:
        seed = stream(drawn_seed(self.seed), "splitters.cuts")
        groups = self._histories(table, names)
        return groups.back(groups.map(_next_rows, seed, self.N))


def _next_rows(columns: Arrays, codes: Vector, ids: Ids, seed: int, rows: int | None) -> Vector:
    place, count = places(columns, codes, ids)
    drawn = (hash64(seed, hash_ids(ids.values)) >> np.uint64(11)) * 2.0**-53
    start = (drawn[codes] * count).astype(np.int64)
    sides = np.where(place < start, TRAIN, TEST)
    if rows is not None:
        sides = np.where(place >= start + rows, OUT, sides)
    return sides
