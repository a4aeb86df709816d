"""Where trials run: one model after another is fitted on the same data and rated alike.

The training log is read and encoded once, as are the histories of the users of the test. A
trial fits a model of its own, lets it recommend training items to those users, and rates what
it recommends.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from daskrec.data import encode, frames, output
from daskrec.data import log as logs
from daskrec.data.blocks import Features, Interactions, UserBlock, UserBlocks, join_blocks
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.log import Log, Needs
from daskrec.data.paths import open_frame
from daskrec.engine import runtime
from daskrec.engine.score import Request, Scorer
from daskrec.engine.shared import RowShards, Shared
from daskrec.models import serving
from daskrec.models.asked import Asked, Catalogue
from daskrec.tuning.common import Common
from daskrec.tuning.features import restricted

Criterion: TypeAlias = Callable[[Any, Any, int], float]
# What a combination of parameters that does not work raises.
UNFIT = (ValueError, ArithmeticError, NotImplementedError)


@dataclass(frozen=True)
class Outcome:
    """What came of a trial: a value and the fitted model, or the reason that there are none."""

    value: float = math.nan
    model: Any = None
    failure: Exception | None = None


class Bench:
    """Everything that the trials of a call have in common.

    Parameters
    ----------
    model
        The model whose parameters are searched; it is not changed.
    train, test
        Logs, in any kind of frame.
    features
        Frames of features of users and of items, or None.
    criterion
        ``criterion(recs, test, k)`` returns the value that is to be large.
    k
        Length of the lists.
    common
        What models share between fits.
    seed
        Given to trials of a model that has a parameter ``seed`` and no value for it, and draws
        numbers of its own without one.

    Raises
    ------
    LogError
        A frame cannot be used.
    """

    def __init__(
        self,
        model: Any,
        train: Any,
        test: Any,
        features: Features,
        criterion: Criterion,
        k: int,
        common: Common,
        seed: int,
    ) -> None:
        self.model, self.criterion, self.k, self.common = model, criterion, int(k), common
        self._params = model.get_params()
        name = model._seed_parameter
        if model._draws_without_seed and self._params.get(name, seed) is None:
            self._params[name] = seed
        log = model._read_log(train).held()
        self.test = _held(test)
        asked = logs.read_log(self.test, "test", Needs(False, user=model._log_needs().user))
        wanted = encode.distinct_users(asked)
        learned = restricted(model, features, log, None)
        # Candidates are the items of the training, whichever of them the test has.
        served = restricted(model, Features(features.users), asked, wanted)
        self._test_features = Features(served.users, learned.items)
        self.data: Interactions
        self.data, users, bounds = model._encode(log, learned)
        self.catalogue = Catalogue(users, Shared(self.data.item_ids), bounds, log.layout)
        self._histories = self._read_histories(log, wanted)

    def _read_histories(self, log: Log, wanted: ShardedIds) -> UserBlocks:
        """Return what the users of the test had, encoded and held."""
        fresh = self._make({})
        fresh._catalogue = self.catalogue
        asked: Asked = fresh._asked()
        chosen = asked.choose_users(wanted.whole().values)
        assert isinstance(chosen, Ids)  # values were given
        if log.rows is not None and self.catalogue.user_ids is self.data.user_ids:
            found = self._trained_histories(chosen)
            asked.note_idle_users(found)
        else:
            found = asked.histories(asked.read_history(log), chosen, self.data.item_ids)
        asked.warn()
        if log.rows is None:
            parts = runtime.persist(found.parts, "reading histories")
            held = [Shared(part) if isinstance(part, UserBlock) else part for part in parts]
            found = UserBlocks(held, found.bounds, found.item_ids)
        return found

    def _trained_histories(self, users: Ids) -> UserBlocks:
        """Return histories of users, taken from training data in memory."""
        whole = join_blocks([part.get() for part in self.data.parts])
        return encode.slice_blocks(serving.align(users, whole), self.data.item_ids)

    def _make(self, params: Mapping[str, Any]) -> Any:
        """Return a new model of the same class."""
        return type(self.model)(**{**self._params, **params})

    def fit(self, params: Mapping[str, Any]) -> Any:
        """Return a new model that is fitted with some parameters."""
        model = self._make(params)
        model._train(self.data, self.catalogue, self.common)
        return model

    def run(self, params: Mapping[str, Any]) -> Outcome:
        """Fit a model with some parameters, and rate what it recommends.

        What a combination that does not work raises is part of the outcome; errors of the
        criterion are raised.
        """
        try:
            model = self.fit(params)
            recs = self._recommend(model)
        except UNFIT as error:
            return Outcome(failure=error)
        value = self.criterion(recs, self.test, self.k)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise ValueError(f"the criterion has to return one number, and returned {value!r}")
        if not math.isfinite(value):
            return Outcome(failure=ValueError(f"the criterion returned {value}"))
        return Outcome(float(value), model)

    def _recommend(self, model: Any) -> Any:
        """Return what a model recommends to the users of the test."""
        asked: Asked = model._asked()
        items = asked.choose_items(None)
        scorer = model._scorer_of(items, self._features_for(model))
        self.common.once("note", lambda: self._note_unserved(asked, scorer))
        form = serving.result_form(self.catalogue.layout, *self.catalogue.empty_ids())
        request = Request(self.k, None, True)
        tasks = serving.recommend(self._histories, scorer, request, items.ids, form)
        return output.finish(tasks, form)

    def _note_unserved(self, asked: Asked, scorer: Scorer) -> None:
        asked.note_unserved(self._histories, scorer)
        asked.warn()

    def _features_for(self, model: Any) -> Features:
        """Return the features of the users of the test, read once where models know how."""
        given = self._test_features
        if given.users is None or not hasattr(model, "_open_features"):
            return given
        opened = self.common.once("features", lambda: model._open_features(given.users)[0])
        return Features(opened, given.items)

    def adopt(self, winner: Any) -> None:
        """Give the model the state of a trial, and what an update needs besides."""
        winner._history = winner._keep(self.data)
        model, before = self.model, self.model._history
        name = model._seed_parameter
        seed = {name: getattr(model, name)} if hasattr(model, name) else {}
        model.__dict__.update(winner.__dict__, **seed)
        model._learned_with = model.get_params()
        if before is not None and not model._serves_history:
            before.release()

    def drop(self, loser: Any) -> None:
        """Remove what a trial that is not the best left in storage."""
        for value in loser._get_state().values():
            shards = value.shards if isinstance(value, RowShards) else value
            for handle in shards if isinstance(shards, list) else [shards]:
                handle.release()

    def close(self) -> None:
        """Let go of the data."""
        self.common.release()
        self._histories.release()
        self.data.release()


def _held(frame: Any) -> Any:
    """Return the test in a form that every trial can read at little cost."""
    return frames.held(open_frame(frame, "test"))
