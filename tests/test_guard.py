"""The regression guard: what counts as slower, and what is recorded."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import Ratio, call
from benchmarks.suite import guard, guard_checks

FACTS = {
    "cpu": "one",
    "flags": ["avx2"],
    "cores": 2,
    "versions": {"numpy": "2"},
    "load_at_start": 1.5,
}


def check(name: str) -> guard_checks.Check:
    return guard_checks.Check(name, call(int), call(int))


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check takes a second, and what it is compared with takes two."""

    def seconds(contenders: Any, rounds: int) -> Any:
        return [[1.0] * rounds, [2.0] * rounds], [None for _ in contenders]

    monkeypatch.setattr(guard, "interleave", seconds)


def test_what_is_as_fast_as_before_passes() -> None:
    before = {"even": {"value": 2.0}, "memory of one": {"value": 1e8}}
    table, found = guard.run([check("even")], {"memory of one": lambda: 1.1e8}, before, 3)
    assert table.passed
    assert [row[-1] for row in table.rows] == ["pass", "pass"]
    assert found["even"] == {"value": 2.0, "low": 2.0, "high": 2.0}


def test_what_got_slower_is_named() -> None:
    before = {"even": {"value": 40.0}, "memory of one": {"value": 1e8}}
    table, _ = guard.run([check("even")], {"memory of one": lambda: 1.2e8}, before, 3)
    assert not table.passed
    slower = [note for note in table.notes if note.startswith("slower: ")]
    assert [note.split(" (")[0] for note in slower] == ["slower: even", "slower: memory of one"]


def test_what_fails_is_measured_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    peers, peaks = iter([1.0, 2.0]), iter([1.3e8, 1e8])

    def seconds(contenders: Any, rounds: int) -> Any:
        return [[1.0] * rounds, [next(peers)] * rounds], [None for _ in contenders]

    monkeypatch.setattr(guard, "interleave", seconds)
    before = {"even": {"value": 2.0}, "memory of one": {"value": 1e8}}
    table, found = guard.run([check("even")], {"memory of one": lambda: next(peaks)}, before, 3)
    assert table.passed
    assert found["even"]["value"] == 2.0
    assert found["memory of one"] == {"value": 1e8}


def test_what_was_never_recorded_is_new() -> None:
    table, _ = guard.run([check("even"), check("late")], {}, {"even": {"value": 2.0}}, 3)
    assert table.passed
    # The verdict stands behind the ratio to what was recorded.
    assert [row[-2:] for row in table.rows] == [["1.00", "pass"], ["new", ""]]


def test_an_interval_that_reaches_what_was_recorded_is_noise() -> None:
    assert not guard._is_slower(Ratio(1.0, 0.5, 1.8), {"value": 2.0})
    assert guard._is_slower(Ratio(1.0, 0.5, 1.6), {"value": 2.0})


def test_records_are_of_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "FILE", tmp_path / "guard.json")
    assert guard.recorded(FACTS) == {}
    table, found = guard.run([check("even")], {}, {}, 3)
    assert table.passed
    assert any("--record" in note for note in table.notes)
    guard._record(FACTS, found)
    assert set(guard.recorded(FACTS)) == {"even"}
    assert guard.recorded({**FACTS, "cores": 4}) == {}
    notes = guard._loads(0.1, guard._kept()[guard.processor(FACTS)])
    assert len(notes) == 2
    assert "Recorded on a busy machine" in notes[1]


def test_what_is_recorded_is_what_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "USERS": 300,
        "ITEMS": 200,
        "ROWS": 4_000,
        "SHORT": 400,
        "_SIDE": 8,
    }.items():
        monkeypatch.setattr(guard_checks, name, value)
    made = guard_checks.checks(guard_checks.Bench())
    for one in made:
        for side in (one.ours, one.yardstick):
            side.time()
    names = {one.name for one in made} | {f"memory of {model}" for model in guard._MODELS}
    kept: dict[str, Any] = json.loads(guard.FILE.read_text())
    for recorded in kept.values():
        assert set(recorded["checks"]) == names
