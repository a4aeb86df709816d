"""The public interface: models of a log alone, with features, and of users' features."""

from typing import Any, ClassVar, TypeVar

from daskrec.data import ranges
from daskrec.data.blocks import Features
from daskrec.data.once import reading_once
from daskrec.data.selection import feature_ids
from daskrec.models.base import BaseRecommender

Model = TypeVar("Model", bound="Recommender")
Hybrid = TypeVar("Hybrid", bound="HybridRecommender")
ByUser = TypeVar("ByUser", bound="UserRecommender")


class Recommender(BaseRecommender):
    """A model that learns from a log alone."""

    def fit(self: Model, log: Any) -> Model:
        """Learn from a log.

        Parameters
        ----------
        log
            A frame of interactions (pandas, polars, Arrow, cuDF, Dask or Spark), or a path or
            glob of Parquet or CSV files, with the columns ``user_idx``, ``item_idx`` and, where
            there is one, ``relevance`` (1 where there is none); other common spellings are
            recognised. Or a ``Dataset``, which every method takes in the place of a log, with
            the later words ``dataset`` and ``queries``. Ids are integers or strings, with any
            gaps.

        Returns
        -------
        self
            The fitted model. A second fit replaces the first.

        Raises
        ------
        LogError
            A column is missing, or values cannot be used; one error tells of all faults.
        """
        return self._fit_wrap(log)

    def predict(
        self,
        log: Any,
        k: int,
        users: Any = None,
        items: Any = None,
        filter_seen_items: bool = True,
        recs_file_path: Any = None,
    ) -> Any:
        """Recommend the k best items to each user.

        Parameters
        ----------
        log
            The history of the users, in any kind of frame. None, for models that need no
            history, filters nothing.
        k
            Length of a list; a user for whom fewer items are left gets fewer rows.
        users
            Users to serve: ids in any iterable, array, series or frame, or a single id.
            None serves the users of ``log``, else those of the training; an empty
            selection serves nobody.
        items
            Items that may be recommended; None allows those of the training.
        filter_seen_items
            Leave out what ``log`` shows that the user had, whatever its relevance
            (elsewhere called ``filter_viewed``, ``filter_already_liked_items`` or
            ``remove_seen``).
        recs_file_path
            Write the result there as Parquet, and return None.

        Returns
        -------
        frame or None
            Columns user, item and relevance (float64), under the names that came in and
            with the types of ids that came in, in the kind of frame that ``log`` is; rows
            in the order of users, relevance descending, item ascending. For a Dask log it
            is lazy. Ids that the model cannot serve have no rows, and one warning counts
            them (a lazy log is not read to count).
        """
        return self._predict_wrap(log, k, users, items, filter_seen_items, recs_file_path)

    def fit_predict(
        self,
        log: Any,
        k: int,
        users: Any = None,
        items: Any = None,
        filter_seen_items: bool = True,
        recs_file_path: Any = None,
    ) -> Any:
        """Fit on a log and recommend to its users; arguments as for ``predict``."""
        read = self._read_log(log)
        self._fit_wrap(read)
        return self._predict_wrap(read, k, users, items, filter_seen_items, recs_file_path)

    def predict_pairs(
        self, pairs: Any, log: Any = None, recs_file_path: Any = None, k: int | None = None
    ) -> Any:
        """Score given pairs of a user and an item.

        Parameters
        ----------
        pairs
            A frame with the columns of users and items alone; repeated pairs are scored
            once.
        log
            The history of the users, for models that need one.
        recs_file_path
            Write the result there as Parquet, and return None.
        k
            Keep the k best of the pairs of each user; None keeps all.

        Returns
        -------
        frame or None
            As for ``predict``, in the kind of frame that ``pairs`` is. A pair that cannot
            be scored has no row. Seen items are not filtered.
        """
        return self._predict_pairs_wrap(pairs, log, recs_file_path, k)


class HybridRecommender(BaseRecommender):
    """A model that learns from a log and, where there are some, features of users and items."""

    _feature_roles: ClassVar[tuple[str, ...]] = ("user", "item")

    @reading_once()
    def fit(self: Hybrid, log: Any, user_features: Any = None, item_features: Any = None) -> Hybrid:
        """Learn from a log and features; see ``Recommender.fit``.

        Parameters
        ----------
        log
            Interactions.
        user_features, item_features
            Frames with a column of users or of items and a column for each feature. An id
            that only a feature frame mentions counts as one of the training.
        """
        return self._fit_wrap(log, Features(user_features, item_features))

    def _check_features(self, features: Features) -> None:
        """Raise where a call has not the features that the model needs."""

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
        """Recommend the k best items to each user; see ``Recommender.predict``.

        Parameters
        ----------
        log, k, users, items, filter_seen_items, recs_file_path
            As for ``Recommender.predict``; ``log`` may be None. Without ``users`` and ``log``,
            the users of ``user_features`` are served where they are given.
        user_features, item_features
            Features of the users to serve and of the items, as those of the fit.
        """
        features = Features(user_features, item_features)
        self._check_features(features)
        if users is None and log is None and user_features is not None:
            known = ranges.all_ids(feature_ids(user_features, "user"))
            users = known.values if known is not None else None
        return self._predict_wrap(log, k, users, items, filter_seen_items, recs_file_path, features)

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
        """Fit on a log and features, and recommend to the users of the log."""
        read = self._read_log(log)
        self.fit(read, user_features, item_features)
        return self.predict(
            read, k, users, items, user_features, item_features, filter_seen_items, recs_file_path
        )

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
        """Score given pairs of a user and an item; see ``Recommender.predict_pairs``."""
        features = Features(user_features, item_features)
        self._check_features(features)
        return self._predict_pairs_wrap(pairs, log, recs_file_path, k, features)

    def get_features(self, ids: Any, features: Any = None) -> tuple[Any, int | None]:
        """Return vectors of users or items; models without vectors return (None, None).

        Parameters
        ----------
        ids
            A frame with a column of users or of items.
        features
            Features of these users or items, for models whose vectors are made of them.
        """
        return super().get_features(ids)


class UserRecommender(BaseRecommender):
    """A model that knows users by their features."""

    _feature_roles: ClassVar[tuple[str, ...]] = ("user",)

    @reading_once()
    def fit(self: ByUser, log: Any, user_features: Any) -> ByUser:
        """Learn from a log and the features of its users; see ``Recommender.fit``."""
        return self._fit_wrap(log, Features(user_features))

    @reading_once()
    def predict(
        self,
        user_features: Any,
        k: int,
        log: Any = None,
        users: Any = None,
        items: Any = None,
        filter_seen_items: bool = True,
        recs_file_path: Any = None,
    ) -> Any:
        """Recommend the k best items to users with features; see ``Recommender.predict``.

        Parameters
        ----------
        user_features
            A frame with a column of users and the features of the fit. Without ``users`` and
            ``log``, its users are served.
        k, log, users, items, filter_seen_items, recs_file_path
            As for ``Recommender.predict``; ``log`` may be left out.
        """
        if users is None and log is None and user_features is not None:
            user_features, users = self._open_features(user_features)
        features = Features(user_features)
        try:
            return self._predict_wrap(
                log, k, users, items, filter_seen_items, recs_file_path, features
            )
        finally:
            self._close_features(user_features)

    def _close_features(self, user_features: Any) -> None:
        """Let go of what ``_open_features`` read."""

    def _open_features(self, user_features: Any) -> tuple[Any, Any]:
        """Return features in a form that need not be read again, and the users of them."""
        known = ranges.all_ids(feature_ids(user_features, "user"))
        return user_features, known.values if known is not None else None

    @reading_once()
    def predict_pairs(
        self,
        pairs: Any,
        log: Any = None,
        user_features: Any = None,
        recs_file_path: Any = None,
        k: int | None = None,
    ) -> Any:
        """Score given pairs of a user and an item; see ``Recommender.predict_pairs``."""
        return self._predict_pairs_wrap(pairs, log, recs_file_path, k, Features(user_features))
