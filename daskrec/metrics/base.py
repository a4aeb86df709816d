"""The base of all metrics: how they are made and called."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pandas as pd

from daskrec.errors import LogError
from daskrec.metrics import values
from daskrec.metrics.columns import Names
from daskrec.metrics.depths import are_depths, is_depth, read_depths
from daskrec.metrics.evaluation import run_metrics
from daskrec.metrics.measured import Measure
from daskrec.metrics.modes import Mean, Mode
from daskrec.metrics.plan import Ask, Given


class Metric:
    """A metric of recommendations against what users had afterwards.

    There are two ways to call one, with the same numbers::

        NDCG()(recs, truth, 10)          -> 0.31
        NDCG()(recs, truth, [5, 10])     -> {5: 0.28, 10: 0.31}
        NDCG([5, 10])(recs, truth)       -> {"NDCG@5": 0.28, "NDCG@10": 0.31}

    Recommendations are ordered by relevance, equal relevance in the order of the rows; of an
    item that comes twice to a user the first, which is the best, is kept. The truth is a set.
    Users are those of the truth: one without recommendations counts 0, and users who have
    recommendations alone are left out, with a warning that counts them. Several metrics of
    the same frames cost less together: see ``evaluate``.

    Parameters
    ----------
    topk
        Depths for the second way.
    query_column, item_column, rating_column
        Names of the columns of users, items and relevance, where they are not usual ones.
    mode
        What is told of the values of users: ``Mean()`` by default, ``Median()``,
        ``PerUser()`` or ``ConfidenceInterval(alpha)``. Other modes than the mean are part of
        the names of the second way, as in ``"NDCG-Median@5"``.

    Notes
    -----
    A metric of one's own is a subclass with a static method
    ``_get_metric_value_by_user(k, pred, ground_truth)``. It is called with lists of ids for
    every user of the truth, in Python: about a million calls take seconds. ``pred`` is the
    whole list, best first and without repeats, which the method cuts itself; the truth is
    sorted.

    Examples
    --------
    >>> import pandas as pd
    >>> class FirstItem(Metric):
    ...     @staticmethod
    ...     def _get_metric_value_by_user(k, pred, ground_truth):
    ...         return float(pred[:1] == ground_truth[:1])
    >>> recs = pd.DataFrame({"user_idx": [1, 1, 2], "item_idx": [4, 5, 6], "relevance": [3, 2, 1]})
    >>> truth = pd.DataFrame({"user_idx": [1, 2], "item_idx": [4, 7]})
    >>> FirstItem()(recs, truth, 1)
    0.5
    """

    # A subclass need not call this constructor: these are what it would set.
    topk: list[int] | None = None
    query_column: str | None = None
    item_column: str | None = None
    rating_column: str | None = None
    category_column: str | None = None
    mode: Mode = Mean()

    # The compiled form of ``_get_metric_value_by_user``, and whose users are averaged over.
    _function: ClassVar[Callable[..., Any] | None] = None
    _over: ClassVar[str] = "truth"

    def __init__(
        self,
        topk: Any = None,
        query_column: str | None = None,
        item_column: str | None = None,
        rating_column: str | None = None,
        mode: Mode | None = None,
    ) -> None:
        self.topk = None if topk is None else read_depths(topk)
        self.query_column = query_column
        self.item_column = item_column
        self.rating_column = rating_column
        self.mode = _check_mode(mode)

    def __str__(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        return f"{self}({self.topk if self.topk is not None else ''})"

    def __call__(self, recommendations: Any, ground_truth: Any, k: Any = None) -> Any:
        """Evaluate recommendations.

        Parameters
        ----------
        recommendations
            A frame of any kind, or a path, with users, items and relevance.
        ground_truth
            A frame of any kind, or a path, with users and items.
        k
            One depth or several; by default the ``topk`` of the metric.

        Returns
        -------
        float or dict
            One value for one ``k``, a dict by depth for several, and a dict by name and depth
            for those of the constructor. Values are frames in the mode ``PerUser``.

        Raises
        ------
        LogError
            A frame or a column is missing, values cannot be used, or the truth has no rows.
        ValueError
            ``k`` is no positive integer.
        """
        return self._evaluate(recommendations, Given(truth=ground_truth), k)

    def user_distribution(
        self, log: Any, recommendations: Any, ground_truth: Any, k: Any
    ) -> pd.DataFrame:
        """Return the mean of the metric by the length of users' histories.

        Parameters
        ----------
        log
            The log whose rows are counted; a user who is not in it has 0 of them.
        recommendations, ground_truth
            As for a call; ``ground_truth`` is not used by metrics that need none.
        k
            One depth or several; rows of several follow each other.

        Returns
        -------
        pandas.DataFrame
            ``count`` (rows of a user in the log) and ``value``.
        """
        depths = read_depths(k)
        given = self._given(ground_truth)
        found = run_metrics([self], recommendations, given, depths, [Ask(sides={"log": log})])
        pieces = [found.by_rows(str(self), depth) for depth in depths]
        return pd.concat(
            [pd.DataFrame({"count": counts, "value": means}) for counts, means in pieces],
            ignore_index=True,
        )

    @staticmethod
    def _get_metric_value_by_user(k: int, pred: Any, ground_truth: Any) -> float:
        """Return the value of one user, in plain Python: the definition of the metric."""
        raise NotImplementedError

    def _evaluate(self, recommendations: Any, given: Given, k: Any) -> Any:
        if k is None and self.topk is None:
            raise ValueError(f"k is missing: call {self}(k)(...) or {self}()(..., k)")
        depths = read_depths(k) if k is not None else list(self.topk or ())
        found = run_metrics([self], recommendations, given, depths)
        told = {depth: self.mode.of(found, str(self), depth) for depth in depths}
        if k is None:
            return {f"{self}{self.mode.suffix}@{depth}": told[depth] for depth in depths}
        return told[depths[0]] if is_depth(k) else told

    def _given(self, ground_truth: Any) -> Given:
        """Return the frames of ``user_distribution``."""
        return Given(truth=ground_truth)

    def _with_columns(self, columns: Mapping[str, str | None]) -> "Metric":
        """Return the metric, with names of columns where it was made without."""
        missing = {
            role: name for role, name in columns.items() if getattr(self, role) is None and name
        }
        if not missing:
            return self
        other = copy.copy(self)
        vars(other).update(missing)
        return other

    @property
    def _names(self) -> Names:
        return Names(self.query_column, self.item_column, self.rating_column, self.category_column)

    def _ask(self, given: Given) -> Ask:
        """Return what the metric needs of the frames of a call."""
        measure, whole = self._measure()
        return Ask(measure, {"truth": given.truth}, whole=whole)

    def _measure(self) -> tuple[Measure, bool]:
        """Return the work for each user, and whether it needs whole lists."""
        for kind in type(self).__mro__:
            if vars(kind).get("_function") is not None:
                function = vars(kind)["_function"].__func__
                return Measure(str(self), self._over, function), False
            if "_get_metric_value_by_user" in vars(kind):
                break
        function = self._get_metric_value_by_user
        if self._over != "truth":
            raise LogError(f"{self}: a metric of one's own is a subclass of Metric itself")
        return Measure(str(self), "truth", values.by_user, (function,)), True


def _check_mode(mode: Mode | None) -> Mode:
    if mode is not None and not isinstance(mode, Mode):
        raise ValueError(
            f"mode must be Mean(), Median(), PerUser() or ConfidenceInterval(alpha), not {mode!r}"
        )
    return mode or Mean()


class FrameMetric(Metric):
    """Base of metrics of recommendations beside another frame than the truth.

    The first argument of the constructor is that frame, or the depths::

        Coverage(log)(recs, [5, 10])     -> {5: 0.28, 10: 0.31}
        Coverage([5, 10])(recs, log)     -> {"Coverage@5": 0.28, "Coverage@10": 0.31}

    Parameters
    ----------
    topk
        Depths, or the frame.
    query_column, item_column, rating_column, mode
        As for ``Metric``.
    """

    _role: ClassVar[str] = "train"
    _what: ClassVar[str] = "train"

    def __init__(
        self,
        topk: Any = None,
        query_column: str | None = None,
        item_column: str | None = None,
        rating_column: str | None = None,
        mode: Mode | None = None,
        *,
        log: Any = None,
    ) -> None:
        if topk is not None and not are_depths(topk):
            if log is not None:
                raise ValueError(f"{self}: the frame was given twice")
            topk, log = None, topk
        super().__init__(topk, query_column, item_column, rating_column, mode)
        self.log = log

    def __call__(self, recommendations: Any, train: Any = None, k: Any = None) -> Any:
        """Evaluate recommendations.

        Parameters
        ----------
        recommendations
            A frame of any kind, or a path, with users, items and relevance.
        train
            The other frame, where the metric was made without; else ``k`` may stand here.
        k
            One depth or several; by default the ``topk`` of the metric.

        Returns
        -------
        float or dict
            As for ``Metric``.
        """
        if train is not None and k is None and are_depths(train):
            train, k = None, train
        return self._evaluate(recommendations, self._given(train), k)

    def _given(self, other: Any) -> Given:
        # The truth is no frame of this metric: who calls ``user_distribution`` gives one.
        return Given(**{self._role: other})

    def _frame(self, given: Given) -> Any:
        """Return the frame that the metric compares with."""
        found = self.log if self.log is not None else getattr(given, self._role)
        if found is None:
            raise LogError(
                f"{self} needs {self._what}: give it to the constructor, as in "
                f"{self}({self._role})(recs, k), or to the call"
            )
        return found
