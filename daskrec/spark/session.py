"""The session of Spark as scripts of the original start and share it."""

import importlib
import os
from typing import Any

from daskrec.engine.device import chosen_gpu
from daskrec.spark.crossing import active_session

_SHARE = 0.7  # of the memory of this machine, for the driver


def import_spark() -> Any:
    """Import pyspark.

    Raises
    ------
    ImportError
        It is not installed; the error names the extra.
    """
    try:
        import pyspark.sql
    except ImportError as error:
        raise ImportError("frames of Spark need pyspark: pip install 'daskrec[spark]'") from error
    return pyspark.sql


def get_spark_session(
    spark_memory: int | None = None,
    shuffle_partitions: int | None = None,
    core_count: int | None = None,
) -> Any:
    """Return the running session of Spark, or start a local one.

    Parameters
    ----------
    spark_memory
        Gigabytes of the driver; 70 % of those of this machine by default, or what the
        environment variable ``REPLAY_SPARK_MEMORY`` says. daskrec itself works outside of them:
        where both share a machine, give Spark less.
    shuffle_partitions
        Three for each core by default.
    core_count
        Cores; all by default (-1), or what ``REPLAY_SPARK_CORE_COUNT`` says.

    Returns
    -------
    pyspark.sql.SparkSession

    Raises
    ------
    ImportError
        pyspark is not installed.
    """
    sql = import_spark()
    memory = spark_memory or int(os.environ.get("REPLAY_SPARK_MEMORY", 0))
    if not memory:
        whole = importlib.import_module("psutil").virtual_memory().total
        memory = max(1, int(whole / 2**30 * _SHARE))
    cores = core_count or int(os.environ.get("REPLAY_SPARK_CORE_COUNT", -1))
    many = (os.cpu_count() or 1) if cores < 0 else cores
    settings = {
        "spark.driver.memory": f"{memory}g",
        "spark.sql.shuffle.partitions": str(shuffle_partitions or 3 * many),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "localhost",
        "spark.driver.maxResultSize": "4g",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }
    builder = sql.SparkSession.builder.master(f"local[{'*' if cores < 0 else cores}]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


class State:
    """The session and the device that all of a script shares: every ``State()`` is the same.

    Parameters
    ----------
    session
        A session of Spark. Without one the session that was given before is kept, else the
        running one, else a local one is started when it is asked for.
    device
        A device of torch, for code of the script; models of daskrec have a parameter ``device``
        and the setting ``daskrec.device``.
    """

    _shared: dict[str, Any] = {}  # noqa: RUF012 - it is the point that all objects share it

    def __init__(self, session: Any = None, device: Any = None) -> None:
        self.__dict__ = self._shared
        if session is not None:
            self._session = session
        if device is not None:
            self._device = device

    @property
    def session(self) -> Any:
        """The session of Spark."""
        found = self._shared.get("_session")
        if found is None:
            found = self._session = active_session() or get_spark_session()
        return found

    @property
    def device(self) -> Any:
        """The device of torch: a GPU where it finds one."""
        found = self._shared.get("_device")
        if found is None:
            import torch

            found = self._device = torch.device(chosen_gpu("auto") or "cpu")
        return found
