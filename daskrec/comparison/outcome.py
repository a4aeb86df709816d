"""What came of a comparison: numbers, pictures and a report."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from daskrec.comparison.board import Board, Settings, make_board, user_values
from daskrec.comparison.collect import Shown, collect, popularity_curves
from daskrec.comparison.trials import Task, Trial
from daskrec.data import frames
from daskrec.errors import LogError
from daskrec.report import figures
from daskrec.report.draw import draw, draw_by_k, draw_tradeoff
from daskrec.report.page import render, write


class Comparison:
    """What came of a comparison: numbers, pictures and a report.

    Attributes
    ----------
    primary
        The column that models are ordered by, such as ``"NDCG@10"``.
    models
        The models by name, fitted.
    recommendations
        Their recommendations by name.
    errors
        The exceptions of models that failed, by name.
    users
        Ids of the users that were served: an array, sorted.
    """

    def __init__(self, trials: Sequence[Trial], task: Task, settings: Settings) -> None:
        self.primary = settings.primary
        self.models = {one.name: one.model for one in trials if one.model is not None}
        self.errors = {one.name: one.error for one in trials if one.error is not None}
        self.users = task.users.values
        self._task = task
        self._settings = settings
        self._board: Board = make_board(trials, task.users, settings)
        named = {one.name: one for one in trials}
        self._trials = [named[name] for name in self._board.scores.models]
        self.recommendations = {one.name: one.recommendations for one in self._trials}

    def __repr__(self) -> str:
        return f"Comparison of {len(self.models)} models by {self.primary}\n{self.results}"

    @property
    def results(self) -> pd.DataFrame:
        """The leaderboard: a row a model, best first by the primary metric.

        Columns: ``NDCG@10`` and the like (means), ``NDCG@10_low`` and ``NDCG@10_high`` (ends of
        the interval, where the metric has a value per user), by the name of the metric and the
        length; ``fit_seconds``, ``predict_seconds``, ``metric_seconds`` (NaN for what was not
        done); ``peak_mb``, the most resident megabytes of this process, its children and the
        workers of the client while the model was fitted and asked, and ``added_mb``, how much
        more that is than before (memory that earlier models gave back may serve again, so
        that it is a lower bound); ``error``, empty for models that did not fail.
        """
        return self._board.results

    @property
    def tests(self) -> pd.DataFrame:
        """How surely models differ from the best one: a row a column and other model.

        Columns: ``metric`` (such as ``"NDCG@10"``), ``model``, ``best`` (the model with the
        highest mean of this column), ``difference`` (of the means, model less best),
        ``difference_low`` and ``difference_high`` (its bootstrap interval), ``p_value`` (of the
        paired test) and ``p_holm`` (corrected for the number of models). The best is chosen on
        the same users, so that p-values are a little too small where several are near it.
        """
        return self._board.tests

    def per_user(self, metric: str | None = None, k: int | None = None) -> pd.DataFrame:
        """Return the values of users.

        Parameters
        ----------
        metric
            Such as ``"NDCG"`` or ``"NDCG@10"``; the primary one by default.
        k
            The length of lists; by default that of ``metric``, else the largest.

        Returns
        -------
        DataFrame
            A row a user, with the id as index; a column a model (float64), NaN where a metric
            has no value for a user.

        Raises
        ------
        LogError
            The metric was not measured, or has no values of users.
        """
        name = metric or self.primary
        column = self._board.scores.column(name if k is None else f"{name.split('@')[0]}@{k}")
        if not any(column in trial.values for trial in self._trials):
            raise LogError(f"{column} is one number for all users: it has no value per user")
        table = user_values(self._trials, column, len(self.users))
        index = frames.kind_named("pandas").build({"user": self.users}, {})["user"]
        return pd.DataFrame(table, index=pd.Index(index), columns=self._board.scores.models)

    def plot_leaderboard(self, metric: str | None = None) -> Any:
        """Draw bars of one metric with intervals, best first.

        Parameters
        ----------
        metric
            Such as ``"NDCG"`` or ``"NDCG@10"``; the primary one by default.

        Returns
        -------
        plotly.graph_objects.Figure

        Raises
        ------
        ImportError
            plotly is not installed: ``pip install 'daskrec[viz]'``.
        LogError
            The metric was not measured.
        """
        scores = self._board.scores
        column = scores.column(metric or self.primary)
        return draw(figures.leaderboard(scores, column), column)

    def plot_tradeoff(self, against: str = "Coverage", metric: str | None = None) -> Any:
        """Draw quality against novelty or coverage, a point a model.

        Parameters
        ----------
        against
            Such as ``"Coverage"``, ``"Surprisal"`` or ``"Novelty@10"``.
        metric
            The quality; the primary metric by default.

        Returns and raises as ``plot_leaderboard`` does.
        """
        return draw_tradeoff(self._board.scores, against, metric or self.primary)

    def plot_by_k(self, metric: str | None = None) -> Any:
        """Draw a metric by the length of lists, a line a model; see ``plot_leaderboard``."""
        return draw_by_k(self._board.scores, metric or self.primary)

    def plot_popularity(self) -> Any:
        """Draw the share of each item, by rank, in the training and in recommendations."""
        curves = popularity_curves(self._task.train, self.recommendations)
        return draw(figures.popularity(curves), "Share of items by rank")

    def report(
        self,
        path: Any,
        titles: Any = None,
        *,
        title: str = "Model comparison",
        title_column: str = "title",
        users: Any = 20,
        history: int = 20,
    ) -> str:
        """Write a report: one HTML file of about 5 MB that needs no network.

        It holds the leaderboard, quality against novelty and coverage, metrics by the length
        of lists, how popular recommended items are, and for some users what they had beside
        what each model recommends.

        Parameters
        ----------
        path
            Where: a path or an fsspec URL; an old file is replaced.
        titles
            What items are called: a frame of any kind (or a path) with a column of items and
            one of titles, or a mapping of ids. By default items are shown by their ids.
        title
            Heading of the page.
        title_column
            The column of titles.
        users
            How many users' lists are shown (chosen by a hash of their ids), or their ids.
        history
            How many of a user's interactions are shown.

        Returns
        -------
        str
            The path.

        Raises
        ------
        ImportError
            plotly is not installed: ``pip install 'daskrec[viz]'``.
        LogError
            ``titles`` cannot be used.
        """
        shown = Shown(title, titles, title_column, users, history)
        page = render(collect(self._board, self._task, self._settings, self.recommendations, shown))
        return write(page, path)
