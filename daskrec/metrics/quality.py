"""Metrics of recommendations against what users had afterwards.

The static method of each class is its definition in plain Python, for one user; the compiled
form that is used is held against it in the tests. P is the list of a user cut at k, G the set
of what is relevant to the user.
"""

import math
from collections.abc import Collection, Sequence
from typing import Any

from daskrec.metrics import values
from daskrec.metrics.base import Metric


def _hits(k: int, pred: Sequence[Any], ground_truth: Collection[Any]) -> list[bool]:
    relevant = set(ground_truth)
    return [item in relevant for item in pred[:k]]


class HitRate(Metric):
    """The share of users of whose first k recommendations any is relevant.

    Parameters are those of ``Metric``.

    Examples
    --------
    >>> import pandas as pd
    >>> recs = pd.DataFrame({"user_idx": [1, 1, 2], "item_idx": [4, 5, 6], "relevance": [3, 2, 1]})
    >>> truth = pd.DataFrame({"user_idx": [1, 2], "item_idx": [5, 7]})
    >>> HitRate()(recs, truth, [1, 2])
    {1: 0.0, 2: 0.5}
    """

    _function = staticmethod(values.hit_rate)

    @staticmethod
    def _get_metric_value_by_user(k: int, pred: Any, ground_truth: Any) -> float:
        return float(any(_hits(k, pred, ground_truth)))


class Precision(Metric):
    """The share of the first k recommendations that is relevant: ``|P & G| / k``.

    A list shorter than k is divided by k as well. Parameters are those of ``Metric``.
    """

    _function = staticmethod(values.precision)

    @staticmethod
    def _get_metric_value_by_user(k: int, pred: Any, ground_truth: Any) -> float:
        return sum(_hits(k, pred, ground_truth)) / k


class Recall(Metric):
    """The share of the relevant items that is among the first k: ``|P & G| / |G|``.

    Parameters are those of ``Metric``.
    """

    _function = staticmethod(values.recall)

    @staticmethod
    def _get_metric_value_by_user(k: int, pred: Any, ground_truth: Any) -> float:
        relevant = set(ground_truth)
        return sum(_hits(k, pred, relevant)) / len(relevant) if relevant else 0.0


class MAP(Metric):
    """Mean average precision: the precision at each hit, summed, by ``min(k, |G|)``.

    Parameters are those of ``Metric``.
    """

    _function = staticmethod(values.mean_average_precision)

    @staticmethod
    def _get_metric_value_by_user(k: int, pred: Any, ground_truth: Any) -> float:
        relevant = set(ground_truth)
        hits = _hits(k, pred, relevant)
        total = sum(sum(hits[: at + 1]) / (at + 1) for at, hit in enumerate(hits) if hit)
        return total / min(k, len(relevant)) if relevant else 0.0


class MRR(Metric):
    """Mean reciprocal rank: one divided by the rank of the first hit, 0 without a hit.

    Parameters are those of ``Metric``.

    Examples
    --------
    >>> import pandas as pd
    >>> recs = pd.DataFrame({"user_idx": [1, 1, 1], "item_idx": [3, 2, 1], "relevance": [5, 5, 5]})
    >>> truth = pd.DataFrame({"user_idx": [1, 1, 1], "item_idx": [2, 4, 5]})
    >>> MRR()(recs, truth, [1, 3])
    {1: 0.0, 3: 0.5}
    """

    _function = staticmethod(values.reciprocal_rank)

    @staticmethod
    def _get_metric_value_by_user(k: int, pred: Any, ground_truth: Any) -> float:
        hits = _hits(k, pred, ground_truth)
        return 1 / (hits.index(True) + 1) if any(hits) else 0.0


class NDCG(Metric):
    """Normalised discounted cumulative gain, of binary relevance.

    A hit at rank r gains ``1 / log2(r + 1)``; the sum is divided by that of the best list,
    whose first ``min(k, |G|)`` items are all relevant (Järvelin and Kekäläinen, "Cumulated
    gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002). Parameters are those of
    ``Metric``.
    """

    _function = staticmethod(values.ndcg)

    @staticmethod
    def _get_metric_value_by_user(k: int, pred: Any, ground_truth: Any) -> float:
        relevant = set(ground_truth)
        if not relevant:
            return 0.0
        gains = [1 / math.log2(at + 2) for at in range(max(len(pred), len(relevant)))]
        hits = _hits(k, pred, relevant)
        found = sum(gain for gain, hit in zip(gains, hits, strict=False) if hit)
        return found / sum(gains[: min(k, len(relevant))])


class RocAuc(Metric):
    """Area under the ROC curve of the first k recommendations.

    The share of pairs of a hit and a miss, both shown, that are in the right order; 0 without
    a hit, 1 where no miss comes before a hit. Parameters are those of ``Metric``.
    """

    _function = staticmethod(values.roc_auc)

    @staticmethod
    def _get_metric_value_by_user(k: int, pred: Any, ground_truth: Any) -> float:
        hits = _hits(k, pred, ground_truth)
        if not any(hits):
            return 0.0
        wrong = sum(hits[:at].count(False) for at, hit in enumerate(hits) if hit)
        pairs = hits.count(True) * hits.count(False)
        return 1 - wrong / pairs if wrong else 1.0
