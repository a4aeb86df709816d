"""What 1e9 interactions would take on 64 workers, from what was measured on one and two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.report import Table

ROWS, USERS, ITEMS, WORKERS = 1e9, 1e7, 3e5, 64
_NETWORK = 1.25e9  # bytes a second into a worker: 10 Gbit/s
_TASK = 1e-3  # seconds of the scheduler for a task
_PART = 1e6  # rows of a part
_STEPS = 4  # tasks of a part, for reading, cutting, merging and counting
_RANK, _ITERATIONS = 64, 3
_FLOAT = 4
_BASE = 5e8  # bytes of a client and a worker with their libraries


@dataclass(frozen=True)
class Terms:
    """Measured terms of a model on one worker of one thread.

    Parameters
    ----------
    fit
        Seconds for a unit of its work.
    list_
        Seconds for a unit of the work of its lists.
    sent
        Bytes between workers for a row, if all rows change their place.
    base
        Bytes of a worker that do not grow.
    held
        Bytes of all workers for a row.
    """

    fit: float
    list_: float
    sent: float
    base: float
    held: float


@dataclass(frozen=True)
class Forecast:
    """Seconds by their causes, and bytes a worker."""

    compute: float
    network: float
    scheduler: float
    lists: float
    memory: float

    @property
    def fit(self) -> float:
        """Seconds of a fit: nothing overlaps, which is the worst case."""
        return self.compute + self.network + self.scheduler


# What the fit of a model, and its lists, are proportional to.
_WORK: Mapping[str, tuple[str, str]] = {
    "pop": ("rows", "rows"),
    "knn": ("squares", "squares"),
    "als": ("rows", "scores"),
}


def table(records: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> Table:
    """Return the forecasts as a table; models that were not measured on both are left out."""
    made = Table(
        f"scaling: {ROWS:.0e} interactions on {WORKERS} workers, extrapolated",
        ["model", "compute, s", "network, s", "scheduler, s", "fit, s", "lists of all, s",
         "memory a worker, GB", ""],
    )  # fmt: skip
    for model in _WORK:
        one, two = (longest(records, model, mode) for mode in ("1", "2"))
        if one is None or two is None:
            continue
        found = forecast(model, terms(model, one, two), one)
        cells = [found.compute, found.network, found.scheduler, found.fit, found.lists]
        shown = [f"{cell:.1f}" for cell in cells]
        made.add(
            [f"`{model}`", *shown, f"{found.memory / 1e9:.1f}"],
            {"model": model, **vars(found)}, None,
        )  # fmt: skip
    made.notes += [
        f"Assumed: {USERS:.0e} users, {ITEMS:.0e} items, histories as long as those measured; "
        f"workers of one thread of this processor ({facts.get('cpu', 'unknown')}), each with "
        f"{_NETWORK * 8 / 1e9:.0f} Gbit/s of its own; {_TASK * 1000:g} ms of the scheduler a task "
        f"and {_STEPS} tasks for each part of {_PART:.0e} rows; nothing overlaps; ALS at rank "
        f"{_RANK} with {_ITERATIONS} iterations, its item factors sent to every worker in each.",
        "Measured: seconds for a unit of work of the longest log on one worker, bytes between two "
        "workers (half of what moves if all rows move) and memory that grows with rows. Work of a "
        "fit: rows; for KNN the sum of squared lengths of histories; of lists: users times items "
        "for ALS. Not in it: failures, uneven parts beyond those measured, reading from a store "
        "slower than this disk.",
    ]
    return made


def longest(
    records: Sequence[Mapping[str, Any]], model: str, mode: str
) -> Mapping[str, Any] | None:
    """Return the record of the longest log of a model in a mode."""
    runs = [
        one for one in records
        if one["model"] == model and one["mode"] == mode and one.get("rounds")
    ]  # fmt: skip
    return max(runs, key=lambda one: float(one["rows"]), default=None)


def terms(model: str, one: Mapping[str, Any], two: Mapping[str, Any]) -> Terms:
    """Return the terms of a model from its longest logs on one worker and on two."""
    fit, lists = (_seconds(one, part) for part in ("fit", "predict"))
    work, of_lists = _WORK[model]
    return Terms(
        fit / _amount(one, work),
        lists / _amount(one, of_lists),
        2 * min(round_["sent"] for round_ in two["rounds"]) / two["rows"],
        _BASE,
        max(one["peak"] - _BASE, 0.0) / one["rows"],
    )


def forecast(model: str, measured: Terms, one: Mapping[str, Any]) -> Forecast:
    """Return what the large log takes."""
    size = {
        "rows": ROWS,
        "users": USERS,
        "items": ITEMS,
        "squares": one["squares"] / one["rows"] * ROWS,
        "scores": USERS * ITEMS,
    }
    work, of_lists = _WORK[model]
    moved = measured.sent * ROWS / WORKERS
    memory = measured.base + measured.held * ROWS / WORKERS
    if model == "als":
        factors = ITEMS * _RANK * _FLOAT
        moved += _ITERATIONS * factors
        memory += 2 * factors
    return Forecast(
        measured.fit * size[work] / WORKERS,
        moved / _NETWORK,
        _TASK * _STEPS * ROWS / _PART,
        measured.list_ * size[of_lists] / WORKERS,
        memory,
    )


def _amount(record: Mapping[str, Any], work: str) -> float:
    if work == "scores":
        return float(record["users"]) * float(record["items"])
    return float(record[work])


def _seconds(record: Mapping[str, Any], part: str) -> float:
    return float(median(round_[part]["wall"] for round_ in record["rounds"]))
