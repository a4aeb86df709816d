"""Random splits: of rows, and of users with all their rows."""

from typing import Any

import numpy as np

from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.order_statistics import value_at
from daskrec.data.tables import Table, each
from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.keys import hash_ids
from daskrec.engine.random import hash64, stream
from daskrec.splitters.base import TEST, TRAIN, Columns, Splitter, drawn_seed, row_keys


class RandomSplitter(Splitter):
    """Put each row into the test with a given probability.

    Parameters
    ----------
    test_size
        The probability, from 0 to 1; sizes are about as large.
    drop_cold_items, drop_cold_users
        Leave test rows out whose item (or user) is not in the training.
    seed
        Draws are a hash of the seed and of the user, item and time of a row, so rows that
        agree in these go together. None draws anew at every ``split``.
    drop_zero_rel_in_test
        Leave test rows out whose relevance is not above 0, as the original does.
    query_column, item_column
        Names of columns; None recognises the usual ones.
    """

    _needs_item = True

    def __init__(
        self,
        test_size: float,
        drop_cold_items: bool = False,
        drop_cold_users: bool = False,
        seed: int | None = None,
        drop_zero_rel_in_test: bool = True,
        query_column: str | None = None,
        item_column: str | None = None,
    ) -> None:
        self.test_size = test_size
        self.drop_cold_items = drop_cold_items
        self.drop_cold_users = drop_cold_users
        self.seed = seed
        self.drop_zero_rel_in_test = drop_zero_rel_in_test
        self.query_column = query_column
        self.item_column = item_column
        self._check_params()

    def _check_params(self) -> None:
        check_share("test_size", self.test_size)

    def _sides(self, table: Table, names: Columns) -> list[Any]:
        seed = stream(drawn_seed(self.seed), "splitters.rows")
        arrays = table.arrays([n for n in (names.user, names.item, names.time) if n is not None])
        return each(
            table.lazy, _draw_rows, [(part, names, seed, self.test_size) for part in arrays]
        )


def _draw_rows(arrays: Arrays, names: Columns, seed: int, share: float) -> Vector:
    chosen = (row_keys(arrays, names, seed) >> np.uint64(11)) * 2.0**-53 < share
    return np.where(chosen, TEST, TRAIN)


class ColdUserRandomSplitter(Splitter):
    """Put random users, with all their rows, into the test.

    Parameters
    ----------
    test_size
        Share of the users, from 0 to 1: of n users ``floor(n * test_size)`` are drawn.
    drop_cold_items
        Leave test rows out whose item is not in the training.
    drop_cold_users
        As in the original; the users of the test are never in the training, so that nothing
        is left of it.
    seed
        Draws are a hash of the seed and the user. None draws anew at every ``split``.
    drop_zero_rel_in_test
        Leave test rows out whose relevance is not above 0, as the original does.
    query_column, item_column
        Names of columns; None recognises the usual ones.
    """

    def __init__(
        self,
        test_size: float,
        drop_cold_items: bool = False,
        drop_cold_users: bool = False,
        seed: int | None = None,
        drop_zero_rel_in_test: bool = True,
        query_column: str | None = None,
        item_column: str | None = None,
    ) -> None:
        self.test_size = test_size
        self.drop_cold_items = drop_cold_items
        self.drop_cold_users = drop_cold_users
        self.seed = seed
        self.drop_zero_rel_in_test = drop_zero_rel_in_test
        self.query_column = query_column
        self.item_column = item_column
        self._check_params()

    def _check_params(self) -> None:
        check_share("test_size", self.test_size)

    def _sides(self, table: Table, names: Columns) -> list[Any]:
        chosen = draw_users(table, str(names.user), drawn_seed(self.seed), _floor, self.test_size)
        return each(table.lazy, _chosen, [(mask,) for mask in chosen])


def _chosen(mask: Vector) -> Vector:
    return np.where(mask, TEST, TRAIN)


def _floor(count: int, share: float) -> int:
    return int(count * share)


def draw_users(table: Table, user: str, seed: int, how_many: Any, size: float) -> list[Any]:
    """Return for each part whether the user of a row is drawn.

    Parameters
    ----------
    table
        The log.
    user
        Its column of users, or of other ids.
    seed
        Users with the smallest hashes of seed and id are drawn.
    how_many
        ``how_many(count, size)`` returns the number of users drawn of ``count``.
    size
        Its second argument.
    """
    seed = stream(seed, "splitters.users")
    groups = Groups.by(table.arrays([user]), user, table.lazy)
    words = groups.map(_user_words, seed)
    last = value_at(words, _last_drawn, (how_many, size), table.lazy)
    return groups.back(groups.map(_up_to, words, last))


def _user_words(columns: Arrays, codes: Vector, ids: Ids, seed: int) -> Vector:
    return hash64(seed, hash_ids(ids.values))


def _last_drawn(count: int, how_many: Any, size: float) -> int:
    wanted = how_many(count, size)
    return wanted - 1 if wanted > 0 else count  # no place holds the last of none


def _up_to(columns: Arrays, codes: Vector, ids: Ids, words: Vector, last: Any) -> Vector:
    if last is None:
        return np.zeros(len(codes), dtype=bool)
    drawn: Vector = (words <= last)[codes]
    return drawn


def check_share(name: str, share: Any) -> None:
    """Raise unless a share lies from 0 to 1."""
    if (
        isinstance(share, bool)
        or not isinstance(share, int | float | np.number)
        or not 0 <= share <= 1
    ):
        raise ValueError(f"{name} must be a share from 0 to 1, not {share!r}")
