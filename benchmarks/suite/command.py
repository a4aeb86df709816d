"""What commands of engines against engines do: a table a data set, printed, and pages of all."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import environment, machine
from benchmarks.engines.environments import VARIABLE
from benchmarks.report import Table
from benchmarks.suite import page
from benchmarks.suite.options import Runner


def run(
    name: str,
    title: str,
    options: argparse.Namespace,
    compare: Callable[[Runner, str], Table],
    **more: Any,
) -> int:
    """Make the tables of a command, print them and write its pages; return its exit code.

    Parameters
    ----------
    name
        Of the command, and of its folder.
    title
        Of its pages.
    options
        As parsed: ``data`` names the data sets.
    compare
        Makes the table of one.
    **more
        Of ``Runner``: how data sets are split.
    """
    facts = machine.facts()
    given = options.environments or os.environ.get(VARIABLE)
    tables = []
    # Environments that are not kept go at the end.
    with environment.folder(Path(given) if given else None) as place:
        work = Runner(options, place, **more)
        for data in options.data:
            tables.append(compare(work, data))
            print(tables[-1], flush=True)
    page.write(options.out / name, title, facts, tables)
    return 0 if all(table.passed for table in tables) or options.no_fail else 1
