"""What a job of the scaling table runs: ``python -m benchmarks.scaling.job JOB``.

A fresh process that warms up on a short log in the mode of the job, then fits and predicts on the
long one. Prints nothing; ``result.json`` comes beside the job, and grows with each round.

Modes: ``direct`` fits on a pandas frame; ``path`` on the Parquet files, part by part; ``dask`` on a
Dask frame and on a pandas frame of the same rows in turns, on the threads of this process; a number
is that many worker processes of one thread each, which read the files; ``costs`` is what tasks and
bytes cost there, whatever the model.
"""

import gc
import json
import sys
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.engines.clock import timed
from benchmarks.scaling import cluster

K = 10


def main(path: str) -> None:
    """Do a job."""
    job = json.loads(Path(path).read_text())
    target = Path(path).parent / "result.json"
    mode = job["mode"]
    if mode == "costs":
        with cluster.workers(2) as client:
            target.write_text(json.dumps({"costs": cluster.costs(client)}))
    elif mode == "dask":
        _in_turns(job, target)
    elif mode.isdigit():
        with cluster.workers(int(mode)) as client:
            _rounds(job, target, client)
    else:
        _rounds(job, target, None)


def _rounds(job: dict[str, Any], target: Path, client: Any) -> None:
    """Fit and predict, as often as the job says or its budget of seconds allows."""
    _one(job, _frame(job["warm"], job["mode"]), None, client)
    frame = _frame(job["log"], job["mode"])
    result: dict[str, Any] = {"rounds": []}
    begin = perf_counter()
    while _goes_on(job, result["rounds"], begin):
        result["rounds"].append(_one(job, frame, job.get("users"), client))
        if client is not None:
            result["worker_peak"] = cluster.peak(client)
        target.write_text(json.dumps(result))
    if job.get("fewer"):
        less = {**job, "params": {**job["params"], **job["fewer"]}}
        result["fewer"], _ = timed(partial(_model(less).fit, frame))
        target.write_text(json.dumps(result))


def _one(job: dict[str, Any], frame: Any, users: int | None, client: Any) -> dict[str, Any]:
    """Fit and predict; return the seconds of both, and the bytes that went between workers."""
    gc.collect()
    model, before = _model(job), _moved(client)
    fit, _ = timed(partial(model.fit, frame))
    between = _moved(client)
    asked = None if users is None else list(range(users))
    predict, rows = timed(lambda: _rows(model.predict(frame, K, users=asked)))
    after = _moved(client)
    return {
        "fit": fit,
        "predict": predict,
        "rows": rows,
        **{name: between[name] - before[name] for name in between},
        "sent_for_lists": after["sent"] - between["sent"] if after else 0.0,
    }


def _in_turns(job: dict[str, Any], target: Path) -> None:
    """Fit on a Dask frame and on a pandas frame in turns."""
    rounds: list[dict[str, Any]] = []
    both = {mode: _frame(job["warm"], mode) for mode in ("dask", "direct")}
    for frame in both.values():
        _model(job).fit(frame)
    both = {mode: _frame(job["log"], mode) for mode in both}
    begin = perf_counter()
    while _goes_on(job, rounds, begin):
        found = {}
        for mode, frame in both.items():
            gc.collect()
            found[mode], _ = timed(partial(_model(job).fit, frame))
        rounds.append(found)
        target.write_text(json.dumps({"turns": rounds}))


def _goes_on(job: dict[str, Any], rounds: list[Any], begin: float) -> bool:
    if not rounds:
        return True
    return len(rounds) < int(job["rounds"]) and perf_counter() - begin < float(job["budget"])


def _model(job: dict[str, Any]) -> Any:
    import daskrec.models as models

    return getattr(models, job["class"])(**job["params"])


def _moved(client: Any) -> dict[str, float]:
    return {} if client is None else cluster.moved(client)


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


if __name__ == "__main__":
    main(sys.argv[1])
