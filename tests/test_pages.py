"""Pages of results: lines of JSON, Markdown and HTML with plots that need no network."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import Table
from benchmarks.suite import labels, page, plots

FACTS = {"cpu": "a <processor>", "threads": 2, "load_at_start": 1.5, "versions": {"numpy": "2"}}


def record(model: str, engine: str, seconds: float, ndcg: float) -> dict[str, Any]:
    part = {"wall": seconds, "cpu": seconds}
    return {
        "data": "ml", "model": model, "engine": engine, "peak": 3e8, "interval": 0.01,
        "quality": {"NDCG": ndcg}, "rounds": [{"fit": part, "predict": part}],
    }  # fmt: skip


def grown(rows: float) -> dict[str, Any]:
    part = {"wall": rows / 1e6, "cpu": 1.0}
    return {
        "model": "pop", "mode": "direct", "rows": rows, "size": f"{rows:.0e}", "peak": rows * 8,
    } | {"rounds": [{"fit": part, "predict": part}] * 2}  # fmt: skip


def table() -> Table:
    made = Table("one: <ml>", ["model", "NDCG", ""])
    for number, engine in enumerate(("replay", "daskrec")):
        for model in ("pop", "als"):
            line = record(model, engine, 10.0 ** (1 - number), 0.1)
            made.add([f"`{model}`", "0.1 & more"], line, True)
    for rows in (1e5, 1e6):
        made.add([f"{rows:.0e}", ""], grown(rows), None)
    made.add(["`broken`", ""], {"data": "ml", "model": "broken", "error": "no memory"}, None)
    made.notes.append("A note.")
    return made


def test_pages_hold_tables_records_and_plots(tmp_path: Path) -> None:
    page.write(tmp_path, "A comparison", FACTS, [table()])
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert lines[0] == {"table": "machine", **FACTS}
    assert [line["model"] for line in lines[1:]].count("pop") == 4
    text = (tmp_path / "page.md").read_text()
    assert "| `pop` | 0.1 & more | pass |" in text
    assert "other work ran here" in text
    drawn = {path.stem for path in (tmp_path / "plots").glob("*.svg")}
    assert drawn == {
        "quality-ml", "memory-ml", "growth-fit", "growth-predict", "growth-peak",
    }  # fmt: skip
    assert all(f"![{plots.caption(name)}](plots/{name}.svg)" in text for name in drawn)
    assert plots.caption("quality-ml-1m") == "Quality against time: ml-1m"
    shown = (tmp_path / "page.html").read_text()
    assert shown.count("<svg") == len(drawn)
    assert "0.1 &amp; more" in shown
    assert "a &lt;processor&gt;" in shown
    assert "<strong>other work ran here</strong>" in shown
    assert not re.search(r"(?:src|href)=[\"'](?!#)", shown)
    assert "<script" not in shown


def test_plots_do_not_depend_on_when_they_are_drawn() -> None:
    records = table().records
    assert plots.draw(records) == plots.draw(records)
    assert plots.draw([]) == {}


def test_models_of_one_engine_in_a_family_are_told_apart() -> None:
    records = [
        {**record(model, "mlxtend", seconds, 0.1), "family": "rules"}
        for seconds, model in enumerate(("apriori", "fpgrowth"), 1)
    ]
    bars = plots.draw(records)["memory-ml"]
    assert "mlxtend, apriori" in bars
    assert "mlxtend, fpgrowth" in bars


def test_names_hide_neither_each_other_nor_points() -> None:
    frame = labels.Box(0, 0, 400, 200)
    points = {f"model {number}": [(200.0 + number, 100.0), (20.0, 60.0)] for number in range(6)}
    points["at the edge"] = [(399.0, 199.0)]
    written = labels.place(points, frame, [], 8)
    boxes = [box for _, box in written.values()]
    assert all(point in points[name] for name, (point, _) in written.items())
    assert all(box.shared(frame) == pytest.approx(box.area) for box in boxes)
    assert all(one.shared(two) == 0 for one in boxes for two in boxes if one is not two)
    every = [point for places in points.values() for point in places]
    assert not any(
        box.left < x < box.right and box.low < y < box.high for box in boxes for x, y in every
    )


def test_pages_without_the_library_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    page.write(tmp_path, "A comparison", FACTS, [table()])
    assert not (tmp_path / "plots").exists()
    assert "pip install matplotlib" in (tmp_path / "page.md").read_text()
    assert "pip install matplotlib" in (tmp_path / "page.html").read_text()
