"""gensim: Word2Vec on the histories; a user is the mean of the items that it had."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from gensim.models import Word2Vec

from benchmarks.engines import ITEM, TIME, USER, tables

LIBRARIES = ("gensim", "numpy", "scipy")
frame = tables.frame


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the histories as sentences, and the log as a matrix."""
    log = pd.read_parquet(folder / f"{job['log']}.parquet").sort_values([USER, TIME])
    sentences = log.groupby(USER)[ITEM].agg(list).tolist()
    return SimpleNamespace(sentences=sentences, matrix=tables.matrix(folder, job["log"]))


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the trained model of a job."""
    return Word2Vec(log.sentences, workers=job["threads"], **job["params"])


def predict(model: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists by products of means and item vectors; rare items have none."""
    vectors = np.zeros((log.matrix.shape[1], model.vector_size), np.float32)
    vectors[model.wv.index_to_key] = model.wv.vectors
    known = np.isin(np.arange(len(vectors)), model.wv.index_to_key)
    counts = np.maximum(log.matrix @ known.astype(np.float32), 1)
    means = (log.matrix @ vectors) / counts[:, None]
    never = np.where(known, 0, -np.inf).astype(np.float32)
    return tables.best(lambda block: means[block] @ vectors.T + never, log.matrix, job["k"])
