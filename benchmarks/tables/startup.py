"""The first call of a fresh process: import, PopRec fit and predict."""

import tempfile
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.child import K
from benchmarks.data import Dataset
from benchmarks.fresh import run_child
from benchmarks.report import Goal, SpeedTable, Table

_WARM, _COLD = Goal(seconds=3.0), Goal(seconds=15.0)
_MOST_COLD_ROUNDS = 3


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable("startup: a fresh process imports daskrec, fits PopRec and predicts")
    with tempfile.TemporaryDirectory() as folder:
        dataset.save_columns(folder)
        kernels = {"NUMBA_CACHE_DIR": f"{folder}/kernels"}
        fresh = [
            _process(folder, {"NUMBA_CACHE_DIR": f"{folder}/kernels-{n}"})
            for n in range(min(rounds, _MOST_COLD_ROUNDS))
        ]
        _process(folder, kernels)
        cached = [_process(folder, kernels) for _ in range(rounds)]
    users = dataset.frame["user_id"].nunique()
    for what, runs, goal in (
        ("compiled kernels cached", cached, _WARM),
        ("no compiled kernel", fresh, _COLD),
    ):
        seconds = [wall for wall, _ in runs]
        parts = {part: median(found[part] for _, found in runs) for part in ("import", "call")}
        whole = all(found["rows"] == K * users for _, found in runs)
        table.compare(what, [seconds], goal=goal, equal=whole, parts=parts)
        table.notes.append(
            f"{what}: of it {parts['import']:.2f} s the import, {parts['call']:.2f} s the call."
        )
    table.notes.append("Seconds are those of the whole process, interpreter and log included.")
    return table


def _process(folder: str, environment: dict[str, str]) -> tuple[float, dict[str, Any]]:
    begin = perf_counter()
    found = run_child(["startup", folder], environment)
    return perf_counter() - begin, found
