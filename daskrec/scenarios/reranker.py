"""The second stage: what ranks the candidates of the first again."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from daskrec.data.frames import kind_named
from daskrec.data.values import pandas_array
from daskrec.engine import runtime
from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.shared import Shared
from daskrec.errors import LogError, NotFittedError
from daskrec.history_features.categories import Categories
from daskrec.scenarios.routing import ranked
from daskrec.scenarios.trees import Trees

# Cells that are worth more than one thread.
_SMALL = 1_000_000

USER, ITEM, TARGET, RELEVANCE = "user_idx", "item_idx", "target", "relevance"


@runtime_checkable
class ReRanker(Protocol):
    """What the second stage has to do.

    A re-ranker of one's own is handed to ``TwoStagesScenario(reranker=...)``. With workers it
    travels to them as it is, by pickle.
    """

    def fit(self, data: pd.DataFrame, fit_params: Mapping[str, Any] | None = None) -> Any:
        """Learn from candidates.

        Parameters
        ----------
        data
            Columns ``user_idx``, ``item_idx``, ``target`` (1 for a candidate that the user
            took, 0 for another), and the features.
        fit_params
            Parameters of this fit.
        """

    def predict(self, data: pd.DataFrame, k: int | None) -> pd.DataFrame:
        """Rank candidates.

        Parameters
        ----------
        data
            Columns ``user_idx``, ``item_idx`` and the features; all rows of a user.
        k
            Length of the lists; None keeps all.

        Returns
        -------
        DataFrame
            ``user_idx``, ``item_idx``, ``relevance``: by user, relevance descending.
        """


class BoostedTrees:
    """Rank by the probability that gradient boosting gives a candidate.

    scikit-learn's ``HistGradientBoostingClassifier`` is fitted; its trees are then kept as
    arrays and scored by a kernel of their own, so that workers and saved models need no
    scikit-learn, and no pickle. Text columns count by the place of their value among the
    sorted values of the fit, dates as days, truth values as 0 and 1; missing values are
    handled by the trees.

    Parameters
    ----------
    params
        Parameters of the classifier, such as ``{"max_iter": 200}``. By default its trees are
        smaller and learn slower than scikit-learn's, as few features of much noise ask for:
        ``learning_rate`` 0.05, ``max_iter`` 80, ``max_leaf_nodes`` 8, and leaves of at least
        100 rows, or of a fiftieth of the rows where they are fewer than 5000.
    seed
        Its ``random_state``, where ``params`` has none.

    Attributes
    ----------
    feature_names_
        The features, in the order of the trees.

    Notes
    -----
    Fit: in this process, 8 bytes for each row and feature, and some tens of bytes while the
    trees grow. Predict: rows x trees x depth steps.
    """

    trees_: Shared[Trees] | None = None
    feature_names_: list[str]
    categories_: dict[str, Categories]

    def __init__(self, params: Mapping[str, Any] | None = None, seed: int | None = None) -> None:
        self.params = params
        self.seed = seed

    def fit(
        self, data: pd.DataFrame, fit_params: Mapping[str, Any] | None = None
    ) -> "BoostedTrees":
        """Learn from candidates; see ``ReRanker``.

        Raises
        ------
        LogError
            All candidates are positive, or none is, or there is no feature.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits

        target = data[TARGET].to_numpy().astype(np.int8)
        positive = int(target.sum())
        if not 0 < positive < len(target):
            raise LogError(
                f"{positive} of {len(target)} candidates are what users took later, and trees "
                "need some that are and some that are not: raise num_negatives, or let "
                "train_splitter leave more rows to the second stage"
            )
        names = [str(name) for name in data.columns if name not in (USER, ITEM, TARGET)]
        if not names:
            raise LogError("there is no feature to rank candidates by")
        self.feature_names_ = names
        self.categories_ = {}
        for name in names:
            column = _column(data[name])
            if column is None:
                self.categories_[name] = Categories.of(_text(data[name]))
        options = {**_defaults(len(data)), "random_state": self.seed, **(self.params or {})}
        model = HistGradientBoostingClassifier(**(options | dict(fit_params or {})))
        values = self._matrix(data)
        threads = 1 if values.size < _SMALL else runtime.parallelism()
        with threadpool_limits(threads, user_api="openmp"):
            model.fit(values, target)
        self.trees_ = Shared(Trees.of(model))
        return self

    def predict(self, data: pd.DataFrame, k: int | None) -> pd.DataFrame:
        """Rank candidates; see ``ReRanker``."""
        if self.trees_ is None:
            raise NotFittedError("the re-ranker is not fitted")
        scores = self.trees_.get().score(self._matrix(data))
        return top_rows(data, scores, k)

    def _matrix(self, data: pd.DataFrame) -> Vector:
        out = np.empty((len(data), len(self.feature_names_)))
        for place, name in enumerate(self.feature_names_):
            if name in self.categories_:
                codes = self.categories_[name].encode(_text(data[name]), name)
                out[:, place] = np.where(codes < 0, np.nan, codes)
                continue
            column = _column(data[name])
            if column is None and len(data):
                raise LogError(f"feature {name!r} held numbers at the fit and holds text now")
            out[:, place] = column
        return out


def _defaults(rows: int) -> dict[str, Any]:
    leaf = max(1, min(100, rows // 50))
    return {
        "learning_rate": 0.05,
        "max_iter": 80,
        "max_leaf_nodes": 8,
        "min_samples_leaf": leaf,
        "early_stopping": False,
    }


def read_params(path: Any) -> dict[str, Any]:
    """Read parameters from a JSON or YAML file; there are none without a path.

    Raises
    ------
    ValueError
        The file holds anything but names with values.
    """
    if path is None:
        return {}
    import fsspec
    import yaml  # type: ignore[import-untyped]

    with fsspec.open(str(path), "r") as source:
        found = yaml.safe_load(source)
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds {type(found).__name__}, not parameters with their values")
    return found


def top_rows(data: pd.DataFrame, scores: Vector, k: int | None) -> pd.DataFrame:
    """Return the pairs of a frame with scores, the best k of each user in order."""
    kind = kind_named("pandas")
    columns: Arrays = kind.arrays(data, [USER, ITEM]) | {RELEVANCE: scores}
    if not len(scores):
        return data[[USER, ITEM]].assign(**{RELEVANCE: scores})
    renamed = dict(zip(("user", "item", "relevance"), columns.values(), strict=True))
    best = ranked(renamed, k)
    built: pd.DataFrame = kind.build(
        dict(zip((USER, ITEM, RELEVANCE), best.values(), strict=True)), {}
    )
    return built


def _column(series: "pd.Series[Any]") -> Vector | None:
    """Return a column as numbers; None for text."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "M":
        days = series.to_numpy().astype("datetime64[ns]")
        whole = days.view(np.int64) / 86_400e9
        return np.asarray(np.where(np.isnat(days), np.nan, whole))
    if pd.api.types.is_bool_dtype(series.dtype) or pd.api.types.is_numeric_dtype(series.dtype):
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    return None


def _text(series: "pd.Series[Any]") -> Any:
    return pandas_array(series)
