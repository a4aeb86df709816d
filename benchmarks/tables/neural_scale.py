"""An epoch of the neural models on a million users and a hundred thousand items: peak memory."""

import json
import tempfile
from typing import Any

from benchmarks.data import Dataset
from benchmarks.fresh import run_child
from benchmarks.report import Table

_USERS, _ITEMS, _ROWS = 1_000_000, 100_000, 20_000_000
_LIMIT = 6e9
# The decoder of MultVAE takes 6 x users x items x hidden operations an epoch: 3.6e14 at its
# default of 600, which is most of an hour on two cores. Nothing that grows with users and items
# together depends on that width.
MODELS: dict[str, dict[str, Any]] = {
    "NeuroMF": {"epochs": 1, "seed": 0, "device": "cpu"},
    "MultVAE": {"epochs": 1, "seed": 0, "device": "cpu", "hidden_dim": 64, "latent_dim": 32},
}


def run(dataset: Dataset, rounds: int) -> Table:
    columns = ["model", "users", "items", "rows", "epoch, s", "fit, s", "imports, MB", "peak, MB"]
    table = Table("neural_scale: an epoch of a large log, in a fresh process", [*columns, ""])
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/log"
        rows = run_child(["write", log, *map(str, (_USERS, _ITEMS, _ROWS))])["rows"]
        for name, params in MODELS.items():
            found = run_child(["train", log, name, json.dumps(params)])
            shown = ", ".join(f"{k}={v}" for k, v in params.items() if k not in ("seed", "device"))
            cells = [f"`{name}({shown})`", f"{found['users']}", f"{found['items']}", f"{rows:.1e}"]
            cells += [f"{found[part]:.0f}" for part in ("epoch", "seconds")]
            cells += [f"{found[part] / 1e6:.0f}" for part in ("imports", "peak")]
            record = {"model": name, "params": params, "rows": rows, **found}
            table.add(cells, record, found["peak"] <= _LIMIT)
    table.notes.append(
        "A generated log, written by a process before, and read as a Dask frame from Parquet by "
        f"one process without a client. The goal is {_LIMIT / 1e9:.0f} GB resident; users times "
        f"items in float32 would be {4 * _USERS * _ITEMS / 1e9:.0f} GB. NeuroMF has its default "
        "sizes, MultVAE narrow layers: its own would take ten times as long."
    )
    return table
