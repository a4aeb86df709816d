"""How cost grows: exponents, gains and forecasts from made-up records, and a tiny run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.suite import extrapolate, scaling, scaling_plan
from benchmarks.suite.growth import growth


def record(model: str, size: str, mode: str, fit: float, **more: Any) -> dict[str, Any]:
    rows = float(size)
    part = {"wall": fit, "cpu": fit}
    one = {"fit": part, "predict": part, "rows": 10, "sent": 1e6}
    return {
        "model": model, "size": size, "mode": mode, "rows": rows, "users": rows / 100,
        "items": rows / 1000, "squares": 200 * rows, "items^3": rows, "peak": 1e9 * rows / 1e7,
        "rounds": [one], **more,
    }  # fmt: skip


def test_a_power_is_found() -> None:
    work = np.array([1e5, 1e6, 1e7])
    exact = growth(list(work), list(3 * work**1.2))
    assert exact.exponent == pytest.approx(1.2)
    assert exact.r2 == pytest.approx(1.0)
    noisy = growth(list(work), [1.0, 12.0, 90.0])
    assert noisy.exponent == pytest.approx(0.977, abs=1e-3)
    assert noisy.r2 < 1


def test_exponents_have_verdicts() -> None:
    sizes = ("1e5", "1e6", "1e7")
    runs = [record("pop", size, "direct", float(size) / 1e6) for size in sizes]
    runs += [record("wilson", size, "direct", (float(size) / 1e6) ** 1.3) for size in sizes]
    table = scaling.exponents(runs)
    assert [row[-1] for row in table.rows] == ["pass", "**FAIL**"]
    assert table.rows[0][3].startswith("1.00 (1.000)")


def test_two_workers_are_compared_on_the_longest_log() -> None:
    runs = [
        record("knn", size, mode, seconds)
        for size, mode, seconds in [
            ("1e6", "1", 1.0), ("1e6", "2", 0.9), ("1e7", "1", 10.0), ("1e7", "2", 5.0),
        ]
    ]  # fmt: skip
    table = scaling.two_workers(runs)
    assert [row[:3] for row in table.rows] == [["`knn`", "1e7", "2.00"]]
    assert table.passed
    runs[-1] = record("knn", "1e7", "2", 8.0)
    assert not scaling.two_workers(runs).passed


def test_what_dask_costs_is_judged_by_share_or_by_seconds() -> None:
    runs = [
        record("pop", "1e5", "direct", 0.01), record("pop", "1e5", "dask", 0.05),
        record("pop", "1e7", "direct", 1.0), record("pop", "1e7", "dask", 1.2),
    ]  # fmt: skip
    table = scaling.overhead(runs)
    assert [row[-1] for row in table.rows] == ["pass", "**FAIL**"]


def test_forecasts_add_what_was_measured() -> None:
    one = record("pop", "1e7", "1", 10.0)
    two = record("pop", "1e7", "2", 5.0, peak=2.5e9)
    found = extrapolate.forecast("pop", extrapolate.terms("pop", one, two), one)
    assert found.compute == pytest.approx(10.0 * 100 / 64)
    assert found.network == pytest.approx(2 * 1e6 * 100 / 64 / 1.25e9)
    assert found.scheduler == pytest.approx(4.0)
    assert found.fit == found.compute + found.network + found.scheduler
    table = extrapolate.table([one, two], {"cpu": "one"})
    assert [row[0] for row in table.rows] == ["`pop`"]
    assert any("Assumed" in note for note in table.notes)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling_plan, "SHAPES", {"1e5": (500, 60, 100)})


def test_logs_are_written_once_and_measured(tmp_path: Path, tiny: None) -> None:
    sizes = scaling_plan.write_log(tmp_path, "1e5")
    assert 300 < sizes["rows"] < 800
    assert sizes["users"] == 60
    assert sizes["squares"] > sizes["rows"] ** 2 / 60
    assert scaling_plan.write_log(tmp_path, "1e5") == sizes
    assert len(list((tmp_path / "1e5").glob("*.parquet"))) == 4


def test_a_run_is_kept_and_taken_up(
    tmp_path: Path, tiny: None, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["scaling", "--sizes", "1e5", "--model", "pop", "--mode", "direct", "2"]
    arguments += ["--out", str(tmp_path), "--rounds", "1"]
    assert command.main(arguments) == 0
    table = capsys.readouterr().out
    kept = tmp_path / "scaling" / "1e5" / "pop-2" / "record.json"
    found = json.loads(kept.read_text())
    assert found["rounds"][0]["rows"] == 600
    assert found["rounds"][0]["sent"] > 0
    before = kept.stat().st_mtime_ns
    assert command.main(arguments) == 0
    assert kept.stat().st_mtime_ns == before
    assert capsys.readouterr().out == table
    assert (tmp_path / "scaling" / "page.md").is_file()
