"""A session of Spark for engines that run on it, the same for all of them."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

# The original's own session sets shuffle partitions, Arrow and the buffer in this way on two cores.
_OPTIONS = {
    "spark.driver.memory": "8g",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.kryoserializer.buffer.max": "256m",
}


def start(folder: Path, threads: int) -> Any:
    """Return a new session on as many cores."""
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = importlib.import_module("pyspark.sql").SparkSession.builder
    builder = builder.master(f"local[{threads}]").config("spark.local.dir", str(folder / "spark"))
    builder = builder.config("spark.sql.shuffle.partitions", str(3 * threads))
    for name, value in _OPTIONS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def cached(frame: Any) -> Any:
    """Return a frame of Spark that lies in memory."""
    frame = frame.cache()
    frame.count()
    return frame
