"""mlxtend: rules of two items by FP-growth; a user's items are the left sides of rules."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.engines import tables

LIBRARIES = ("mlxtend", "numpy", "pandas", "scipy")
frame = tables.frame


def start(folder: Path, threads: int) -> None:
    """Import the library."""
    import mlxtend.frequent_patterns  # noqa: F401


def stop() -> None:
    """Nothing runs on."""


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the log as a matrix."""
    return tables.matrix(folder, job["log"])


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the confidences of rules, a sparse matrix from left to right items."""
    from mlxtend.frequent_patterns import association_rules, fpgrowth

    count = job["params"]["min_pair_count"]
    table = pd.DataFrame(log.toarray().astype(bool))
    sets = fpgrowth(table, min_support=count / log.shape[0], max_len=2)
    if sets.empty:
        return sp.csr_matrix((log.shape[1], log.shape[1]), dtype=np.float32)
    rules = association_rules(sets, metric="confidence", min_threshold=0)
    left, right = (
        np.array([next(iter(side)) for side in rules[name]], dtype=np.int64)
        for name in ("antecedents", "consequents")
    )
    weights = rules["confidence"].to_numpy(np.float32)
    return sp.csr_matrix((weights, (left, right)), shape=(log.shape[1], log.shape[1]))


def predict(rules: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists by products of histories and confidences."""
    return tables.best(lambda block: (log[block] @ rules).toarray(), log, job["k"])
