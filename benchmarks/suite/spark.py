"""daskrec beside the original on Spark: ``python -m benchmarks spark``.

Every model that both have, with the same hyper-parameters, on the same split and candidates: from
frames of pandas, and from frames of Spark through the adapter. Each job is a fresh process that
starts, warms up on a tenth of the users and then fits and predicts for all users, with clocks.
"""

import argparse
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.report import Table
from benchmarks.suite import command, judge, splits
from benchmarks.suite.measured import Measured, failed, measure
from benchmarks.suite.models import BY_KEY, PAIRS, Goals, Pair
from benchmarks.suite.options import Runner, parser

NAME, ORIGINAL, OURS = "spark", "replay", ("daskrec", "daskrec_spark")
K = 10
_MEMORY = 0.25  # of the original's, that ours may take
_GOALS_ON = "ml-1m"
_COLUMNS = (
    *("model", "engine", "fit, s", "predict, s", "CPU, s", "peak, MB", "start, s", "NDCG@10"),
    *(
        "less the original's (95 %)",
        "lists shared",
        "fit, times",
        "predict, times",
        "both, times",
        "goal",
        "",
    ),
)


def main(arguments: list[str]) -> int:
    """Run the comparison, print its tables and write its pages."""
    options = _parser().parse_args(arguments)
    more: dict[str, Any] = {}
    if options.users is not None:
        more = {
            "prepare": partial(splits.prepare, served=options.users),
            "split": f"data-{options.users}",
        }
    return command.run(NAME, "daskrec beside RePlay on Spark", options, compare, **more)


def compare(work: Runner, data: str) -> Table:
    """Run the models of both on a data set."""
    folder, sizes = work.data(data)
    table = Table(f"spark: {data}", list(_COLUMNS))
    served = work.options.users
    for pair in (BY_KEY[key] for key in work.options.model or BY_KEY):
        if served is not None:  # goals are for lists of all
            pair = replace(pair, goals=Goals())
        if pair.features and not (folder / "features.parquet").is_file():
            table.notes.append(f"{pair.key}: {data} has no features of users.")
            continue
        first = _measure(work, data, pair, ORIGINAL)
        _add(table, pair, first, None, data)
        for engine in work.options.engine:
            _add(table, pair, _measure(work, data, pair, engine), first, data)
    table.notes.append(
        f"{sizes['rows']:.0f} rows, {sizes['users']:.0f} users, {sizes['items']:.0f} items; "
        f"{splits.told(data)}; lists for {'all' if served is None else served} users. Seconds are "
        "medians of rounds after a warm-up, Spark's frames in its memory; CPU and memory are of "
        "all processes of a job, JVM and workers of Python among them. Times is the original's "
        "seconds over ours."
    )
    return table


def _measure(work: Runner, data: str, pair: Pair, engine: str) -> Measured:
    some = {} if work.options.users is None else {"users": True}
    return measure(work, NAME, data, engine, pair.job(engine == ORIGINAL), K, **some)


def _add(table: Table, pair: Pair, found: Measured, first: Measured | None, data: str) -> None:
    """Add the row of an engine; ``first`` is the original's, where it is not its own."""
    record = {"data": data, "model": pair.key, **found.fields}
    cells = [f"`{pair.key}`", found.engine]
    if found.verdict is None or found.lists is None:
        table.add(failed(table, cells, found), record, None)
        return
    verdict = found.verdict
    cells += found.cells()
    passed = None
    if first is None or first.verdict is None or first.lists is None:
        cells += [""] * 6
    else:
        apart = judge.difference(verdict.users, first.verdict.users)
        agree = judge.shared(found.lists, first.lists)
        times = first.times_of(found)
        cells += [f"{apart[0]:+.4f} ({apart[1]:+.4f} to {apart[2]:+.4f})", f"{agree:.1%}"]
        cells += [f"{times[part]:.1f}" for part in ("fit", "predict", "total")]
        record |= {"difference": apart, "shared": agree, "times": times}
        goals = pair.goals if data == _GOALS_ON and found.engine == OURS[0] else Goals()
        missed, text = _missed(goals, times, found, first, apart)
        cells.append(text)
        if text:
            passed = not missed
            cells[-1] += "".join(f"; **{one}**" for one in missed)
    if verdict.faults:
        cells[-1] += f" **{'; '.join(verdict.faults)}**"
        passed = False if found.engine in OURS else passed
    table.add(cells, record, passed)


def _missed(
    goals: Goals,
    times: dict[str, float],
    found: Measured,
    first: Measured,
    apart: tuple[float, float, float],
) -> tuple[list[str], str]:
    """Return what falls short of the goals, and the goals in words."""
    wanted = {
        part: value
        for part in ("fit", "predict", "total")
        if (value := getattr(goals, part)) is not None
    }
    if not wanted:
        return [], ""
    missed = [part for part, value in wanted.items() if times[part] < value]
    if apart[2] < 0:
        missed.append("NDCG")
    if found.record["peak"] > _MEMORY * first.record["peak"]:
        missed.append("memory")
    return missed, ", ".join(f"{part} {value:g}" for part, value in wanted.items())


def _parser() -> Any:
    made = parser(NAME, __doc__)
    sets = list(splits.SETS)
    made.add_argument("--data", nargs="+", choices=sets, default=sets, help="default all")
    keys = [pair.key for pair in PAIRS]
    made.add_argument(
        "--model", nargs="+", choices=keys, default=[], metavar="KEY", help=f"of {', '.join(keys)}"
    )
    made.add_argument(
        "--engine", nargs="+", choices=OURS, default=list(OURS), help="of ours (default both)"
    )
    made.add_argument(
        "--users",
        type=_one_or_more,
        metavar="N",
        help="lists for N users of the test (default all users)",
    )
    return made


def _one_or_more(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least one")
    return value
