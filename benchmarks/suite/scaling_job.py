"""What a job of the scaling table runs: ``python -m benchmarks.suite.scaling_job JOB``.

A fresh process that warms up on a short log in the mode of the job, then fits and predicts on the
long one. Prints nothing; ``result.json`` comes beside the job.

Modes: ``direct`` fits on a pandas frame; ``dask`` on a Dask frame of the same rows, on the threads
of this process; ``path`` on the Parquet files, part by part; a number is that many worker processes
of one thread each, which read the files.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.engines.clock import timed

K = 10


def main(path: str) -> None:
    """Do a job."""
    job = json.loads(Path(path).read_text())
    target = Path(path).parent / "result.json"
    with _scheduler(job["mode"]):
        import daskrec.models as models

        kind, params = getattr(models, job["class"]), job["params"]
        _work(kind(**params), _frame(job["warm"], job["mode"]), None)
        frame = _frame(job["log"], job["mode"])
        rounds = []
        for _ in range(job["rounds"]):
            rounds.append(_work(kind(**params), frame, job.get("users")))
        target.write_text(json.dumps({"rounds": rounds}))


def _work(model: Any, frame: Any, users: int | None) -> dict[str, Any]:
    """Fit and predict; return the seconds of both, and the bytes that a fit sends."""
    before = _sent()
    fit, _ = timed(lambda: model.fit(frame))
    sent = _sent() - before
    asked = None if users is None else list(range(users))
    predict, rows = timed(lambda: _rows(model.predict(frame, K, users=asked)))
    return {"fit": fit, "predict": predict, "rows": rows, "sent": sent}


def _rows(lists: Any) -> int:
    """Compute lists to the last, a part at a time, and count them."""
    if hasattr(lists, "map_partitions"):
        return int(lists.map_partitions(len).sum().compute())
    return len(lists)


def _frame(path: str, mode: str) -> Any:
    """Return a log as the mode has it; reading is off the clock where it lies in this process."""
    import dask.dataframe as dd
    import pandas as pd

    if mode == "direct":
        return pd.read_parquet(path)
    if mode == "dask":
        parts = len(list(Path(path).glob("*.parquet")))
        return dd.from_pandas(pd.read_parquet(path), npartitions=parts)
    return dd.read_parquet(path)


@contextmanager
def _scheduler(mode: str) -> Iterator[None]:
    if not mode.isdigit():
        yield
        return
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=int(mode),
            threads_per_worker=1,
            memory_limit="9GiB",
            dashboard_address=":0",
            env={"NUMBA_NUM_THREADS": "1"},
        ) as cluster,
        Client(cluster),
    ):
        yield


def _sent() -> int:
    """Return the bytes that went between processes of this machine so far.

    They are those of its loopback device, whatever sent them: rows that Dask moves from task to
    task, its shuffles, and what scheduler and client have to say.
    """
    lines = Path("/proc/net/dev").read_text().splitlines()
    loopback = next(line for line in lines if line.strip().startswith("lo:"))
    return int(loopback.partition(":")[2].split()[0])


if __name__ == "__main__":
    main(sys.argv[1])
