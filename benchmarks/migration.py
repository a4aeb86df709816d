"""Scripts of the original with their imports changed: ``python -m benchmarks migration``.

The scripts of ``benchmarks/scripts`` run with daskrec, and those of the later generation with the
original too, in an environment of its own (``venv`` and ``pip``; Spark needs Java 17). What differs
is the lines ``from daskrec. ...``. The first generation of the original does not install on today's
Python: its scripts run with daskrec alone, beside the same figures.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd

from benchmarks import environment
from benchmarks.original import data_folder, make_environment
from benchmarks.report import Table

SCRIPTS = Path(__file__).parent / "scripts"
LATER, FIRST = ("basics", "comparison"), ("basics_first", "comparison_first")
_COLUMNS = ["user_id", "item_id"]
_METRIC = "NDCG@10"
# What the results of models may differ by: shares of lists that are not shared, and of NDCG.
_BOUNDS = {"PopRec": (0.0, 1e-3), "Wilson": (0.0, 1e-6), "ItemKNN": (0.01, 1e-3)}
_OTHERS = (1.0, 0.01)


def main(arguments: list[str]) -> int:
    """Run the scripts and print what they found side by side."""
    options = _parser().parse_args(arguments)
    with environment.folder(options.env) as place, environment.folder(options.out) as out:
        python = make_environment(place)
        ratings = prepared(data_folder(options.folder) / "ml-100k" / "ratings.parquet", out)
        table = Table(
            "migration: ml-100k, by frames of Spark",
            ["script", "model", f"original, {_METRIC}", f"daskrec, {_METRIC}", "lists shared", ""],
        )
        for script in LATER:
            theirs = run(python, script, ratings, out / "original" / script, original=True)
            ours = run(Path(sys.executable), script, ratings, out / "daskrec" / script)
            compare(table, script, theirs, ours)
            table.notes.append(
                f"{script}: {theirs['seconds']:.0f} s with the original, {ours['seconds']:.0f} s "
                "with daskrec, the start of Spark among them."
            )
        for script in FIRST:
            ours = run(Path(sys.executable), script, ratings, out / "daskrec" / script)
            for model, found in ours["figures"].items():
                table.add([script, model, "", f"{found[_METRIC]:.4f}", ""], {}, None)
    print(table)
    return 0 if table.passed else 1


def prepared(source: Path, out: Path) -> Path:
    """Write ratings whose times are places in the order of a user, so that no two are equal."""
    frame = pd.read_parquet(source).astype({"rating": "float64"})
    frame = frame.sort_values(["user_id", "timestamp", "item_id"])
    frame["timestamp"] = frame.groupby("user_id").cumcount()
    out.mkdir(parents=True, exist_ok=True)
    target = out.resolve() / "ratings.parquet"
    frame.sample(frac=1, random_state=0).to_parquet(target, index=False)
    return target


def run(
    python: Path, script: str, ratings: Path, out: Path, original: bool = False
) -> dict[str, Any]:
    """Run a script, and return what it wrote, where it wrote, and its seconds.

    Raises
    ------
    SystemExit
        It failed.
    """
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    path = SCRIPTS / f"{script}.py"
    if original:
        text = path.read_text().replace("from daskrec.", "from replay.")
        path = out / f"{script}.py"
        path.write_text(text)
    variables = os.environ | {"PYSPARK_PYTHON": str(python), "PYSPARK_DRIVER_PYTHON": str(python)}
    begin = perf_counter()
    command = [str(python), str(path), str(ratings), str(out)]
    if subprocess.run(command, env=variables, stdout=sys.stderr).returncode:
        raise SystemExit(f"{script} failed with {python}")
    seconds = perf_counter() - begin
    figures = json.loads((out / "figures.json").read_text())
    sizes = figures.pop("sizes")
    return {"figures": figures, "sizes": sizes, "seconds": seconds, "folder": out}


def compare(table: Table, script: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Add a row for each model of a script."""
    for model, found in ours["figures"].items():
        values = theirs["figures"][model][_METRIC], found[_METRIC]
        lists = [pd.read_parquet(side["folder"] / model) for side in (theirs, ours)]
        both = len(lists[0].merge(lists[1], on=_COLUMNS))
        apart = 1 - both / max(map(len, lists))
        most_apart, most_off = _BOUNDS.get(model, _OTHERS)
        off = 1 - values[1] / values[0]
        passed = apart <= most_apart and off <= most_off
        cells = [script, model, *(f"{value:.4f}" for value in values), f"{1 - apart:.2%}"]
        record = {"script": script, "model": model, "original": values[0], "daskrec": values[1]}
        table.add(cells, record, passed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks migration", description=__doc__)
    parser.add_argument("--folder", help="of data sets (default $DASKREC_DATA)")
    parser.add_argument("--env", type=Path, help="keep the environment there, or take it")
    parser.add_argument("--out", type=Path, help="keep the scripts and the lists there")
    return parser
