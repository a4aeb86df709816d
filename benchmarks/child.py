"""What runs in a fresh process: ``python -m benchmarks.child TASK FOLDER ...``.

Prints one line of JSON. Nothing is imported before the clock starts.
"""

import sys
from time import perf_counter
from typing import Any

from benchmarks import COLUMNS

BEGIN = perf_counter()
K = 10
MODELS: dict[str, dict[str, Any]] = {
    "PopRec": {},
    "KNN": {"num_neighbours": 100},
    "ALSWrap": {"rank": 64, "seed": 0},
}


def startup(folder: str) -> dict[str, Any]:
    """Import daskrec, fit and predict once; return the seconds of each."""
    from daskrec.models import PopRec

    imported = perf_counter()
    frame = _load(folder)
    loaded = perf_counter()
    rows = len(PopRec().fit_predict(frame, K))
    return {"import": imported - BEGIN, "call": perf_counter() - loaded, "rows": rows}


def memory(folder: str, name: str, size: str) -> dict[str, Any]:
    """Fit on the first rows and predict for all users; return resident bytes along the way."""
    from daskrec import models

    bytes_at = {"imports": _resident("VmRSS")}
    frame = _load(folder).head(int(size))
    bytes_at["log"] = _resident("VmRSS")
    model = getattr(models, name)(**MODELS[name]).fit(frame)
    bytes_at["fit"] = _resident("VmHWM")
    rows = len(model.predict(frame, K))
    return {**bytes_at, "peak": _resident("VmHWM"), "rows": rows}


def write(folder: str, users: str, items: str, rows: str) -> dict[str, Any]:
    """Write a generated log as Parquet; return the rows that it has."""
    import dask.dataframe as dd

    from daskrec.datasets import synthetic

    sizes = int(users), int(items), int(rows)
    synthetic(
        *sizes, npartitions=max(sizes[2] // 1_000_000, 1), timestamps=False, seed=0
    ).to_parquet(folder, write_index=False)
    return {"rows": len(dd.read_parquet(folder))}


def train(folder: str, name: str, params: str) -> dict[str, Any]:
    """Fit a model on a Parquet log; return seconds, resident bytes and the last loss."""
    import json

    import dask.dataframe as dd

    from daskrec import models

    imports = _resident("VmRSS")
    begin = perf_counter()
    model = getattr(models, name)(**json.loads(params)).fit(dd.read_parquet(folder))
    return {
        "imports": imports,
        "seconds": perf_counter() - begin,
        "epoch": float(model.history_["seconds"].iloc[-1]),
        "loss": float(model.history_["loss"].iloc[-1]),
        "users": model.users_count,
        "items": model.items_count,
        "peak": _resident("VmHWM"),
    }


def cross(folder: str, out: str, rounds: str) -> dict[str, Any]:
    """Bring a log from Spark to blocks, and let Spark write it, in turns; return the seconds."""
    from pyspark.sql import SparkSession

    from daskrec.data.encode import encode_training
    from daskrec.data.log import read_log

    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "3g")
    for name in ("spark.ui.enabled", "spark.ui.showConsoleProgress"):
        builder = builder.config(name, "false")
    spark = builder.getOrCreate()
    log = spark.read.parquet(folder)
    seconds: dict[str, list[float]] = {"spark": [], "ours": []}
    count = 0
    for _ in range(1 + int(rounds)):
        begin = perf_counter()
        log.write.mode("overwrite").parquet(f"{out}/written")
        middle = perf_counter()
        count = encode_training(read_log(log)).entry_count
        seconds["spark"].append(middle - begin)
        seconds["ours"].append(perf_counter() - middle)
    timed = {name: taken[1:] for name, taken in seconds.items()}
    return {**timed, "rows": count, "peak": _resident("VmHWM")}


def _load(folder: str) -> Any:
    """Return the log in no more memory than it takes, which Parquet would need."""
    import numpy as np
    import pandas as pd

    return pd.DataFrame({name: np.load(f"{folder}/{name}.npy") for name in COLUMNS}, copy=False)


def _resident(field: str) -> int:
    """Return a figure of the memory of this process, in bytes."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    import json

    tasks: dict[str, Any] = {
        "startup": startup, "memory": memory, "write": write, "train": train, "cross": cross,
    }  # fmt: skip
    task = tasks[sys.argv[1]]
    print(json.dumps(task(*sys.argv[2:])))
