"""SLIM on a catalogue whose table of products fits nowhere, on a cluster of two processes."""

import tempfile
from time import perf_counter
from typing import cast

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

from benchmarks.data import Dataset
from benchmarks.machine import peak
from benchmarks.report import Table
from daskrec.datasets import synthetic
from daskrec.engine.csr import Csr
from daskrec.models import SLIM

_USERS, _ITEMS, _ROWS = 50_000, 200_000, 2_000_000
_LIMIT = 4e9
_ASKED = 1000


def run(dataset: Dataset, rounds: int) -> Table:
    columns = ["items", "rows", "all products, GB", "fit, s", "weights", "worker's peak, MB", ""]
    table = Table("catalogue: SLIM with candidates on two worker processes", columns)
    with tempfile.TemporaryDirectory() as folder:
        _write(folder)
        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, memory_limit=_LIMIT, dashboard_address=":0"
            ) as cluster,
            Client(cluster) as client,
        ):
            begin = perf_counter()
            model = SLIM(beta=0.01, lambda_=3e-5).fit(f"{folder}/*.parquet")
            seconds = perf_counter() - begin
            most = max(client.run(peak).values())
            recs = model.predict(f"{folder}/*.parquet", 10, users=range(_ASKED))
            served = len(recs)
    weights, items = cast(Csr, model.similarity_.get()).nnz, model.items_count
    dense = 4 * items**2
    cells = [
        f"{items}",
        f"{_ROWS + _ITEMS:.1e}",
        f"{dense / 1e9:.0f}",
        f"{seconds:.0f}",
        f"{weights:.1e}",
    ]
    record = {
        "items": items,
        "rows": _ROWS + _ITEMS,
        "seconds": seconds,
        "weights": weights,
        "peak": most,
    }
    table.add([*cells, f"{most / 1e6:.0f}"], record, most <= _LIMIT and served > 0)
    table.notes.append(
        f"A generated log of {_USERS} users, and a row for each item, read from Parquet; one fit, "
        "compilation "
        "included; 200 candidates an item, as for every table of products above "
        f"`daskrec.dense-limit`. The goal is {_LIMIT / 1e9:.0f} GB resident a worker, its "
        "limit too."
    )
    return table


def _write(folder: str) -> None:
    """Write a generated log, and one row for each item, so that none is missing."""
    log = synthetic(_USERS, _ITEMS, _ROWS, npartitions=8, timestamps=False, seed=0)
    items = np.arange(_ITEMS)
    once = pd.DataFrame({"user_idx": items % _USERS, "item_idx": items, "relevance": 1.0})
    dd.concat([log, dd.from_pandas(once, npartitions=1)]).to_parquet(folder, write_index=False)
