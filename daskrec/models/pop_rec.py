"""PopRec: the items that most users had."""

from typing import Any, ClassVar

import numpy as np

from daskrec.data.blocks import Features, Interactions, UserBlock
from daskrec.engine import runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.score import ListScorer, Scorer
from daskrec.engine.shared import Shared
from daskrec.models.recommender import Recommender


class PopRec(Recommender):
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

    Notes
    -----
    Fit: one pass over the interactions, 8 bytes an item. Predict: O(k + history) a user.

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

    can_predict_cold_users: ClassVar[bool] = True
    item_popularity_: Shared[Vector]

    def __init__(self, use_relevance: bool = False) -> None:
        self.use_relevance = use_relevance

    def _fit(self, data: Interactions) -> None:
        counts = data.map(_count_items, self.use_relevance, data.item_count, label="counting items")
        total = runtime.tree_reduce(counts, np.add)
        self.item_popularity_ = Shared(total / data.user_count)

    def _scorer(self, features: Features) -> Scorer:
        return ListScorer(self.item_popularity_)

    def _get_state(self) -> dict[str, Any]:
        return {"item_popularity": self.item_popularity_}

    def _set_state(self, state: dict[str, Any]) -> None:
        self.item_popularity_ = state["item_popularity"]


def _count_items(block: UserBlock, use_relevance: bool, item_count: int) -> Vector:
    """Count the users of each item in a block, or add their relevance up."""
    matrix = block.matrix
    weights = matrix.values() if use_relevance else None
    return np.bincount(matrix.indices, weights, minlength=item_count).astype(np.float64)
