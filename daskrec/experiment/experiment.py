"""Experiment: the metrics of several recommendations in one table, as they come."""

from collections.abc import Iterable, Mapping
from typing import Any, overload

import numpy as np
import pandas as pd

from daskrec.data.once import Memo, reading_once
from daskrec.errors import LogError
from daskrec.experiment.plan import are_metrics, batches, plan_by_test, plan_by_truth
from daskrec.metrics import Evaluation, evaluate
from daskrec.metrics.base import Metric
from daskrec.report import figures
from daskrec.report.draw import draw, draw_by_k, draw_tradeoff
from daskrec.report.figures import Scores


class Experiment:
    """Metrics of several recommendations against one truth, a row each.

    There are two ways to make one::

        Experiment(test, {NDCG(): [5, 10], Surprisal(log): 10}, calc_median=True)
        Experiment([NDCG([5, 10]), Surprisal(10)], ground_truth, train)

    Parameters of the first
        ``test``: what users had. ``metrics``: metrics, and for each a length of lists or
        several. ``calc_median``: columns ``NDCG@10_median`` too. ``calc_conf_interval``: a
        probability, such as 0.95, for columns ``NDCG@10_0.95_conf_interval`` of half the width
        of the interval. Columns are in the order of the names of metrics, then of lengths.

    Parameters of the second
        ``metrics``: metrics with lengths and modes. ``ground_truth``: what users had.
        ``train``: the log for metrics that need one and were made without.
        ``base_recommendations``: those of another model, for ``Unexpectedness``, or a mapping
        of names to them, for a column each. ``query_column``, ``item_column``,
        ``rating_column``, ``category_column``: names of columns, where they are not usual ones.
        Columns are in the order of the metrics.

    Frames may be of any kinds, or paths.

    Attributes
    ----------
    results
        A pandas frame: a row for each name that was added, float64 columns.

    Raises
    ------
    LogError
        Something among ``metrics`` is no metric, or has no number to show.
    ValueError
        A length or a probability is not allowed.

    Notes
    -----
    An added result costs one pass over its rows for all metrics together.

    Examples
    --------
    >>> from daskrec.metrics import NDCG, Precision, Surprisal
    >>> log = pd.DataFrame({"user_idx": [2, 2, 2, 1], "item_idx": [1, 2, 3, 3]})
    >>> test = pd.DataFrame({"user_idx": [1, 1, 1], "item_idx": [1, 2, 3]})
    >>> pred = pd.DataFrame(
    ...     {"user_idx": [1, 1, 1], "item_idx": [4, 1, 3], "relevance": [5, 4, 5]}
    ... )
    >>> recs = pd.DataFrame(
    ...     {"user_idx": [1, 1, 1], "item_idx": [1, 4, 5], "relevance": [5, 4, 5]}
    ... )
    >>> ex = Experiment(test, {NDCG(): [2, 3], Surprisal(log): 3})
    >>> ex.add_result("baseline", recs)
    >>> ex.add_result("model", pred)
    >>> ex.results
                NDCG@2    NDCG@3  Surprisal@3
    baseline  0.613147  0.469279     1.000000
    model     0.386853  0.530721     0.666667
    >>> ex.compare("baseline").loc["model"].tolist()
    ['-36.91%', '13.09%', '-33.33%']
    """

    @overload
    def __init__(
        self,
        test: Any,
        metrics: Mapping[Metric, Any],
        calc_median: bool = False,
        calc_conf_interval: float | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        metrics: Iterable[Metric],
        ground_truth: Any,
        train: Any = None,
        base_recommendations: Any = None,
        query_column: str | None = None,
        item_column: str | None = None,
        rating_column: str | None = None,
        category_column: str | None = None,
    ) -> None: ...

    def __init__(self, *args: Any, **options: Any) -> None:
        metrics_first = bool(args) and are_metrics(args[0])
        if metrics_first or "ground_truth" in options:
            self._plan = plan_by_truth(*args, **options)
        else:
            self._plan = plan_by_test(*args, **options)
        self.results = pd.DataFrame()
        self._memo: Memo = {}  # frames of Spark are evaluated for the first result alone

    def add_result(self, name: str, recs: Any) -> None:
        """Measure recommendations and keep the numbers in ``results``.

        Parameters
        ----------
        name
            Of the row; a row of the same name is replaced.
        recs
            Recommendations: a frame of any kind, or a path.

        Raises
        ------
        LogError
            A frame or a column is missing, values cannot be used, or the truth has no rows.
        """
        plan = self._plan
        try:
            with reading_once(self._memo):
                found = self._evaluate(recs)
        finally:
            self._memo.pop(id(recs), None)
        row: dict[str, float] = {}
        for one in plan.measured:
            for k in one.ks:
                row |= plan.columns(one, found[id(one)], k)
        if name in self.results.index:
            self.results.loc[name, list(row)] = list(row.values())
        else:
            added = pd.DataFrame([row], index=[name], dtype=np.float64)
            self.results = pd.concat([self.results, added]) if len(self.results) else added

    def _evaluate(self, recs: Any) -> dict[int, Evaluation]:
        """Return the evaluation of each of the metrics, by its identity."""
        plan, found = self._plan, dict[int, Evaluation]()
        for batch in batches(plan.measured):
            ks = sorted({k for one in batch for k in one.ks})
            evaluation = evaluate(
                [one.metric for one in batch], recs, plan.truth, ks, train=plan.train,
                base=next((one.base for one in batch if one.base is not None), None),
            )  # fmt: skip
            found |= {id(one): evaluation for one in batch}
        return found

    def compare(self, name: str) -> pd.DataFrame:
        """Return means as changes from a row, in percent.

        Parameters
        ----------
        name
            The row to compare with; its own cells are dashes.

        Returns
        -------
        DataFrame
            Strings such as ``"-36.91%"``; columns of means alone.

        Raises
        ------
        ValueError
            There is no such row.
        """
        if name not in self.results.index:
            raise ValueError(
                f"No results for model {name}: there are {list(map(str, self.results.index))}"
            )
        means = self.results[[column for column in self.results if str(column)[-1].isdigit()]]
        changes = means / means.loc[name] - 1
        changes = changes.mask(means == means.loc[name], 0.0)  # 0 to 0 is no change
        told = changes.map(lambda value: f"{round(value * 100, 2) + 0.0}%").astype(object)
        told.loc[name] = "\u2013"
        return told

    def plot_leaderboard(self, metric: str | None = None) -> Any:
        """Draw bars of one metric, best first, with intervals where they were asked for.

        Parameters
        ----------
        metric
            Such as ``"NDCG"`` (then at its largest length) or ``"NDCG@10"``; by default NDCG,
            else the first.

        Returns
        -------
        plotly.graph_objects.Figure

        Raises
        ------
        ImportError
            plotly is not installed: ``pip install 'daskrec[viz]'``.
        LogError
            The metric was not measured, or nothing was added yet.
        """
        scores = self._scores()
        column = scores.column(metric or _first(scores))
        return draw(figures.leaderboard(scores, column), column)

    def plot_tradeoff(self, against: str = "Coverage", metric: str | None = None) -> Any:
        """Draw quality against novelty or coverage, a point a row.

        Parameters
        ----------
        against
            Such as ``"Coverage"``, ``"Surprisal"`` or ``"Novelty@10"``.
        metric
            The quality; see ``plot_leaderboard``, which says what is returned and raised.
        """
        scores = self._scores()
        return draw_tradeoff(scores, against, metric or _first(scores))

    def plot_by_k(self, metric: str | None = None) -> Any:
        """Draw a metric by the length of lists, a line a row; see ``plot_leaderboard``."""
        scores = self._scores()
        return draw_by_k(scores, metric or _first(scores))

    def _scores(self) -> Scores:
        """Return means with their intervals."""
        means = [column for column in self._plan.means if column in self.results]
        if not means:
            raise LogError("there is nothing to draw: add_result first, with a metric's mean")
        found = self.results[means]
        half = pd.DataFrame(
            {
                column: self.results[self._plan.halves[column]]
                for column in means
                if self._plan.halves.get(column) in self.results
            }
        )
        shared = found[list(half.columns)]
        return Scores(found, shared - half, shared + half)


def _first(scores: Scores) -> str:
    return "NDCG" if "NDCG" in scores.metrics else scores.metrics[0]
