"""The log by items against a dense transpose, in this process and by tasks."""

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

from daskrec.data.encode import encode_training
from daskrec.data.log import read_log
from daskrec.data.transpose import item_side, matrix_of, user_side
from daskrec.engine import runtime


@pytest.fixture(autouse=True)
def _synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(params=["in process", "by tasks"])
def way(request, monkeypatch):
    """Take one of the two ways."""
    if request.param == "by tasks":
        monkeypatch.setattr(runtime, "in_process", lambda: False)
        monkeypatch.setattr(runtime, "storage", lambda: None)
    return request.param


def make_data(seed=0, graded=True, repeats=False, blocks=4, lazy=False, heavy=False):
    """Draw a log and return it as training data and as a dense matrix."""
    rng = np.random.default_rng(seed)
    log = pd.DataFrame({"user_idx": rng.integers(0, 25, 200), "item_idx": rng.integers(0, 40, 200)})
    if heavy:
        log.loc[:150, "item_idx"] = 7
    if not repeats:
        log = log.drop_duplicates(ignore_index=True)
    if graded:
        log["relevance"] = rng.integers(1, 9, len(log)) / 4
    source = dd.from_pandas(log, npartitions=3) if lazy else log
    if repeats:
        with pytest.warns(UserWarning, match="repeat"):
            data = encode_training(read_log(source), blocks=blocks)
    else:
        data = encode_training(read_log(source), blocks=blocks)
    dense = np.zeros((data.user_count, data.item_count))
    users = data.user_ids.encode(log["user_idx"].to_numpy())
    items = data.item_ids.encode(log["item_idx"].to_numpy())
    np.add.at(dense, (users, items), log["relevance"] if graded else 1)
    return data, dense


def matrices(side):
    """Return the matrices of a side."""
    return runtime.compute([runtime.task(matrix_of, part) for part in side.parts], "test")


def check(side, dense):
    """Compare a side with a dense matrix by its rows."""
    found = matrices(side)
    assert side.offsets[0] == 0
    assert np.diff(side.offsets).tolist() == [len(matrix) for matrix in found]
    for matrix, first, last in zip(found, side.offsets[:-1], side.offsets[1:], strict=True):
        rows = np.repeat(np.arange(len(matrix)), np.diff(matrix.indptr))
        here = np.zeros((len(matrix), matrix.width))
        here[rows, matrix.indices] = matrix.values()
        np.testing.assert_allclose(here, dense[first:last])
        inside = rows[1:] == rows[:-1]
        assert (np.diff(matrix.indices)[inside] > 0).all()
        assert (matrix.indices.dtype, matrix.indptr.dtype) == (np.int32, np.int64)
        assert matrix.indptr[0] == 0
    assert side.offsets[-1] == len(dense)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("graded", [False, True])
def test_the_items_hold_the_users_that_had_them(way, graded, repeats, lazy):
    data, dense = make_data(graded=graded, repeats=repeats, lazy=lazy)
    check(item_side(data), dense.T)
    check(user_side(data), dense)


@pytest.mark.parametrize("count", [1, 2, 3, 40, 1000])
def test_blocks_of_items_are_as_many_as_are_asked_for_and_never_empty(way, count):
    data, dense = make_data()
    side = item_side(data, count)
    assert 1 <= len(side.parts) <= min(count, data.item_count)
    assert (np.diff(side.offsets) > 0).all()
    check(side, dense.T)


def test_an_item_that_everybody_had_lies_in_one_block(way):
    data, dense = make_data(heavy=True, repeats=True)
    check(item_side(data, 5), dense.T)


def test_both_ways_give_the_same_bytes(monkeypatch):
    data, _ = make_data(repeats=True)
    direct = matrices(item_side(data, 3))
    monkeypatch.setattr(runtime, "in_process", lambda: False)
    monkeypatch.setattr(runtime, "storage", lambda: None)
    by_tasks = matrices(item_side(data, 3))
    for one, two in zip(direct, by_tasks, strict=True):
        for name in ("indptr", "indices", "data"):
            assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
