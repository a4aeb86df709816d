"""scikit-learn: SLIM, an elastic net for each item, in as many processes as there are threads."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import Parallel, delayed
from sklearn.linear_model import ElasticNet

from benchmarks.engines import tables

LIBRARIES = ("scikit-learn", "numpy", "scipy")
_MOST_SWEEPS = 5000
load, frame = tables.load, tables.frame


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the weights of all items, a sparse matrix."""
    columns, threads = sp.csc_matrix(log, dtype=np.float64), job["threads"]
    parts = np.array_split(np.arange(columns.shape[1]), threads)
    # Arrays are written to below: joblib would map larger ones, to read only.
    solve = Parallel(threads, max_nbytes=None)
    solved = solve(delayed(_columns)(columns, part, job["params"]) for part in parts)
    return sp.hstack(solved).tocsc()


def _columns(matrix: Any, part: Any, params: dict[str, float]) -> Any:
    """Solve some items: each without itself among the others."""
    beta, weight = params["beta"], params["lambda_"]
    net = ElasticNet(
        alpha=beta + weight,
        l1_ratio=weight / (beta + weight),
        fit_intercept=False,
        positive=True,
        max_iter=_MOST_SWEEPS,
        selection="random",
        random_state=0,
    )
    found = []
    for j in part:
        own = slice(matrix.indptr[j], matrix.indptr[j + 1])
        values, target = matrix.data[own].copy(), matrix[:, [j]].toarray().ravel()
        matrix.data[own] = 0
        found.append(net.fit(matrix, target).sparse_coef_.T)
        matrix.data[own] = values
    return sp.hstack(found)


def predict(weights: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists by products of histories and weights."""
    return tables.best(lambda block: (log[block] @ weights).toarray(), log, job["k"])
