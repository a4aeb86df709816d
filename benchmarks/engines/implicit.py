"""implicit: models of matrices, lists of all users in one call."""

from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.engines import tables, wrapped

LIBRARIES = ("implicit", "numpy", "scipy")
load, frame = tables.load, tables.frame


def start(folder: Path, threads: int) -> None:
    """Let BLAS use one thread, as the library asks: it has its own."""
    threadpool_limits(1, "blas")


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the fitted model of a job."""
    model = wrapped.implicit_model({"kind": job["class"], **job["params"]})
    model.fit(log, show_progress=False)
    return model


def predict(model: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists for all users."""
    users = np.arange(log.shape[0])
    return model.recommend(users, log, N=job["k"], filter_already_liked_items=True)
