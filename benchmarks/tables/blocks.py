"""A log in memory becomes blocks: against factorizing its columns and one sparse matrix."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.data import Dataset
from benchmarks.measure import call, interleave
from benchmarks.report import Goal, SpeedTable, Table
from daskrec.data.encode import encode_training
from daskrec.data.log import read_log

_GOAL = Goal(ratio=1 / 3)


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable("blocks: from a pandas log to user blocks")
    shuffled = dataset.frame.sample(frac=1.0, random_state=0, ignore_index=True)
    gaps = shuffled.assign(  # ids too far apart for a table over their range
        user_id=shuffled["user_id"] * 1_000_003, item_id=shuffled["item_id"] * 1_000_003
    )
    text = shuffled.assign(**{c: "x" + shuffled[c].astype(str) for c in ("user_id", "item_id")})
    for what, frame, goal in (
        ("as the log lies", dataset.frame, _GOAL),
        ("rows shuffled", shuffled, _GOAL),
        ("shuffled, ids with gaps", gaps, _GOAL),
        ("shuffled, string ids", text, _GOAL),
    ):
        seconds, (ours, peer) = interleave([call(_ours, frame), call(_peer, frame)], rounds)
        equal = ours == (peer.shape[0], peer.shape[1], peer.nnz)
        table.compare(what, seconds, "factorize + csr_matrix", goal=goal, equal=equal)
    table.notes += [
        "Ours: `read_log` and `encode_training`, checks included, rows and columns sorted. "
        "Peer: `pandas.factorize` of both columns and `scipy.sparse.csr_matrix`, codes by first "
        "appearance. The goal is less than 3 times its time, a ratio of at least 0.33.",
        "Equal: numbers of users, items and entries.",
    ]
    return table


def _ours(frame: pd.DataFrame) -> tuple[int, int, int]:
    data = encode_training(read_log(frame))
    return data.user_count, data.item_count, data.entry_count


def _peer(frame: pd.DataFrame) -> sp.csr_matrix:
    users, _ = pd.factorize(frame["user_id"])
    items, _ = pd.factorize(frame["item_id"])
    return sp.csr_matrix((frame["rating"].to_numpy(np.float32), (users, items)))
