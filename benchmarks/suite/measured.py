"""A job that has run: its seconds, its memory, and what its lists are worth."""

from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd

from benchmarks.engines import LISTS
from benchmarks.report import Table
from benchmarks.suite import judge
from benchmarks.suite.options import Runner

_PARTS = ("fit", "predict")


@dataclass(frozen=True)
class Measured:
    """A record and its lists.

    Parameters
    ----------
    engine
        What ran it.
    record
        Of ``benchmarks.engines.launch``.
    lists
        Of the first round; None where it failed.
    verdict
        Of the lists of all rounds, each with a seed of its own; None where it failed.
    """

    engine: str
    record: dict[str, Any]
    lists: pd.DataFrame | None = None
    verdict: judge.Verdict | None = None

    def seconds(self, part: str, kind: str = "wall") -> float:
        """Return the median seconds of ``fit`` or ``predict``, wall or CPU."""
        return float(median(one[part][kind] for one in self.record["rounds"]))

    def cells(self) -> list[str]:
        """Return seconds of fit and predict, CPU seconds, MB, seconds of the start and NDCG."""
        assert self.verdict is not None
        ndcg = f"{self.verdict.figures['NDCG']:.4f} ± {self.verdict.intervals['NDCG']:.4f}"
        return [
            *(f"{self.seconds(part):.2f}" for part in _PARTS),
            f"{sum(self.seconds(part, 'cpu') for part in _PARTS):.2f}",
            f"{self.record['peak'] / 1e6:.0f}",
            f"{self.record['startup']['wall']:.1f}",
            ndcg,
        ]

    @property
    def fields(self) -> dict[str, Any]:
        """What a record of a table keeps of it."""
        found = {"engine": self.engine, **self.record}
        if self.verdict is not None:
            found |= {
                "quality": self.verdict.figures,
                "interval": self.verdict.intervals["NDCG"],
                "intervals": self.verdict.intervals,
                "faults": self.verdict.faults,
            }
        return found

    def times_of(self, other: "Measured") -> dict[str, float]:
        """Return how many times as long as another it takes: to fit, to predict, for both."""
        mine, theirs = ([side.seconds(part) for part in _PARTS] for side in (self, other))
        pairs = zip((*mine, sum(mine)), (*theirs, sum(theirs)), strict=True)
        names = (*_PARTS, "total")
        return {name: one / max(two, 1e-9) for name, (one, two) in zip(names, pairs, strict=True)}


def measure(
    work: Runner, table: str, data: str, engine: str, part: dict[str, Any], k: int, **more: Any
) -> Measured:
    """Run a job of a table, or take its record, and judge its lists.

    Parameters
    ----------
    work
        Runs it.
    table, data, engine, part, **more
        As ``Runner.run``.
    k
        Length of the lists.
    """
    folder, _ = work.data(data)
    record = work.run(table, engine, data, part, k=k, **more)
    place = work.place(table, engine, data, part["key"])
    paths = [place / LISTS.format(number) for number in range(len(record.get("rounds", ())))]
    if not paths or not all(path.is_file() for path in paths):
        return Measured(engine, record)
    lists = [pd.read_parquet(path) for path in paths]
    seen = part.get("options", {}).get("filter_seen_items", True)
    distinct = [one for n, one in enumerate(lists) if n == 0 or not one.equals(lists[0])]
    verdicts = [
        judge.judge(one, folder, k, log=part["log"], seen_left_out=seen) for one in distinct
    ]
    return Measured(engine, record, lists[0], judge.together(verdicts))


def failed(table: Table, cells: list[str], found: Measured) -> list[str]:
    """Return the cells of a row of a job without lists: the last one says why."""
    missing = len(table.columns) - 2 - len(cells)
    return [*cells, *[""] * missing, found.record.get("error", "no lists")]
