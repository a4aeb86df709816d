"""Tables of results: Markdown to read, records to keep."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any

from benchmarks.measure import Seconds, paired_ratio


@dataclass(frozen=True)
class Goal:
    """What a row has to reach.

    Parameters
    ----------
    ratio
        Least ratio of the peer's time to ours.
    seconds
        Most seconds of ours.
    """

    ratio: float | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        parts = [] if self.ratio is None else [f"≥ {self.ratio:.2f}"]
        return ", ".join(parts + ([] if self.seconds is None else [f"≤ {self.seconds:g} s"]))


@dataclass
class Table:
    """A table with the verdict on its goals."""

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    passed: bool = True

    def add(self, cells: list[str], record: dict[str, Any], passed: bool | None) -> None:
        """Add a row; ``passed`` is None where there is no goal."""
        verdict = {None: "", True: "pass", False: "**FAIL**"}[passed]
        self.rows.append([*cells, verdict])
        self.records.append({"table": self.title, **record, "passed": passed})
        self.passed &= passed is not False

    def __str__(self) -> str:
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"## {self.title}\n\n{text}\n" + "".join(f"\n- {note}" for note in self.notes)


class SpeedTable(Table):
    """A table of times of ours and of a peer."""

    def __init__(self, title: str) -> None:
        columns = ["what", "peer", "ours, s", "peer, s", "peer / ours (95 %)", "goal", ""]
        super().__init__(title, columns)

    def compare(
        self,
        what: str,
        seconds: Sequence[Seconds],
        peer_name: str = "",
        *,
        goal: Goal | None = None,
        equal: bool = True,
        **details: Any,
    ) -> None:
        """Add a row.

        Parameters
        ----------
        what
            What is timed.
        seconds
            Seconds of each round of ours and, where there is one, of its peer.
        peer_name
            What the peer is.
        goal
            What it has to reach.
        equal
            Whether the two results agree: speed counts only when they do.
        **details
            More fields for the record.
        """
        ours, *peers = seconds
        record: dict[str, Any] = {"what": what, "ours": _summary(ours), "equal": equal, **details}
        cells = [what, peer_name, f"{median(ours):.4f}", "", ""]
        value = None
        for peer in peers:
            ratio = paired_ratio(ours, peer)
            value = ratio.value
            cells[3:] = [
                f"{median(peer):.4f}",
                f"{value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})",
            ]
            record |= {"peer": _summary(peer), "peer_name": peer_name, "ratio": asdict(ratio)}
            record["ratio_of_medians"] = median(peer) / median(ours)
        passed = None
        if goal is not None:
            passed = equal
            if goal.ratio is not None:
                passed &= value is not None and value >= goal.ratio
            if goal.seconds is not None:
                passed &= median(ours) <= goal.seconds
            record["goal"] = asdict(goal)
        if not equal:
            cells[0] += " (**results differ**)"
        self.add([*cells, str(goal or "")], record, passed)


class QualityTable(Table):
    """A table of hit rate (or recall) and NDCG on published tests."""

    def __init__(self, title: str) -> None:
        super().__init__(title, ["test", "model", "hit rate or recall", "NDCG", "goal", ""])

    def add_quality(
        self, test: str, name: str, found: Sequence[float], goal: Sequence[float] | None
    ) -> None:
        """Add a row: what a model reached, and the least it has to reach."""
        passed = None if goal is None else all(a >= b for a, b in zip(found, goal, strict=True))
        figures = [f"{figure:.4f}" for figure in found]
        wanted = "" if goal is None else ", ".join(f"≥ {figure:.4f}" for figure in goal)
        record = {"test": test, "model": name, "figures": found, "goal": goal}
        self.add([test, f"`{name}`", *figures, wanted], record, passed)


def _summary(seconds: Seconds) -> dict[str, Any]:
    low, _, high = quantiles(seconds, n=4) if len(seconds) > 1 else [seconds[0]] * 3
    return {
        "median": median(seconds),
        "min": min(seconds),
        "quartiles": [low, high],
        "rounds": seconds,
    }
