"""The original's published comparison of models, tuned: ``python -m benchmarks tuned``.

Each model of both libraries is tuned by ``optimize`` with the same number of trials on a split of
the training part, fitted with the best parameters on all of it, and tested on the last fifth of
the ratings by time, beside what the original published. On ml-1m the place in a user's order is
the time; ``ml-1m-dates`` takes the dates of that data set, which are near those of the published
table.
"""

from typing import Any

import pandas as pd

from benchmarks.original_figures import PUBLISHED
from benchmarks.report import Table
from benchmarks.suite import command, dated, judge
from benchmarks.suite.measured import failed, measure
from benchmarks.suite.models import PAIRS, SEED, Pair
from benchmarks.suite.options import Runner, parser

NAME, ENGINES, K = "tuned", ("replay", "daskrec"), 10
METRICS = ("HitRate", "MAP", "MRR", "NDCG", "Coverage", "Surprisal")
_PUBLISHED_ON = "ml-1m-dates"
# What has no search of its own in the original, and what daskrec alone has.
_LEFT_OUT = ("implicit_als", "implicit_cosine")
ENTRIES = {pair.key: pair for pair in PAIRS if pair.key not in _LEFT_OUT}
_ONLY_OURS = {"ease": Pair("ease", "EASE")}
_TIMES = ("tuning, s", "fit, s", "predict, s")


def main(arguments: list[str]) -> int:
    """Run the comparison, print its tables and write its pages."""
    options = _parser().parse_args(arguments)
    title = "The published comparison, tuned"
    return command.run(NAME, title, options, compare, prepare=dated.prepare, split="dated")


def compare(work: Runner, data: str) -> Table:
    """Tune, fit and test models of both libraries on a data set."""
    _, sizes = work.data(data)
    table = Table(
        f"tuned: {data}, {work.options.trials} trials of optimize",
        ["model", "engine", *METRICS, "less the original's NDCG (95 %)", *_TIMES, "parameters", ""],
    )
    users: dict[str, pd.DataFrame] = {}
    entries = {**ENTRIES, **_ONLY_OURS}
    for key in work.options.model or entries:
        pair = entries[key]
        for engine in work.options.engine if key in ENTRIES else ("daskrec",):
            _add(table, work, data, pair, engine, users)
        if data == _PUBLISHED_ON and key in PUBLISHED:
            figures = [f"{PUBLISHED[key][name]:.3f}" for name in METRICS]
            table.add([f"`{key}`", "published", *figures, *[""] * 5], {}, None)
    table.notes.append(
        f"Training: {sizes['rows']:.0f} rows, {sizes['users']:.0f} users, {sizes['items']:.0f} "
        f"items; test: {sizes['test']:.0f} rows. A figure has half the width of its 95 % interval "
        "over users beside it; differences are of the same users. Tuning is all trials; fit and "
        "predict are those of the best parameters."
    )
    return table


def _add(
    table: Table,
    work: Runner,
    data: str,
    pair: Pair,
    engine: str,
    users: dict[str, pd.DataFrame],
) -> None:
    """Run a model of an engine and add its row; the NDCG of users is kept for the next one."""
    folder, _ = work.data(data)
    search = {
        "budget": work.options.trials,
        "seed": SEED,
        "data": str(folder / dated.INNER),
    }
    job = pair.job(engine == ENGINES[0])
    found = measure(work, NAME, data, engine, job, K, tune=search, users=True, warm=None)
    record = {"data": data, "model": pair.key, **found.fields}
    cells = [f"`{pair.key}`", engine]
    verdict = found.verdict
    if verdict is None:
        table.add(failed(table, cells, found), record, None)
        return
    first = users.get(pair.key)
    users[pair.key] = verdict.users
    apart = (
        ""
        if first is None
        else "{:+.4f} ({:+.4f} to {:+.4f})".format(*judge.difference(verdict.users, first))
    )
    figures = [_figure(verdict, name) for name in METRICS]
    seconds = [f"{found.record['tuning']['wall']:.1f}"]
    seconds += [f"{found.seconds(part):.2f}" for part in ("fit", "predict")]
    faults = "; ".join(verdict.faults)
    table.add(
        [*cells, *figures, apart, *seconds, _params(found.record["tuned"])],
        record,
        False if faults and engine != ENGINES[0] else None,
    )
    if faults:
        table.notes.append(f"{pair.key} of {engine}: {faults}.")


def _figure(verdict: judge.Verdict, name: str) -> str:
    value = f"{verdict.figures[name]:.4f}"
    return f"{value} ± {verdict.intervals[name]:.4f}" if name in verdict.intervals else value


def _params(tuned: dict[str, Any]) -> str:
    shown = (
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in tuned.items()
    )
    return ", ".join(shown)


def _parser() -> Any:
    made = parser(NAME, __doc__)
    made.add_argument(
        "--data", nargs="+", choices=list(dated.SETS), default=["ml-100k", "ml-1m"],
        help="default ml-100k and ml-1m",
    )  # fmt: skip
    made.add_argument("--trials", type=int, default=20, help="of optimize (default 20)")
    keys = [*ENTRIES, *_ONLY_OURS]
    made.add_argument(
        "--model", nargs="+", choices=keys, default=[], metavar="KEY", help=f"of {', '.join(keys)}"
    )
    made.add_argument(
        "--engine", nargs="+", choices=ENGINES, default=list(ENGINES), help="default both"
    )
    return made
