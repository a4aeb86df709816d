"""Quality on published tests, and ALS beside implicit's with the same hyper-parameters."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from benchmarks import THREADS, protocols
from benchmarks import leaderboard_data as board
from benchmarks.data import Dataset
from benchmarks.protocols import ITEM, USER
from benchmarks.report import QualityTable, Table
from daskrec.models import ADMMSLIM, EASE, KNN, SLIM, ALSWrap, PopRec, Word2VecRec
from daskrec.splitters import DateSplitter

_WITHIN = 0.99  # of implicit's figure

# Items of a user as a set, since this log tells no order.
_SETS = Word2VecRec(
    128, 1, 0.05, 30, 20, seed=0, num_partitions=1, negatives=20, shuffle=True, normalize=True
)
# Models, least figures (None: only shown), and where the goals come from.
_MOVIES = [
    (PopRec(), (0.4528, 0.2535)),
    (KNN(50, shrink=300, weighting="bm25", neighbours_of="candidate"), (0.665, 0.393)),
    (SLIM(beta=0.0788, lambda_=3e-4), (0.716, 0.446)),
    (EASE(1320.0), (0.7187, 0.4489)),
    (ADMMSLIM(0, 1320.0, precision="single"), (0.7172, 0.4474)),
    (ALSWrap(64, seed=0), None),
    (ALSWrap(64, seed=0, alpha=2.0, regularization=0.05, iterations=16), (0.710, 0.438)),
]
_GOWALLA = [
    (PopRec(), (0.0414, 0.0315)),
    (KNN(500, shrink=10), (0.137, 0.105)),
    (KNN(500, shrink=10, user_length_power=0.5), (0.163, 0.134)),
    (SLIM(beta=0.005, lambda_=1e-6, num_candidates=200), (0.1699, 0.1382)),
    (EASE(80.0), (0.176, 0.146)),
    (_SETS, (0.1326, 0.1057)),
    (ALSWrap(64, seed=0, alpha=10.0, regularization=0.02, iterations=15), None),
]
# Where ADMMSLIM is looked for, and how often.
_BORDERS = {"lambda_1": [0.5, 50], "lambda_2": [500, 50_000]}
_BUDGET = 12
# Plain penalty and a constant confidence, which both libraries have.
_SHARED = ALSWrap(
    64, seed=0, alpha=9.0, regularization=0.5, iterations=16, scale_regularization=False
)


def run(dataset: Dataset, rounds: int) -> Table:
    table = QualityTable("quality: leave-one-out on ml-1m at 10, full ranking on gowalla at 20")
    folder = os.environ.get("DASKREC_DATA")
    if not folder:
        table.notes.append("DASKREC_DATA is not set: nothing was measured.")
        return table
    movies, gowalla = protocols.movielens(Path(folder)), protocols.gowalla(Path(folder))
    for model, goal in _MOVIES:
        table.add_quality("ml-1m", repr(model), protocols.leave_one_out(model, movies), goal)
        table.add_quality("ml-1m, all items", repr(model), protocols.among_all(model, movies), None)
    for model, goal in _GOWALLA:
        table.add_quality("gowalla", repr(model), protocols.full_ranking(model, gowalla), goal)
    _beside_implicit(table, movies, gowalla)
    _tuned(table, Path(folder))
    table.notes.append(
        "implicit's confidence is its alpha for every interaction, ours 1 + alpha: the rows of "
        f"`same` have the same objective. The goal of ours there is {_WITHIN} x implicit's. `All "
        "items`: the held-out item among all that the user has not, not among 99 that were drawn."
    )
    return table


def _tuned(table: QualityTable, folder: Path) -> None:
    """Tune ADMMSLIM on the last days of the training, and test it on those after it."""
    split = board.load(folder, "ml-1m")
    inner = DateSplitter(board.SHARE, drop_cold_items=True, drop_cold_users=True)
    model = ADMMSLIM(precision="single")
    model.optimize(
        *inner.split(split.train), param_borders=_BORDERS, budget=_BUDGET, k=board.K, seed=0
    )
    recs = model.fit(split.train).predict(split.train, board.K, users=split.users)
    found = board.measure(recs, split)
    name = f"tuned by {_BUDGET} trials: {model!r}"
    table.add_quality("ml-1m, dates, at 10", name, (found["HitRate"], found["NDCG"]), (0.0, 0.255))


def _beside_implicit(
    table: QualityTable, movies: protocols.LeaveOneOut, gowalla: protocols.Split
) -> None:
    peer = _Implicit(movies.train)
    theirs = protocols.rank_held_out(peer.scores(movies.pairs), movies)
    table.add_quality("ml-1m", "same: implicit", theirs, None)
    ours = protocols.leave_one_out(_SHARED, movies)
    table.add_quality("ml-1m", "same: ALSWrap", ours, tuple(_WITHIN * figure for figure in theirs))
    peer = _Implicit(gowalla.train)
    theirs = protocols.rank_all(peer.lists(20), gowalla)
    table.add_quality("gowalla", "same: implicit", theirs, None)
    ours = protocols.full_ranking(_SHARED, gowalla)
    table.add_quality(
        "gowalla", "same: ALSWrap", ours, tuple(_WITHIN * figure for figure in theirs)
    )


class _Implicit:
    """implicit's ALS with the parameters of ``_SHARED``, fitted on a log."""

    def __init__(self, train: Any) -> None:
        self.users, rows = np.unique(train[USER], return_inverse=True)
        self.items, columns = np.unique(train[ITEM], return_inverse=True)
        ones = np.full(len(rows), 1 + _SHARED.alpha, dtype=np.float32)
        self.matrix = sp.csr_matrix((ones, (rows, columns)))
        with threadpool_limits(1, "blas"):  # it warns of more
            self.model = AlternatingLeastSquares(
                factors=_SHARED.rank,
                regularization=_SHARED.regularization,
                iterations=_SHARED.iterations,
                use_cg=False,
                num_threads=THREADS,
                random_state=0,
            )
            self.model.fit(self.matrix, show_progress=False)

    def scores(self, pairs: Any) -> Any:
        known = pairs[pairs[ITEM].isin(self.items)]
        left = self.model.user_factors[np.searchsorted(self.users, known[USER])]
        right = self.model.item_factors[np.searchsorted(self.items, known[ITEM])]
        return known.assign(relevance=(left * right).sum(axis=1))

    def lists(self, k: int) -> Any:
        import pandas as pd

        found, _ = self.model.recommend(np.arange(len(self.users)), self.matrix, N=k)
        users = np.repeat(self.users, k)
        return pd.DataFrame({USER: users, ITEM: self.items[found.ravel()]})
