"""From Spark to blocks, beside the seconds that Spark takes to write the same as Parquet."""

import tempfile
from statistics import median

from benchmarks.data import Dataset
from benchmarks.fresh import run_child
from benchmarks.measure import paired_ratio
from benchmarks.report import Table

ROWS, USERS, ITEMS = 10_000_000, 138_000, 27_000
_RATIO, _LIMIT = 2.0, 2e9
_MOST_ROUNDS = 7


def run(dataset: Dataset, rounds: int) -> Table:
    """Write a generated log, then time both ways in a fresh process, in turns."""
    columns = ["rows", "Spark writes, s", "to blocks, s", "ratio (95 %)", "driver's peak, MB", ""]
    table = Table("crossing: frames of Spark, local[2]", columns)
    with tempfile.TemporaryDirectory() as folder:
        run_child(["write", f"{folder}/log", *map(str, (USERS, ITEMS, ROWS))])
        found = run_child(["cross", f"{folder}/log", folder, str(min(rounds, _MOST_ROUNDS))])
    ratio = paired_ratio(found["spark"], found["ours"])
    shown = f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    seconds = [f"{median(found[name]):.2f}" for name in ("spark", "ours")]
    table.add(
        [f"{found['rows']:.1e}", *seconds, shown, f"{found['peak'] / 1e6:.0f}"],
        {**found, "ratio": ratio.value},
        ratio.value <= _RATIO and found["peak"] <= _LIMIT,
    )
    table.notes.append(
        "A generated log that lies as Parquet; columns of users, items and relevance. Ours is from "
        "the frame to user blocks, the writing by Spark among it. Goals: at most "
        f"{_RATIO:g} times, and {_LIMIT / 1e9:g} GB resident in the process of Python. One round "
        "before is not timed."
    )
    return table
