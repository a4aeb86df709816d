"""Frames of Spark with a Dask cluster, and in the benchmark."""

from pathlib import Path
from typing import Any

import cloudpickle
import dask
import pytest
from support import spark as sparks
from support.logs import as_kind, assert_same, kind_of, random_log

from benchmarks.tables import crossing
from daskrec.data import frames
from daskrec.models import KNN, ALSWrap, PopRec
from daskrec.splitters import RandomSplitter

LOG = random_log(users=80, items=30, rows=1500)


@pytest.mark.parametrize("model", [PopRec(), KNN(3), ALSWrap(4, seed=1)], ids=str)
@pytest.mark.parametrize("limit", ["128 MiB", 0])
def test_workers_read_the_files(
    model: Any, limit: Any, spark: Any, client: Any, tmp_path: Path
) -> None:
    expected = type(model)(**model.get_params()).fit(LOG).predict(LOG, 4)
    log = as_kind(LOG, "spark")
    with dask.config.set({"daskrec.collect-limit": limit, "daskrec.storage-path": str(tmp_path)}):
        found = model.fit(log).predict(log, 4)
        parts = RandomSplitter(0.3, seed=1).split(log)
    assert kind_of(found) == "spark"
    assert_same(found, expected, 1e-5)
    for part, rows in zip(parts, RandomSplitter(0.3, seed=1).split(LOG), strict=True):
        assert part.count() == len(rows)
    assert list(tmp_path.glob("daskrec-spark*")) == []


def test_tasks_do_not_need_pyspark(spark: Any) -> None:
    with dask.config.set({"daskrec.collect-limit": 0}):
        opened = frames.opened(as_kind(LOG, "spark"))
    parts = frames.kind_of(opened).parts(opened, ["user_idx"])
    assert b"pyspark" not in cloudpickle.dumps(parts)


def test_the_benchmark_of_crossing(monkeypatch: Any) -> None:
    sparks.require()
    for name, size in (("ROWS", 700), ("USERS", 90), ("ITEMS", 80)):
        monkeypatch.setattr(crossing, name, size)
    table = crossing.run(None, 1)  # type: ignore[arg-type]
    (record,) = table.records
    assert 500 < record["rows"] <= 800
    assert len(record["ours"]) == len(record["spark"]) == 1
    assert 0 < record["peak"] < 2e9
