"""Families of models that several libraries have, with hyper-parameters that mean the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SEED = 42
_RANK, _NEIGHBOURS, _RIDGE, _PLAIN = 64, 10, 500.0, 5.0


@dataclass(frozen=True)
class Entry:
    """A model of an engine.

    Parameters
    ----------
    engine
        Of ``benchmarks.engines.environments.ENVIRONMENTS``.
    name
        Its class, or the name that the engine's module knows it by.
    params
        Its parameters.
    """

    engine: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def job(self, family: str) -> dict[str, Any]:
        """Return the part of a job that says what is run."""
        return {
            "key": f"{family}-{self.name}".replace(", ", "-").replace(" ", "-"),
            "class": self.name,
            "params": dict(self.params),
            "log": "train",
        }


_ALS = {"factors": _RANK, "regularization": _PLAIN, "iterations": 10, "random_state": SEED}
_COSINE = {"K": _NEIGHBOURS}
_WARP = {"no_components": _RANK, "loss": "warp", "random_state": SEED}

# Ours is the first of each.
FAMILIES: Mapping[str, tuple[Entry, ...]] = {
    "popularity": (
        Entry("daskrec", "PopRec"),
        Entry("rectools", "PopularModel"),
        Entry("lenskit", "PopScorer"),
        Entry("cornac", "MostPop"),
    ),
    "neighbours": (
        Entry("daskrec", "KNN", {"num_neighbours": _NEIGHBOURS}),
        Entry("implicit", "cosine", _COSINE),
        Entry(
            "rectools", "ImplicitItemKNNWrapperModel", {"implicit": {"kind": "cosine", **_COSINE}}
        ),
        Entry("sparse_dot_topn", "cosine", {"num_neighbours": _NEIGHBOURS}),
        Entry(
            "lenskit",
            "ItemKNNScorer",
            {"save_nbrs": _NEIGHBOURS, "max_nbrs": 1000, "feedback": "implicit"},
        ),
        Entry(
            "cornac",
            "ItemKNN",
            {"k": _NEIGHBOURS, "similarity": "cosine", "num_threads": 2, "verbose": False},
        ),
    ),
    # The ridge of Spark grows with the length of a history.
    "als": (
        Entry("daskrec", "ALSWrap", {"rank": _RANK, "seed": SEED}),
        Entry(
            "mllib",
            "ALS",
            {
                "rank": _RANK,
                "implicitPrefs": True,
                "maxIter": 10,
                "regParam": 0.1,
                "alpha": 1.0,
                "seed": SEED,
            },
        ),
    ),
    "als, plain ridge": (
        Entry(
            "daskrec",
            "ALSWrap",
            {"rank": _RANK, "regularization": _PLAIN, "scale_regularization": False, "seed": SEED},
        ),
        Entry("implicit", "als", _ALS),
        Entry("rectools", "ImplicitALSWrapperModel", {"implicit": {"kind": "als", **_ALS}}),
        Entry(
            "lenskit",
            "ImplicitMFScorer",
            {
                "embedding_size": _RANK,
                "epochs": 10,
                "regularization": _PLAIN,
                "weight": 1.0,
                "user_embeddings": "prefer",
            },
        ),
    ),
    "ease": (
        Entry("daskrec", "EASE", {"regularization": _RIDGE}),
        Entry("rectools", "EASEModel", {"regularization": _RIDGE}),
        Entry("cornac", "EASE", {"lamb": _RIDGE, "seed": SEED, "verbose": False}),
    ),
    "slim": (
        Entry("daskrec", "SLIM", {"beta": 0.01, "lambda_": 0.01, "seed": SEED}),
        Entry("sklearn", "ElasticNet", {"beta": 0.01, "lambda_": 0.01}),
    ),
    "word2vec": (
        Entry("daskrec", "Word2VecRec", {"seed": SEED}),
        Entry(
            "gensim",
            "Word2Vec",
            {
                "vector_size": 100,
                "window": 1,
                "min_count": 5,
                "sg": 1,
                "negative": 5,
                "sample": 0,
                "epochs": 1,
                "seed": SEED,
            },
        ),
    ),
    "warp": (
        Entry("daskrec", "LightFMWrap", {"no_components": _RANK, "random_state": SEED}),
        Entry("lightfm", "LightFM", {**_WARP, "epochs": 10}),
        Entry(
            "rectools",
            "LightFMWrapperModel",
            {"lightfm": {**_WARP}, "epochs": 10, "num_threads": 2, "verbose": False},
        ),
    ),
    "rules": (
        Entry("daskrec", "AssociationRulesItemRec", {"min_item_count": 50, "min_pair_count": 50}),
        Entry("mlxtend", "fpgrowth", {"min_pair_count": 50}),
    ),
}
