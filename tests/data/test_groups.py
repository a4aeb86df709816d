"""Groups: what depends on all rows of a user is worked out wherever the rows lie."""

import dask
import numpy as np
import pandas as pd
import pytest
from support.logs import random_log, with_empty_partitions

from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.tables import Table
from daskrec.engine.arrays import Arrays, Vector


def _place(columns: Arrays, codes: Vector, ids: Ids) -> Vector:
    """Return the place of each row among those of its user, in the order of the log."""
    return pd.Series(codes).groupby(codes).cumcount().to_numpy()


def _most(columns: Arrays, codes: Vector, ids: Ids, shift: float) -> Vector:
    top = np.full(len(ids), -np.inf)
    np.maximum.at(top, codes, columns["relevance"])
    return top[codes] + shift


@pytest.mark.parametrize("partitions", [None, 1, 7, 40])
@pytest.mark.parametrize("text", [False, True])
def test_values_come_back_to_their_rows(partitions: int | None, text: bool) -> None:
    log = random_log()
    if text:
        log["user_idx"] = "u" + log["user_idx"].astype(str)
    by = log.groupby("user_idx")
    expected = by.cumcount().to_numpy(), (by["relevance"].transform("max") + 0.5).to_numpy()
    table = Table.of(log if partitions is None else with_empty_partitions(log, partitions))
    groups = Groups.by(table.arrays(["user_idx", "relevance"]), "user_idx", table.lazy)
    for values, wanted in zip((groups.map(_place), groups.map(_most, 0.5)), expected, strict=True):
        found = groups.back(values)
        found = dask.compute(*found, scheduler="sync") if table.lazy else found
        np.testing.assert_array_equal(np.concatenate(found), wanted)


def test_ids_beyond_signed_words_and_times_with_fractions_are_kept() -> None:
    log = pd.DataFrame({"user_idx": [1, 2**63 + 5, 1], "time": [1.5, 2.0, 3.0]})
    table = Table.of(with_empty_partitions(log, 3))
    groups = Groups.by(table.arrays(["user_idx", "time"]), "user_idx", True)
    found = dask.compute(*groups.back(groups.map(_time)), scheduler="sync")
    np.testing.assert_array_equal(np.concatenate(found), [1.5, 2.0, 3.0])


def _time(columns: Arrays, codes: Vector, ids: Ids) -> Vector:
    return columns["time"]
