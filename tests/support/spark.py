"""Spark for tests: one local session, and frames there and back without pandas of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": "3",
    "spark.default.parallelism": "3",
    "spark.sql.session.timeZone": "Asia/Tokyo",  # daskrec must not depend on it
}


def require() -> None:
    """Skip a test where there is no Spark, with the reason."""
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
        pytest.skip("Spark needs Java, and none is found")


@contextmanager
def session() -> Iterator[Any]:
    """Start a local session."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("daskrec tests")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    started = builder.getOrCreate()
    started.sparkContext.setLogLevel("ERROR")
    try:
        yield started
    finally:
        started.stop()


def is_spark(frame: Any) -> bool:
    return type(frame).__module__.startswith("pyspark.sql")


def as_spark(frame: pd.DataFrame) -> Any:
    """Return a pandas frame as one of the active session: three partitions, in order."""
    from pyspark.sql import SparkSession

    table = pa.Table.from_pandas(frame, preserve_index=False)
    return SparkSession.getActiveSession().createDataFrame(table)


def to_pandas(frame: Any) -> pd.DataFrame:
    return frame.toArrow().to_pandas()
