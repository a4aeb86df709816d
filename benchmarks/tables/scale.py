"""A log ten times as long, on a cluster of two processes: time an interaction, and memory."""

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import dask.dataframe as dd
from distributed import Client, LocalCluster

from benchmarks.data import Dataset
from benchmarks.machine import peak
from benchmarks.report import Table
from daskrec.datasets import synthetic
from daskrec.models import KNN, PopRec, Wilson

_SIZES = (1_000_000, 10_000_000)
_USERS_PER_ROW = 1 / 100
_ITEMS = 5_000
_LIMIT = 2e9
_RATIO = 1.3
_MOST_ROUNDS = 3
MODELS: dict[str, tuple[type, dict[str, Any]]] = {
    "PopRec": (PopRec, {}),
    "Wilson": (Wilson, {}),
    "KNN": (KNN, {"num_neighbours": 100}),
}


def run(dataset: Dataset, rounds: int) -> Table:
    columns = ["model", *(f"{size:.0e} rows, s" for size in _SIZES)]
    columns += ["time a row, long to short", "worker's peak, MB", ""]
    table = Table("scale: fit on two worker processes", columns)
    with tempfile.TemporaryDirectory() as folder:
        logs = [_write(Path(folder) / f"{size}.parquet", size) for size in _SIZES]
        for name, (model, params) in MODELS.items():
            with (
                LocalCluster(
                    n_workers=2, threads_per_worker=1, memory_limit=_LIMIT, dashboard_address=":0"
                ) as cluster,
                Client(cluster) as client,
            ):
                model(**params).fit(dd.read_parquet(logs[0]))  # loads kernels
                seconds = [
                    [_time(model(**params), path) for _ in range(min(rounds, _MOST_ROUNDS))]
                    for path in logs
                ]
                most = max(client.run(peak).values())
            small, large = (median(taken) for taken in seconds)
            ratio = (large / _SIZES[1]) / (small / _SIZES[0])
            cells = [f"{x:.2f}" for x in (small, large, ratio)]
            table.add(
                [name, *cells, f"{most / 1e6:.0f}"],
                {"model": name, "seconds": seconds, "ratio": ratio, "peak": most},
                ratio <= _RATIO and most <= _LIMIT,
            )
    table.notes.append(
        f"Generated logs of {_ITEMS} items and 100 interactions a user on average, read from "
        "Parquet in partitions of a million rows. Goals: an interaction of the long log takes at "
        f"most {_RATIO} times as long as one of the short log (whose time holds more of what a fit "
        f"costs however few the rows), and {_LIMIT / 1e9:.0f} GB resident a worker, its limit too."
    )
    return table


def _write(path: Path, rows: int) -> str:
    users = int(rows * _USERS_PER_ROW)
    log = synthetic(users, _ITEMS, rows, npartitions=max(rows // 1_000_000, 2), timestamps=False)
    log["relevance"] = (log["item_idx"] + log["user_idx"]) % 3 // 2
    log.to_parquet(str(path))
    return str(path)


def _time(model: Any, path: str) -> float:
    begin = perf_counter()
    model.fit(f"{path}/*.parquet")
    return perf_counter() - begin
