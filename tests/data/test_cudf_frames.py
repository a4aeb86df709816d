"""cuDF frames: on a stand-in that refuses what cuDF does, and on the real one on a GPU."""

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support import fake_cudf
from support.logs import L5, random_log

from daskrec.data import frames
from daskrec.data.log import read_log
from daskrec.errors import LogError
from daskrec.filters import MinCountFilter, NumInteractionsFilter
from daskrec.history_features import LogStatFeaturesProcessor
from daskrec.metrics import NDCG
from daskrec.models import PopRec
from daskrec.preparation import Indexer
from daskrec.splitters import LastNSplitter, RandomSplitter, TimeSplitter

COLUMNS = {
    "int32": pa.array([3, 1, 3, 0], pa.int32()),
    "int64": pa.array([3, 1, 3, 0], pa.int64()),
    "uint64": pa.array([2**63 + 3, 1, 3, 0], pa.uint64()),
    "float32": pa.array([3, 1, 3, 0], pa.float32()),
    "bool": pa.array([True, False, True, True]),
    "text": pa.array(["b", "é", "b", ""]),
    "category": pa.array(["b", "é", "b", ""]).dictionary_encode(),
    "time": pa.array([3, 1, 3, 0], pa.timestamp("us")),
}


@pytest.fixture
def kind():
    return frames.kind_named("cudf")


def test_the_stand_in_refuses_what_cudf_refuses(monkeypatch):
    with fake_cudf.installed(monkeypatch) as module:
        frame = module.DataFrame.from_arrow(pa.table({"a": [1, 2]}))
    code = compile("np.asarray(frame['a'])", "<test>", "eval")
    with pytest.raises(TypeError, match="not allowed"):
        eval(code, {"__name__": "daskrec.data.rows", "np": np, "frame": frame})
    with pytest.raises(TypeError, match="not allowed"):
        eval("list(frame['a'])", {"__name__": "daskrec.data.rows", "frame": frame})


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_there_and_back(cudf, kind, name):
    frame = cudf.DataFrame.from_arrow(pa.table({"a": COLUMNS[name], "other": [1, 2, 3, 4]}))
    assert kind.owns(frame)
    assert frames.kind_of(frame) is kind
    assert kind.columns(frame) == ["a", "other"]
    arrays, dtypes = kind.arrays(frame, ["a"]), kind.dtypes(frame, ["a"])
    assert list(arrays) == ["a"]
    expected = COLUMNS[name].to_pylist()
    if name == "time":
        assert arrays["a"].dtype == "datetime64[us]"
    else:
        assert arrays["a"].tolist() == expected
    again = kind.build(arrays, dtypes)
    assert kind.owns(again)
    assert kind.dtypes(again, ["a"]) == dtypes
    assert again["a"].to_arrow().to_pylist() == expected


def test_rows_and_columns_that_are_chosen_keep_the_index(cudf, kind):
    frame = cudf.DataFrame.from_arrow(pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]}))
    frame.index = [7, 8, 9]
    some = kind.filter(frame, np.array([True, False, True]))
    assert some.to_pandas().index.tolist() == [7, 9]
    more = kind.assign(some, {"b": np.array([5, 6]), "c": np.array([0.5, 1])}, {}, ["a"])
    expected = pd.DataFrame({"b": [5, 6], "c": [0.5, 1]}, index=[7, 9])
    pd.testing.assert_frame_equal(more.to_pandas(), expected)
    assert kind.owns(more)
    kept = kind.assign(some, {"c": np.array([0.5, 1])}, {}, [])
    assert list(kept.columns) == ["a", "b", "c"]


def test_missing_ids_are_one_clear_error(cudf):
    frame = cudf.DataFrame.from_arrow(pa.table({"user_idx": [1, None, 3], "item_idx": [1, 2, 3]}))
    with pytest.raises(LogError, match="missing"):
        read_log(frame)


def test_new_ids_are_put_behind_the_categories(cudf, kind):
    known = pd.CategoricalDtype(["b", "a"], ordered=True)
    frame = kind.build({"a": pa.array(["z", "a"], pa.large_string())}, {"a": known})
    found = kind.dtypes(frame, ["a"])["a"]
    assert list(found.categories) == ["b", "a", "z"]
    assert found.ordered


def test_columns_of_users_and_items_choose(cudf):
    log = cudf.DataFrame.from_arrow(pa.Table.from_pandas(L5, preserve_index=False))
    model = PopRec().fit(log)
    found = model.predict(log, 2, users=log["user_idx"].iloc[:1], items=log["item_idx"])
    assert frames.kind_of(found).name == "cudf"
    assert found["user_idx"].to_arrow().to_pylist() == [0]


LOG = random_log(users=30, items=15, rows=250).assign(timestamp=lambda f: np.arange(len(f)))


def _log_statistics(log):
    processor = LogStatFeaturesProcessor()
    processor.fit(log, log)
    return (processor.transform(log),)


AROUND = {
    "TimeSplitter": lambda log: TimeSplitter(0.3, drop_cold_users=True).split(log),
    "LastNSplitter": lambda log: LastNSplitter(2).split(log),
    "RandomSplitter": lambda log: RandomSplitter(0.3, seed=1).split(log),
    "MinCountFilter": lambda log: (MinCountFilter(5).transform(log),),
    "NumInteractionsFilter": lambda log: (NumInteractionsFilter(3).transform(log),),
    "Indexer": lambda log: (Indexer("user_idx", "item_idx").fit(log, log).transform(log),),
    "LogStatFeaturesProcessor": _log_statistics,
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("name", AROUND)
def test_what_stands_around_the_models(cudf, name, lazy):
    log = cudf.DataFrame.from_arrow(pa.Table.from_pandas(LOG, preserve_index=False))
    if lazy:
        log = dd.from_map(lambda part: part, [log.iloc[:90], log.iloc[90:]], meta=log.iloc[:0])
    for found, expected in zip(AROUND[name](log), AROUND[name](LOG), strict=True):
        parts = dask.compute(*found.to_delayed()) if lazy else [found]
        assert {frames.kind_of(part).name for part in parts} == {"cudf"}
        rows = pd.concat([part.to_pandas() for part in parts])
        columns = list(expected.columns)
        assert list(rows.columns) == columns
        pd.testing.assert_frame_equal(
            rows.sort_values(columns, ignore_index=True),
            expected.sort_values(columns, ignore_index=True),
            check_dtype=False,
        )


def test_metrics(cudf):
    train, test = LastNSplitter(2, drop_cold_items=True).split(LOG)
    recs = PopRec().fit(train).predict(train, 5, users=test)
    there = [
        cudf.DataFrame.from_arrow(pa.Table.from_pandas(frame, preserve_index=False))
        for frame in (recs, test)
    ]
    assert NDCG()(*there, 5) == NDCG()(recs, test, 5)
