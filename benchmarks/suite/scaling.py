"""How cost grows: ``python -m benchmarks scaling``.

Models on generated logs of 1e5 to 1e8 interactions, in one process and on worker processes:
seconds, memory, bytes that workers sent each other, the exponents of their growth, what two
workers gain over one, and what Dask costs beside a direct call. ``extrapolate`` makes of it what
1e9 interactions would take on 64 workers.
"""

from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine
from benchmarks.engines import launch
from benchmarks.report import Table
from benchmarks.suite import extrapolate, page
from benchmarks.suite.growth import growth
from benchmarks.suite.options import OUT, base_parser
from benchmarks.suite.scaling_plan import MODELS, SIZES, Model, write_log

NAME = "scaling"
_SPEEDUP, _ON_TWO = 1.8, ("als", "knn", "slim", "top-k")
_OVERHEAD, _OVERHEAD_S = 0.10, 0.05
_BOUND = 8 * 2**30  # bytes, of all processes that fit 1e8 rows
_BOUNDED = ("pop", "als")
_MODES = {"1e5": ("direct", "dask", "1", "2"), "1e6": ("direct", "dask", "1", "2"),
          "1e7": ("direct", "dask", "1", "2"), "1e8": ("path", "2")}  # fmt: skip
_MODULE = "benchmarks.suite.scaling_job"


def main(arguments: list[str]) -> int:
    """Measure, print the tables and write their pages."""
    options = _parser().parse_args(arguments)
    facts = machine.facts()
    out = options.out.resolve() / NAME
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    records = [
        record
        for key in options.model or MODELS
        for size in MODELS[key].sizes(options.sizes)
        for record in _measure(options, key, size, write_log(logs, size), out)
    ]
    tables = [costs(records), exponents(records), two_workers(records), overhead(records)]
    tables.append(extrapolate.table(records, facts))
    for table in tables:
        print(f"\n{table}", flush=True)
    page.write(out, "How cost grows", facts, tables)
    return 0 if all(table.passed for table in tables) or options.no_fail else 1


def _measure(
    options: Any, key: str, size: str, sizes: dict[str, float], out: Path
) -> list[dict[str, Any]]:
    """Run a model on a log in each of its modes."""
    found = []
    for mode in _MODES[size]:
        if mode not in options.mode:
            continue
        print(f"{NAME}: {key}, {size}, {mode}", flush=True)
        record = _run(options, key, size, mode, out)
        found.append({"model": key, "size": size, "mode": mode, **sizes, **record})
    return found


def _run(options: Any, key: str, size: str, mode: str, out: Path) -> dict[str, Any]:
    model = MODELS[key]
    job = {
        "engine": "daskrec",
        "class": model.name,
        "params": dict(model.params),
        "mode": mode,
        "log": str(out / "logs" / size),
        "warm": str(out / "logs" / SIZES[0]),
        "users": model.asked.get(size),
        "rounds": options.rounds if float(size) < 1e7 else 1,
    }
    if mode in ("1", "2"):  # a worker has one thread: its libraries too
        job["variables"] = {"NUMBA_NUM_THREADS": "1"}
    write_log(out / "logs", SIZES[0])
    return launch.run(
        job, launch.HERE, out / size / f"{key}-{mode}",
        limit=options.limit, again=options.again, module=_MODULE,
    )  # fmt: skip


def seconds(record: dict[str, Any], part: str) -> float:
    """Return the median seconds of ``fit`` or ``predict`` of a record."""
    return float(median(one[part]["wall"] for one in record["rounds"]))


def costs(records: list[dict[str, Any]]) -> Table:
    """Return the table of all that was measured."""
    table = Table(
        "scaling: seconds and memory",
        ["model", "rows", "mode", "fit, s", "predict, s", "lists", "CPU, s", "peak, MB",
         "between workers, MB", ""],
    )  # fmt: skip
    for record in records:
        cells = [f"`{record['model']}`", record["size"], record["mode"]]
        if not record.get("rounds"):
            table.add([*cells, *[""] * 5, record.get("error", "")], record, None)
            continue
        times = {part: seconds(record, part) for part in ("fit", "predict")}
        cpu = median(one["fit"]["cpu"] + one["predict"]["cpu"] for one in record["rounds"])
        cells += [f"{times['fit']:.2f}", f"{times['predict']:.2f}"]
        cells += [f"{record['rounds'][0]['rows']:.1e}", f"{cpu:.2f}"]
        cells += [f"{record['peak'] / 1e6:.0f}", _sent(record)]
        passed = None
        if record["size"] == "1e8" and record["model"] in _BOUNDED:
            passed = record["peak"] <= _BOUND
        table.add(cells, {**record, **times}, passed)
    table.notes.append(
        "Modes: `direct` is a pandas frame in one process with two threads; `dask` a Dask frame of "
        "the same rows there; `path` the Parquet files, read part by part there; 1 and 2 are "
        "worker processes of one thread each, which read the files. CPU and peak are of all "
        "processes. At 1e8 rows ALS serves 20,000 users, elsewhere lists are for all; ALS has 3 "
        f"iterations. Goal at 1e8 rows: {_BOUND / 2**30:.0f} GiB for PopRec and ALS."
    )
    return table


def _sent(record: dict[str, Any]) -> str:
    """Return what workers sent in a fit; a single process sends nothing."""
    if not record["mode"].isdigit():
        return ""
    return f"{min(one['sent'] for one in record['rounds']) / 1e6:.1f}"


def exponents(records: list[dict[str, Any]]) -> Table:
    """Return the table of exponents, over all sizes of a model in one process."""
    table = Table(
        "scaling: exponents in one process",
        ["model", "work", "sizes", "fit (R²)", "memory (R²)", "predict (R²)", "goal", ""],
    )
    for key, model in MODELS.items():
        runs = [
            one for one in records
            if one["model"] == key and one["mode"] in ("direct", "path") and one.get("rounds")
        ]  # fmt: skip
        if len(runs) < 3:
            continue
        work = [one[model.work] for one in runs]
        lists = [_scores(model, one) for one in runs]
        found = {
            "fit": growth(work, [seconds(one, "fit") for one in runs]),
            "memory": growth(work, [one["peak"] for one in runs]),
            "predict": growth(lists, [seconds(one, "predict") for one in runs]),
        }
        passed = None
        if model.goal is not None:
            passed = all(one.exponent <= model.goal for one in found.values())
        shown = [f"{one.exponent:.2f} ({one.r2:.3f})" for one in found.values()]
        goal = "" if model.goal is None else f"≤ {model.goal:g}"
        cells = [f"`{key}`", model.work, f"{runs[0]['size']} to {runs[-1]['size']}", *shown, goal]
        table.add(cells, {"model": key, **{n: [*one] for n, one in found.items()}}, passed)
    table.notes.append(
        "Work is what a fit grows with: rows, the sum of squared lengths of histories, or the "
        "cube of the number of items. Predict grows with the rows of the lists, and for models "
        "that score every item for a user (ALS) with users times items."
    )
    return table


def _scores(model: Model, record: dict[str, Any]) -> float:
    """Return what predicting is expected to be proportional to."""
    users = model.asked.get(record["size"]) or record["users"]
    every = model.name in ("ALSWrap", "EASE", "Word2VecRec")
    return float(users * record["items"]) if every else float(record[model.work])


def two_workers(records: list[dict[str, Any]]) -> Table:
    """Return what two workers gain over one."""
    table = Table(
        "scaling: two workers against one",
        ["model", "rows", "fit, times", "predict, times", "goal", ""],
    )
    by = {(one["model"], one["size"], one["mode"]): one for one in records if one.get("rounds")}
    for (key, size, mode), one in by.items():
        two = by.get((key, size, "2"))
        if mode != "1" or two is None or _is_longer(by, key, size):
            continue
        gains = {part: seconds(one, part) / seconds(two, part) for part in ("fit", "predict")}
        asked = [part for part, name in (("fit", key), ("predict", "top-k")) if name in _ON_TWO]
        if key != "als":
            asked = [part for part in asked if part == "fit"]
        passed = all(gains[part] >= _SPEEDUP for part in asked) if asked else None
        goal = ", ".join(f"{part} ≥ {_SPEEDUP:g}" for part in asked)
        cells = [f"`{key}`", size, *(f"{gain:.2f}" for gain in gains.values()), goal]
        table.add(cells, {"model": key, "size": size, **gains}, passed)
    table.notes.append("The longest log of each model that both ran on, one thread a worker.")
    return table


def _is_longer(by: dict[Any, Any], key: str, size: str) -> bool:
    """Tell whether one worker and two ran on a longer log too."""
    return any(
        float(other) > float(size) and (key, other, "1") in by and (key, other, "2") in by
        for other in SIZES
    )


def overhead(records: list[dict[str, Any]]) -> Table:
    """Return what a Dask frame costs over the same rows in pandas."""
    table = Table(
        "scaling: what Dask costs",
        ["model", "rows", "direct fit, s", "Dask fit, s", "more, s", "share", "goal", ""],
    )
    by = {(one["model"], one["size"], one["mode"]): one for one in records if one.get("rounds")}
    for (key, size, mode), one in by.items():
        dask = by.get((key, size, "dask"))
        if mode != "direct" or dask is None:
            continue
        direct, lazy = seconds(one, "fit"), seconds(dask, "fit")
        more = lazy - direct
        passed, goal = None, ""
        if size == "1e7":
            passed, goal = more <= _OVERHEAD * direct, f"≤ {_OVERHEAD:.0%}"
        elif size == "1e5":
            passed, goal = more <= _OVERHEAD_S, f"≤ {_OVERHEAD_S * 1000:.0f} ms"
        cells = [f"`{key}`", size, f"{direct:.3f}", f"{lazy:.3f}", f"{more:+.3f}"]
        table.add([*cells, f"{more / direct:+.0%}", goal], {"model": key, "more": more}, passed)
    table.notes.append("Both on two threads of one process, the rows in its memory.")
    return table


def _parser() -> Any:
    made = base_parser(NAME, __doc__)
    made.set_defaults(out=OUT)
    made.add_argument(
        "--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="rows (default all)"
    )
    modes = ["direct", "dask", "path", "1", "2"]
    made.add_argument("--mode", nargs="+", choices=modes, default=modes, help="default all")
    made.add_argument(
        "--model", nargs="+", choices=list(MODELS), default=[], metavar="KEY",
        help=f"of {', '.join(MODELS)}",
    )  # fmt: skip
    return made
