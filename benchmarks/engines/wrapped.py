"""Models of implicit by name, for the engines whose wrappers take one that is made."""

import importlib
from typing import Any

_CLASSES = {
    "als": ("implicit.als", "AlternatingLeastSquares"),
    "bpr": ("implicit.bpr", "BayesianPersonalizedRanking"),
    "cosine": ("implicit.nearest_neighbours", "CosineRecommender"),
    "tfidf": ("implicit.nearest_neighbours", "TFIDFRecommender"),
    "bm25": ("implicit.nearest_neighbours", "BM25Recommender"),
}


def implicit_model(params: dict[str, Any]) -> Any:
    """Return a model: ``params["kind"]`` names it, the rest are its arguments."""
    module, name = _CLASSES[params["kind"]]
    given = {key: value for key, value in params.items() if key != "kind"}
    return getattr(importlib.import_module(module), name)(**given)
