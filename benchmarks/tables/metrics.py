"""All metrics at five depths: in one process, and on a cluster of two with little memory."""

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

from benchmarks.data import Dataset
from benchmarks.machine import peak
from benchmarks.measure import call, interleave
from benchmarks.report import Table
from daskrec.metrics import (
    MAP,
    MRR,
    NDCG,
    CategoricalDiversity,
    Coverage,
    Evaluation,
    HitRate,
    Metric,
    Novelty,
    Precision,
    Recall,
    RocAuc,
    Surprisal,
    Unexpectedness,
    evaluate,
)

_DEPTHS = [1, 2, 3, 5, 10]
_ITEMS = 50_000
_TRUTH = 5
_IN_MEMORY = 100_000  # users
_PARTITION = 100_000
_SECONDS = 3.0
_LIMIT = 2e9
_CLUSTER_USERS = (1_000_000, 10_000_000)


def run(dataset: Dataset, rounds: int) -> Table:
    table = Table(
        f"metrics: all twelve at {len(_DEPTHS)} depths",
        ["where", "recommended rows", "users", "seconds", "process's peak, MB", ""],
    )
    frames = {name: _part(0, _IN_MEMORY, name) for name in ("recs", "truth", "base")}
    seconds, _ = interleave([call(_evaluate, frames)], rounds)
    cells = ["one process, pandas", *_sizes(_IN_MEMORY), f"{median(seconds[0]):.3f}", ""]
    table.add(cells, {"users": _IN_MEMORY, "seconds": seconds[0]}, median(seconds[0]) <= _SECONDS)
    for users in _CLUSTER_USERS:
        taken, most = _on_cluster(users)
        cells = ["two workers, Parquet", *_sizes(users), f"{taken:.1f}", f"{most / 1e6:.0f}"]
        table.add(cells, {"users": users, "seconds": [taken], "peak": most}, most <= _LIMIT)
    table.notes.append(
        f"Each user has ten recommendations of {_ITEMS} items, {_TRUTH} rows of truth and ten of "
        "another model; the truth is the training too. Goals: "
        f"{_SECONDS:.0f} s in one process, and {_LIMIT / 1e9:.0f} GB a worker, its limit too."
    )
    return table


def _metrics(truth: Any, base: Any) -> list[Metric]:
    quality = [HitRate(), Precision(), Recall(), MAP(), MRR(), NDCG(), RocAuc()]
    beyond = [Coverage(truth), Surprisal(truth), Novelty(truth), Unexpectedness(base)]
    return [*quality, *beyond, CategoricalDiversity()]


def _evaluate(frames: dict[str, Any]) -> Evaluation:
    recs, truth, base = (frames[name] for name in ("recs", "truth", "base"))
    return evaluate(_metrics(truth, base), recs, truth, _DEPTHS)


def _part(first: int, last: int, name: str) -> pd.DataFrame:
    """Return rows of consecutive users, the same whoever asks."""
    rng = np.random.default_rng([first, len(name)])
    each = _TRUTH if name == "truth" else max(_DEPTHS)
    rows = (last - first) * each
    frame = pd.DataFrame(
        {
            "user_idx": np.repeat(np.arange(first, last), each),
            # Few are popular: u * u of a uniform u.
            "item_idx": (rng.random(rows) ** 2 * _ITEMS).astype(np.int64),
            "relevance": rng.random(rows),
        }
    )
    return frame.assign(category_id=frame["item_idx"] % 20)


def _on_cluster(users: int) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: _write(Path(folder), users, name) for name in ("recs", "truth", "base")}
        cluster = LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=_LIMIT, dashboard_address=":0"
        )
        with cluster, Client(cluster) as client:
            begin = perf_counter()
            _evaluate({name: dd.read_parquet(path) for name, path in paths.items()})
            return perf_counter() - begin, max(client.run(peak).values())


def _write(folder: Path, users: int, name: str) -> str:
    target = folder / name
    target.mkdir()
    for number, first in enumerate(range(0, users, _PARTITION)):
        frame = _part(first, min(first + _PARTITION, users), name)
        frame.to_parquet(target / f"part-{number:05d}.parquet", index=False)
    return str(target)


def _sizes(users: int) -> list[str]:
    return [f"{users * max(_DEPTHS):.0e}", f"{users:.0e}"]
