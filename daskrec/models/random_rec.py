"""RandomRec: items at random, evenly or by their popularity."""

from typing import Any, ClassVar

import numpy as np

from daskrec.data.blocks import UserBlock
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.score import Scorer
from daskrec.engine.score_draws import DrawScorer
from daskrec.engine.shared import Shared
from daskrec.models.non_personalized import (
    Counter,
    NonPersonalizedRecommender,
    count_users,
    sum_relevance,
)
from daskrec.params import check_choice, check_number

_DISTRIBUTIONS = ("popular_based", "relevance", "uniform")


class RandomRec(NonPersonalizedRecommender):
    """Recommend items drawn at random, without replacement.

    The chance of an item at each draw is proportional to its weight among the items left:

    - ``uniform``: 1;
    - ``popular_based``: the number of its users, plus ``alpha``;
    - ``relevance``: its share of the relevance of all interactions.

    The relevance of the item that is drawn as the j-th for a user is ``1 / j``; items that
    the user has seen are drawn too, and left out of the list.

    Parameters
    ----------
    distribution
        ``"uniform"``, ``"popular_based"`` or ``"relevance"``.
    alpha
        Added to the number of users (``popular_based`` alone); above -1. Larger values even
        the chances out.
    seed
        Of the draws, which are keyed by the id of the user: a user's list depends neither on
        other users nor on partitions or schedulers. Without a seed, every call draws anew;
        a result is one answer in any case.
    add_cold_items
        Draw items that were not in the training, where ``items`` or ``pairs`` name them:
        their weight is the least of all times ``cold_weight``.
    cold_weight
        In (0, 1].
    add_cold
        The older name of ``add_cold_items``; where it is given, it decides.

    Notes
    -----
    Fit: one pass over the interactions (none of the values with ``uniform``), 16 bytes an
    item; with ``popular_based``, 4 bytes an interaction are kept for ``update``. Predict:
    O(k + seen) draws a user where weights are not too uneven, at worst O(items log items).
    ``predict_pairs`` ranks all items for each user: 1 over the place of the item. An item
    whose relevance adds up to 0 or less is never drawn with ``relevance``. ``optimize``
    searches ``distribution``, and ``alpha`` from -0.5 to 100.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_idx": [1, 1, 2], "item_idx": [7, 8, 7]})
    >>> RandomRec(seed=0).fit(log).predict(log, k=1, users=[2])
       user_idx  item_idx  relevance
    0         2         8        0.5
    """

    can_predict_cold_items = True
    _search_space: ClassVar[dict[str, Any]] = {
        "distribution": {"type": "categorical", "args": list(_DISTRIBUTIONS)},
        "alpha": {"type": "uniform", "args": [-0.5, 100]},
    }

    def __init__(
        self,
        distribution: str = "uniform",
        alpha: float = 0.0,
        seed: int | None = None,
        add_cold_items: bool = True,
        cold_weight: float = 1.0,
        add_cold: bool | None = None,
    ) -> None:
        self.distribution = distribution
        self.alpha = alpha
        self.seed = seed
        self.add_cold_items = add_cold_items
        self.cold_weight = cold_weight
        self.add_cold = add_cold
        self._check_params()

    def _check_params(self) -> None:
        check_choice("distribution", self.distribution, _DISTRIBUTIONS)
        if self.distribution == "popular_based":
            check_number("alpha", self.alpha, -1.0)
            if self.alpha == -1:
                raise ValueError("alpha must be above -1, so that every item can be drawn")
        super()._check_params()
        if self.add_cold is not None:
            self.can_predict_cold_items = bool(self.add_cold)

    @property
    def _counter(self) -> Counter:
        return _COUNTERS[self.distribution]

    @property
    def _adds_up(self) -> bool:
        return self.distribution != "popular_based"  # a user of both logs counts once

    def _rate(self, sums: Vector, user_count: int, items: Array) -> Vector:
        if self.distribution == "popular_based":
            return np.asarray(sums[0] + self.alpha)
        if self.distribution == "relevance":
            positive = np.maximum(sums[0], 0.0)
            return np.asarray(positive / max(positive.sum(), np.finfo(float).tiny))
        return np.ones_like(sums[0])

    def _scorer_by(self, scores: Shared[Vector]) -> Scorer:
        return DrawScorer(scores, self._draw_seed())


def _count_nothing(block: UserBlock, item_count: int) -> Vector:
    return np.zeros((1, item_count))


_COUNTERS: dict[str, Counter] = {
    "popular_based": count_users,
    "relevance": sum_relevance,
    "uniform": _count_nothing,
}
