"""LensKit: pipelines of a scorer, the items that a user lacks, and the best of them."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lenskit.batch
import lenskit.data
import lenskit.pipeline
import pandas as pd

from benchmarks.engines import ITEM, RELEVANCE, USER

LIBRARIES = ("lenskit", "numpy", "pandas", "scipy", "torch")
# Its processes take seconds to start: for fewer users one, which has none, is done sooner.
_PROCESSES_FROM = 20_000
_PLACES = {"PopScorer": "basic", "ItemKNNScorer": "knn", "ImplicitMFScorer": "als"}


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the log as a dataset of the library, and its users."""
    log = pd.read_parquet(folder / f"{job['log']}.parquet")[[USER, ITEM]]
    made = lenskit.data.from_interactions_df(log, user_col=USER, item_col=ITEM)
    return SimpleNamespace(dataset=made, users=log[USER].unique())


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the trained pipeline of a job."""
    kind = getattr(importlib.import_module(f"lenskit.{_PLACES[job['class']]}"), job["class"])
    pipeline = lenskit.pipeline.topn_pipeline(kind(**job["params"]), n=job["k"])
    pipeline.train(log.dataset)
    return pipeline


def predict(pipeline: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists for all users."""
    jobs = job["threads"] if len(log.users) >= _PROCESSES_FROM else 1
    return lenskit.batch.recommend(pipeline, log.users, job["k"], n_jobs=jobs)


def frame(lists: Any) -> Any:
    """Return lists as a frame."""
    found = lists.to_df()[["user_id", "item_id", "score"]]
    return found.set_axis([USER, ITEM, RELEVANCE], axis=1)
