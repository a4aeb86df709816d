"""The models that the contract suite runs over: a new model is one more line."""

from dataclasses import dataclass, field
from typing import Any

import daskrec
from daskrec.models import (
    ADMMSLIM,
    EASE,
    KLUCB,
    KNN,
    SLIM,
    UCB,
    ALSWrap,
    AssociationRulesItemRec,
    ClusterRec,
    ImplicitWrap,
    LightFMWrap,
    MultVAE,
    NeuroMF,
    PopRec,
    RandomRec,
    ThompsonSampling,
    UserPopRec,
    Wilson,
    Word2VecRec,
)
from support.adapted import BinaryRelevance, Featured, HybridFeatured, Timed, adapted


@dataclass(frozen=True)
class Case:
    """A model with parameters, and what tests must know of it.

    ``tolerance`` is None where every run gives the same bits, else the relative difference
    that a different order of additions may make.
    """

    model: type
    params: dict[str, Any] = field(default_factory=dict)
    tolerance: float | None = None
    binary: bool = False  # relevance must be 0 or 1: logs are made so on their way in
    counts_rows: bool = False  # a row that is repeated counts again
    filters: bool = True  # seen items are left out
    draws: bool = False  # lists are drawn, by the ids of users and for the candidates at hand
    sampled: bool = False  # a longer list need not start as a shorter one
    featured: bool = False  # knows users by features, which are made of the order of their ids
    hybrid: bool = False  # knows users and items by features, which are made in the same way
    length: int | None = None  # of its vectors, where no parameter called rank says it
    timed: bool = False  # learns from a log with times, which are made where there are none

    @property
    def adapted(self) -> type:
        """The model, made to take what the suite hands over."""
        if self.binary:
            return adapted(self.model, BinaryRelevance)
        if self.hybrid:
            return adapted(self.model, HybridFeatured)
        if self.timed:
            return adapted(self.model, Timed)
        return adapted(self.model, Featured) if self.featured else self.model

    def make(self) -> Any:
        return self.adapted(**self.params)

    def load(self, path: Any) -> Any:
        """Load a saved model, made to take what the suite hands over."""
        model = daskrec.load(path)
        model.__class__ = self.adapted
        return model

    def __str__(self) -> str:
        said = {
            k: v["class"].rpartition(".")[2] if isinstance(v, dict) else v
            for k, v in self.params.items()
        }
        return f"{self.model.__name__}({', '.join(f'{k}={v}' for k, v in said.items())})"


def of_implicit(name: str, **params: Any) -> dict[str, Any]:
    """Return a model of implicit as ImplicitWrap keeps it, with one thread."""
    return {"class": f"implicit.{name}", "params": {"num_threads": 1, **params}}


OUTCOMES = {"binary": True, "counts_rows": True}
RULES = {"min_item_count": 1, "min_pair_count": 1}

CASES = [
    Case(PopRec),
    Case(PopRec, {"use_relevance": True, "add_cold_items": True}),
    Case(UserPopRec, filters=False),
    Case(Wilson, **OUTCOMES),
    Case(
        Wilson,
        {"add_cold_items": True, "cold_weight": 1.0, "sample": True, "seed": 3},
        draws=True,
        sampled=True,
        **OUTCOMES,
    ),
    Case(UCB, **OUTCOMES),
    Case(KLUCB, {"exploration_coef": 1.0}, **OUTCOMES),
    Case(ThompsonSampling, {"seed": 5}, draws=True, **OUTCOMES),
    Case(RandomRec, {"seed": 1}, draws=True),
    Case(RandomRec, {"seed": 2, "distribution": "popular_based", "alpha": 1.0}, draws=True),
    Case(RandomRec, {"seed": 3, "distribution": "relevance", "add_cold_items": False}, draws=True),
    Case(KNN, {"num_neighbours": 5}),
    Case(KNN, {"weighting": "bm25", "user_length_power": 0.5, "shrink": 1.0}),
    Case(KNN, {"num_neighbours": 3, "weighting": "tf_idf", "neighbours_of": "candidate"}),
    Case(AssociationRulesItemRec, RULES),
    Case(
        AssociationRulesItemRec,
        {
            "use_relevance": True,
            "similarity_metric": "confidence_gain",
            "num_neighbours": 4,
            "session_col": "user_idx",
            **RULES,
        },
    ),
    Case(ADMMSLIM, {"lambda_1": 0.1, "lambda_2": 2.0}, tolerance=1e-5),
    Case(
        ADMMSLIM,
        {"lambda_1": 0.5, "lambda_2": 5.0, "seed": 6, "precision": "single"},
        tolerance=1e-3,
    ),
    Case(SLIM),
    Case(SLIM, {"beta": 0.5, "lambda_": 1e-4, "non_negative": False, "top": 3}),
    Case(SLIM, {"beta": 0.0, "lambda_": 0.05, "num_candidates": 2, "seed": 8}),
    Case(ADMMSLIM, {"lambda_1": 0.3, "lambda_2": 3.0, "top": 2}, tolerance=1e-5),
    Case(EASE, {"regularization": 2.0}, tolerance=1e-5),
    Case(
        EASE,
        {"regularization": 3.0, "use_relevance": True, "top": 3, "precision": "double"},
        tolerance=1e-5,
    ),
    Case(ClusterRec, {"num_clusters": 2, "seed": 4}, counts_rows=True, featured=True),
    Case(
        ImplicitWrap,
        {"model": of_implicit("cpu.als.AlternatingLeastSquares", factors=4, random_state=1)},
        tolerance=1e-5,
        length=4,
    ),
    Case(
        ImplicitWrap,
        {
            "model": of_implicit(
                "cpu.als.AlternatingLeastSquares", factors=3, random_state=1, alpha=2.0
            ),
            "recalculate_user": True,
        },
        tolerance=1e-5,
        length=3,
    ),
    Case(
        ImplicitWrap,
        {"model": of_implicit("cpu.bpr.BayesianPersonalizedRanking", factors=4, random_state=1)},
        tolerance=1e-5,
        length=5,
    ),
    Case(
        ImplicitWrap,
        {"model": of_implicit("cpu.lmf.LogisticMatrixFactorization", factors=4, random_state=1)},
        tolerance=1e-5,
        length=6,
    ),
    Case(ImplicitWrap, {"model": of_implicit("nearest_neighbours.CosineRecommender", K=6)}),
    Case(ImplicitWrap, {"model": of_implicit("nearest_neighbours.ItemItemRecommender", K=4)}),
    Case(LightFMWrap, {"no_components": 4, "random_state": 1}, tolerance=1e-5, length=4),
    Case(
        LightFMWrap,
        {"no_components": 3, "loss": "bpr", "random_state": 2},
        tolerance=1e-5,
        length=3,
        hybrid=True,
    ),
    Case(
        MultVAE,
        {"latent_dim": 4, "hidden_dim": 8, "epochs": 4, "learning_rate": 0.02, "seed": 1},
        tolerance=1e-4,
        counts_rows=True,
        length=8,
    ),
    Case(
        MultVAE,
        {
            "latent_dim": 3,
            "hidden_dim": 6,
            "epochs": 3,
            "anneal": 0.0,
            "batch_size": 16,
            "activation": "tanh",
            "validation_share": 0.0,
            "seed": 2,
        },
        tolerance=1e-4,
        counts_rows=True,
        length=6,
    ),
    Case(
        NeuroMF,
        {
            "embedding_gmf_dim": 4,
            "embedding_mlp_dim": 3,
            "hidden_mlp_dims": [5, 4],
            "epochs": 4,
            "batch_size": 128,
            "learning_rate": 0.02,
            "seed": 1,
        },
        tolerance=1e-4,
        counts_rows=True,
        length=7,
    ),
    Case(
        NeuroMF,
        {
            "embedding_gmf_dim": 6,
            "epochs": 3,
            "count_negative_sample": 2,
            "exclude_positives": True,
            "early_stopping": 2,
            "seed": 2,
        },
        tolerance=1e-4,
        counts_rows=True,
        length=6,
    ),
    Case(ALSWrap, {"rank": 4, "seed": 1}, tolerance=1e-4),
    Case(ALSWrap, {"rank": 3, "seed": 1, "implicit_prefs": False, "solver": "cg"}, tolerance=1e-3),
    # The vectors are the same bits in any run; products of them may round otherwise.
    Case(
        Word2VecRec,
        {"rank": 8, "min_count": 1, "step_size": 0.2, "max_iter": 10, "window_size": 3, "seed": 1},
        tolerance=1e-6,
        counts_rows=True,
        timed=True,
    ),
    Case(
        Word2VecRec,
        {
            "rank": 20,
            "min_count": 0,
            "step_size": 0.2,
            "max_iter": 5,
            "use_idf": True,
            "seed": 2,
            "num_partitions": 3,
            "loss": "hierarchical",
            "normalize": True,
        },
        tolerance=1e-6,
        counts_rows=True,
        timed=True,
    ),
]
