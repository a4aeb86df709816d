"""What every model has in common: how it is fitted and asked.

A model writes ``_fit`` (training data to state) and ``_scorer`` (state to scores); this
file does the rest: reading logs, ids, who can be served, the result.
"""

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from daskrec.data import encode, output, ranges
from daskrec.data import log as logs
from daskrec.data.blocks import Features, Interactions
from daskrec.data.history import History
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.log import Log, Needs
from daskrec.data.output import Form
from daskrec.data.selection import feature_ids
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.score import Request, Scorer
from daskrec.engine.shared import Shared
from daskrec.errors import NotFittedError
from daskrec.models import serving, stages
from daskrec.models.asked import Asked, Catalogue, Items
from daskrec.models.generations import LaterNames, accept_datasets
from daskrec.models.state import freeze, thaw
from daskrec.models.tunable import Tunable
from daskrec.params import Params, check_whole

if TYPE_CHECKING:
    from daskrec.tuning.common import Common

Model = TypeVar("Model", bound="BaseRecommender")
NO_FEATURES = Features()

accept_datasets(Tunable)


class BaseRecommender(Params, Tunable, LaterNames, ABC):
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
    can_predict_cold_items: bool = False  # some models have a parameter for it
    can_predict_item_to_item: ClassVar[bool] = False
    _needs_history: ClassVar[bool] = False
    _weighs_history: ClassVar[bool] = False  # the relevance in it counts
    _sharded_state: ClassVar[frozenset[str]] = frozenset()
    _gpu_library: ClassVar[str | None] = None  # of the kernels that a fit has for a GPU
    # Whether results that are not computed yet may read what is kept.
    _serves_history: ClassVar[bool] = False

    _catalogue: Catalogue | None = None
    _history: History | None = None
    _learned_with: dict[str, Any] | None = None  # the parameters of the fit

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        accept_datasets(cls)

    # ------------------------------------------------------------ what a model writes

    @abstractmethod
    def _fit(self, data: Interactions) -> None:
        """Learn the state of the model; features are in ``data.features``."""

    def _fit_beside(self, data: Interactions, common: "Common") -> None:
        """Learn as ``_fit`` does, and share work with the other fits of a search."""
        self._fit(data)

    @abstractmethod
    def _scorer(self, features: Features) -> Scorer:
        """Return the scorer of the fitted model."""

    @abstractmethod
    def _get_state(self) -> dict[str, Any]:
        """Return the fitted state: ``Shared``, ``RowShards`` or lists of handles, by name.

        Names of what is in several shards are in ``_sharded_state``.
        """

    @abstractmethod
    def _set_state(self, state: dict[str, Any]) -> None:
        """Take a state back."""

    def _cold_scorer(self, items: Items) -> Scorer:
        """Return the scorer of a call with cold items; for models that serve them."""
        raise NotImplementedError(f"{self} does not score items that it was not fitted on")

    def _log_needs(self) -> Needs:
        """Return what the model reads of a log to learn from."""
        return logs.PLAIN

    def _saved_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return parameters as they are saved: plain values."""
        return params

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
        return freeze(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        thaw(self, state)

    # ------------------------------------------------------------ fit and predict

    @property
    def _fitted(self) -> Catalogue:
        if self._catalogue is None:
            raise NotFittedError(f"{self} is not fitted: call fit(log) first")
        return self._catalogue

    def _read_log(self, log: Any) -> Log:
        """Read a log to learn from."""
        return log if isinstance(log, Log) else logs.read_log(log, needs=self._log_needs())

    def _fit_wrap(self: Model, log: Any, features: Features = NO_FEATURES) -> Model:
        """Read the log, learn, and keep who and what was in it."""
        self._check_params()
        stages.begin(self, "fit", self._gpu_library)
        read = self._read_log(log)
        layout = read.layout
        data, users, bounds = self._encode(read, features)
        del read  # its arrays are not needed beside the blocks
        self._learn(data, Catalogue(users, Shared(data.item_ids), bounds, layout))
        return self

    def _encode(self, log: Log, features: Features) -> tuple[Interactions, ShardedIds, Array]:
        """Return the training data of a log, its users, and where to cut them."""
        items = feature_ids(features.items, "item")
        data = encode.encode_training(
            log, feature_ids(features.users, "user"), ranges.all_ids(items), self._block_count()
        )
        data.features = features
        return data, data.user_ids, data.bounds

    def _learn(self, data: Interactions, catalogue: Catalogue) -> None:
        """Learn from training data, and drop them. A model that fails to stays as it was."""
        try:
            self._train(data, catalogue)
        finally:
            data.release()

    def _train(
        self, data: Interactions, catalogue: Catalogue, common: "Common | None" = None
    ) -> None:
        """Learn from training data; as one of many fits on them, where ``common`` is given."""
        self.logger.info(
            "fitting %s on %d users, %d items, %d interactions",
            self,
            len(catalogue.user_ids),
            data.item_count,
            data.entry_count,
        )
        before = dict(self.__dict__)
        try:
            if common is None:
                self._fit(data)
            else:
                self._fit_beside(data, common)
            if common is None or self._serves_history:
                self._history = self._keep(data)
            self._catalogue = catalogue
            self._learned_with = self.get_params()
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _keep(self, data: Interactions) -> History | None:
        """Return the interactions that the model needs after the fit; most need none."""
        return None

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
        asked = self._asked()
        read = asked.read_history(log)
        layout = read.layout if read is not None else self._fitted.layout
        chosen = asked.choose_users(users)
        wanted = asked.choose_items(items)
        scorer = self._scorer_of(wanted, features)
        stages.begin(self, "predict", scorer.gpu_library)
        histories = asked.histories(read, chosen, wanted.ids.get())
        asked.note_unserved(histories, scorer)
        asked.warn()
        filtered = bool(filter_seen_items) and read is not None
        request = Request(int(k), wanted.candidates, filtered)
        form = serving.result_form(layout, *self._fitted.empty_ids())
        tasks = serving.recommend(histories, scorer, request, wanted.ids, form)
        recs = output.finish(tasks, form, recs_file_path)
        if not form.lazy:
            histories.release()
        return recs

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
        asked = self._asked()
        wanted = asked.read_pairs(pairs)
        items = asked.pair_items(wanted)
        blocks, histories = asked.pairs(wanted, asked.read_history(log), items)
        asked.warn()
        form = serving.result_form(wanted.layout, *self._fitted.empty_ids())
        scorer = self._scorer_of(items, features)
        tasks = serving.score_pairs(blocks, histories, scorer, k, items.ids, form)
        return output.finish(tasks, form, recs_file_path)

    def _scorer_of(self, items: Items, features: Features) -> Scorer:
        """Return the scorer of a call."""
        return self._scorer(features) if items.cold is None else self._cold_scorer(items)

    def _asked(self) -> Asked:
        """Return the reader of what a call asks for."""
        return Asked(
            str(self),
            self._fitted,
            serves_cold_users=self.can_predict_cold_users,
            serves_cold_items=self.can_predict_cold_items,
            needs_history=self._needs_history,
            weighs_history=self._weighs_history,
            user_column=self._log_needs().user,
        )

    def _nearest_request(self, items: Any, k: int, candidates: Any) -> tuple[Vector, Vector | None]:
        """Return the codes of the items that a caller asked about, and of the candidates."""
        check_whole("k", k, 0)
        asked = self._asked()
        codes = asked.choose_items(items).candidates
        asked.warn()
        if codes is None:
            codes = np.arange(self.items_count, dtype=np.int32)
        return codes, self._asked().choose_items(candidates).candidates


def _id_column(shard: Shared[Ids], name: str) -> dict[str, Array]:
    return {name: shard.get().values}
