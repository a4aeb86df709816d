"""Neural models on two published tests: NeuroMF among films, MultVAE among places."""

import os
from pathlib import Path
from typing import Any

from benchmarks import protocols
from benchmarks.data import Dataset
from benchmarks.report import QualityTable, Table
from daskrec.models import EASE, MultVAE, NeuroMF, PopRec

Pair = tuple[float, float]

# The settings are those that were best on the last training item of each user (NeuroMF), and on a
# fifth of each user's training items (MultVAE); the tests had no part in the choice.
FACTORS = NeuroMF(
    0.01,
    30,
    embedding_gmf_dim=128,
    l2_reg=0.085,
    count_negative_sample=8,
    patience=1,
    batch_size=8192,
    exclude_positives=True,
    validation_share=0.02,
    seed=0,
)
ENCODER = MultVAE(
    0.002,
    40,
    dropout=0.8,
    anneal=0.2,
    batch_size=500,
    activation="tanh",
    validation_share=0.02,
    seed=0,
)
# Least hit rate and NDCG: what the paper's network, trained before in parts, is published with.
_MOVIES: list[tuple[Any, Pair | None]] = [
    (PopRec(), None),
    (EASE(1320.0), None),
    (FACTORS, (0.709, 0.435)),
]
_GOWALLA: Pair = (0.164, 0.1335)


def run(dataset: Dataset, rounds: int) -> Table:
    table = QualityTable("neural_quality: leave-one-out on ml-1m at 10, gowalla at 20")
    folder = os.environ.get("DASKREC_DATA")
    if not folder:
        table.notes.append("DASKREC_DATA is not set: nothing was measured.")
        return table
    movies = protocols.movielens(Path(folder))
    for model, goal in _MOVIES:
        found = protocols.leave_one_out(model, movies)
        table.add_quality("ml-1m", repr(model), found, goal)
        found = protocols.among_all(model, movies)
        table.add_quality("ml-1m, all items", repr(model), found, None)
    found = protocols.full_ranking(ENCODER, protocols.gowalla(Path(folder)))
    table.add_quality("gowalla", repr(ENCODER), found, _GOWALLA)
    table.notes.append(
        "Among all items: the place of the held-out item among all that the user has not, where "
        "the test of the paper has it among 99 drawn ones."
    )
    return table
