"""The tables of the scaling command, from the records of its jobs."""

import os
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, TypeAlias

from benchmarks.report import Table
from benchmarks.scaling.growth import growth
from benchmarks.scaling.plan import LARGEST, MODELS, SIZES

Record: TypeAlias = Mapping[str, Any]
_SPEEDUP, _ON_TWO = 1.8, ("als", "knn", "slim")
_TOP_K = "als"  # whose lists are the best of scores of all items
_OVERHEAD, _OVERHEAD_S = 0.10, 0.05
_BOUND = 8 * 2**30  # bytes, of all processes that fit 1e8 rows
_BOUNDED = ("pop", "als")
_PARTS = ("fit", "predict")
_TICK = 0.01  # seconds: CPU is counted in these


def seconds(record: Record, part: str, clock: str = "wall") -> float:
    """Return the median seconds, ``wall`` or ``cpu``, of ``fit`` or ``predict`` of a record."""
    return float(median(one[part][clock] for one in record["rounds"]))


def sizes(found: Mapping[str, Mapping[str, float]]) -> Table:
    """Return the table of the logs."""
    columns = ["log", "rows", "users", "items", "sum of squared lengths of histories", ""]
    table = Table("scaling: generated logs", columns)
    for size, one in found.items():
        counts = [f"{one[name]:,.0f}" for name in ("rows", "users", "items")]
        table.add([size, *counts, f"{one['squares']:.3g}"], {"log": size, **one}, None)
    return table


def costs(records: Sequence[Record]) -> Table:
    """Return the table of all that was measured."""
    table = Table(
        "scaling: seconds and memory",
        ["model", "rows", "mode", "fit, s", "predict, s", "lists", "CPU, s", "peak, MB",
         "a worker, MB", "between workers, MB", "to files, MB", ""],
    )  # fmt: skip
    for record in records:
        if record["mode"] in ("dask", "costs") and "error" not in record:
            continue  # they have tables of their own
        cells = [f"`{record['model']}`", record["size"], record["mode"]]
        bounded = record["size"] == LARGEST and record["model"] in _BOUNDED
        if not record.get("rounds"):
            why = str(record.get("error", "no result")).replace("|", "/")
            missing = len(table.columns) - len(cells) - 2
            table.add([*cells, *[""] * missing, why], {**record}, False if bounded else None)
            continue
        times = {part: seconds(record, part) for part in _PARTS}
        cpu = median(sum(one[part]["cpu"] for part in _PARTS) for one in record["rounds"])
        cells += [f"{times['fit']:.2f}", f"{times['predict']:.2f}"]
        cells += [f"{record['rounds'][0]['rows']:.1e}", f"{cpu:.2f}"]
        cells += [f"{record['peak'] / 1e6:.0f}", *_of_workers(record)]
        passed = record["peak"] <= _BOUND if bounded else None
        table.add(cells, {**record, **times}, passed)
    table.notes.append(
        "Modes: `direct` is a pandas frame in one process with two threads; `path` the Parquet "
        "files, read part by part there; 1 and 2 are worker processes of one thread each, which "
        "read the files. CPU and peak are of all processes, the client and the scheduler among "
        "them, and hold the warm-up. Between workers: bytes on the wire in a fit, for tasks that "
        "need what other workers hold; to files: what a fit leaves for other processes in the "
        "folder of `daskrec.storage-path`, and what workers spill."
    )
    table.notes.append(
        f"At {LARGEST} rows ALS serves 20,000 users, elsewhere lists of 10 are for all; ALS has 3 "
        f"iterations. Goal at {LARGEST} rows: {_BOUND / 2**30:.0f} GiB for PopRec and ALS."
    )
    return table


def _of_workers(record: Record) -> list[str]:
    """Return the peak of a worker, and what workers sent and stored; one process has none."""
    if not record["mode"].isdigit():
        return ["", "", ""]
    moved = [min(one[name] for one in record["rounds"]) / 1e6 for name in ("sent", "stored")]
    return [f"{record['worker_peak'] / 1e6:.0f}", *(f"{one:.1f}" for one in moved)]


def exponents(records: Sequence[Record]) -> Table:
    """Return the table of exponents, over all sizes of a model in one process."""
    table = Table(
        "scaling: exponents in one process",
        ["model", "mode", "sizes", "fit grows with", "fit", "memory", "lists grow with",
         "predict", "goal", ""],
    )  # fmt: skip
    for key, model in MODELS.items():
        runs = [
            one for one in records
            if one["model"] == key and one["mode"] == model.alone and one.get("rounds")
        ]  # fmt: skip
        if len(runs) < 3:
            continue
        work = [one[model.work] for one in runs]
        found = {
            "fit": growth(work, [seconds(one, "fit") for one in runs]),
            "memory": growth(work, [one["peak"] for one in runs]),
            "predict": growth(
                [model.scores(one) for one in runs], [seconds(one, "predict") for one in runs]
            ),
        }
        passed, goal = None, ""
        if model.goal is not None:
            passed = all(one.exponent <= model.goal for one in found.values())
            goal = f"≤ {model.goal:g}"
        fit, memory, predict = (str(one) for one in found.values())
        cells = [f"`{key}`", model.alone, f"{runs[0]['size']} to {runs[-1]['size']}"]
        cells += [_WORDS[model.work], fit, memory, _WORDS[model.lists], predict, goal]
        record = {name: one._asdict() for name, one in found.items()}
        table.add(cells, {"model": key, "work": model.work, "lists": model.lists, **record}, passed)
    table.notes.append(
        "An exponent is the slope of a line through the logarithms of cost and of the work that "
        "the column names, R² how well it fits; `last` is the slope from the last log but one to "
        "the last, where what does not grow (libraries, kernels, the start of a stage) weighs "
        "least. Memory is the peak of the process against the work of the fit. Users and items "
        "grow more slowly than rows, from log to log. Lists of neighbours and rules grow with rows "
        "as long as histories reach few items, and with users times items beyond. The goal is for "
        "all three exponents."
    )
    return table


_WORDS = {
    "rows": "rows",
    "squares": "sum of squared histories",
    "items^3": "cube of items",
    "scores": "users served times items",
    "cells": "rows times items",
}


def two_workers(records: Sequence[Record]) -> Table:
    """Return what two workers gain over one."""
    table = Table(
        "scaling: two workers against one",
        ["model", "rows", "one: fit, predict, s", "two: fit, predict, s", "CPU of one, s",
         "CPU of two, s", "fit, times", "predict, times", "at most, times", "goal", ""],
    )  # fmt: skip
    cores = os.cpu_count() or 1
    for key in MODELS:
        size = _longest(records, key, ("1", "2"))
        if size is None:
            continue
        one, two = (_find(records, key, size, mode) for mode in ("1", "2"))
        times = {part: (seconds(one, part), seconds(two, part)) for part in _PARTS}
        gains = {part: both[0] / both[1] for part, both in times.items()}
        asked = [part for part, ours in zip(_PARTS, (key in _ON_TWO, key == _TOP_K), strict=True)
                 if ours]  # fmt: skip
        passed = all(gains[part] >= _SPEEDUP for part in asked) if asked else None
        used = {part: (seconds(one, part, "cpu"), seconds(two, part, "cpu")) for part in _PARTS}
        shown = [
            ", ".join(f"{both[part][n]:.2f}" for part in _PARTS)
            for both in (times, used)
            for n in (0, 1)
        ]
        most = [cores * times[part][0] / max(used[part][1], _TICK) for part in _PARTS]
        cells = [f"`{key}`", size, *shown, *(f"{gain:.2f}" for gain in gains.values())]
        cells.append(", ".join(f"{bound:.2f}" for bound in most))
        goal = ", ".join(f"{part} ≥ {_SPEEDUP:g}" for part in asked)
        table.add([*cells, goal], {"model": key, "log": size, **gains}, passed)
    table.notes.append(
        "The longest log that a model ran on with both, one thread a worker, in BLAS too. "
        f"The lists of `{_TOP_K}` are the top-k of the goal. CPU is of a fit and of a predict, "
        "that of the client and of the scheduler among it: where there are no more cores than "
        "workers, these two take from what two workers have, and what one worker leaves free "
        "serves them. More CPU with two is what they take from each other's caches and memory, "
        "and what each of them makes for itself. At most: the times if the work of two had kept "
        f"all {cores} cores of this machine busy."
    )
    measured = machine_costs(records)
    if measured is not None:
        table.notes.append(
            f"Of this machine: two processes of one thread do {measured['products']:.2f} times as "
            f"many operations of a product as one, and {measured['copies']:.2f} times as many "
            "bytes of copies. No model can gain more than it is made of."
        )
    return table


def overhead(records: Sequence[Record]) -> Table:
    """Return what a Dask frame costs over the same rows in pandas."""
    table = Table(
        "scaling: what Dask costs",
        ["model", "rows", "pandas, s", "Dask, s", "more, s", "share", "goal", ""],
    )
    for record in records:
        if record["mode"] != "dask" or not record.get("turns"):
            continue
        turns = [(one["direct"]["wall"], one["dask"]["wall"]) for one in record["turns"]]
        more = median(dask - direct for direct, dask in turns)
        share = median(dask / direct for direct, dask in turns) - 1
        passed, goal = None, ""
        if record["size"] == "1e7":
            passed, goal = share <= _OVERHEAD, f"≤ {_OVERHEAD:.0%}"
        elif record["size"] == "1e5":
            passed, goal = more <= _OVERHEAD_S, f"≤ {_OVERHEAD_S * 1000:.0f} ms"
        cells = [f"`{record['model']}`", record["size"]]
        cells += [f"{median(side):.3f}" for side in zip(*turns, strict=True)]
        cells += [f"{more:+.3f}", f"{share:+.0%}", goal]
        fields = {"model": record["model"], "log": record["size"], "turns": record["turns"]}
        table.add(cells, {**fields, "more": more, "share": share}, passed)
    table.notes.append(
        "Fits in turns on two threads of one process, the rows in its memory: a Dask frame of as "
        "many partitions as the log has files against the pandas frame; medians of differences "
        "and of ratios of the turns."
    )
    return table


def machine_costs(records: Sequence[Record]) -> dict[str, float] | None:
    """Return what tasks and bytes cost on this machine, where it was measured."""
    found = [one["costs"] for one in records if one.get("costs")]
    return dict(found[0]) if found else None


def _longest(records: Sequence[Record], key: str, modes: Sequence[str]) -> str | None:
    """Return the largest size that a model ran on in all of some modes."""
    have = {(one["size"], one["mode"]) for one in records
            if one["model"] == key and one.get("rounds")}  # fmt: skip
    both = [size for size in SIZES if all((size, mode) in have for mode in modes)]
    return both[-1] if both else None


def _find(records: Sequence[Record], key: str, size: str, mode: str) -> Record:
    wanted = (key, size, mode)
    return next(one for one in records if (one["model"], one["size"], one["mode"]) == wanted)
