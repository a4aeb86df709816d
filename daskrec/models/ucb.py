"""UCB and KL-UCB: items by an upper confidence bound, as bandits choose their arms."""

import math
from typing import Any, ClassVar, Self

import numpy as np

from daskrec.engine.arrays import Array, Vector
from daskrec.models.outcomes import OutcomeRecommender
from daskrec.params import check_number

_HALVINGS = 60  # of an interval of length 1: to the last bit of a float64


class UCB(OutcomeRecommender):
    """Recommend items by the UCB1 bound of their share of positive interactions.

    With p positive ones among the n interactions of an item and L in the whole log::

        relevance = p / n + sqrt(coef ln L / n)

    which is optimism in the face of uncertainty: an item that few tried may be the best. An
    item that nobody tried (a cold item named in ``items``) has the bound of one failed trial
    and one success, ``1 + sqrt(coef ln L)``. Relevance in the log is 0 or 1.

    Parameters
    ----------
    exploration_coef
        ``coef``; larger ones favour items with few interactions. 2 is the value of UCB1.
    sample
        Draw each list without replacement, items by their scores, instead of taking the
        best; the items drawn come in the order of their scores.
    seed
        Of the draws; without one, every call draws anew.

    Notes
    -----
    A row counts each time that the log repeats it. Fit: one pass over the interactions, 24
    bytes an item. Predict: O(k + history) a user. ``update`` takes new outcomes, as a
    bandit that goes on. ``optimize`` searches ``exploration_coef`` from 0 to 10.

    References
    ----------
    P. Auer, N. Cesa-Bianchi and P. Fischer, Finite-time analysis of the multiarmed bandit
    problem, Machine Learning 47 (2002).

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame(
    ...     {"user_idx": [1, 2, 3, 3], "item_idx": [1, 2, 1, 2], "relevance": [1, 0, 0, 0]}
    ... )
    >>> UCB().fit(log).predict(None, k=3, users=[4], items=[1, 2, 3])
       user_idx  item_idx  relevance
    0         4         3   2.665109
    1         4         1   1.677410
    2         4         2   1.177410
    """

    can_predict_cold_items = True
    _search_space: ClassVar[dict[str, Any]] = {
        "exploration_coef": {"type": "uniform", "args": [0, 10]}
    }

    def __init__(
        self, exploration_coef: float = 2.0, sample: bool = False, seed: int | None = None
    ) -> None:
        self.exploration_coef = exploration_coef
        self.sample = sample
        self.seed = seed
        self._check_params()

    def _check_params(self) -> None:
        check_number("exploration_coef", self.exploration_coef, 0.0)
        super()._check_params()

    def _rate(self, sums: Vector, user_count: int, items: Array) -> Vector:
        positive, count = sums
        return np.asarray(positive / count + np.sqrt(self._budget(count.sum()) / count))

    def _budget(self, rows: float) -> float:
        """Return how far a bound may lie above what was seen, for so many interactions."""
        return self.exploration_coef * math.log(rows)

    def _rate_cold(self, items: Array) -> float:
        return 1.0 + math.sqrt(self._budget(self._sums.get()[1].sum()))

    def refit(self, log: Any) -> Self:
        """Learn from more interactions: ``update`` under the name that the original has."""
        return self.update(log)


class KLUCB(UCB):
    """Recommend items by the KL-UCB bound of their share of positive interactions.

    With p positive ones among the n interactions of an item and L in the whole log::

        relevance = max {q : n KL(p / n, q) <= ln L + c ln ln L}

    with KL the divergence of two Bernoulli distributions: a tighter bound than that of
    ``UCB``, and never above 1. An item that nobody tried has the bound 1. Relevance in the
    log is 0 or 1.

    Parameters
    ----------
    exploration_coef
        ``c``; the authors find 0 best in practice.
    sample, seed
        As for ``UCB``.

    Notes
    -----
    Costs are those of ``UCB``; a bound is found by bisection.

    References
    ----------
    A. Garivier and O. Cappé, The KL-UCB algorithm for bounded stochastic bandits and beyond,
    COLT (2011), https://arxiv.org/abs/1102.2490.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame(
    ...     {"user_idx": [1, 2, 3, 3], "item_idx": [1, 2, 1, 2], "relevance": [1, 0, 0, 0]}
    ... )
    >>> KLUCB().fit(log).predict(None, k=3, users=[4], items=[1, 2, 3])
       user_idx  item_idx  relevance
    0         4         3   1.000000
    1         4         1   0.933013
    2         4         2   0.500000
    """

    def __init__(
        self, exploration_coef: float = 0.0, sample: bool = False, seed: int | None = None
    ) -> None:
        super().__init__(exploration_coef, sample, seed)

    def _rate(self, sums: Vector, user_count: int, items: Array) -> Vector:
        positive, count = sums
        return upper_bound(positive / count, count, self._budget(count.sum()))

    def _budget(self, rows: float) -> float:
        # ln ln L is negative below e interactions, where there is nothing to explore by.
        return math.log(rows) + self.exploration_coef * math.log(max(math.log(max(rows, 1)), 1.0))

    def _rate_cold(self, items: Array) -> float:
        return 1.0


def upper_bound(share: Vector, count: Vector, budget: float) -> Vector:
    """Return the largest q in [share, 1] with ``count KL(share, q) <= budget``, by bisection."""
    low, high = np.array(share), np.ones_like(share)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        within = count * _divergence(share, middle) <= budget
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    return low


def _divergence(p: Vector, q: Vector) -> Vector:
    """Return KL(p, q) of Bernoulli distributions, with 0 ln 0 = 0."""
    from scipy.special import rel_entr

    return np.asarray(rel_entr(p, q) + rel_entr(1 - p, 1 - q))
