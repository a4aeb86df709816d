"""Cornac: models of many papers, one list a call."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cornac.data
import cornac.models
import numpy as np
import pandas as pd

from benchmarks.engines import ITEM, RELEVANCE, USER, tables

LIBRARIES = ("cornac", "numpy", "scipy")
frame = tables.frame


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the log as a dataset of the library, and as a matrix of its codes."""
    log = pd.read_parquet(folder / f"{job['log']}.parquet")
    rows = log[[USER, ITEM, RELEVANCE]].itertuples(index=False, name=None)
    data = cornac.data.Dataset.build(list(rows), seed=job.get("seed"))
    return SimpleNamespace(data=data, seen=data.csr_matrix.astype(np.float32))


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the fitted model of a job."""
    kind = getattr(cornac.models, job["class"])
    return kind(**job["params"]).fit(log.data)


def predict(model: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists for all users, in the ids of the log: it scores a user a call."""

    def scores(block: slice) -> Any:
        return np.stack([_scores(model, user) for user in range(block.start, block.stop)])

    items, found = tables.best(scores, log.seen, job["k"])
    of = np.array(list(log.data.iid_map))
    users = np.array(list(log.data.uid_map))
    order = np.argsort(users)
    return of[items][order], found[order]


def _scores(model: Any, user: int) -> Any:
    return np.array(model.score(user), dtype=np.float32).ravel()
