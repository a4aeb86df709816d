"""Wilson: items by the lower bound of their share of positive interactions."""

from typing import Any, ClassVar

import numpy as np

from daskrec.engine.arrays import Array, Vector
from daskrec.models.outcomes import OutcomeRecommender
from daskrec.params import check_number


class Wilson(OutcomeRecommender):
    """Recommend items by the lower bound of a confidence interval.

    With p positive ones among the n interactions of an item, and z the 1 - alpha / 2 quantile
    of the normal distribution::

        relevance = (p + z^2 / 2) / (n + z^2) - z / (n + z^2) sqrt((n - p) p / n + z^2 / 4)

    the lower bound of the Wilson interval for the share of positive interactions: few
    interactions are not enough for a good rating. Relevance in the log is 0 or 1.

    Parameters
    ----------
    alpha
        Significance level, in (0, 1): the interval holds with probability 1 - alpha.
    add_cold_items
        Recommend items that were not in the training, where ``items`` or ``pairs`` name
        them: their relevance is the least of all times ``cold_weight``.
    cold_weight
        In (0, 1].
    sample
        Draw each list without replacement, items by their scores, instead of taking the
        best; the items drawn come in the order of their scores.
    seed
        Of the draws; without one, every call draws anew.

    Notes
    -----
    A row counts each time that the log repeats it. Fit: one pass over the interactions, 24
    bytes an item. Predict: O(k + history) a user. ``optimize`` searches ``alpha`` from 0.0001
    to 0.9.

    References
    ----------
    E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    JASA 22 (1927).

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_idx": [1, 2], "item_idx": [1, 2], "relevance": [1, 1]})
    >>> Wilson().fit_predict(log, k=1)
       user_idx  item_idx  relevance
    0         1         2   0.206549
    1         2         1   0.206549
    """

    _search_space: ClassVar[dict[str, Any]] = {"alpha": {"type": "loguniform", "args": [1e-4, 0.9]}}

    def __init__(
        self,
        alpha: float = 0.05,
        add_cold_items: bool = False,
        cold_weight: float = 0.5,
        sample: bool = False,
        seed: int | None = None,
    ) -> None:
        self.alpha = alpha
        self.add_cold_items = add_cold_items
        self.cold_weight = cold_weight
        self.sample = sample
        self.seed = seed
        self._check_params()

    def _check_params(self) -> None:
        check_number("alpha", self.alpha, 0.0)
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha must be in (0, 1), not {self.alpha!r}")
        super()._check_params()

    def _rate(self, sums: Vector, user_count: int, items: Array) -> Vector:
        return lower_bound(sums[0], sums[1], self.alpha)


def lower_bound(positive: Vector, count: Vector, alpha: float) -> Vector:
    """Return the lower Wilson bound of a share.

    Parameters
    ----------
    positive, count
        float64 successes and trials, of one shape; no count is 0.
    alpha
        Significance level.
    """
    from scipy.special import ndtri

    z = -ndtri(alpha / 2)  # 1 - alpha / 2 would lose digits of a small alpha
    spread = z * np.sqrt((count - positive) * positive / count + z**2 / 4)
    return np.asarray((positive + z**2 / 2 - spread) / (count + z**2))
