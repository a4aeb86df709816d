"""Options that the commands of the suite share, and what they mean."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.engines import launch
from benchmarks.engines.environments import VARIABLE, interpreter
from benchmarks.original import data_folder
from benchmarks.suite import splits

Prepare: TypeAlias = Callable[[str, Path, Path], dict[str, float]]
OUT = Path("benchmark-results")  # of the folder where the command runs; git ignores it


def base_parser(command: str, text: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of commands that run jobs."""
    made = argparse.ArgumentParser(
        f"python -m benchmarks {command}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help=f"jobs, lists and pages, to go on from (default {OUT})",
    )
    made.add_argument("--rounds", type=int, default=3, help="at most, of each job (default 3)")
    made.add_argument(
        "--limit", type=float, default=1800.0, metavar="S", help="of a job (default 1800)"
    )
    made.add_argument("--again", action="store_true", help="run jobs that failed once more")
    made.add_argument("--no-fail", action="store_true", help="exit 0 though a goal is missed")
    return made


def parser(command: str, text: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of commands that run engines on data sets."""
    made = base_parser(command, text)
    made.add_argument("--folder", help="of data sets (default $DASKREC_DATA)")
    made.add_argument(
        "--environments",
        type=Path,
        help=f"keep environments there (default ${VARIABLE}, else a temporary folder)",
    )
    made.add_argument(
        "--budget",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds of a job after which no more round begins (default 60)",
    )
    return made


@dataclass(frozen=True)
class Runner:
    """Runs jobs of a command.

    Parameters
    ----------
    options
        As parsed.
    environments
        The folder of environments.
    prepare
        Writes a data set for engines: ``splits.prepare``, or ``dated.prepare``.
    split
        The folder of what it writes.
    """

    options: argparse.Namespace
    environments: Path
    prepare: Prepare = splits.prepare
    split: str = "data"

    def data(self, name: str) -> tuple[Path, dict[str, float]]:
        """Return the prepared folder of a data set and its sizes."""
        target = self.options.out.resolve() / self.split / name
        return target, self.prepare(name, data_folder(self.options.folder), target)

    def run(
        self, table: str, engine: str, data: str, part: dict[str, Any], **more: Any
    ) -> dict[str, Any]:
        """Run a job of a table and return its record (``benchmarks.engines.launch``).

        Parameters
        ----------
        table, engine, data
            Names: where the job is kept, what runs it, on which data set.
        part
            What is run: ``key``, ``class``, ``params``, ``log`` and so on.
        **more
            Fields of the job besides.
        """
        options = self.options
        folder, _ = self.data(data)
        job = {
            **part,
            "engine": engine,
            "data": str(folder),
            "warm": str(folder / "warm"),
            "rounds": options.rounds,
            "budget": options.budget,
            **more,
        }
        place = self.place(table, engine, data, part["key"])
        try:
            python = interpreter(engine, self.environments)
        except SystemExit as error:  # an engine that cannot be had is a row too
            return {"job": job, "peak": 0, "error": str(error)}
        print(f"{table}: {data}, {part['key']}, {engine}", flush=True)
        return launch.run(job, python, place, limit=options.limit, again=options.again)

    def place(self, table: str, engine: str, data: str, key: str) -> Path:
        """Return the folder of a job."""
        return Path(self.options.out.resolve() / table / data / f"{key}-{engine}")
