"""Fallback: what one model does not recommend, another one does."""

from functools import partial
from typing import Any

from daskrec.data import log as logs
from daskrec.data.ids import Ids
from daskrec.data.log import Log
from daskrec.data.once import reading_once
from daskrec.data.paths import open_frame
from daskrec.errors import NotFittedError
from daskrec.models.generations import accept_datasets
from daskrec.params import check_whole
from daskrec.scenarios import known, routing
from daskrec.scenarios.composite import POP, Composite, default_model, offer, search
from daskrec.scenarios.merging import merged


@partial(accept_datasets, plain=True)
class Fallback(Composite):
    """Complete the lists of a model by those of a simpler one.

    The main model learns from users with at least ``threshold`` interactions, and serves
    those who have as many in the log of the call; the fallback model learns from all and
    serves all. Seen items are left out by both and lists are cut after they are joined, so
    that a list is full wherever the fallback model can fill it.

    Parameters
    ----------
    main_model
        The model that is preferred.
    fallback_model
        The model that fills what is missing; a PopRec by default.
    threshold
        Rows of the log that the main model needs of a user.

    Notes
    -----
    Relevance is that of the main model; that of the fallback model is moved down, where it
    has to be, to lie below all of it, by the same number for all users of a call. So it
    depends on who is asked for, and ranks the items of one user alone.

    Examples
    --------
    >>> import pandas as pd
    >>> from daskrec.models import KNN
    >>> log = pd.DataFrame({"user_idx": [1, 1, 2, 3], "item_idx": [7, 8, 7, 9]})
    >>> Fallback(KNN(shrink=0), threshold=1).fit_predict(log, k=2)["item_idx"].tolist()
    [9, 8, 9, 7, 8]
    """

    can_predict_item_to_item: bool = False

    def __init__(self, main_model: Any, fallback_model: Any = POP, threshold: int = 0) -> None:
        self.main_model = main_model
        self.fallback_model = default_model(fallback_model)
        self.threshold = threshold
        self._check_params()

    def _check_params(self) -> None:
        check_whole("threshold", self.threshold, 0)
        for name in ("main_model", "fallback_model"):
            if not hasattr(getattr(self, name), "predict"):
                raise ValueError(f"{name} must be a model, not {getattr(self, name)!r}")

    def __str__(self) -> str:
        return f"Fallback({self.main_model}, {self.fallback_model})"

    @property
    def can_predict_cold_users(self) -> bool:
        """Whether users who were not in the training get recommendations."""
        return bool(
            self.main_model.can_predict_cold_users or self.fallback_model.can_predict_cold_users
        )

    @property
    def can_predict_cold_items(self) -> bool:
        """Whether items that were not in the training are recommended."""
        return bool(
            self.main_model.can_predict_cold_items or self.fallback_model.can_predict_cold_items
        )

    @property
    def _fitted(self) -> Any:
        """The users and items of the fit: those of the fallback model, which saw all."""
        for model in (self.main_model, self.fallback_model):
            try:
                _ = model._fitted
            except NotFittedError as error:
                raise NotFittedError(f"{self} is not fitted: call fit(log) first") from error
        return self.fallback_model._fitted

    # ------------------------------------------------------------ fit

    @reading_once()
    def fit(self, log: Any, user_features: Any = None, item_features: Any = None) -> "Fallback":
        """Fit both models.

        Parameters
        ----------
        log
            Interactions, in any kind of frame. A Dask log is read once and held.
        user_features, item_features
            Features, for models that take them.

        Raises
        ------
        LogError
            The log cannot be used, or no user has ``threshold`` rows.
        """
        self._check_params()
        frame = known.held(log)
        features = {"user_features": user_features, "item_features": item_features}
        offer(
            self.main_model.fit, log=known.rows_of_frequent(frame, int(self.threshold)), **features
        )
        offer(self.fallback_model.fit, log=frame, **features)
        return self

    # ------------------------------------------------------------ predict

    @reading_once()
    def predict(
        self,
        log: Any,
        k: int,
        users: Any = None,
        items: Any = None,
        user_features: Any = None,
        item_features: Any = None,
        filter_seen_items: bool = True,
        recs_file_path: Any = None,
    ) -> Any:
        """Recommend the k best items to each user; see ``HybridRecommender.predict``.

        With ``log=None`` the main model serves whoever it knows.
        """
        fitted = self._fitted
        check_whole("k", k, 0)
        log = None if log is None else open_frame(log)
        chosen = known.chosen_users(self.fallback_model, users)
        wanted = known.chosen_items(self.fallback_model, items)
        shared = {
            "log": log,
            "k": k,
            "user_features": user_features,
            "item_features": item_features,
            "filter_seen_items": filter_seen_items,
        }
        base = offer(
            self.main_model.predict,
            users=self._main_users(log, chosen),
            items=known.served_items(self.main_model, wanted),
            **shared,
        )
        fill = offer(
            self.fallback_model.predict,
            users=None if chosen is None else chosen.values,
            items=None if wanted is None else wanted.values,
            **shared,
        )
        layout = fitted.layout if log is None else logs.read_log(log, needs=known.PLAIN).layout
        return self._joined(base, fill, log, int(k), layout, recs_file_path)

    def _main_users(self, log: Any, chosen: Ids | None) -> Any:
        """Return the users that the main model is asked about; None leaves it to the log.

        The rows of a lazy log are counted when the lists are joined.
        """
        counted = None if log is None else routing.read_users(log)
        if counted is not None and not counted.lazy:
            rows = counted.parts[0]["user"]
            named = Ids(rows[:0]) if chosen is None else chosen
            hot = known.frequent(rows, self.threshold)
            if chosen is None:
                named = hot
            elif self.threshold:
                named = known.both(chosen, hot)
            return known.served_users(self.main_model, named, log).values
        return None if chosen is None else known.served_users(self.main_model, chosen).values

    def _joined(self, base: Any, fill: Any, log: Any, k: int | None, layout: Any, path: Any) -> Any:
        users, items = self._fitted.empty_ids()
        counted = routing.read_users(log) if log is not None and self.threshold else None
        upper = routing.read_lists(base)
        lower = routing.alike(routing.read_lists(fill), upper)
        if counted is not None:
            counted = routing.alike(counted, upper)
        lists = merged(upper, lower, self._bounds(log), k, counted, self.threshold)
        return routing.finish(lists, routing.form_of(layout, users, items), path)

    def _bounds(self, log: Any) -> Any:
        """Return where lazy results are cut."""
        read: Log | None = None if log is None else logs.read_log(log, needs=known.PLAIN)
        return self._asked().bounds(read)

    def _asked(self) -> Any:
        return self.fallback_model._asked()

    @reading_once()
    def fit_predict(
        self,
        log: Any,
        k: int,
        users: Any = None,
        items: Any = None,
        user_features: Any = None,
        item_features: Any = None,
        filter_seen_items: bool = True,
        recs_file_path: Any = None,
    ) -> Any:
        """Fit on a log and recommend to its users; arguments as for ``predict``."""
        frame = known.held(log)
        features = (user_features, item_features)
        self.fit(frame, *features)
        return self.predict(frame, k, users, items, *features, filter_seen_items, recs_file_path)

    @reading_once()
    def predict_pairs(
        self,
        pairs: Any,
        log: Any = None,
        user_features: Any = None,
        item_features: Any = None,
        recs_file_path: Any = None,
        k: int | None = None,
    ) -> Any:
        """Score given pairs: by the main model, where it can, and else by the other one.

        Arguments are those of ``HybridRecommender.predict_pairs``; scores are joined as those
        of ``predict`` are.
        """
        if k is not None:
            check_whole("k", k, 0)
        _ = self._fitted
        frame = open_frame(pairs, "pairs")
        log = None if log is None else open_frame(log)
        shared = {"log": log, "user_features": user_features, "item_features": item_features}
        fill = offer(self.fallback_model.predict_pairs, pairs=frame, **shared)
        base = offer(
            self.main_model.predict_pairs,
            pairs=known.served_pairs(self.main_model, frame),
            **shared,
        )
        layout = logs.read_log(frame, "pairs", known.PLAIN).layout
        return self._joined(base, fill, log, k, layout, recs_file_path)

    # ------------------------------------------------------------ optimize, save

    @reading_once()
    def optimize(
        self,
        train: Any,
        test: Any,
        user_features: Any = None,
        item_features: Any = None,
        param_borders: dict[str, Any] | None = None,
        criterion: Any = None,
        k: int = 10,
        budget: int = 10,
        new_study: bool = True,
        *,
        seed: int | None = None,
        n_parallel: int = 1,
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Search for the parameters of both models, each by itself.

        Parameters
        ----------
        train, test
            Logs. The main model is tried on users with ``threshold`` rows in ``train``.
        user_features, item_features, criterion, k, budget, new_study, seed, n_parallel
            As for ``optimize`` of a model; the budget is that of each.
        param_borders
            ``{"main": borders, "fallback": borders}``; what is left out searches the space of
            the model, if it has one.

        Returns
        -------
        tuple
            The best parameters of the main and of the fallback model; None for a model that
            has nothing to search. Both models are left fitted on ``train``.
        """
        borders = dict(param_borders or {})
        unknown = sorted(set(borders) - {"main", "fallback"})
        if unknown:
            raise ValueError(f"param_borders has {unknown}: it may have 'main' and 'fallback'")
        frame = known.held(train)
        hot = known.rows_of_frequent(frame, int(self.threshold))
        features = {"user_features": user_features, "item_features": item_features}
        options = {
            "criterion": criterion,
            "k": k,
            "budget": budget,
            "new_study": new_study,
            "seed": seed,
            "n_parallel": n_parallel,
            **features,
        }
        found = []
        trials = (
            (
                self.main_model,
                "main",
                hot,
                known.rows_of_users(test, hot) if self.threshold > 1 else test,
            ),
            (self.fallback_model, "fallback", frame, test),
        )
        for model, name, rows, asked in trials:
            best = search(model, borders.get(name), train=rows, test=asked, **options)
            if best is None:
                offer(model.fit, log=rows, **features)
            found.append(best)
        return found[0], found[1]

    def save(self, path: Any, overwrite: bool = False) -> None:
        """Save both models to a folder; ``daskrec.scenarios.load`` reads it."""
        from daskrec.scenarios.storage import save

        save(self, path, overwrite)
