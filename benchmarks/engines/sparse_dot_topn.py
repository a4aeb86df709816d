"""sparse_dot_topn: cosines of items, the best of each item kept while they are multiplied."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sparse_dot_topn import sp_matmul_topn

from benchmarks.engines import tables

LIBRARIES = ("sparse_dot_topn", "numpy", "scipy")
load, frame = tables.load, tables.frame


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the similarities of items, without those to themselves."""
    norms = np.sqrt(np.asarray(log.sum(axis=0)).ravel())  # of ones: their squares are themselves
    scaled = log @ sp.diags(1 / np.maximum(norms, 1e-12)).astype(np.float32)
    most = job["params"]["num_neighbours"] + 1
    found = sp_matmul_topn(
        scaled.T.tocsr(), scaled.tocsr(), top_n=most, n_threads=job["threads"], sort=True
    )
    found.setdiag(0)
    found.eliminate_zeros()
    return found


def predict(similarity: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists by products of histories and similarities."""
    return tables.best(lambda block: (log[block] @ similarity).toarray(), log, job["k"])
