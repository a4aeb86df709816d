"""Peak memory of a fresh process that fits a model and predicts for all users."""

import tempfile
from statistics import median

from benchmarks.child import MODELS
from benchmarks.data import Dataset
from benchmarks.fresh import run_child
from benchmarks.report import Table

_MEGABYTE = 1e6
_SPARE = 256 * _MEGABYTE
_FACTOR = 1.3
_ENTRY = 8  # bytes of an item code and a value
_FEW_ROWS = 200
_MOST_ROUNDS = 3
_STEPS = ("imports", "log", "fit", "peak")


def run(dataset: Dataset, rounds: int) -> Table:
    columns = ["model", *_STEPS, "peak with few rows", "data", "bound", "peak / bound", ""]
    table = Table("memory: resident megabytes of a fresh process", columns)
    with tempfile.TemporaryDirectory() as folder:
        dataset.save_columns(folder)
        for name in MODELS:
            job = ["memory", folder, name]
            run_child([*job, str(_FEW_ROWS)])  # compiles what is not cached
            few = run_child([*job, str(_FEW_ROWS)])["peak"]
            whole = [*job, str(len(dataset.frame))]
            found = [run_child(whole) for _ in range(min(rounds, _MOST_ROUNDS))]
            steps = {step: median(one[step] for one in found) for step in _STEPS}
            data = data_bytes(dataset, name)
            bound = _FACTOR * data + _SPARE
            sizes = [*steps.values(), few, data, bound]
            table.add(
                [name, *(f"{x / _MEGABYTE:.0f}" for x in sizes), f"{steps['peak'] / bound:.2f}"],
                {"model": name, **steps, "few_rows": few, "data": data, "bound": bound},
                steps["peak"] <= bound,
            )
    table.notes += [
        "`imports`, `log`: resident once daskrec is imported, and the log loaded. `fit`, `peak`: "
        f"the most until then. `peak with few rows`: the same run on {_FEW_ROWS} rows, which is "
        "what interpreter, libraries and compiled kernels take.",
        f"`data`: log, blocks and (KNN, ALSWrap) their transpose at {_ENTRY} bytes an entry, and "
        f"what the model learns. `bound`: {_FACTOR} x data + {_SPARE / _MEGABYTE:.0f} MB for the "
        "whole process.",
    ]
    return table


def data_bytes(dataset: Dataset, name: str) -> int:
    """Return the bytes of the log, of its blocks and transpose, and of what a model learns."""
    entries = dataset.blocks.entry_count
    users, items = dataset.blocks.user_count, dataset.blocks.item_count
    blocks = _ENTRY * (entries + users)
    transpose = _ENTRY * (entries + items)
    learned = {
        "PopRec": 8 * items,
        "KNN": transpose + 8 * items * (int(MODELS["KNN"]["num_neighbours"]) + 1),
        "ALSWrap": transpose + 4 * (users + items) * int(MODELS["ALSWrap"]["rank"]),
    }
    return int(dataset.frame.memory_usage(index=False).sum()) + blocks + learned[name]
