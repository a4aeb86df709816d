"""The base of models that rate items by counts, the same for everybody."""

import secrets
from abc import abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np

from daskrec.data import encode, output, ranges
from daskrec.data.blocks import Features, Interactions, UserBlock
from daskrec.data.history import History
from daskrec.data.ids import Ids
from daskrec.data.log import Layout, Log
from daskrec.data.output import Form
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.score import ListScorer, Scorer
from daskrec.engine.score_draws import SampleScorer
from daskrec.engine.shared import Shared
from daskrec.errors import EmptyLogError
from daskrec.models.asked import Catalogue, Items
from daskrec.models.recommender import Recommender
from daskrec.models.updates import Updatable
from daskrec.params import check_choice, check_number, check_whole


class Counter(Protocol):
    """A function of a block and of the number of items that returns rows of sums by item."""

    __name__: str

    def __call__(self, block: UserBlock, item_count: int, /) -> Vector:
        """Return float64 sums (statistics x items)."""


class NonPersonalizedRecommender(Updatable, Recommender):
    """A model with one score an item, made of sums over the interactions.

    A subclass names the sums (``_counter``) and turns them into scores (``_rate``).

    Attributes
    ----------
    item_popularity_
        Handle on the scores, float64, by item.
    """

    can_predict_cold_users: ClassVar[bool] = True
    _late_params: ClassVar[frozenset[str]] = frozenset(
        {"add_cold_items", "cold_weight", "sample", "seed"}
    )
    # Parameters of some of the models, and what holds for those that do not have them.
    add_cold_items: bool = True
    cold_weight: float = 1.0
    sample: bool = False
    seed: int | None = None

    item_popularity_: Shared[Vector]
    _sums: Shared[Vector]

    @property
    @abstractmethod
    def _counter(self) -> Counter:
        """The function that counts a block."""

    @abstractmethod
    def _rate(self, sums: Vector, user_count: int, items: Array) -> Vector:
        """Return the scores of items from their sums.

        Parameters
        ----------
        sums
            float64, statistics x items.
        user_count
            Number of users of the training.
        items
            The ids of the items.
        """

    @property
    def _adds_up(self) -> bool:
        """Whether the sums of two logs are the sums of the two logs together."""
        return True

    def _check_params(self) -> None:
        check_number("cold_weight", self.cold_weight, 0.0)
        if not 0 < self.cold_weight <= 1:
            raise ValueError(f"cold_weight must be in (0, 1], not {self.cold_weight!r}")
        check_choice("sample", self.sample, (True, False))
        if self.seed is not None:
            check_whole("seed", self.seed, 0)
        self.can_predict_cold_items = bool(self.add_cold_items)

    @property
    def item_popularity(self) -> Any:
        """The scores as a frame: item and relevance, in the order of items."""
        fitted = self._fitted
        names, layout = fitted.layout.names, fitted.layout
        empty = {names.item: fitted.item_ids.get().values[:0], names.relevance: np.empty(0)}
        form = Form(layout.kind, layout.part, empty, {names.item: layout.item})
        job = runtime.task(_by_item, fitted.item_ids, self.item_popularity_, tuple(empty))
        return output.finish([job], form, label="items")

    # ------------------------------------------------------------ fit and update

    def _fit(self, data: Interactions) -> None:
        sums = self._count(data)
        self._set_sums(sums, data.user_count, data.item_ids.values)

    def _count(self, data: Interactions) -> Vector:
        tasks = data.tasks(self._counter, data.item_count)
        return np.asarray(runtime.reduce(tasks, np.add, "counting items"))

    def _set_sums(self, sums: Vector, user_count: int, items: Array) -> None:
        self._sums = Shared(sums)
        self.item_popularity_ = Shared(self._rate(sums, user_count, items))

    def _keep(self, data: Interactions) -> History | None:
        return None if self._adds_up else super()._keep(data)

    def _update(self, log: Log, layout: Layout) -> None:
        if not self._adds_up:
            super()._update(log, layout)
            return
        fitted = self._fitted
        known = fitted.item_ids.get()
        try:
            data = encode.encode_training(log, items=known)
        except EmptyLogError:
            return
        sums = self._count(data)
        sums[:, data.item_ids.encode(known.values)] += self._sums.get()
        data.release()
        users = ranges.merge_ids(fitted.user_ids, data.user_ids)
        self._set_sums(sums, len(users), data.item_ids.values)
        self._catalogue = Catalogue(users, Shared(data.item_ids), fitted.bounds, layout)

    # ------------------------------------------------------------ scores

    def _scorer(self, features: Features) -> Scorer:
        return self._scorer_by(self.item_popularity_)

    def _scorer_by(self, scores: Shared[Vector]) -> Scorer:
        return SampleScorer(scores, self._draw_seed()) if self.sample else ListScorer(scores)

    def _draw_seed(self) -> int:
        """Return the seed of a call: without one of the model's, each call draws anew."""
        return secrets.randbits(63) if self.seed is None else self.seed

    def _cold_scorer(self, items: Items) -> Scorer:
        assert items.cold is not None
        scores = np.full(len(items.ids.get()), np.nan)
        scores[items.places] = self.item_popularity_.get()
        scores[items.cold] = self._rate_cold(items.cold_ids)
        return self._scorer_by(Shared(scores))

    def _rate_cold(self, items: Array) -> Any:
        """Return the score of items that were not in the training."""
        return float(np.nanmin(self.item_popularity_.get())) * self.cold_weight

    def _get_state(self) -> dict[str, Any]:
        return {"item_popularity": self.item_popularity_, "sums": self._sums}

    def _set_state(self, state: dict[str, Any]) -> None:
        self.item_popularity_, self._sums = state["item_popularity"], state["sums"]


def _by_item(items: Shared[Ids], scores: Shared[Vector], names: tuple[str, str]) -> Arrays:
    return {names[0]: items.get().values, names[1]: scores.get()}


def count_users(block: UserBlock, item_count: int) -> Vector:
    """Return the number of users of each item."""
    return np.bincount(block.matrix.indices, minlength=item_count).astype(np.float64)[None]


def sum_relevance(block: UserBlock, item_count: int) -> Vector:
    """Return the sum of the relevance of each item."""
    matrix = block.matrix
    return np.bincount(matrix.indices, matrix.values(), minlength=item_count)[None]
