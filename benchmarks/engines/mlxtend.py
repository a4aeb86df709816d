"""mlxtend: rules of two items; a user's items are the left sides of rules."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlxtend.frequent_patterns as patterns
import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.engines import tables

LIBRARIES = ("mlxtend", "numpy", "pandas", "scipy")
frame = tables.frame


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the log as a boolean frame of users by items, and as a matrix."""
    found = tables.matrix(folder, job["log"])
    return SimpleNamespace(table=pd.DataFrame(found.toarray().astype(bool)), matrix=found)


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the confidences of rules, a sparse matrix from left to right items."""
    params = dict(job["params"])
    users, items = log.matrix.shape
    least = params.pop("min_pair_count") / users
    find = getattr(patterns, job["class"])
    sets = find(log.table, min_support=least, max_len=2, **params)
    if sets.empty:
        return sp.csr_matrix((items, items), dtype=np.float32)
    rules = patterns.association_rules(sets, metric="confidence", min_threshold=0)
    left, right = (
        np.array([next(iter(side)) for side in rules[name]], dtype=np.int64)
        for name in ("antecedents", "consequents")
    )
    weights = rules["confidence"].to_numpy(np.float32)
    return sp.csr_matrix((weights, (left, right)), shape=(items, items))


def predict(rules: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists by products of histories and confidences."""
    return tables.best(lambda block: (log.matrix[block] @ rules).toarray(), log.matrix, job["k"])
