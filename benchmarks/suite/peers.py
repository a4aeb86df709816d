"""daskrec beside the libraries that people use: ``python -m benchmarks peers``.

Families of models that several libraries have, with hyper-parameters that mean the same. Each
library runs in an environment of its own and takes the log in its own form, made off the clock of
``fit`` (the column ``load``); ours is given a pandas frame and makes its blocks on the clock. A
library without lists of its own gets what a competent user writes: products of blocks of users and
a partial sort.
"""

from typing import Any

from benchmarks.report import Table
from benchmarks.suite import command, splits
from benchmarks.suite.families import FAMILIES, Entry
from benchmarks.suite.measured import Measured, failed, measure
from benchmarks.suite.options import Runner, parser

NAME, K = "peers", 10
_COLUMNS = (
    *("family", "library", "model", "load, s", "fit, s", "predict, s", "CPU, s", "peak, MB"),
    *("start, s", "NDCG@10", "fit, times", "predict, times", "both, times", ""),
)


def main(arguments: list[str]) -> int:
    """Run the comparison, print its tables and write its pages."""
    return command.run(
        NAME, "daskrec beside other libraries", _parser().parse_args(arguments), compare
    )


def compare(work: Runner, data: str) -> Table:
    """Run the families on a data set."""
    _, sizes = work.data(data)
    table = Table(f"peers: {data}", list(_COLUMNS))
    for family in work.options.family or FAMILIES:
        ours, *peers = FAMILIES[family]
        first = _measure(work, data, family, ours)
        _add(table, family, ours, first, first, data)
        for entry in peers:
            _add(table, family, entry, _measure(work, data, family, entry), first, data)
    table.notes.append(
        f"{sizes['rows']:.0f} rows, {sizes['users']:.0f} users, {sizes['items']:.0f} items; "
        f"{splits.told(data)}; lists of {K} for all users, what they "
        "had left out. Times is the library's seconds over ours. Load makes the form that a "
        "library takes, and is not in fit; ours makes its blocks in fit."
    )
    return table


def _measure(work: Runner, data: str, family: str, entry: Entry) -> Measured:
    return measure(work, NAME, data, entry.engine, entry.job(family), K)


def _add(
    table: Table, family: str, entry: Entry, found: Measured, ours: Measured, data: str
) -> None:
    """Add the row of a library."""
    record = {"data": data, "family": family, "model": entry.name, **found.fields}
    cells = [family, entry.engine, f"`{entry.name}`"]
    if found.verdict is None:
        table.add(failed(table, cells, found), record, None)
        return
    cells += [f"{found.record['load']['wall']:.2f}", *found.cells()]
    if ours.verdict is None or found is ours:
        cells += [""] * 3
    else:
        cells += [f"{ratio:.2f}" for ratio in found.times_of(ours).values()]
    table.add(cells, record, None)
    for said in (*found.verdict.faults, *filter(None, [entry.note])):
        table.notes.append(f"{entry.name} of {entry.engine} ({family}): {said}.")


def _parser() -> Any:
    made = parser(NAME, __doc__)
    sets = list(splits.SETS)
    made.add_argument("--data", nargs="+", choices=sets, default=["ml-1m"], help="default ml-1m")
    made.add_argument("--family", nargs="+", choices=list(FAMILIES), default=[], help="default all")
    return made
