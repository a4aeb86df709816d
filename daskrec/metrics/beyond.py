"""Metrics of recommendations beside other frames than the truth: novelty, variety, reach."""

from collections.abc import Sequence
from typing import Any

from daskrec.errors import LogError
from daskrec.metrics import values
from daskrec.metrics.base import FrameMetric, Metric
from daskrec.metrics.catalogue import Catalogue, read_catalogue, read_categories
from daskrec.metrics.columns import Names
from daskrec.metrics.depths import are_depths
from daskrec.metrics.modes import Mode, PerUser
from daskrec.metrics.plan import Ask, Given
from daskrec.metrics.scene import ByItem


class _LogMetric(FrameMetric):
    """A metric of what a log tells of its items, which is read once for a log of its own."""

    _counts_users = False

    def _catalogue(self, source: Any, names: Names) -> Catalogue:
        if source is not self.log:
            return read_catalogue(source, f"the log of {self}", names, self._counts_users)
        kept: tuple[Names, Catalogue] | None = getattr(self, "_kept", None)
        if kept is None or kept[0] != names:
            kept = names, read_catalogue(source, f"the log of {self}", names, self._counts_users)
            self._kept = kept
        return kept[1]


class Coverage(_LogMetric):
    """The share of the items of a log that is among anyone's first k recommendations.

    All users of the recommendations count. Items that the log does not know count as well
    where the log was given to the constructor, with a warning, because the value may then be
    above 1; where it is given to the call, they do not. Both are as they are in RePlay.

    It is one number for all users: its median is the same number, its confidence interval 0,
    and it has no values per user. The items of a log that was given to the constructor are
    read once.

    Parameters are those of ``FrameMetric``: the frame is the log of the training, or any that
    holds all items.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if isinstance(self.mode, PerUser):
            raise ValueError("Coverage is one number for all users: it has no mode PerUser")

    def _ask(self, given: Given) -> Ask:
        source = self._frame(given)
        own = self.log is not None
        return Ask(coverage=lambda names: self._catalogue(source, names), known_only=not own)


class Surprisal(_LogMetric):
    """How rare the first k recommendations are.

    The weight of an item that u of the N users of the log had is ``log2(N / u) / log2(N)``,
    and 1 for an item that the log does not know; the value of a user is the sum over the first
    k, divided by k. Users are those of the recommendations.

    The log is counted once where it was given to the constructor. Parameters are those of
    ``FrameMetric``: the frame is the log of the training.
    """

    _function = staticmethod(values.surprisal)
    _over = "recs"
    _counts_users = True

    def _ask(self, given: Given) -> Ask:
        source = self._frame(given)
        measure, _ = self._measure()
        return Ask(measure, table=("weights", lambda names: self._weights(source, names)))

    def _weights(self, source: Any, names: Names) -> ByItem:
        return self._catalogue(source, names).self_information()

    @staticmethod
    def _get_metric_value_by_user(k: int, weights: Sequence[float], *_: Any) -> float:
        return sum(weights[:k]) / k


class Unexpectedness(FrameMetric):
    """The share of k that another model's first k do not have: ``1 - |P & B| / k``.

    Users are those of the other model; one without recommendations counts 0.

    Parameters are those of ``FrameMetric``: the frame is the other model's recommendations.

    Examples
    --------
    >>> import pandas as pd
    >>> base = pd.DataFrame({"user_idx": [1, 1, 1], "item_idx": [1, 2, 3], "relevance": [5, 5, 5]})
    >>> recs = pd.DataFrame({"user_idx": [1, 1, 1], "item_idx": [0, 0, 1], "relevance": [5, 5, 5]})
    >>> round(Unexpectedness(base)(recs, 3), 2)
    0.67
    """

    _function = staticmethod(values.unexpectedness)
    _over = "base"
    _role = "base"
    _what = "the recommendations of another model"

    def __init__(
        self,
        topk: Any = None,
        query_column: str | None = None,
        item_column: str | None = None,
        rating_column: str | None = None,
        mode: Mode | None = None,
        *,
        pred: Any = None,
    ) -> None:
        super().__init__(topk, query_column, item_column, rating_column, mode, log=pred)

    def __call__(
        self, recommendations: Any, base_recommendations: Any = None, k: Any = None
    ) -> Any:
        """Evaluate recommendations; arguments as for ``FrameMetric``."""
        return super().__call__(recommendations, base_recommendations, k)

    def _ask(self, given: Given) -> Ask:
        measure, _ = self._measure()
        return Ask(measure, {"base": self._frame(given)})

    @staticmethod
    def _get_metric_value_by_user(k: int, pred: Any, ground_truth: Any) -> float:
        if len(pred) == 0:
            return 0.0
        return 1.0 - len(set(pred[:k]) & set(ground_truth[:k])) / k


class Novelty(FrameMetric):
    """The share of k that users did not have in the training: ``1 - |P & T| / k``.

    Users are those of the training; the value of one without recommendations is 1, as it is
    in RePlay.

    Parameters are those of ``FrameMetric``: the frame is the log of the training.
    """

    _function = staticmethod(values.novelty)
    _over = "train"

    def _ask(self, given: Given) -> Ask:
        measure, _ = self._measure()
        return Ask(measure, {"train": self._frame(given)})

    @staticmethod
    def _get_metric_value_by_user(k: int, pred: Any, ground_truth: Any) -> float:
        return 1.0 - len(set(pred[:k]) & set(ground_truth)) / k


class CategoricalDiversity(Metric):
    """The number of distinct categories of the first k recommendations, divided by k.

    Users are those of the recommendations. Categories are a column of the recommendations,
    or of features of items; a missing one is none. Recommendations with a column of categories
    need not have one of items.

    Parameters
    ----------
    topk, query_column, rating_column, mode, item_column
        As for ``Metric``.
    category_column
        Name of the column of categories; by default ``category_id``, ``category_idx`` or
        ``category``.
    item_features
        A frame of any kind, or a path, with items and categories, one row an item.

    Examples
    --------
    >>> import pandas as pd
    >>> recs = pd.DataFrame({"user_idx": [1, 1, 2], "item_idx": [4, 5, 6], "relevance": [3, 2, 1]})
    >>> items = pd.DataFrame({"item_idx": [4, 5, 6], "category": ["a", "a", "b"]})
    >>> CategoricalDiversity(item_features=items)(recs, [1, 2])
    {1: 1.0, 2: 0.5}
    """

    _function = staticmethod(values.categorical_diversity)
    _over = "recs"

    def __init__(
        self,
        topk: Any = None,
        query_column: str | None = None,
        category_column: str | None = None,
        rating_column: str | None = None,
        mode: Mode | None = None,
        *,
        item_column: str | None = None,
        item_features: Any = None,
    ) -> None:
        if topk is not None and not are_depths(topk):
            raise LogError("CategoricalDiversity takes features of items as item_features=")
        super().__init__(topk, query_column, item_column, rating_column, mode)
        self.category_column = category_column
        self.item_features = item_features

    def __call__(self, recommendations: Any, k: Any = None) -> Any:  # type: ignore[override]
        """Evaluate recommendations.

        Parameters
        ----------
        recommendations
            A frame of any kind, or a path, with users, relevance, and categories or items.
        k
            One depth or several; by default the ``topk`` of the metric.

        Returns
        -------
        float or dict
            As for ``Metric``.
        """
        return self._evaluate(recommendations, Given(), k)

    def _ask(self, given: Given) -> Ask:
        measure, _ = self._measure()
        if self.item_features is None:
            return Ask(measure, category=True)
        source = self.item_features
        return Ask(measure, table=("categories", lambda names: read_categories(source, names)))

    @staticmethod
    def _get_metric_value_by_user(k: int, categories: Any, *_: Any) -> float:
        return len(set(categories[:k]) - {None}) / k
