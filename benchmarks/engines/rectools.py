"""RecTools: models of its own, and wrappers of those of implicit and LightFM."""

from pathlib import Path
from typing import Any

import lightfm
import pandas as pd
import rectools.dataset
import rectools.models

from benchmarks.engines import ITEM, RELEVANCE, TIME, USER, wrapped

LIBRARIES = ("rectools", "implicit", "numpy", "pandas", "scipy")
_USER, _ITEM, _WEIGHT, _TIME, _SCORE = "user_id", "item_id", "weight", "datetime", "score"


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the log as a dataset of the library."""
    log = pd.read_parquet(folder / f"{job['log']}.parquet")
    log = log.rename(columns={USER: _USER, ITEM: _ITEM, RELEVANCE: _WEIGHT, TIME: _TIME})
    log[_TIME] = pd.Timestamp("2000-01-01") + pd.to_timedelta(log[_TIME], "s")
    return rectools.dataset.Dataset.construct(log)


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the fitted model of a job."""
    params = dict(job["params"])
    kind = getattr(rectools.models, job["class"])
    inner = []
    if "implicit" in params:
        inner.append(wrapped.implicit_model(params.pop("implicit")))
    elif "lightfm" in params:
        inner.append(lightfm.LightFM(**params.pop("lightfm")))
    return kind(*inner, **params).fit(log)


def predict(model: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists for all users."""
    users = log.user_id_map.external_ids
    return model.recommend(users, log, k=job["k"], filter_viewed=True)


def frame(lists: Any) -> Any:
    """Return lists as a frame."""
    found = lists[[_USER, _ITEM, _SCORE]]
    return found.set_axis([USER, ITEM, RELEVANCE], axis=1)
