"""What every model has in common: how it is fitted and asked.

A model writes ``_fit`` (training data to state) and ``_scorer`` (state to scores); this
file does the rest: reading logs, ids, who can be served, the result.
"""

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from daskrec.data import columns as roles
from daskrec.data import encode, frames, ids, output
from daskrec.data import log as logs
from daskrec.data.blocks import Features, Interactions, UserBlocks
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.log import Layout, Log
from daskrec.data.output import Form
from daskrec.data.selection import read_selection
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.score import Request, Scorer
from daskrec.engine.shared import Shared
from daskrec.errors import LogError, NotFittedError, warn_caller
from daskrec.models import serving
from daskrec.models.params import Params, check_whole

Model = TypeVar("Model", bound="BaseRecommender")
NO_FEATURES = Features()


@dataclass(frozen=True)
class Catalogue:
    """The users and items of a fit, and how its log looked."""

    user_ids: ShardedIds
    item_ids: Shared[Ids]
    bounds: Array
    layout: Layout


class BaseRecommender(Params, ABC):
    """The base of all models. It is not used by itself.

    Attributes
    ----------
    can_predict_cold_users
        Whether users who were not in the training get recommendations.
    can_predict_cold_items
        Whether items that were not in the training are recommended.
    can_predict_item_to_item
        Whether ``get_nearest_items`` works.
    """

    can_predict_cold_users: ClassVar[bool] = False
    can_predict_cold_items: ClassVar[bool] = False
    can_predict_item_to_item: ClassVar[bool] = False
    _needs_history: ClassVar[bool] = False
    _sharded_state: ClassVar[frozenset[str]] = frozenset()

    _catalogue: Catalogue | None = None

    # ------------------------------------------------------------ what a model writes

    @abstractmethod
    def _fit(self, data: Interactions) -> None:
        """Learn the state of the model; features are in ``data.features``."""

    @abstractmethod
    def _scorer(self, features: Features) -> Scorer:
        """Return the scorer of the fitted model."""

    @abstractmethod
    def _get_state(self) -> dict[str, Any]:
        """Return the fitted state: handles by name (``Shared`` or ``RowShards``)."""

    @abstractmethod
    def _set_state(self, state: dict[str, Any]) -> None:
        """Take a state back."""

    def _block_count(self) -> int | None:
        """Return the number of user blocks, where the model has a parameter for it."""
        return None

    # ------------------------------------------------------------ what users see

    @property
    def logger(self) -> logging.Logger:
        """The logger of the library, ``daskrec``."""
        return runtime.logger

    @property
    def users_count(self) -> int:
        """Number of users of the training."""
        return len(self._fitted.user_ids)

    @property
    def items_count(self) -> int:
        """Number of items of the training."""
        return len(self._fitted.item_ids.get())

    @property
    def fit_users(self) -> Any:
        """The users of the training: a frame of one column, of the kind of the log."""
        fitted = self._fitted
        name = fitted.layout.names.user
        first = fitted.user_ids.shards[0].get().values[:0]
        form = Form(
            fitted.layout.kind, fitted.layout.part, {name: first}, {name: fitted.layout.user}
        )
        tasks = [runtime.task(_id_column, shard, name) for shard in fitted.user_ids.shards]
        return output.finish(tasks, form, label="users")

    @property
    def fit_items(self) -> Any:
        """The items of the training: a frame of one column, of the kind of the log."""
        fitted = self._fitted
        name = fitted.layout.names.item
        empty = fitted.item_ids.get().values[:0]
        form = Form(
            fitted.layout.kind, fitted.layout.part, {name: empty}, {name: fitted.layout.item}
        )
        return output.finish([runtime.task(_id_column, fitted.item_ids, name)], form, label="items")

    def get_features(self, ids: Any) -> tuple[Any, int | None]:
        """Return vectors of users or items; models without vectors return (None, None)."""
        self.logger.info("%s has no feature vectors: get_features returns None", self)
        return None, None

    def get_nearest_items(
        self, items: Any, k: int, metric: str | None = "cosine_similarity", candidates: Any = None
    ) -> Any:
        """Return the items most similar to given ones, where the model knows of any.

        Raises
        ------
        ValueError
            ``metric`` is None, or the model has no item-to-item recommendations.
        """
        if metric is None:
            raise ValueError(
                "Distance metric is required to get nearest items with this model: "
                "give metric='cosine_similarity', for instance"
            )
        raise ValueError(
            f"{self} has no item-to-item recommendations. Use models with attribute "
            "'can_predict_item_to_item' set to True (KNN, ALSWrap) to get nearest items"
        )

    def save(self, path: Any, overwrite: bool = False) -> None:
        """Save the fitted model; see ``daskrec.save``."""
        from daskrec.store import save

        save(self, path, overwrite)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle a model with its arrays inside, so that it outlives this process."""
        from daskrec.store import freeze

        return freeze(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        from daskrec.store import thaw

        thaw(self, state)

    # ------------------------------------------------------------ fit and predict

    @property
    def _fitted(self) -> Catalogue:
        if self._catalogue is None:
            raise NotFittedError(f"{self} is not fitted: call fit(log) first")
        return self._catalogue

    def _fit_wrap(self: Model, log: Any, features: Features = NO_FEATURES) -> Model:
        """Read the log, learn, and keep who and what was in it."""
        self._check_params()
        read = log if isinstance(log, Log) else logs.read_log(log)
        more = (feature_ids(features.users, "user"), feature_ids(features.items, "item"))
        data = encode.encode_training(read, *more, self._block_count())
        data.features = features
        self.logger.info(
            "fitting %s on %d users, %d items, %d interactions",
            self,
            data.user_count,
            data.item_count,
            data.entry_count,
        )
        self._fit(data)
        self._catalogue = Catalogue(data.user_ids, Shared(data.item_ids), data.bounds, read.layout)
        return self

    def _predict_wrap(
        self,
        log: Any,
        k: int,
        users: Any = None,
        items: Any = None,
        filter_seen_items: bool = True,
        recs_file_path: Any = None,
        features: Features = NO_FEATURES,
    ) -> Any:
        """Answer ``predict``: see ``Recommender.predict``."""
        check_whole("k", k, 0)
        fitted = self._fitted
        read = self._read_history(log)
        layout = read.layout if read is not None else fitted.layout
        notes: list[str] = []
        chosen = self._choose_users(users, notes)
        candidates = self._choose_items(items, notes)
        histories = self._histories(read, chosen, notes)
        request = Request(int(k), candidates, bool(filter_seen_items) and read is not None)
        form = serving.result_form(layout, _users_like(fitted), histories.item_ids.values)
        _warn(notes)
        scorer = self._scorer(features)
        tasks = serving.recommend(histories, scorer, request, fitted.item_ids, form)
        return output.finish(tasks, form, recs_file_path)

    def _predict_pairs_wrap(
        self,
        pairs: Any,
        log: Any = None,
        recs_file_path: Any = None,
        k: int | None = None,
        features: Features = NO_FEATURES,
    ) -> Any:
        """Answer ``predict_pairs``: see ``Recommender.predict_pairs``."""
        if k is not None:
            check_whole("k", k, 0)
        fitted = self._fitted
        wanted = _read_pairs(pairs)
        past = self._read_history(log)
        notes: list[str] = []
        bounds = self._bounds_for(wanted, past)
        if wanted.rows is not None:
            self._note_unknown_pairs(wanted, notes)
        item_ids = fitted.item_ids.get()
        asked = encode.encode_history(wanted, item_ids, None, bounds, exact_bounds=True)
        histories = None
        if past is not None and self._needs_history:
            histories = encode.encode_history(past, item_ids, None, bounds, exact_bounds=True)
        form = serving.result_form(wanted.layout, _users_like(fitted), item_ids.values)
        _warn(notes)
        scorer = self._scorer(features)
        tasks = serving.score_pairs(asked, histories, scorer, k, fitted.item_ids, form)
        return output.finish(tasks, form, recs_file_path)

    def _read_history(self, log: Any) -> Log | None:
        """Read the log of a prediction; only its pairs are needed."""
        if log is None:
            if self._needs_history:
                raise ValueError(
                    f"log is not provided, and {self} needs the history of the users: give the log"
                )
            return None
        if isinstance(log, Log):
            return log
        read = logs.read_log(log, relevance=False)
        if read.rows is not None and len(read.rows):
            known = self._fitted.item_ids.get()
            ids.same_kind(known.values, read.rows.items)
            ids.same_kind(self._fitted.user_ids.shards[0].get().values, read.rows.users)
        return read

    def _choose_users(self, users: Any, notes: list[str]) -> Ids | None:
        """Return the users that a caller chose; leave out those that cannot be served."""
        fitted = self._fitted
        chosen = read_selection(users, "user", fitted.user_ids.shards[0].get())
        if chosen is None or self.can_predict_cold_users:
            return chosen
        known = fitted.user_ids.encode(chosen.values) >= 0
        _note(notes, len(chosen) - int(known.sum()), "users are not known to the model")
        return chosen if known.all() else Ids(chosen.values.take(np.flatnonzero(known)))

    def _choose_items(self, items: Any, notes: list[str]) -> Vector | None:
        """Return the codes of the items that a caller chose, known ones alone."""
        known = self._fitted.item_ids.get()
        chosen = read_selection(items, "item", known)
        if chosen is None:
            return None
        codes = known.encode(chosen.values)
        _note(notes, int((codes < 0).sum()), "items are not known to the model")
        return codes[codes >= 0].astype(np.int32)

    def _nearest_request(self, items: Any, k: int, candidates: Any) -> tuple[Vector, Vector | None]:
        """Return the codes of the items that a caller asked about, and of the candidates."""
        check_whole("k", k, 0)
        notes: list[str] = []
        codes = self._choose_items(items, notes)
        _warn(notes)
        if codes is None:
            codes = np.arange(self.items_count, dtype=np.int32)
        return codes, self._choose_items(candidates, [])

    def _histories(self, log: Log | None, chosen: Ids | None, notes: list[str]) -> UserBlocks:
        """Return the users to serve, with their histories."""
        fitted = self._fitted
        item_ids = fitted.item_ids.get()
        if log is None:
            if chosen is None:
                chosen = fitted.user_ids.whole()
            return encode.empty_histories(chosen, item_ids)
        histories = encode.encode_history(log, item_ids, chosen, self._bounds_for(log))
        if log.rows is not None:
            if chosen is None and not self.can_predict_cold_users:
                cold = int((fitted.user_ids.encode(ids.distinct(log.rows.users).values) < 0).sum())
                _note(notes, cold, "users of the log are not known to the model")
            if chosen is not None and self._needs_history:
                lengths = [np.diff(part.get().matrix.indptr) for part in histories.parts]
                idle = sum(int((length == 0).sum()) for length in lengths)
                _note(notes, idle, "users have no history in the log")
        return histories

    def _bounds_for(self, *involved: Log | None) -> Array:
        """Return where to cut logs: at the bounds of the training, or finer.

        A log of many partitions may be larger than that of the training was; its own size
        is not known before it is read.
        """
        fitted = self._fitted
        most = max((len(log.parts) for log in involved if log is not None), default=0)
        wanted = min(most, 4 * runtime.parallelism(), len(fitted.user_ids))
        if wanted <= len(fitted.bounds) + 1 or len(fitted.user_ids.shards) > 1:
            return fitted.bounds
        known = fitted.user_ids.shards[0].get()
        cuts = np.linspace(0, len(known), wanted + 1).astype(np.int64)[1:-1]
        return known.values.take(np.unique(cuts[cuts > 0]))

    def _note_unknown_pairs(self, wanted: Log, notes: list[str]) -> None:
        rows = wanted.rows
        assert rows is not None
        unknown = self._fitted.item_ids.get().encode(rows.items) < 0
        if not self.can_predict_cold_users:
            unknown |= self._fitted.user_ids.encode(rows.users) < 0
        _note(notes, int(unknown.sum()), "pairs hold a user or an item not known to the model")


def feature_ids(features: Any, role: str) -> Ids | None:
    """Return the distinct ids of a frame of features; None for None."""
    if features is None:
        return None
    what = f"{role}_features"
    frame = frames.open_frame(features, what)
    kind = frames.kind_of(frame, what)
    name = roles.require(kind.columns(frame), role, what)
    if kind.partitioned:
        frame = frame[[name]].drop_duplicates().compute()
        kind = frames.kind_of(frame, what)
    column = kind.arrays(frame, [name])[name]
    return ids.distinct(logs.read_ids(column, name, what))


def _read_pairs(pairs: Any) -> Log:
    frame = frames.open_frame(pairs, "pairs")
    present = frames.kind_of(frame, "pairs").columns(frame)
    if len(present) != 2 or not all(roles.find(present, role) for role in ("user", "item")):
        raise LogError(
            "pairs must be a dataframe with the columns of users and items alone, "
            f"such as ['user_idx', 'item_idx'], and has {present}"
        )
    return logs.read_log(frame, "pairs", relevance=False)


def _id_column(shard: Shared[Ids], name: str) -> dict[str, Array]:
    return {name: shard.get().values}


def _users_like(fitted: Catalogue) -> Array:
    return fitted.user_ids.shards[0].get().values


def _note(notes: list[str], count: int, what: str) -> None:
    if count:
        notes.append(f"{count} {what}")


def _warn(notes: list[str]) -> None:
    if notes:
        warn_caller(" and ".join(notes) + ": there are no rows for them")
