"""What 1e9 interactions would take on 64 workers, from what was measured on one and two.

A fit is its computation, shared by the workers; the bytes that come into a worker, by its network;
and the tasks of all, by one scheduler. Nothing overlaps, which is the worst case. Terms of bytes
that every worker reads as a whole are computed, since two workers on one machine do not show them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeAlias

from benchmarks.report import Table
from benchmarks.scaling.plan import SIZES
from benchmarks.scaling.tables import Record, machine_costs, seconds

Sizes: TypeAlias = Mapping[str, float]
ROWS, USERS, ITEMS, WORKERS = 1e9, 1e7, 3e5, 64
NETWORK = 1.25e9  # bytes a second into a worker: 10 Gbit/s
_PART = 1e6  # rows of a file
RANK, NEIGHBOURS = 64, 10
_ITERATIONS = 10  # of ALS, its default; fewer are measured
_CODE, _FLOAT = 4, 4
# As in daskrec.data: blocks a worker of one thread, and pieces beyond which Dask shuffles.
_BLOCKS, _MOST_PIECES = 4, 16_384
_TOGETHER = 64  # items whose sums are looked through as soon as one of them has a neighbour
_MODELS = ("pop", "knn", "als")


@dataclass(frozen=True)
class Machine:
    """What tasks and bytes cost.

    Parameters
    ----------
    task
        Seconds of the scheduler and the client for a task.
    bandwidth
        Bytes a second that tasks get from another worker.
    """

    task: float
    bandwidth: float


@dataclass(frozen=True)
class Terms:
    """Measured terms of a model on one worker of one thread, and on two.

    Parameters
    ----------
    log
        The sizes of the log that they were measured on.
    fit
        Seconds of a fit; of ALS, what is not its rounds.
    round
        Seconds of a round of ALS.
    lists
        Seconds of the lists.
    work, of_lists
        What they are proportional to, as ``amount`` knows it.
    sent, sent_for_lists
        Bytes for a row, if all rows change their place.
    base, held
        Bytes of a worker that do not grow, and its bytes for a row of its own.
    """

    log: Sizes
    fit: float
    round: float
    lists: float
    work: str
    of_lists: str
    sent: float
    sent_for_lists: float
    base: float
    held: float


@dataclass(frozen=True)
class Forecast:
    """Seconds by their causes, and bytes a worker."""

    compute: float
    network: float
    tasks: float
    lists: float
    memory: float
    mapped: float

    @property
    def fit(self) -> float:
        """Seconds of a fit."""
        return self.compute + self.network + self.tasks


def table(records: Sequence[Record], facts: Mapping[str, Any]) -> Table:
    """Return the forecasts as a table; models that lack a measurement are left out."""
    made = Table(
        f"scaling: {ROWS:.0e} interactions on {WORKERS} workers, extrapolated",
        ["model", "measured on", "compute, s", "network, s", "tasks, s", "fit, s",
         "lists of all users, s", "memory a worker, GB", "files it maps, GB", ""],
    )  # fmt: skip
    costs = machine_costs(records)
    if costs is None:
        return made
    machine = Machine(costs["task"], costs["bandwidth"])
    for model in _MODELS:
        measured = terms(records, model)
        if measured is None:
            continue
        found = forecast(model, measured, machine)
        cells = [found.compute, found.network, found.tasks, found.fit, found.lists]
        shown = [f"{cell:.1f}" for cell in cells]
        sizes = [f"{size / 1e9:.1f}" for size in (found.memory, found.mapped)]
        rows = f"{measured.log['rows']:.0e} rows"
        made.add([f"`{model}`", rows, *shown, *sizes], {"model": model, **vars(found)}, None)
    made.notes += _notes(machine, facts)
    return made


def terms(records: Sequence[Record], model: str) -> Terms | None:
    """Return the terms of a model from its longest log on one worker and on two."""
    mine = [one for one in records if one["model"] == model and one.get("rounds")]
    by = {(one["size"], one["mode"]): one for one in mine}
    longest = [size for size in SIZES if (size, "1") in by and (size, "2") in by]
    if not longest or (SIZES[0], "2") not in by:
        return None
    one, two, short = by[longest[-1], "1"], by[longest[-1], "2"], by[SIZES[0], "2"]
    fit, round_ = seconds(one, "fit"), 0.0
    if one.get("fewer"):
        rounds, fewer = (one["job"][name]["iterations"] for name in ("params", "fewer"))
        round_ = max(fit - one["fewer"]["wall"], 0.0) / (rounds - fewer)
        fit -= rounds * round_
    grown = two["worker_peak"] - short["worker_peak"]
    rows = max(two["rows"] - short["rows"], 1.0) / 2
    return Terms(
        log={name: float(one[name]) for name in ("rows", "users", "items", "squares")},
        fit=max(fit, 0.0),
        round=round_,
        lists=seconds(one, "predict"),
        work="squares" if model == "knn" else "rows",
        of_lists={"als": "scores", "knn": "reached"}.get(model, "rows"),
        sent=2 * _moved(two, "sent"),
        sent_for_lists=2 * _moved(two, "sent_for_lists"),
        base=float(short["worker_peak"]),
        held=max(grown, 0.0) / rows,
    )


def _moved(record: Record, name: str) -> float:
    return float(median(one[name] for one in record["rounds"]) / record["rows"])


def forecast(model: str, measured: Terms, machine: Machine) -> Forecast:
    """Return what the large log takes."""
    large = {
        "rows": ROWS,
        "users": USERS,
        "items": ITEMS,
        "squares": measured.log["squares"] / measured.log["rows"] * ROWS,
    }

    def times(work: str) -> float:
        return amount(large, work) / amount(measured.log, work) / WORKERS

    compute = measured.fit * times(measured.work)
    compute += _ITERATIONS * measured.round * times("als")
    whole, mapped, tables = _whole(model)
    fast = min(machine.bandwidth, NETWORK)
    between = ROWS * (WORKERS - 1) / WORKERS**2
    lists = measured.lists * times(measured.of_lists)
    lists += measured.sent_for_lists * between / fast + _reading() * machine.task
    return Forecast(
        compute=compute,
        network=measured.sent * between / fast + whole / NETWORK,
        tasks=(_reading() + _more_tasks(model)) * machine.task,
        lists=lists,
        memory=measured.base + measured.held * ROWS / WORKERS + tables,
        mapped=mapped,
    )


def amount(log: Sizes, work: str) -> float:
    """Return how much work a log is.

    It is ``rows``, ``squares``, ``scores`` (users times items), ``reached`` (those of them that
    neighbours of histories lie beside) or ``als``, the multiply-adds of both half rounds.
    """
    if work == "scores":
        return log["users"] * log["items"]
    if work == "reached":
        return min(log["users"] * log["items"], _TOGETHER * NEIGHBOURS * log["rows"])
    if work == "als":
        return 2 * log["rows"] * RANK**2 + (log["users"] + log["items"]) * RANK**3 / 3
    return log[work]


def _whole(model: str) -> tuple[float, float, float]:
    """Return bytes that come into every worker as a whole, that it maps, and that it holds.

    A task of KNN reads all blocks, by user and by item. A half round of ALS reads all factors of
    the other side, and puts them together as one table; two such tables of users may be there.
    """
    if model == "knn":
        blocks = 2 * _CODE * ROWS
        return blocks, blocks, 0.0
    if model == "als":
        users, items = (_FLOAT * RANK * count for count in (USERS, ITEMS))
        return _ITERATIONS * (users + items), users + items, 2 * users + items
    return 0.0, 0.0, 0.0


def _reading() -> float:
    """Return the tasks that read a log, send its rows to blocks of users, and build them."""
    parts, blocks = ROWS / _PART, _BLOCKS * WORKERS
    pieces = parts * blocks if parts * blocks <= _MOST_PIECES else 2 * (parts + blocks)
    return 4 * parts + pieces + 2 * blocks


def _more_tasks(model: str) -> float:
    """Return the tasks of a model besides."""
    blocks = float(_BLOCKS * WORKERS)
    if model == "als":  # the log turned over is a task for each pair of blocks
        return blocks**2 + (6 + 2 * _ITERATIONS) * blocks
    return (5 if model == "knn" else 2) * blocks


def _notes(machine: Machine, facts: Mapping[str, Any]) -> list[str]:
    return [
        f"Assumed: {USERS:.0e} users, {ITEMS:.0e} items, sums of squared histories as long a row "
        f"as measured; files of {_PART:.0e} rows; {WORKERS} workers of one thread, each on a core "
        f"of its own of this processor ({facts.get('cpu', 'unknown')}) with "
        f"{NETWORK * 8 / 1e9:.0f} Gbit/s of its own, and a shared storage that gives all of them "
        "so much at a time; even parts; no failures; files no slower to read than here.",
        "Measured: seconds of the longest log on one worker, for a unit of its work (rows; for KNN "
        "the sum of squared histories; for lists rows, for those of KNN the items that histories "
        "reach, for those of ALS users times items, which is top-k); of ALS its rounds "
        "apart, by their multiply-adds; bytes that two workers sent each other, which is half "
        "of what moves if all rows do; the growth of a worker's memory from the shortest log to "
        f"the longest; {machine.task * 1000:.2f} ms a task; {machine.bandwidth / 1e9:.2f} GB/s "
        "from one worker to another.",
        f"Computed: ALS has {_ITERATIONS} iterations at rank {RANK}; in each the factors of all "
        "users and of all items come to every worker. Every worker of KNN reads the whole log by "
        f"user and by item, {2 * _CODE} bytes a row. Numbers of tasks: a few for each file and for "
        f"each of {_BLOCKS} blocks a worker, and for ALS one for each pair of blocks. Files that "
        "are mapped count as memory only as long as there is room.",
        "Nothing overlaps: network and tasks are hidden in part behind computation.",
    ]
