"""What got slower since it was recorded: ``python -m benchmarks guard``.

Small checks of all parts, each a ratio to work that daskrec has no hand in, timed in turns in this
run; and the peak memory of fresh processes. The ratios are compared with those in ``guard.json``
that were recorded on the same processor: ``--record`` writes them.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.fresh import run_child
from benchmarks.measure import Ratio, interleave, paired_ratio
from benchmarks.report import Table
from benchmarks.suite.guard_checks import Bench, Check, checks

FILE = Path(__file__).with_name("guard.json")
_SLOWER = 0.15  # that a ratio may fall, and memory rise
_MODELS = ("PopRec", "KNN", "ALSWrap")


def main(arguments: list[str]) -> int:
    """Compare with what was recorded, or record."""
    options = _parser().parse_args(arguments)
    facts = machine.facts()
    bench = Bench()
    table, found = run(checks(bench), _memory(bench), recorded(facts), options.rounds)
    table.notes.append(f"Load at the start: {facts['load_at_start']}.")
    print(table)
    if options.record:
        _record(facts, found)
        return 0
    for line in table.notes:
        if line.startswith("slower: "):
            print(line)
    return 0 if table.passed else 1


def run(
    made: Sequence[Check],
    memory: Mapping[str, float],
    before: Mapping[str, Mapping[str, float]],
    rounds: int,
) -> tuple[Table, dict[str, dict[str, float]]]:
    """Measure checks; return the table and what is to be recorded.

    Parameters
    ----------
    made
        The checks.
    memory
        Peaks in bytes, by name.
    before
        What was recorded on this processor, by name.
    rounds
        Of each check.
    """
    table = Table("guard", ["what", "ours, s", "ratio (95 %)", "recorded", "now / recorded", ""])
    found: dict[str, dict[str, float]] = {}
    for check in made:
        old = before.get(check.name)
        ratio, taken = _ratio(check, rounds)
        if old is not None and _is_slower(ratio, old):  # once more: other work may have come
            ratio, taken = _ratio(check, rounds)
        found[check.name] = asdict(ratio)
        shown = f"{ratio.value:.3g} ({ratio.low:.3g} to {ratio.high:.3g})"
        slower = old is not None and _is_slower(ratio, old)
        _add(table, [check.name, f"{taken:.4f}", shown], ratio.value, old, slower)
    for name, peak in memory.items():
        old, what = before.get(name), f"{peak / 1e6:.0f} MB"
        found[name] = {"value": peak}
        larger = old is not None and peak > (1 + _SLOWER) * old["value"]
        _add(table, [name, "", what], peak, old, larger)
    table.notes.append(
        "Ratio: seconds of work of numpy, scipy, pandas or scikit-learn over ours. It fails where "
        f"all of its interval lies more than {_SLOWER:.0%} below what was recorded, twice; memory "
        f"where it is {_SLOWER:.0%} more."
    )
    if not before:
        table.notes.append("Nothing is recorded for this processor: run with --record first.")
    return table, found


def _add(
    table: Table, cells: list[str], now: float, old: Mapping[str, float] | None, worse: bool
) -> None:
    if old is None:
        table.add([*cells, "", "new"], {"what": cells[0], "now": now}, None)
        return
    value = old["value"]
    table.add(
        [*cells, f"{value:.3g}", f"{now / value:.2f}"],
        {"what": cells[0], "now": now, "recorded": value},
        not worse,
    )
    if worse:
        table.notes.append(f"slower: {cells[0]} ({now:.3g}, recorded {value:.3g})")


def _ratio(check: Check, rounds: int) -> tuple[Ratio, float]:
    (ours, yardstick), _ = interleave([check.ours, check.yardstick], rounds)
    return paired_ratio(ours, yardstick), min(ours)


def _is_slower(now: Ratio, old: Mapping[str, float]) -> bool:
    return now.high < (1 - _SLOWER) * old["value"]


def _memory(bench: Bench) -> dict[str, float]:
    """Return the peaks of fresh processes that fit a model and predict."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        bench.data.save_columns(folder)
        for name in _MODELS:
            job = ["memory", folder, name, str(len(bench.frame))]
            run_child(job)  # compiles what is not cached
            found[f"memory of {name}"] = float(run_child(job)["peak"])
    return found


def processor(facts: Mapping[str, Any]) -> str:
    """Return what tells one kind of processor from another."""
    return ", ".join([str(facts["cpu"]), *facts["flags"], f"{facts['cores']} cores"])


def recorded(facts: Mapping[str, Any]) -> Mapping[str, Mapping[str, float]]:
    """Return what was recorded on this kind of processor."""
    kept = json.loads(FILE.read_text()) if FILE.is_file() else {}
    found: Mapping[str, Mapping[str, float]] = kept.get(processor(facts), {}).get("checks", {})
    return found


def _record(facts: Mapping[str, Any], found: Mapping[str, Mapping[str, float]]) -> None:
    kept = json.loads(FILE.read_text()) if FILE.is_file() else {}
    versions = facts["versions"]
    kept[processor(facts)] = {
        "versions": versions,
        "checks": {
            name: {part: float(f"{value:.4g}") for part, value in one.items()}
            for name, one in found.items()
        },
    }
    FILE.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        "python -m benchmarks guard",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--record", action="store_true", help="write what is measured to guard.json")
    made.add_argument("--rounds", type=int, default=7, help="of each check (default 7)")
    return made
