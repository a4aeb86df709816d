"""What got slower since it was recorded: ``python -m benchmarks guard``.

Small checks of all parts, each a ratio to work that daskrec has no hand in, timed in turns in this
run; and the peak memory of fresh processes. The ratios are compared with those in ``guard.json``
that were recorded on the same processor: ``--record`` writes them.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
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
    with tempfile.TemporaryDirectory() as folder:
        memory = _memory(bench, folder)
        table, found = run(checks(bench), memory, recorded(facts), options.rounds)
    table.notes += _loads(facts["load_at_start"], _kept().get(processor(facts), {}))
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
    memory: Mapping[str, Callable[[], float]],
    before: Mapping[str, Mapping[str, float]],
    rounds: int,
) -> tuple[Table, dict[str, dict[str, float]]]:
    """Measure checks; return the table and what is to be recorded.

    Parameters
    ----------
    made
        The checks.
    memory
        What measures peaks in bytes, by name.
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
        cells = [check.name, f"{taken:.4f}", f"{_plain(ratio.value)} ({_range(ratio)})"]
        slower = old is not None and _is_slower(ratio, old)
        _add(table, cells, _plain, ratio.value, old, slower)
    for name, measure in memory.items():
        old, peak = before.get(name), measure()
        if old is not None and _is_larger(peak, old):
            peak = measure()
        found[name] = {"value": peak}
        larger = old is not None and _is_larger(peak, old)
        _add(table, [name, "", _megabytes(peak)], _megabytes, peak, old, larger)
    table.notes.append(
        "Ratio: seconds of work of numpy, scipy, pandas or scikit-learn over ours. It fails where "
        f"all of its interval lies more than {_SLOWER:.0%} below what was recorded, twice; memory "
        f"where it is more than {_SLOWER:.0%} above, twice."
    )
    if not before:
        table.notes.append("Nothing is recorded for this processor: run with --record first.")
    return table, found


def _plain(value: float) -> str:
    return f"{value:.3g}"


def _range(ratio: Ratio) -> str:
    return f"{_plain(ratio.low)} to {_plain(ratio.high)}"


def _megabytes(value: float) -> str:
    return f"{value / 1e6:.0f} MB"


def _add(
    table: Table,
    cells: list[str],
    show: Callable[[float], str],
    now: float,
    old: Mapping[str, float] | None,
    worse: bool,
) -> None:
    if old is None:
        table.add([*cells, "", "new"], {"what": cells[0], "now": now}, None)
        return
    value = old["value"]
    table.add(
        [*cells, show(value), f"{now / value:.2f}"],
        {"what": cells[0], "now": now, "recorded": value},
        not worse,
    )
    if worse:
        table.notes.append(f"slower: {cells[0]} ({show(now)}, recorded {show(value)})")


def _ratio(check: Check, rounds: int) -> tuple[Ratio, float]:
    (ours, yardstick), _ = interleave([check.ours, check.yardstick], rounds)
    return paired_ratio(ours, yardstick), min(ours)


def _is_slower(now: Ratio, old: Mapping[str, float]) -> bool:
    return now.high < (1 - _SLOWER) * old["value"]


def _is_larger(now: float, old: Mapping[str, float]) -> bool:
    return now > (1 + _SLOWER) * old["value"]


def _memory(bench: Bench, folder: str) -> dict[str, Callable[[], float]]:
    """Return what measures peaks; a folder takes the log that their processes read."""
    bench.data.save_columns(folder)
    rows = str(len(bench.frame))
    return {f"memory of {name}": partial(_peak, folder, name, rows) for name in _MODELS}


def _peak(folder: str, model: str, rows: str) -> float:
    """Return the peak of a fresh process that fits a model and predicts."""
    job = ["memory", folder, model, rows]
    run_child(job)  # compiles what is not cached
    return float(run_child(job)["peak"])


def processor(facts: Mapping[str, Any]) -> str:
    """Return what tells one kind of processor from another."""
    return ", ".join([str(facts["cpu"]), *facts["flags"], f"{facts['cores']} cores"])


def _loads(now: float, before: Mapping[str, Any]) -> list[str]:
    """Return what is to be said of the load of this run and of the recorded one."""
    notes = [f"Load at the start: {now}."]
    if now > machine.BUSY:
        notes.append(f"**Other work runs here** (load above {machine.BUSY}): expect noise.")
    if before.get("load_at_start", 0.0) > machine.BUSY:
        load = before["load_at_start"]
        notes.append(f"**Recorded on a busy machine** (load {load}): record again on a quiet one.")
    return notes


def _kept() -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(FILE.read_text()) if FILE.is_file() else {}
    return kept


def recorded(facts: Mapping[str, Any]) -> Mapping[str, Mapping[str, float]]:
    """Return what was recorded on this kind of processor."""
    found: Mapping[str, Mapping[str, float]] = _kept().get(processor(facts), {}).get("checks", {})
    return found


def _record(facts: Mapping[str, Any], found: Mapping[str, Mapping[str, float]]) -> None:
    kept = _kept()
    kept[processor(facts)] = {
        "versions": facts["versions"],
        "load_at_start": facts["load_at_start"],
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
