"""MLlib, the library of Spark that the original builds on, by itself."""

import importlib
from pathlib import Path
from typing import Any

from benchmarks.engines import ITEM, RELEVANCE, USER, session

LIBRARIES = ("pyspark", "numpy", "pandas")
_state: dict[str, Any] = {}


def start(folder: Path, threads: int) -> None:
    """Start Spark."""
    _state["spark"] = session.start(folder, threads)


def stop() -> None:
    """End Spark."""
    _state.pop("spark").stop()


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the log, in memory of Spark."""
    return session.cached(_state["spark"].read.parquet(str(folder / f"{job['log']}.parquet")))


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the fitted model of a job."""
    kind = importlib.import_module("pyspark.ml.recommendation").ALS
    columns = {"userCol": USER, "itemCol": ITEM, "ratingCol": RELEVANCE}
    return kind(**columns, **job["params"]).fit(log)


def predict(model: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists for all users, in memory of Spark.

    The library does not leave out what users had: it is asked for as many more items as the
    longest history has, and those of the history are taken away afterwards.
    """
    functions = importlib.import_module("pyspark.sql.functions")
    window = importlib.import_module("pyspark.sql").Window
    longest = log.groupBy(USER).count().agg({"count": "max"}).first()[0]
    wide = model.recommendForAllUsers(job["k"] + longest)
    rows = wide.select(USER, functions.explode("recommendations").alias("one"))
    rows = rows.select(USER, f"one.{ITEM}", functions.col("one.rating").alias(RELEVANCE))
    left = rows.join(log.select(USER, ITEM), [USER, ITEM], "left_anti")
    order = window.partitionBy(USER).orderBy(functions.desc(RELEVANCE))
    placed = left.withColumn("place", functions.row_number().over(order))
    return session.cached(placed.filter(placed["place"] <= job["k"]).drop("place"))


def frame(lists: Any) -> Any:
    """Return lists as a pandas frame, and let Spark forget them."""
    found = lists.select(USER, ITEM, RELEVANCE).toPandas()
    lists.unpersist()
    return found
