"""PopRec: the items that most users had."""

from typing import ClassVar

import numpy as np

from daskrec.engine.arrays import Array, Vector
from daskrec.models.non_personalized import (
    Counter,
    NonPersonalizedRecommender,
    count_users,
    sum_relevance,
)


class PopRec(NonPersonalizedRecommender):
    """Recommend the most popular items.

    The relevance of an item is the share of users who had it::

        relevance(i) = |users of i| / |users|

    or, with ``use_relevance``, the sum of the relevance of its interactions over the number
    of users. Everybody has the same list, apart from the items that were seen; users who
    were not in the training get it too.

    Parameters
    ----------
    use_relevance
        Sum relevance instead of counting users.
    add_cold_items
        Recommend items that were not in the training, where ``items`` or ``pairs`` name
        them: their relevance is the least of all times ``cold_weight``.
    cold_weight
        In (0, 1].

    Notes
    -----
    Fit: one pass over the interactions, 16 bytes an item; 4 bytes an interaction are kept for
    ``update``, none with ``use_relevance``. Predict: O(k + history) a user. ``optimize``
    searches ``use_relevance`` on request, and nothing by default.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_idx": [1, 1, 2, 3], "item_idx": [7, 8, 7, 9]})
    >>> PopRec().fit_predict(log, k=1)
       user_idx  item_idx  relevance
    0         1         9   0.333333
    1         2         8   0.333333
    2         3         7   0.666667
    """

    _search_on_request: ClassVar[dict[str, str]] = {"use_relevance": "categorical"}

    def __init__(
        self, use_relevance: bool = False, add_cold_items: bool = False, cold_weight: float = 0.5
    ) -> None:
        self.use_relevance = use_relevance
        self.add_cold_items = add_cold_items
        self.cold_weight = cold_weight
        self._check_params()

    @property
    def _counter(self) -> Counter:
        return sum_relevance if self.use_relevance else count_users

    @property
    def _adds_up(self) -> bool:
        return self.use_relevance  # a user of both logs counts once

    def _rate(self, sums: Vector, user_count: int, items: Array) -> Vector:
        return np.asarray(sums[0] / user_count)
