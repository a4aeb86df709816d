"""Families of models that several libraries have, with hyper-parameters that mean the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks import THREADS

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
    note
        In what it is not the model of the others.
    """

    engine: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def job(self, family: str) -> dict[str, Any]:
        """Return the part of a job that says what is run."""
        return {
            "key": f"{family}-{self.name}".replace(", ", "-").replace(" ", "-"),
            "class": self.name,
            "params": dict(self.params),
            "log": "train",
        }


_PLAIN_ALS = {
    "rank": _RANK,
    "regularization": _PLAIN,
    "scale_regularization": False,
    "seed": SEED,
}
# Its confidence is alpha times the relevance; that of the others is 1 more.
_ALS = {
    "factors": _RANK,
    "regularization": _PLAIN,
    "alpha": 2.0,
    "iterations": 10,
    "random_state": SEED,
    "num_threads": THREADS,
}
# An item is among its own neighbours there.
_COSINE = {"K": _NEIGHBOURS + 1, "num_threads": THREADS}
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
            {"k": _NEIGHBOURS, "similarity": "cosine", "num_threads": THREADS, "verbose": False},
            "it predicts a rating, the mean of those of neighbours, which for a log of ones is 1 "
            "or 0: the order of its lists says nothing",
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
            "it cannot leave out what users had: it is asked for as many more items as the longest "
            "history has, and those of the history are taken away afterwards",
        ),
    ),
    "als, plain ridge": (
        Entry("daskrec", "ALSWrap", _PLAIN_ALS),
        Entry("implicit", "als", {**_ALS, "use_cg": False}),
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
    # Three steps in each half round, what both libraries do by default.
    "als, conjugate gradients": (
        Entry("daskrec", "ALSWrap", {**_PLAIN_ALS, "solver": "cg"}),
        Entry("implicit", "als", _ALS),
        Entry("rectools", "ImplicitALSWrapperModel", {"implicit": {"kind": "als", **_ALS}}),
    ),
    "ease": (
        Entry("daskrec", "EASE", {"regularization": _RIDGE}),
        Entry(
            "rectools",
            "EASEModel",
            {"regularization": _RIDGE, "recommend_n_threads": THREADS},
            "it multiplies histories by the transpose of the weights, so its lists are others",
        ),
        # By default it drops negative weights, which are a part of the model.
        Entry("cornac", "EASE", {"lamb": _RIDGE, "posB": False, "verbose": False}),
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
        # With a seed ours would take one thread.
        Entry(
            "daskrec",
            "LightFMWrap",
            {"no_components": _RANK, "random_state": SEED, "num_threads": THREADS},
            "threads overtake each other in every library of this family, so no two runs have the "
            "same lists",
        ),
        Entry("lightfm", "LightFM", {**_WARP, "epochs": 10}),
        Entry(
            "rectools",
            "LightFMWrapperModel",
            {"lightfm": {**_WARP}, "epochs": 10, "num_threads": THREADS, "verbose": False},
        ),
    ),
    "rules": (
        Entry("daskrec", "AssociationRulesItemRec", {"min_item_count": 50, "min_pair_count": 50}),
        Entry("mlxtend", "apriori", {"min_pair_count": 50, "low_memory": True}),
        Entry("mlxtend", "fpgrowth", {"min_pair_count": 50}),
    ),
}
