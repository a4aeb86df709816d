"""What runs in the environment of an engine: ``python -m benchmarks.engines.worker JOB``.

The job is a JSON file. Beside it come ``result.json``, written after each step so that a job that
is ended keeps what it has, and ``lists-<n>.parquet``, the lists of each round.
"""

import importlib
import json
import sys
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.engines import LISTS
from benchmarks.engines.clock import cpu_seconds, timed

_SEEDS = ("seed", "random_state")


def main(path: str) -> None:
    """Do a job."""
    folder = Path(path).parent
    job = json.loads(Path(path).read_text())
    result = _Result(folder / "result.json")
    cpu, wall = cpu_seconds(), perf_counter()
    engine: Any = importlib.import_module(f"benchmarks.engines.{job['engine']}")
    if hasattr(engine, "start"):
        engine.start(folder, job["threads"])
    result.add(
        startup={"wall": perf_counter() - wall, "cpu": cpu_seconds() - cpu},
        versions={name: _version(name) for name in engine.LIBRARIES},
    )
    try:
        _work(engine, job, result, folder)
    except Exception as error:  # a peer that fails is a row that says how
        lines = f"{type(error).__name__}: {error}".splitlines()
        result.add(error=" ".join(lines[:3])[:400])
    finally:
        if hasattr(engine, "stop"):
            engine.stop()


def _work(engine: Any, job: dict[str, Any], result: "_Result", folder: Path) -> None:
    """Warm up on a small log, search for parameters where asked, and time rounds."""
    if job.get("warm"):
        seconds, _ = timed(lambda: _warm_up(engine, job))
        result.add(warm_up=seconds)
    if job.get("tune"):
        seconds, found = timed(partial(engine.tune, job))
        result.add(tuning=seconds, tuned=found)
        job["params"] = {**job["params"], **found}
    seconds, log = timed(lambda: engine.load(Path(job["data"]), job))
    result.add(load=seconds)
    rounds: list[dict[str, Any]] = []
    begin = perf_counter()
    while len(rounds) < job["rounds"] and (
        len(rounds) < job.get("least", 1) or perf_counter() - begin < job["budget"]
    ):
        drawn = {**job, "params": reseeded(job["params"], len(rounds))}
        fitting, model = timed(partial(engine.fit, log, drawn))
        result.add(unfinished=fitting)  # for a job that is ended while it predicts
        predicting, lists = timed(partial(engine.predict, model, log, drawn))
        engine.frame(lists).to_parquet(folder / LISTS.format(len(rounds)), index=False)
        rounds.append({"fit": fitting, "predict": predicting})
        result.add(rounds=rounds, unfinished=None)


def reseeded(params: dict[str, Any], number: int) -> dict[str, Any]:
    """Return parameters with another seed for each round, so that luck is seen."""
    return {
        name: value + number if name in _SEEDS and value is not None else value
        for name, value in params.items()
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:  # it lies on the path, not installed
        return None


def _warm_up(engine: Any, job: dict[str, Any]) -> None:
    log = engine.load(Path(job["warm"]), job)
    engine.frame(engine.predict(engine.fit(log, job), log, job))


class _Result:
    """A JSON file that grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Any] = {}

    def add(self, **fields: Any) -> None:
        self._found |= fields
        self._path.write_text(json.dumps(self._found))


if __name__ == "__main__":
    main(sys.argv[1])
