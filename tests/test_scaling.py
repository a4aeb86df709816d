"""How cost grows: exponents, gains and forecasts from made-up records, and a tiny run."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.scaling import extrapolate, plan, tables
from benchmarks.scaling.growth import growth


def record(model: str, size: str, mode: str, fit: float, **more: Any) -> dict[str, Any]:
    rows = float(size)
    part = {"wall": fit, "cpu": fit}
    one = {
        "fit": part, "predict": part, "rows": 10, "sent": rows, "stored": rows,
        "sent_for_lists": 0.0,
    }  # fmt: skip
    return {
        "model": model, "size": size, "mode": mode, "rows": rows, "users": rows / 100,
        "items": rows / 1000, "squares": 200 * rows, "items^3": rows, "cells": rows**2 / 1000,
        "peak": 1e9 * rows / 1e7, "worker_peak": 1e8 + 40 * rows, "rounds": [one], **more,
    }  # fmt: skip


def compared(model: str, size: str, turns: list[tuple[float, float]]) -> dict[str, Any]:
    pairs = [{"direct": {"wall": a}, "dask": {"wall": b}} for a, b in turns]
    return {"model": model, "size": size, "mode": "dask", "turns": pairs}


MACHINE = {
    "model": "costs", "size": "", "mode": "costs",
    "costs": {"task": 1e-3, "bandwidth": 5e8, "products": 1.9, "copies": 1.7},
}  # fmt: skip


def test_a_power_is_found() -> None:
    work = np.array([1e5, 1e6, 1e7])
    exact = growth(list(work), list(3 * work**1.2))
    assert exact.exponent == pytest.approx(1.2)
    assert exact.last == pytest.approx(1.2)
    assert exact.r2 == pytest.approx(1.0)
    noisy = growth(list(work), [1.0, 12.0, 90.0])
    assert noisy.exponent == pytest.approx(0.977, abs=1e-3)
    assert noisy.last == pytest.approx(np.log10(7.5))
    assert noisy.r2 < 1


def test_exponents_have_verdicts() -> None:
    sizes = ("1e5", "1e6", "1e7", "1e8")
    runs = [record("pop", size, "path", float(size) / 1e6) for size in sizes]
    runs += [record("wilson", size, "path", (float(size) / 1e6) ** 1.3) for size in sizes]
    runs += [record("knn", size, "direct", float(size) / 1e6) for size in sizes[:2]]
    table = tables.exponents(runs)
    assert [row[-1] for row in table.rows] == ["pass", "**FAIL**"]
    assert table.rows[0][4] == "1.00 (R² 1.000, last 1.00)"
    assert table.rows[0][2] == "1e5 to 1e8"


def test_lists_grow_with_the_users_that_are_served() -> None:
    als = plan.MODELS["als"]
    assert als.scores(record("als", "1e7", "path", 1.0)) == 1e5 * 1e4
    assert als.scores(record("als", "1e8", "path", 1.0)) == 20_000 * 1e5
    assert plan.MODELS["pop"].scores(record("pop", "1e8", "path", 1.0)) == 1e8


def test_the_largest_log_runs_out_of_core() -> None:
    models = plan.MODELS
    assert models["als"].modes("1e8") == ["path", "2"]
    assert models["als"].modes("1e6") == ["direct", "path", "dask", "1", "2"]
    assert models["rules"].modes("1e6") == ["direct", "1", "2"]
    assert models["slim"].sizes(["1e5", "1e8"]) == ["1e5"]
    assert models["ease"].modes("1e7") == ["direct"]


def test_two_workers_are_compared_on_the_longest_log() -> None:
    runs = [
        record("knn", size, mode, seconds)
        for size, mode, seconds in [
            ("1e6", "1", 1.0), ("1e6", "2", 0.9), ("1e7", "1", 10.0), ("1e7", "2", 5.0),
        ]
    ]  # fmt: skip
    table = tables.two_workers([*runs, MACHINE])
    assert [row[:2] + row[6:8] for row in table.rows] == [["`knn`", "1e7", "2.00", "2.00"]]
    assert table.rows[0][2:6] == ["10.00, 10.00", "5.00, 5.00", "10.00, 10.00", "5.00, 5.00"]
    bound = 2.0 * (os.cpu_count() or 1)
    assert table.rows[0][8] == f"{bound:.2f}, {bound:.2f}"
    assert table.passed
    assert any("1.90 times" in note for note in table.notes)
    runs[-1] = record("knn", "1e7", "2", 8.0)
    assert not tables.two_workers(runs).passed


def test_what_dask_costs_is_judged_by_share_or_by_seconds() -> None:
    runs = [
        compared("pop", "1e5", [(0.01, 0.05), (0.01, 0.04), (0.01, 0.3)]),
        compared("pop", "1e7", [(1.0, 1.2)]),
        record("pop", "1e7", "direct", 1.0),
    ]
    table = tables.overhead(runs)
    assert [row[-1] for row in table.rows] == ["pass", "**FAIL**"]
    assert table.rows[0][4] == "+0.040"


def test_a_job_that_fails_is_a_row_that_says_so() -> None:
    runs: list[dict[str, Any]] = [
        {"model": "slim", "size": "1e6", "mode": "2", "error": "ended at its limit of 5 s"},
        {"model": "pop", "size": "1e8", "mode": "2", "error": "exit code -9: a | b"},
    ]
    table = tables.costs(runs)
    assert table.rows[0][-2:] == ["ended at its limit of 5 s", ""]
    assert table.rows[1][-2:] == ["exit code -9: a / b", "**FAIL**"]
    assert {len(row) for row in table.rows} == {len(table.columns)}


def measured(model: str, fit: float, **more: Any) -> list[dict[str, Any]]:
    runs = [record(model, size, mode, fit) for size in ("1e5", "1e7") for mode in ("1", "2")]
    return [*(one | more for one in runs), MACHINE]


def test_forecasts_add_what_was_measured() -> None:
    found = extrapolate.terms(measured("pop", 10.0), "pop")
    assert found is not None
    assert found.sent == 2.0
    assert found.held == pytest.approx(80.0)
    forecast = extrapolate.forecast("pop", found, extrapolate.Machine(1e-3, 5e8))
    assert forecast.compute == pytest.approx(10.0 * 100 / 64)
    assert forecast.network == pytest.approx(2 * 1e9 * 63 / 64 / 64 / 5e8)
    # A thousand files and 256 blocks: too many pieces, which Dask's shuffle moves.
    assert forecast.tasks == pytest.approx((4000 + 2 * 1256 + 2 * 256 + 2 * 256) * 1e-3)
    assert forecast.fit == forecast.compute + forecast.network + forecast.tasks
    assert forecast.memory == pytest.approx(1e8 + 40 * 1e5 + 80 * 1e9 / 64)


def test_rounds_of_als_are_forecast_apart() -> None:
    job = {"params": {"iterations": 3}, "fewer": {"iterations": 1}}
    found = extrapolate.terms(measured("als", 10.0, fewer={"wall": 6.0}, job=job), "als")
    assert found is not None
    assert found.round == 2.0
    assert found.fit == 4.0
    forecast = extrapolate.forecast("als", found, extrapolate.Machine(1e-3, 2e9))
    rounds = [2 * rows * 64**2 + (users + items) * 64**3 / 3
              for rows, users, items in [(1e7, 1e5, 1e4), (1e9, 1e7, 3e5)]]  # fmt: skip
    assert forecast.compute == pytest.approx((4 * 100 + 10 * 2 * rounds[1] / rounds[0]) / 64)
    factors = 4 * 64 * (1e7 + 3e5)
    assert forecast.network == pytest.approx((2 * 1e9 * 63 / 64 / 64 + 10 * factors) / 1.25e9)
    assert forecast.mapped == factors


def test_a_table_of_forecasts_says_what_it_assumes() -> None:
    table = extrapolate.table(measured("knn", 10.0), {"cpu": "one"})
    assert [row[0] for row in table.rows] == ["`knn`"]
    assert any("Assumed" in note for note in table.notes)
    assert extrapolate.table(measured("knn", 10.0)[:-1], {}).rows == []


def test_lists_of_neighbours_reach_few_of_many_items() -> None:
    few = {"rows": 1e6, "users": 1e4, "items": 1e3}
    assert extrapolate.amount(few, "reached") == extrapolate.amount(few, "scores") == 1e7
    many = {"rows": 1e6, "users": 1e4, "items": 1e6}
    assert extrapolate.amount(many, "reached") == 64 * 10 * 1e6


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "SHAPES", {"1e5": (500, 60, 100)})


def test_logs_are_written_once_and_measured(tmp_path: Path, tiny: None) -> None:
    sizes = plan.write_log(tmp_path, "1e5")
    assert 300 < sizes["rows"] < 800
    assert sizes["users"] == 60
    assert sizes["squares"] > sizes["rows"] ** 2 / 60
    assert plan.write_log(tmp_path, "1e5") == sizes
    assert len(list((tmp_path / "1e5").glob("*.parquet"))) == 4


def test_a_run_is_kept_and_taken_up(
    tmp_path: Path, tiny: None, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["scaling", "--sizes", "1e5", "--model", "pop", "--mode", "direct", "dask"]
    arguments += ["--out", str(tmp_path), "--rounds", "1", "--no-fail"]
    assert command.main(arguments) == 0
    table = capsys.readouterr().out
    kept = tmp_path / "scaling" / "1e5" / "pop-direct" / "record.json"
    found = json.loads(kept.read_text())
    assert found["rounds"][0]["rows"] == 600
    assert found["rounds"][0]["sent_for_lists"] == 0
    before = kept.stat().st_mtime_ns
    assert command.main(arguments) == 0
    assert kept.stat().st_mtime_ns == before
    assert capsys.readouterr().out == table
    assert (tmp_path / "scaling" / "page.md").is_file()


def test_workers_have_one_thread_and_tell_what_they_move(tmp_path: Path, tiny: None) -> None:
    arguments = ["scaling", "--sizes", "1e5", "--model", "als", "--mode", "2", "--no-fail"]
    assert command.main([*arguments, "--out", str(tmp_path), "--rounds", "1"]) == 0
    folder = tmp_path / "scaling"
    found = json.loads((folder / "1e5" / "als-2" / "record.json").read_text())
    assert "error" not in found
    assert not (folder / "temporary").exists()
    assert found["rounds"][0]["stored"] > 0
    assert 0 < found["worker_peak"] < found["peak"]
    costs = json.loads((folder / "costs" / "record.json").read_text())["costs"]
    assert set(costs) == {"task", "bandwidth", "products", "copies"}
    assert all(value > 0 for value in costs.values())
