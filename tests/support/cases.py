"""The models that the contract suite runs over: a new model is one more line."""

from dataclasses import dataclass, field
from typing import Any

from daskrec.models import KNN, ALSWrap, PopRec


@dataclass(frozen=True)
class Case:
    """A model with parameters, and how exactly its scores repeat.

    ``tolerance`` is None where every run gives the same bits, else the relative difference
    that a different order of additions may make.
    """

    model: type
    params: dict[str, Any] = field(default_factory=dict)
    tolerance: float | None = None

    def make(self) -> Any:
        return self.model(**self.params)

    def __str__(self) -> str:
        return f"{self.model.__name__}({', '.join(f'{k}={v}' for k, v in self.params.items())})"


CASES = [
    Case(PopRec),
    Case(PopRec, {"use_relevance": True}),
    Case(KNN, {"num_neighbours": 5}),
    Case(KNN, {"weighting": "bm25", "user_length_power": 0.5, "shrink": 1.0}),
    Case(KNN, {"num_neighbours": 3, "weighting": "tf_idf", "neighbours_of": "candidate"}),
    Case(ALSWrap, {"rank": 4, "seed": 1}, tolerance=1e-4),
    Case(ALSWrap, {"rank": 3, "seed": 1, "implicit_prefs": False, "solver": "cg"}, tolerance=1e-3),
]
