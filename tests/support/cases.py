"""The models that the contract suite runs over: a new model is one more line."""

from dataclasses import dataclass, field
from typing import Any

import daskrec
from daskrec.models import (
    ADMMSLIM,
    KLUCB,
    KNN,
    SLIM,
    UCB,
    ALSWrap,
    AssociationRulesItemRec,
    ClusterRec,
    PopRec,
    RandomRec,
    ThompsonSampling,
    UserPopRec,
    Wilson,
)
from support.adapted import BinaryRelevance, Featured, adapted


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

    @property
    def adapted(self) -> type:
        """The model, made to take what the suite hands over."""
        if self.binary:
            return adapted(self.model, BinaryRelevance)
        return adapted(self.model, Featured) if self.featured else self.model

    def make(self) -> Any:
        return self.adapted(**self.params)

    def load(self, path: Any) -> Any:
        """Load a saved model, made to take what the suite hands over."""
        model = daskrec.load(path)
        model.__class__ = self.adapted
        return model

    def __str__(self) -> str:
        return f"{self.model.__name__}({', '.join(f'{k}={v}' for k, v in self.params.items())})"


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
    Case(ClusterRec, {"num_clusters": 2, "seed": 4}, counts_rows=True, featured=True),
    Case(ALSWrap, {"rank": 4, "seed": 1}, tolerance=1e-4),
    Case(ALSWrap, {"rank": 3, "seed": 1, "implicit_prefs": False, "solver": "cg"}, tolerance=1e-3),
]
