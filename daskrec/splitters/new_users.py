"""A split by the first appearance of users: late comers test."""

import math
from typing import Any

import numpy as np

from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.order_statistics import value_at
from daskrec.data.tables import Table, each, timestamps
from daskrec.engine.arrays import Arrays, Vector
from daskrec.splitters.base import OUT, TEST, TRAIN, Columns, Splitter
from daskrec.splitters.random import check_share


class NewUsersSplitter(Splitter):
    """Put the users who came last, with all their rows, into the test.

    The test starts at the latest time D such that the users whose first row is not before D
    are at least a share of all. Rows before D train; rows of other users from D on are of
    neither part, so that nothing in the training is later than the test.

    Parameters
    ----------
    test_size
        The share, from 0 to 1.
    drop_cold_items
        Leave test rows out whose item is not in the training.
    query_column, item_column, timestamp_column
        Names of columns; None recognises the usual ones.
    session_id_column, session_id_processing_strategy
        Sessions that would be split go whole to ``"train"`` or to ``"test"``.
    drop_zero_rel_in_test
        Leave test rows out whose relevance is not above 0, as the original does.
    """

    _needs_time = True

    def __init__(
        self,
        test_size: float,
        drop_cold_items: bool = False,
        query_column: str | None = None,
        item_column: str | None = None,
        timestamp_column: str | None = None,
        session_id_column: str | None = None,
        session_id_processing_strategy: str = "test",
        drop_zero_rel_in_test: bool = True,
    ) -> None:
        self.test_size = test_size
        self.drop_cold_items = drop_cold_items
        self.query_column = query_column
        self.item_column = item_column
        self.timestamp_column = timestamp_column
        self.session_id_column = session_id_column
        self.session_id_processing_strategy = session_id_processing_strategy
        self.drop_zero_rel_in_test = drop_zero_rel_in_test
        self._check_params()

    def _check_params(self) -> None:
        super()._check_params()
        check_share("test_size", self.test_size)

    def _sides(self, table: Table, names: Columns) -> list[Any]:
        user, time = str(names.user), str(names.time)
        arrays = table.arrays([user, time])
        parts = each(table.lazy, _with_times, [(part, user, time) for part in arrays])
        groups = Groups.by(parts, user, table.lazy)
        starts = groups.map(_starts)
        first = value_at(starts, _first_new, (self.test_size,), table.lazy)
        return groups.back(groups.map(_by_start, starts, first))


def _with_times(arrays: Arrays, user: str, time: str) -> Arrays:
    return {user: arrays[user], "": timestamps(arrays[time], time)}


def _starts(columns: Arrays, codes: Vector, ids: Ids) -> Vector:
    """Return the time of the first row of each user."""
    times = np.asarray(columns[""])
    starts = np.full(len(ids), np.inf if times.dtype.kind == "f" else np.iinfo(times.dtype).max)
    starts = starts.astype(times.dtype)
    np.minimum.at(starts, codes, times)
    return starts


def _first_new(count: int, share: float) -> int:
    """Return the place of the start of the test among the first times of users."""
    return count - max(1, math.ceil(count * share))


def _by_start(columns: Arrays, codes: Vector, ids: Ids, starts: Vector, first: Any) -> Vector:
    if first is None:
        return np.full(len(codes), TRAIN)
    early = np.where(columns[""] < first, TRAIN, OUT)
    return np.where((starts >= first)[codes], TEST, early)
