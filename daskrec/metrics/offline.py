"""Several metrics in one call, with a dict of numbers as the outcome."""

from collections.abc import Mapping, Sequence
from typing import Any

from daskrec.metrics.base import Metric
from daskrec.metrics.beyond import Unexpectedness
from daskrec.metrics.evaluation import evaluate


class OfflineMetrics:
    """Several metrics, each at its own depths and in its own mode, in one pass.

    Parameters
    ----------
    metrics
        Metrics that were made with depths; two may differ in mode or depths alone.
    query_column, item_column, rating_column, category_column
        Names of columns, which metrics that were made without take over.

    See Also
    --------
    evaluate : all metrics at the same depths, and more to ask of the outcome.

    Examples
    --------
    >>> import pandas as pd
    >>> from daskrec.metrics import NDCG, Median, Recall
    >>> recs = pd.DataFrame({"user_idx": [1, 1, 2], "item_idx": [4, 5, 6], "relevance": [3, 2, 1]})
    >>> truth = pd.DataFrame({"user_idx": [1, 2], "item_idx": [5, 7]})
    >>> OfflineMetrics([Recall([1, 2]), Recall(2, mode=Median())])(recs, truth)
    {'Recall@1': 0.0, 'Recall@2': 0.5, 'Recall-Median@2': 0.0}
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        query_column: str | None = None,
        item_column: str | None = None,
        rating_column: str | None = None,
        category_column: str | None = None,
    ) -> None:
        self.metrics = list(metrics)
        for metric in self.metrics:
            if metric.topk is None:
                raise ValueError(f"{metric} was made without depths: make it as {metric}([5, 10])")
        self.columns = {
            "query_column": query_column,
            "item_column": item_column,
            "rating_column": rating_column,
            "category_column": category_column,
        }

    def __call__(
        self,
        recommendations: Any,
        ground_truth: Any = None,
        train: Any = None,
        base_recommendations: Any = None,
    ) -> dict[str, Any]:
        """Evaluate recommendations.

        Parameters
        ----------
        recommendations, ground_truth, train
            As for ``evaluate``; what no metric needs may be left out.
        base_recommendations
            Recommendations of another model, for ``Unexpectedness``, or a dict of those of
            several models by name. The names are then part of the names of values, as in
            ``"Unexpectedness_ALS@5"``, and each model after the first costs a pass.

        Returns
        -------
        dict
            Values by name and depth, in the order of the metrics.
        """
        bases = base_recommendations
        if not isinstance(bases, Mapping):
            return self._run(self.metrics, recommendations, ground_truth, train, bases, "")
        apart = [metric for metric in self.metrics if isinstance(metric, Unexpectedness)]
        rest = [metric for metric in self.metrics if metric not in apart]
        found = self._run(rest, recommendations, ground_truth, train, None, "") if rest else {}
        for name, base in bases.items():
            found |= self._run(apart, recommendations, None, None, base, f"_{name}")
        return found

    def _run(
        self,
        metrics: Sequence[Metric],
        recs: Any,
        truth: Any,
        train: Any,
        base: Any,
        of: str,
    ) -> dict[str, Any]:
        if not metrics:
            return {}
        named = [metric._with_columns(self.columns) for metric in metrics]
        found = evaluate(named, recs, truth, train=train, base=base)
        return {
            f"{metric}{metric.mode.suffix}{of}@{k}": metric.mode.of(found, str(metric), k)
            for metric in metrics
            for k in metric.topk or ()
        }
