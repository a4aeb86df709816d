"""Splits of the rows of each user, of all users or of some."""

from typing import Any

import numpy as np

from daskrec.data.tables import Table, each
from daskrec.engine.arrays import Vector
from daskrec.engine.random import stream
from daskrec.splitters.base import TEST, TRAIN, Columns, Splitter, drawn_seed, named
from daskrec.splitters.last_n import floor_share
from daskrec.splitters.places import histories, sides_by_place
from daskrec.splitters.random import draw_users


class UserSplitter(Splitter):
    """Put the last, or random, rows of each user into the test.

    Parameters
    ----------
    item_test_size
        A whole number: so many rows of each user (users with fewer have no rows in the
        training). A float below 1: of n rows ``floor(n * item_test_size)``.
    user_test_size
        None takes the rows of all users. A whole number below the number of users takes so
        many random users, a share between 0 and 1 ``floor(share * users)`` of them; all rows
        of the others train.
    shuffle
        Take random rows instead of the last.
    drop_cold_items, drop_cold_users
        Leave test rows out whose item (or user) is not in the training.
    seed
        Draws are by hash of the seed and the ids. None draws anew at every ``split``.
    drop_zero_rel_in_test
        Leave test rows out whose relevance is not above 0, as the original does.

    Notes
    -----
    Rows of equal time are in order of their item, and then of the log. One sort of the rows.
    """

    def __init__(
        self,
        item_test_size: float = 1,
        user_test_size: float | None = None,
        shuffle: bool = False,
        drop_cold_items: bool = False,
        drop_cold_users: bool = False,
        seed: int | None = None,
        drop_zero_rel_in_test: bool = True,
    ) -> None:
        self.item_test_size = item_test_size
        self.user_test_size = user_test_size
        self.shuffle = shuffle
        self.drop_cold_items = drop_cold_items
        self.drop_cold_users = drop_cold_users
        self.seed = seed
        self.drop_zero_rel_in_test = drop_zero_rel_in_test

    @property
    def _needs_time(self) -> bool:  # type: ignore[override]
        return not self.shuffle

    def _sides(self, table: Table, names: Columns) -> list[Any]:
        _check_rows("item_test_size", self.item_test_size)
        seed = drawn_seed(self.seed)
        rows, users = self.item_test_size, self.user_test_size
        return two_stages(table, names, str(names.user), rows, users, self.shuffle, seed)


class TwoStageSplitter(Splitter):
    """Draw values of one column, and put the last, or random, rows of each into the test.

    Parameters
    ----------
    first_divide_size
        How many values of ``first_divide_column``: a whole number or a share, as
        ``user_test_size`` of ``UserSplitter``.
    second_divide_size
        How many rows of each: a whole number or a share, as ``item_test_size``.
    first_divide_column
        None takes the users.
    second_divide_column
        Accepted for the sake of the original, where it is not used either.
    shuffle
        Take random rows instead of the last.
    drop_cold_items, drop_cold_users
        Leave test rows out whose item (or user) is not in the training.
    seed
        Draws are by hash of the seed and the ids. None draws anew at every ``split``.
    query_column, item_column, timestamp_column
        Names of columns; None recognises the usual ones.
    session_id_column, session_id_processing_strategy
        Sessions that would be split go whole to ``"train"`` or to ``"test"``.
    """

    def __init__(
        self,
        first_divide_size: float,
        second_divide_size: float,
        first_divide_column: str | None = None,
        second_divide_column: str | None = None,
        shuffle: bool = False,
        drop_cold_items: bool = False,
        drop_cold_users: bool = False,
        seed: int | None = None,
        query_column: str | None = None,
        item_column: str | None = None,
        timestamp_column: str | None = None,
        session_id_column: str | None = None,
        session_id_processing_strategy: str = "test",
    ) -> None:
        self.first_divide_size = first_divide_size
        self.second_divide_size = second_divide_size
        self.first_divide_column = first_divide_column
        self.second_divide_column = second_divide_column
        self.shuffle = shuffle
        self.drop_cold_items = drop_cold_items
        self.drop_cold_users = drop_cold_users
        self.seed = seed
        self.query_column = query_column
        self.item_column = item_column
        self.timestamp_column = timestamp_column
        self.session_id_column = session_id_column
        self.session_id_processing_strategy = session_id_processing_strategy
        self._check_params()

    @property
    def _needs_time(self) -> bool:  # type: ignore[override]
        return not self.shuffle

    def _sides(self, table: Table, names: Columns) -> list[Any]:
        _check_rows("second_divide_size", self.second_divide_size)
        column = str(named(table, self.first_divide_column, "user"))
        seed = drawn_seed(self.seed)
        rows, users = self.second_divide_size, self.first_divide_size
        return two_stages(table, names, column, rows, users, self.shuffle, seed)


def _check_rows(name: str, size: Any) -> None:
    """Raise unless a size is a whole number from 1, or a share from 0 below 1."""
    whole = hasattr(size, "__index__") and not isinstance(size, bool)
    share = isinstance(size, float | np.floating)
    if not ((whole and size >= 1) or ((whole or share) and 0 <= size < 1)):
        raise ValueError(f"{name} must be a whole number from 1 or a share below 1, not {size!r}")


def two_stages(
    table: Table,
    names: Columns,
    column: str,
    rows: float,
    users: float | None,
    shuffle: bool,
    seed: int,
) -> list[Any]:
    """Return the sides of rows: some rows of each user, of all users or of some.

    Parameters
    ----------
    table, names
        The log.
    column
        The ids that stand for users.
    rows, users
        Whole numbers or shares; None takes all users.
    shuffle, seed
        Take random rows, and random users, by key.
    """
    if users is not None:
        _how_many(None, users)
    order = stream(seed, "splitters.order") if shuffle else None
    groups = histories(table, names, column, order)
    sides = sides_by_place(groups, _of_user, rows, shuffle)
    if users is None:
        return sides
    drawn = draw_users(table, column, seed, _how_many, users)
    return each(table.lazy, _of_drawn, zip(sides, drawn, strict=True))


def _of_user(place: Vector, count: Vector, size: float, shuffle: bool) -> Vector:
    """Return the sides of rows by their place: the last ones test, or the first drawn."""
    wanted = np.minimum(size, count) if size >= 1 else floor_share(count, size)
    chosen = place < wanted if shuffle else place >= count - wanted
    return np.where(chosen, TEST, TRAIN)


def _of_drawn(sides: Vector, drawn: Vector) -> Vector:
    return np.where(drawn, sides, TRAIN)


def _how_many(count: int | None, size: float) -> int:
    """Return how many of ``count`` users are drawn; None checks what can be checked before.

    Raises
    ------
    ValueError
        The size is neither a whole number from 1 below the count nor a share between 0 and 1.
    """
    whole = hasattr(size, "__index__") and not isinstance(size, bool)
    wrong = not (size >= 1 if whole else 0 < size < 1)
    if wrong or (whole and count is not None and size >= count):
        of = "" if count is None else f" of {count} users"
        raise ValueError(
            f"Invalid value for user_test_size: {size}{of}; a whole number below the number of "
            "users or a share between 0 and 1 is needed"
        )
    return int(size) if whole else int((count or 0) * size)
