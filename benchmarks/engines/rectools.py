"""RecTools: models of its own, and wrappers of those of implicit and LightFM."""

import importlib
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.engines import ITEM, RELEVANCE, TIME, USER, wrapped

LIBRARIES = ("rectools", "implicit", "numpy", "pandas", "scipy")
_USER, _ITEM, _WEIGHT, _TIME, _SCORE = "user_id", "item_id", "weight", "datetime", "score"


def start(folder: Path, threads: int) -> None:
    """Import the models."""
    importlib.import_module("rectools.models")


def stop() -> None:
    """Nothing runs on."""


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the log as a dataset of the library."""
    log = pd.read_parquet(folder / f"{job['log']}.parquet")
    log = log.rename(columns={USER: _USER, ITEM: _ITEM, RELEVANCE: _WEIGHT, TIME: _TIME})
    log[_TIME] = pd.Timestamp("2000-01-01") + pd.to_timedelta(log[_TIME], "s")
    return importlib.import_module("rectools.dataset").Dataset.construct(log)


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the fitted model of a job."""
    models = importlib.import_module("rectools.models")
    params = dict(job["params"])
    kind = getattr(models, job["class"])
    inner = []
    if "implicit" in params:
        inner.append(wrapped.implicit_model(params.pop("implicit")))
    elif "lightfm" in params:
        inner.append(importlib.import_module("lightfm").LightFM(**params.pop("lightfm")))
    return kind(*inner, **params).fit(log)


def predict(model: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists for all users."""
    users = log.user_id_map.external_ids
    return model.recommend(users, log, k=job["k"], filter_viewed=True)


def frame(lists: Any) -> Any:
    """Return lists as a frame."""
    found = lists[[_USER, _ITEM, _SCORE]]
    return found.set_axis([USER, ITEM, RELEVANCE], axis=1)
