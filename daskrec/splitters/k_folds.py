"""Folds for cross-validation: the rows of each user are dealt out at random."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from daskrec.data.tables import each
from daskrec.engine.arrays import Vector
from daskrec.engine.random import stream
from daskrec.params import check_choice, check_whole
from daskrec.splitters.base import TEST, TRAIN, BaseSplitter, Columns, cut, drawn_seed
from daskrec.splitters.places import histories, sides_by_place


class KFolds(BaseSplitter):
    """Deal the rows of each user out to folds; each fold is the test once.

    Parameters
    ----------
    n_folds
        Number of folds, at least 2.
    strategy
        ``"query"``, the only one: rows are dealt out user by user.
    drop_cold_users, drop_cold_items
        Leave test rows out whose user (or item) is not in the training.
    seed
        Draws are by hash of the seed, user, item and time. None draws anew at every call.
    query_column, item_column, timestamp_column
        Names of columns; None recognises the usual ones.
    session_id_column, session_id_processing_strategy
        Sessions that would be split go whole to ``"train"`` or to ``"test"``.

    Notes
    -----
    The row at place r (from 1) of a user's random order is in fold ``r mod n_folds``.
    """

    _needs_item = True

    def __init__(
        self,
        n_folds: int = 5,
        strategy: str = "query",
        drop_cold_users: bool = False,
        drop_cold_items: bool = False,
        seed: int | None = None,
        query_column: str | None = None,
        item_column: str | None = None,
        timestamp_column: str | None = None,
        session_id_column: str | None = None,
        session_id_processing_strategy: str = "test",
    ) -> None:
        self.n_folds = n_folds
        self.strategy = strategy
        self.drop_cold_users = drop_cold_users
        self.drop_cold_items = drop_cold_items
        self.seed = seed
        self.query_column = query_column
        self.item_column = item_column
        self.timestamp_column = timestamp_column
        self.session_id_column = session_id_column
        self.session_id_processing_strategy = session_id_processing_strategy
        self._check_params()

    def _check_params(self) -> None:
        super()._check_params()
        check_whole("n_folds", self.n_folds, 2)
        check_choice("strategy", self.strategy, ("query",))

    def split(self, interactions: Any) -> Iterator[tuple[Any, Any]]:
        """Yield for each fold the other rows and its own; frames as of ``Splitter.split``."""
        self._check_params()
        table, names = self._open(interactions)
        folds = self._folds(table, names)
        for number in range(self.n_folds):
            sides = each(table.lazy, _side_of_fold, [(fold, number) for fold in folds])
            sides = self._whole_sessions(table, names, sides)
            yield cut(table, self._drop_cold(table, names, sides))

    def _folds(self, table: Any, names: Columns) -> list[Any]:
        order = stream(drawn_seed(self.seed), "splitters.order")
        groups = histories(table, names, str(names.user), order)
        return sides_by_place(groups, _fold, self.n_folds)


def _fold(place: Vector, count: Vector, folds: int) -> Vector:
    return (place + 1) % folds


def _side_of_fold(fold: Vector, number: int) -> Vector:
    return np.where(fold == number, TEST, TRAIN)


def k_folds(
    log: Any, n_folds: int = 5, seed: int | None = None, splitter: str = "user"
) -> Iterator[tuple[Any, Any]]:
    """Yield the train and test parts of each fold, as the original does.

    Parameters
    ----------
    log
        A frame of any kind, or a path.
    n_folds, seed
        As for ``KFolds``.
    splitter
        ``"user"``, the only one.

    Raises
    ------
    ValueError
        The splitter has another name; raised at the first ``next``.
    """
    if splitter != "user":
        raise ValueError(f"Wrong splitter parameter: {splitter}; 'user' is the only one")
    yield from KFolds(n_folds, seed=seed).split(log)
