"""How cost grows: ``python -m benchmarks scaling``.

Models on generated logs of 1e5 to 1e8 interactions, in one process and on worker processes:
seconds, memory, bytes that workers sent each other, the exponents of their growth, what two
workers gain over one, and what Dask costs beside a direct call. ``extrapolate`` makes of it what
1e9 interactions would take on 64 workers.
"""

import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.engines import launch
from benchmarks.scaling import extrapolate, plan, tables
from benchmarks.scaling.plan import LARGEST, MODELS, SIZES
from benchmarks.suite import page
from benchmarks.suite.options import OUT, base_parser

NAME = "scaling"
_MODULE = "benchmarks.scaling.job"
_TURNS = 3  # a difference of few per cent wants so many times the rounds of a time
_COSTS = "costs"  # the job that measures the machine, whatever the model


def main(arguments: list[str]) -> int:
    """Measure, print the tables and write their pages."""
    options = _parser().parse_args(arguments)
    facts = machine.facts()
    out = options.out.resolve() / NAME
    (out / "logs").mkdir(parents=True, exist_ok=True)
    sizes = {size: plan.write_log(out / "logs", size) for size in options.sizes}
    records = [
        record
        for key in options.model or MODELS
        for size in MODELS[key].sizes(options.sizes)
        for record in _measure(options, key, size, sizes[size], out)
    ]
    if "2" in options.mode:
        records.append({"model": _COSTS, "size": "", "mode": _COSTS, **_machine(options, out)})
    found = [
        tables.sizes(sizes),
        tables.costs(records),
        tables.exponents(records),
        tables.two_workers(records),
        tables.overhead(records),
        extrapolate.table(records, facts),
    ]
    for table in found:
        print(f"\n{table}", flush=True)
    page.write(out, "How cost grows", facts, found)
    return 0 if all(table.passed for table in found) or options.no_fail else 1


def _measure(
    options: Namespace, key: str, size: str, sizes: dict[str, float], out: Path
) -> list[dict[str, Any]]:
    """Run a model on a log in each of its modes."""
    found = []
    for mode in MODELS[key].modes(size):
        if mode in options.mode:
            print(f"{NAME}: {key}, {size}, {mode}", flush=True)
            record = _run(options, key, size, mode, out)
            found.append({"model": key, "size": size, "mode": mode, **sizes, **record})
    return found


def _run(options: Namespace, key: str, size: str, mode: str, out: Path) -> dict[str, Any]:
    model, logs = MODELS[key], out / "logs"
    job = {
        "engine": "daskrec",
        "class": model.name,
        "params": dict(model.params),
        "mode": mode,
        "log": str(logs / size),
        "warm": str(logs / SIZES[0]),
        "users": model.asked.get(size),
        "rounds": 1 if size == LARGEST else options.rounds * (_TURNS if mode == "dask" else 1),
        "budget": options.budget,
    }
    if mode == "1" and model.fewer is not None:
        job["fewer"] = dict(model.fewer)
    plan.write_log(logs, SIZES[0])
    return _launch(options, job, out, f"{size}/{key}-{mode}")


def _machine(options: Namespace, out: Path) -> dict[str, Any]:
    """Measure what tasks and bytes cost."""
    return _launch(options, {"engine": "daskrec", "mode": _COSTS}, out, _COSTS)


def _launch(options: Namespace, job: dict[str, Any], out: Path, place: str) -> dict[str, Any]:
    """Run a job; what it leaves in its temporary folder goes, though it is ended at its limit."""
    temporary = out / "temporary"
    temporary.mkdir(exist_ok=True)
    try:
        return launch.run(
            {**job, "variables": {"TMPDIR": str(temporary)}},
            launch.HERE,
            out / place,
            limit=options.limit,
            again=options.again,
            module=_MODULE,
        )
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _parser() -> ArgumentParser:
    made = base_parser(NAME, __doc__)
    made.set_defaults(out=OUT)
    made.add_argument(
        "--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="rows (default all)"
    )
    modes = ["direct", "path", "dask", "1", "2"]
    made.add_argument(
        "--mode", "--workers", nargs="+", choices=modes, default=modes,
        help="one process in three ways, or a number of worker processes (default all)",
    )  # fmt: skip
    made.add_argument(
        "--model", nargs="+", choices=list(MODELS), default=[], metavar="KEY",
        help=f"of {', '.join(MODELS)}",
    )  # fmt: skip
    made.add_argument(
        "--budget", type=float, default=60.0, metavar="S",
        help="seconds of a job after which no more round begins (default 60)",
    )  # fmt: skip
    return made
