"""daskrec, from frames of pandas."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from benchmarks.engines import wrapped
from daskrec import models

LIBRARIES = ("daskrec", "dask", "numba", "numpy", "pandas", "scipy")


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the log and features."""
    features = users = None
    if job.get("features"):
        features = pd.read_parquet(folder / "features.parquet")
    if job.get("users"):
        users = pd.read_parquet(folder / "users.parquet")
    log = pd.read_parquet(folder / f"{job['log']}.parquet")
    return SimpleNamespace(log=log, features=features, users=users)


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the fitted model of a job."""
    return model_of(job).fit(log.log, **given(log))


def predict(model: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists for the users of the job."""
    more = {**given(log), **job.get("options", {})}
    return model.predict(log=log.log, k=job["k"], users=log.users, **more)


def frame(lists: Any) -> Any:
    """Return lists as they are."""
    return lists


def tune(job: dict[str, Any]) -> dict[str, Any]:
    """Search for parameters by ``optimize``."""
    folder, model = Path(job["tune"]["data"]), model_of(job)
    log, test = load(folder, job), pd.read_parquet(folder / "test.parquet")
    budget, seed = job["tune"]["budget"], job["tune"]["seed"]
    if getattr(model, "_search_space", None) is None:
        return {}
    best = model.optimize(log.log, test, **given(log), k=job["k"], budget=budget, seed=seed)
    return dict(best or {})


def given(log: Any) -> dict[str, Any]:
    """Return what calls take besides the log."""
    return {} if log.features is None else {"user_features": log.features}


def model_of(job: dict[str, Any]) -> Any:
    """Return the model of a job, not fitted."""
    if job["class"] == "ImplicitWrap":
        return models.ImplicitWrap(wrapped.implicit_model(job["params"]))
    return getattr(models, job["class"])(**job["params"])
