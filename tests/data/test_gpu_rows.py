"""Logs that lie on a GPU are encoded there: the blocks of the host, and little that crosses."""

import pickle
from itertools import pairwise

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support import fake_cudf
from support.backends import NumpyBackend, StrictBackend, lent
from support.logs import random_log

from daskrec.data import encode, exchange, ranges
from daskrec.data.gpu_rows import GpuRows
from daskrec.data.ids import Ids
from daskrec.data.log import Needs, read_log
from daskrec.engine import runtime
from daskrec.engine.shared import Shared
from daskrec.errors import LogError
from daskrec.models import KNN, PopRec

LOG = random_log(users=30, items=15, rows=250)
LOG = pd.concat([LOG, LOG.iloc[::5] * [1, 1, 0.3], LOG.iloc[::11]], ignore_index=True)
LOG = LOG.astype({"user_idx": "int64", "item_idx": "int64"})
LOG["timestamp"] = np.arange(len(LOG))[::-1] % 17
IDS = {
    "int64": lambda ids: ids.astype("int64") * 1000 - 7,
    "int8": lambda ids: ids.astype("int8"),
    "uint64": lambda ids: ids.astype("uint64") + np.uint64(2**63),
    "whole floats": lambda ids: ids.astype("float64"),
    "text": lambda ids: "é" + ids.astype("str"),
    "category": lambda ids: ids.astype("str").astype("category"),
}


REAL = pytest.param("cudf", marks=pytest.mark.gpu(library="cudf"))


@pytest.fixture(params=[NumpyBackend, StrictBackend, REAL])
def cudf(request, monkeypatch):
    """cuDF on a GPU, or frames whose columns give arrays of a device that stands in for one."""
    if request.param == "cudf":
        with dask.config.set({"daskrec.device": "cuda"}):
            yield pytest.importorskip("cudf")
        return
    with fake_cudf.installed(monkeypatch) as module, lent(request.param(), monkeypatch):
        yield module


def on_gpu(frame, cudf):
    return cudf.DataFrame.from_arrow(pa.Table.from_pandas(frame, preserve_index=False))


def parted(frame, cudf, cuts):
    ranges_of = pairwise([0, *cuts, len(frame)])
    pieces = [on_gpu(frame.iloc[a:b], cudf) for a, b in ranges_of]
    return dd.from_map(lambda piece: piece, pieces, meta=on_gpu(frame.iloc[:0], cudf))


def block_of(data):
    """Return all blocks as one table of rows."""
    found = []
    for part in runtime.compute(data.tasks(lambda block: block), "test"):
        rows = np.repeat(np.arange(len(part)), np.diff(part.matrix.indptr))
        repeats = part.repeats if len(part.repeats) else np.ones(part.matrix.nnz, np.int32)
        columns = {
            "user": pd.Series(part.user_ids.decode(rows)),
            "item": pd.Series(data.item_ids.decode(part.matrix.indices)),
            "sum": part.matrix.values(),
            "rows": repeats,
        }
        found.append(pd.DataFrame(columns))
    return pd.concat(found, ignore_index=True)


def as_ids(name):
    frame = LOG.copy()
    for column in ("user_idx", "item_idx"):
        frame[column] = IDS[name](frame[column])
    return frame


@pytest.mark.filterwarnings("ignore:.*rows of the log repeat:UserWarning")
@pytest.mark.parametrize("graded", [True, False])
@pytest.mark.parametrize("name", IDS)
def test_training_data_are_those_of_the_host(cudf, name, graded):
    frame = as_ids(name) if graded else as_ids(name).drop(columns="relevance")
    log = read_log(on_gpu(frame, cudf))
    assert isinstance(log.rows, GpuRows)
    found, expected = encode.encode_training(log), encode.encode_training(read_log(frame))
    pd.testing.assert_frame_equal(block_of(found), block_of(expected))
    assert found.row_count == expected.row_count == len(frame)


@pytest.mark.filterwarnings("ignore:.*rows of the log repeat:UserWarning")
@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("name", ["int64", "text"])
def test_partitions_are_surveyed_and_split_there(cudf, name, blocks):
    frame = as_ids(name)
    log = read_log(parted(frame, cudf, [40, 40, 180]))
    found = encode.encode_training(log, blocks=blocks)
    expected = encode.encode_training(read_log(frame), blocks=1)
    assert len(found) == blocks
    pd.testing.assert_frame_equal(block_of(found), block_of(expected))
    assert len(encode.distinct_users(log)) == frame["user_idx"].nunique()


def test_users_and_items_that_the_log_does_not_mention(cudf):
    more = Ids(np.array([3, 99]))
    found, expected = (
        encode.encode_training(read_log(log), users=[more], items=more)
        for log in (on_gpu(LOG.drop_duplicates(["user_idx", "item_idx"]), cudf),
                    LOG.drop_duplicates(["user_idx", "item_idx"]))
    )  # fmt: skip
    assert found.user_ids.whole().values.tolist() == expected.user_ids.whole().values.tolist()
    assert 99 in found.item_ids.values
    pd.testing.assert_frame_equal(block_of(found), block_of(expected))


def test_histories_leave_out_what_the_model_does_not_know(cudf):
    items, users = Ids(np.arange(3, 9)), Ids(np.array([2, 5, 77]))
    for chosen in (None, users):
        found, expected = (
            encode.encode_history(read_log(log), items, chosen, np.array([], np.int64))
            for log in (on_gpu(LOG, cudf), LOG)
        )
        pd.testing.assert_frame_equal(block_of(found), block_of(expected))


def test_pieces_are_those_of_the_host(cudf):
    bounds, items = np.array([7, 20]), Shared(Ids(np.arange(2, 12)))
    needs = Needs(time=True)
    here, there = (read_log(log, needs=needs).rows for log in (LOG, on_gpu(LOG, cudf)))
    for times in (True, False):
        pieces = zip(
            exchange.split_rows(there, items, bounds, times),
            exchange.split_rows(here, items, bounds, times),
            strict=True,
        )
        for found, expected in pieces:
            assert type(found) is type(expected)
            for name in ("users", "items", "relevance", "times"):
                one, two = getattr(found, name), getattr(expected, name)
                assert (one is None) == (two is None) == (name == "times" and not times)
                if one is not None:
                    assert (one.tolist(), one.dtype) == (two.tolist(), two.dtype)


def test_sessions_and_what_is_asked_for_on_the_host(cudf):
    needs = Needs(session="timestamp")
    here, there = (read_log(log, needs=needs).by_session().rows for log in (LOG, on_gpu(LOG, cudf)))
    assert isinstance(there, GpuRows)
    for name in ("users", "items", "relevance"):
        assert getattr(there, name).tolist() == getattr(here, name).tolist()
    assert ranges.survey_rows(there).items.values.tolist() == sorted(set(LOG["item_idx"]))
    assert ranges.survey_rows(there).sample.tolist() == ranges.survey_rows(here).sample.tolist()


def test_rows_travel_to_other_processes_as_rows_of_the_host(cudf):
    rows = read_log(on_gpu(LOG, cudf)).rows
    again = pickle.loads(pickle.dumps(rows))
    assert not isinstance(again, GpuRows)
    assert again.users.tolist() == LOG["user_idx"].tolist()
    assert again.relevance.tolist() == LOG["relevance"].astype("float32").tolist()


FAULTS = {
    "missing ids": {"user_idx": pd.Series([1, None, 2], dtype="Int64")},
    "fractional": {"item_idx": [0.5, 1, 2]},
    "missing relevance": {"relevance": [1, np.nan, 3]},
    "infinite relevance": {"relevance": [1, np.inf, 3]},
    "relevance of type": {"relevance": ["a", "b", "c"]},
    "ids of type": {"user_idx": [True, False, True]},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_as_on_the_host(cudf, fault):
    frame = pd.DataFrame({"user_idx": [1, 2, 3], "item_idx": [4, 5, 6], "relevance": [1.0, 2, 3]})
    frame = frame.assign(**FAULTS[fault])
    with pytest.raises(LogError, match=fault) as there:
        read_log(on_gpu(frame, cudf))
    with pytest.raises(LogError) as here:
        read_log(frame)
    assert str(there.value) == str(here.value)


def test_values_beside_zero_and_one_are_told(cudf):
    with pytest.raises(LogError, match="must be 0 or 1"):
        read_log(on_gpu(LOG, cudf), needs=Needs(binary=True))
    half = LOG.assign(relevance=LOG["relevance"] > 2)
    assert isinstance(read_log(on_gpu(half, cudf), needs=Needs(binary=True)).rows, GpuRows)


def test_a_frame_without_rows(cudf):
    assert len(read_log(on_gpu(LOG.iloc[:0], cudf)).rows) == 0


@pytest.mark.parametrize("free", [2**30, 2000])
def test_what_does_not_fit_comes_to_the_host(monkeypatch, free):
    with fake_cudf.installed(monkeypatch) as module, lent(StrictBackend(free), monkeypatch):
        log = on_gpu(LOG, module)
        assert isinstance(read_log(log).rows, GpuRows) == (free > 2000)
        with dask.config.set({"daskrec.device": "cpu"}):
            assert not isinstance(read_log(log).rows, GpuRows)


@pytest.mark.filterwarnings("ignore:.*rows of the log repeat:UserWarning")
@pytest.mark.parametrize("model", [PopRec(), KNN(3)])
def test_only_ids_and_blocks_come_to_the_host(monkeypatch, model):
    made = NumpyBackend()
    with fake_cudf.installed(monkeypatch) as module, lent(made, monkeypatch):
        log = on_gpu(LOG, module)
        kinds = type(log["user_idx"])
        monkeypatch.setattr(kinds, "to_arrow", _only_distinct(kinds.to_arrow))
        assert model.fit(log).predict(log, 3)["user_idx"].nunique() == LOG["user_idx"].nunique()


def _only_distinct(to_arrow):
    def checked(self):
        assert self.is_unique, "a column is copied to the host"
        return to_arrow(self)

    return checked
