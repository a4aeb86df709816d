"""Each type of Spark has an answer: it comes and goes back as it was, or it is an error."""

import datetime
import decimal
from collections.abc import Iterator
from typing import Any

import dask
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.logs import as_kind, to_pandas

from daskrec.data import frames
from daskrec.data.log import Needs, read_log
from daskrec.errors import LogError, StorageError
from daskrec.filters import MinCountFilter
from daskrec.models import PopRec
from daskrec.spark import crossing
from daskrec.spark.staging import Staging
from daskrec.splitters import RandomSplitter, TimeSplitter

UTC = datetime.UTC
MOMENTS = [datetime.datetime(2020, 1, day, 23, 30, 0, 123456, tzinfo=UTC) for day in (1, 2, 3)]
VALUES = {
    "tinyint": [1, 2, None],
    "smallint": [1, 2, None],
    "int": [1, -2, None],
    "bigint": [1, 2**62, None],
    "float": [0.5, None, float("inf")],
    "double": [0.1, None, -1.5],
    "boolean": [True, False, None],
    "string": ["a", "", None],
    "date": [datetime.date(2020, 1, 2), datetime.date(1969, 5, 1), None],
    "timestamp": [*MOMENTS[:2], None],
    "timestamp_ntz": [datetime.datetime(2020, 1, 2, 3, 4, 5, 6), None, None],
    "binary": [b"\x00a", b"", None],
    "decimal(12,2)": [decimal.Decimal("1.25"), decimal.Decimal("-9999999999.99"), None],
    "array<float>": [[0.5, 1.0], [], None],
    "map<string,int>": [{"a": 1}, {}, None],
    "struct<a:int,b:array<string>>": [(1, ["x"]), (2, []), None],
}


@pytest.fixture(autouse=True, params=["rows", "files"])
def way(request: Any, spark: Any) -> Iterator[str]:
    with dask.config.set({"daskrec.collect-limit": "512 MiB" if request.param == "rows" else 0}):
        yield request.param


def frame_of(spark: Any, kind: str, values: list[Any], name: str = "value") -> Any:
    rows = [(n, n, value) for n, value in enumerate(values)]
    quoted = name.replace("`", "``")
    return spark.createDataFrame(rows, f"user_idx int, item_idx bigint, `{quoted}` {kind}")


@pytest.mark.parametrize("kind", VALUES)
def test_columns_that_only_pass_are_what_they_were(spark: Any, kind: str) -> None:
    frame = frame_of(spark, kind, VALUES[kind])
    found = MinCountFilter(1).transform(frame)
    assert found.dtypes == frame.dtypes
    assert sorted(map(str, found.collect())) == sorted(map(str, frame.collect()))


def test_vectors_of_spark_pass(spark: Any) -> None:
    from pyspark.ml.linalg import Vectors, VectorUDT
    from pyspark.sql.types import IntegerType, StructField, StructType

    schema = StructType(
        [StructField("user_idx", IntegerType()), StructField("item_idx", IntegerType()),
         StructField("vector", VectorUDT())]
    )  # fmt: skip
    rows = [(1, 1, Vectors.dense([0.5, 1.0])), (2, 1, Vectors.sparse(3, [1], [2.0]))]
    frame = spark.createDataFrame(rows, schema)
    found = MinCountFilter(1).transform(frame)
    assert found.dtypes == frame.dtypes
    assert sorted(map(str, found.collect())) == sorted(map(str, frame.collect()))


IDS = ["tinyint", "smallint", "int", "bigint", "decimal(12,0)", "double"]


@pytest.mark.parametrize("kind", IDS)
def test_ids(spark: Any, kind: str) -> None:
    log = spark.createDataFrame([(3, 1), (3, 2), (7, 1)], "user_idx int, item_idx int")
    log = log.selectExpr(*(f"CAST({name} AS {kind})" for name in log.columns))
    found = PopRec().fit(log).predict(log, 2, filter_seen_items=False)
    assert found.dtypes[:2] == [("user_idx", kind), ("item_idx", kind)]
    rows = [tuple(map(float, row)) for row in found.collect()]
    assert rows == [(3, 1, 1.0), (3, 2, 0.5), (7, 1, 1.0), (7, 2, 0.5)]


def test_ids_of_strings(spark: Any) -> None:
    log = spark.createDataFrame(
        [("é", "b"), ("é", "c"), ("a", "b")], "user_id string, item_id string"
    )
    found = PopRec().fit(log).predict(log, 1, filter_seen_items=False)
    assert found.dtypes[:2] == [("user_id", "string"), ("item_id", "string")]
    assert [tuple(row) for row in found.collect()] == [("a", "b", 1.0), ("é", "b", 1.0)]


@pytest.mark.parametrize("kind", ["decimal(10,3)", "int", "float", "boolean"])
def test_relevance(spark: Any, kind: str) -> None:
    log = spark.range(3).selectExpr(
        "id AS user_idx", "id AS item_idx", f"CAST(1.4 AS {kind}) AS relevance"
    )
    expected = {"decimal(10,3)": 1.4, "float": 1.4}.get(kind, 1.0)
    found = rows_of(read_log(log)).relevance
    np.testing.assert_array_equal(found, np.full(3, expected, np.float32))


def rows_of(log: Any) -> Any:
    if log.rows is not None:
        return log.rows
    (found,) = dask.compute(*log.parts)
    return found


def test_points_in_time_do_not_depend_on_the_zone(spark: Any) -> None:
    log = frame_of(spark, "timestamp", MOMENTS, "timestamp")
    rows = rows_of(read_log(log, needs=Needs(time=True)))
    expected = np.array([m.replace(tzinfo=None) for m in MOMENTS], dtype="datetime64[ns]")
    assert rows.times.tolist() == expected.view(np.int64).tolist()
    train, test = TimeSplitter(datetime.datetime(2020, 1, 2, 23, 30)).split(log)
    assert [row["user_idx"] for row in train.collect()] == [0]
    assert test.dtypes == log.dtypes
    assert (
        sorted(row["timestamp"] for row in test.collect())
        == sorted(row["timestamp"] for row in log.collect())[1:]
    )


@pytest.mark.parametrize(
    ("schema", "rows", "text"),
    [
        ("user_idx int, item_idx int", [(1, 1), (None, 2)], "missing ids in column 'user_idx'"),
        ("user_idx double, item_idx int", [(1.5, 1)], "fractional"),
        ("user_idx date, item_idx int", [(datetime.date(2020, 1, 1), 1)], "ids of type"),
        ("user_idx array<int>, item_idx int", [([1], 1)], "ids of type"),
        ("user_idx int, item_idx int, relevance double", [(1, 1, None)], "missing relevance"),
        ("user_idx int, item_idx int, relevance string", [(1, 1, "a")], "relevance of type"),
        ("user int, thing int", [(1, 1)], "no item column"),
    ],
)
def test_what_cannot_be_used_is_one_clear_error(
    spark: Any, schema: str, rows: list[Any], text: str
) -> None:
    log = spark.createDataFrame(rows, schema)
    with pytest.raises(LogError, match=text):
        PopRec().fit(log)


def test_names_of_columns(spark: Any) -> None:
    log = frame_of(spark, "double", [1.0, 2.0], "a.b `c`")
    assert MinCountFilter(1).transform(log).columns == log.columns
    twice = log.selectExpr("user_idx", "item_idx", "item_idx")
    with pytest.raises(LogError, match="item_idx"):
        PopRec().fit(twice)


def test_unsigned_integers_and_nanoseconds_get_types_that_spark_has() -> None:
    table = pa.table(
        {
            "small": pa.array([1], pa.uint8()),
            "large": pa.array([2**63 + 1], pa.uint64()),
            "time": pa.array([10**18 + 5], pa.timestamp("ns")),
            "word": pa.array(["a"]).dictionary_encode(),
            "nothing": pa.array([None], pa.null()),
        }
    )
    found = crossing.to_spark(table)
    kinds = dict(found.dtypes)
    assert kinds == {
        "small": "smallint", "large": "decimal(20,0)", "time": "timestamp_ntz", "word": "string",
        "nothing": "string",
    }  # fmt: skip
    assert found.collect()[0]["large"] == 2**63 + 1


def test_frames_without_rows(spark: Any) -> None:
    empty = spark.createDataFrame([], "user_idx int, item_idx bigint")
    with pytest.raises(LogError, match="no rows"):
        PopRec().fit(empty)
    log = as_kind(pd.DataFrame({"user_idx": [1, 2], "item_idx": [1, 1]}), "spark")
    found = PopRec().fit(log).predict(log, 3, users=[])
    assert found.dtypes == [("user_idx", "bigint"), ("item_idx", "bigint"), ("relevance", "double")]
    assert found.count() == 0


def test_a_failure_in_the_middle_leaves_no_files(spark: Any, tmp_path: Any, way: str) -> None:
    bad = spark.range(1000).selectExpr(
        "CAST(id AS INT) AS user_idx", "IF(id = 900, raise_error('no'), id) AS item_idx"
    )
    missing = spark.range(1000).selectExpr("id AS user_idx", "NULLIF(id, 5) AS item_idx")
    nobody = spark.range(1000).selectExpr("NULLIF(id, 5) AS user_idx", "id AS item_idx")
    with dask.config.set({"daskrec.storage-path": str(tmp_path)}):
        for log, text in ((bad, "no"), (missing, "missing ids")):
            with pytest.raises(Exception, match=text) as held:  # which holds the traceback
                PopRec().fit(log.repartition(3))
            assert held.tb is not None
            assert list(tmp_path.glob("daskrec*")) == []
        for split in (RandomSplitter(0.3), MinCountFilter(2)):
            call = split.split if hasattr(split, "split") else split.transform
            with pytest.raises(Exception, match="missing ids") as held:
                call(nobody.repartition(3))
            assert list(tmp_path.glob("daskrec*")) == []


def test_executors_elsewhere_need_a_folder_that_both_see() -> None:
    class Conf:
        def get(self, name: str, default: str = "") -> str:
            return "spark://master:7077"

    class Session:
        conf = Conf()

    with pytest.raises(StorageError, match="storage-path"):
        Staging(Session())
    with dask.config.set({"daskrec.storage-path": "s3://bucket/folder/"}):
        found = Staging(Session())
        assert found.spark_url.startswith("s3a://bucket/folder/daskrec-spark-")
        found._removal.detach()


def test_a_large_frame_is_read_part_by_part(spark: Any, way: str) -> None:
    log = spark.range(30_000).selectExpr("id % 700 AS user_idx", "id AS item_idx")
    opened = frames.opened(log.repartition(4))
    assert frames.kind_of(opened).name == ("spark" if way == "rows" else "spark-parts")
    assert to_pandas(PopRec().fit(log).predict(None, 3, [1], filter_seen_items=False)).shape == (
        3,
        3,
    )
