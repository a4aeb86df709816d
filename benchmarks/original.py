"""The original in an environment of its own: ``python -m benchmarks original``.

Makes the environment (``venv`` and ``pip``; Spark needs Java 17), runs the original's models there
as a process of its own on the ratings that daskrec is tested on, and prints its figures as JSON.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import environment
from benchmarks import leaderboard_data as board

REQUIREMENTS = ("replay-rec[spark]==0.22.0", "pyspark>=3.5,<3.6", "pandas<3", "setuptools")
THEIRS = [entry for entry in board.ENTRIES if entry.original is not None]
_ROOT = Path(__file__).parent.parent


def main(arguments: list[str]) -> int:
    """Run the original and print its figures."""
    options = _parser().parse_args(arguments)
    folder = data_folder(options.folder)
    with environment.folder(options.env) as place, environment.folder(options.out) as out:
        python = make_environment(place)
        figures = run(python, folder, options.data, out, options.model)
    text = json.dumps(figures, indent=1)
    if options.json:
        options.json.write_text(text)
    print(text)
    return 0


def make_environment(folder: Path) -> Path:
    """Return the interpreter of an environment with the original, made where it is missing.

    Raises
    ------
    SystemExit
        There is no Java, or the packages cannot be installed.
    """
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        raise SystemExit("Spark needs Java 17: put java on the PATH or set JAVA_HOME")
    return environment.make(folder, REQUIREMENTS)


def run(
    python: Path, folder: Path, name: str, out: Path, keys: Collection[str] = ()
) -> dict[str, Any]:
    """Run models of the original on a data set.

    Parameters
    ----------
    python
        The interpreter of its environment.
    folder
        Of data sets.
    name
        Of the data set.
    out
        The folder for the split and the lists (Parquet).
    keys
        Of the entries that the original has; all of them by default.

    Returns
    -------
    dict
        ``versions`` of packages and ``models``: for each key the metrics at ten and the
        seconds of ``fit`` and ``predict``, or an ``error``.

    Raises
    ------
    SystemExit
        The run failed, or the original split the ratings in another way than daskrec.
    """
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    split = board.load(folder, name)
    split.features.to_parquet(out / "features.parquet")
    job = {
        "ratings": str((folder / name / "ratings.parquet").resolve()),
        "features": str(out / "features.parquet"),
        "k": board.K,
        "share": board.SHARE,
        "least": board.LEAST,
        "models": [_spec(entry) for entry in THEIRS if not keys or entry.key in keys],
    }
    (out / "job.json").write_text(json.dumps(job))
    command = [str(python), "-m", "benchmarks.original_run", str(out / "job.json")]
    if subprocess.run(command, cwd=_ROOT, stdout=sys.stderr).returncode:
        raise SystemExit("the run of the original failed")
    for part, ours in (("train", split.train), ("test", split.test)):
        if not same_rows(ours, pd.read_parquet(out / f"{part}.parquet")):
            raise SystemExit(f"the {part} part of the original has other rows than ours")
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    return {"data": name, **result}


def same_rows(ours: pd.DataFrame, theirs: pd.DataFrame) -> bool:
    """Return whether two logs hold the same rows, in any order."""
    first, second = (
        log[board.COLUMNS].sort_values(board.COLUMNS, ignore_index=True) for log in (ours, theirs)
    )
    return bool(first.equals(second))


def data_folder(given: str | None) -> Path:
    """Return the folder of data sets: the given one, else the one of the environment."""
    folder = given or os.environ.get("DASKREC_DATA")
    if not folder:
        raise SystemExit("name a folder of data sets with --folder or DASKREC_DATA")
    return Path(folder)


def _spec(entry: board.Entry) -> dict[str, Any]:
    """Return an entry as the other process takes it."""
    assert entry.original is not None
    name, params = entry.original
    return {
        "key": entry.key,
        "class": name,
        "params": params,
        "log": "outcomes" if entry.outcomes else "train",
        "features": entry.features,
        "options": entry.options,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks original", description=__doc__)
    parser.add_argument("--data", choices=board.SETS, default="ml-100k", help="default ml-100k")
    parser.add_argument("--folder", help="of data sets (default $DASKREC_DATA)")
    parser.add_argument("--env", type=Path, help="keep the environment there, or take it")
    parser.add_argument("--out", type=Path, help="keep the split and the lists there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--model",
        nargs="+",
        choices=[entry.key for entry in THEIRS],
        default=[],
        metavar="KEY",
        help=f"of {', '.join(entry.key for entry in THEIRS)} (default all)",
    )
    return parser
