"""How good recommendations are: metrics of lists, alone and in one pass together.

::

    from daskrec.metrics import NDCG, Coverage, Recall, evaluate

    NDCG()(recs, truth, 10)                       # one number
    found = evaluate([NDCG(), Recall(), Coverage(train)], recs, truth, [5, 10])
    found.mean("Recall", 5)

Recommendations, truth and logs are frames of any kind (pandas, polars, Arrow, cuDF, Dask, Spark) or
paths, and need not be of one kind.
"""

import importlib
from typing import Any

from daskrec.metrics.base import Metric
from daskrec.metrics.beyond import (
    CategoricalDiversity,
    Coverage,
    Novelty,
    Surprisal,
    Unexpectedness,
)
from daskrec.metrics.evaluation import evaluate
from daskrec.metrics.modes import ConfidenceInterval, Mean, Median, Mode, PerUser
from daskrec.metrics.offline import OfflineMetrics
from daskrec.metrics.outcome import Evaluation
from daskrec.metrics.quality import MAP, MRR, NDCG, HitRate, Precision, Recall, RocAuc

__all__ = [
    "MAP",
    "MRR",
    "NDCG",
    "CategoricalDiversity",
    "ConfidenceInterval",
    "Coverage",
    "Evaluation",
    "Experiment",
    "HitRate",
    "Mean",
    "Median",
    "Metric",
    "Mode",
    "Novelty",
    "OfflineMetrics",
    "PerUser",
    "Precision",
    "Recall",
    "RocAuc",
    "Surprisal",
    "Unexpectedness",
    "evaluate",
]


def __getattr__(name: str) -> Any:
    if name == "Experiment":  # a room above; today's scripts of the original import it from here
        return importlib.import_module("daskrec.experiment").Experiment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
