"""Statistics of users and items from the log: how many, how rated, when."""

from dataclasses import replace
from typing import Any

import numpy as np

from daskrec.data.groups import Groups
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays
from daskrec.errors import EmptyLogError, NotFittedError
from daskrec.history_features import statistics as stats
from daskrec.history_features.lookup import Facts, Lookup
from daskrec.history_features.reading import Survey, hull, read_log, survey_all


class LogStatFeaturesProcessor:
    """Describe users and items by their interactions.

    ``fit`` makes one row of numbers for each user and each item; ``transform`` adds them to
    the rows of a frame of users and items. With the prefix ``u_`` for users and ``i_`` for
    items, these are

    * ``log_num_interact``: the logarithm of the number of rows; ``u_mean_i_log_num_interact``
      and ``i_mean_u_log_num_interact``: its mean over the items of the user's rows, and the
      other way round;
    * where the column of times holds dates that differ: ``log_interact_days_count`` (the
      logarithm of the number of distinct days), ``min_interact_date``, ``max_interact_date``,
      ``history_length_days`` between them, and ``last_interaction_gap_days`` up to the last
      day of the log;
    * where the relevance differs: its ``std`` (of a sample; 0 for a single row), ``mean`` and
      the quantiles ``quantile_05``, ``quantile_5``, ``quantile_95`` (values that occur);
      ``abnormality`` of a user: the mean of ``|relevance - mean of the item|``; and
      ``abnormalityCR``: the mean of the squares of these, each weighted by ``1 - c`` with the
      controversy ``c`` of the item, its std scaled to 0..1 over all items. The latter is left
      out where no item is more controversial than another.

    ``transform`` also adds ``na_u_log_features`` and ``na_i_log_features`` (1.0 for a user or
    item that is not in the log of the fit: its numbers are 0 then, its dates missing),
    ``u_i_log_num_interact_diff = u_log_num_interact - i_mean_u_log_num_interact`` and
    ``i_u_log_num_interact_diff``, the same for items.

    Attributes
    ----------
    calc_timestamp_based, calc_relevance_based
        Whether the features of times and of relevance are there.

    Notes
    -----
    Fit: the log is read once and its rows travel three times, once by item and twice by user;
    every step is O(rows log rows) in tasks over parts of the ids. The tables lie in shards.
    Transform: a look-up a row; rows stay where they are, and a Dask frame stays lazy.

    References
    ----------
    B. Gras, A. Brun and A. Boyer, Identifying users with atypical preferences to anticipate
    inaccurate recommendations, WEBIST 2015 (abnormality and its correction by controversy).

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_idx": [1, 1, 2], "item_idx": [7, 8, 7]})
    >>> LogStatFeaturesProcessor().fit(log).user_log_features.round(3)
       user_idx  u_log_num_interact  u_mean_i_log_num_interact
    0         1               0.693                      0.347
    1         2               0.000                      0.693
    """

    calc_timestamp_based: bool = False
    calc_relevance_based: bool = False
    _users: Lookup | None = None
    _items: Lookup | None = None
    _like: Table
    _names: tuple[str, str]
    _dtypes: tuple[Any, Any] = (None, None)

    def fit(self, log: Any, features: Any = None) -> "LogStatFeaturesProcessor":
        """Work the statistics out.

        Parameters
        ----------
        log
            Interactions: a frame of any kind, or a path. Columns of relevance and of times
            are used where there are some; integer times are no dates and are not.
        features
            Not used; there for the sake of one interface.

        Raises
        ------
        LogError
            The log has no rows, or ids, relevance or times are missing.
        """
        table = Table.of(log)
        user, item = table.role("user"), table.role("item")
        table, parts = read_log(table)
        survey = survey_all(parts, table.lazy)
        if not survey.rows:
            raise EmptyLogError("the log holds no rows")
        self.calc_relevance_based = _differ(survey.relevance)
        self.calc_timestamp_based = _differ(survey.times)
        self._learn(replace(table, parts=parts), survey)
        self._like = replace(table, parts=[])
        self._names = user, item
        dtypes = table.dtypes([user, item])
        self._dtypes = dtypes[user], dtypes[item]
        return self

    def _learn(self, parts: Table, survey: Survey) -> None:
        times = survey.times if self.calc_timestamp_based else None
        options = stats.Options(
            self.calc_relevance_based, times[1] if times is not None else None, survey.unit
        )
        by_user = Groups.by(parts.map(_only, ("user",)), "user", parts.lazy)
        counts = Lookup.build(by_user, stats.log_counts, ["count"])
        with_users = parts.map(_with, "user", counts, ("count",))
        items = Lookup.build(
            Groups.by(with_users, "item", parts.lazy), stats.of_items, options.item_names, options
        )
        wanted = ("i_log_num_interact", *(("i_mean", "i_std") if options.relevance else ()))
        with_items = parts.map(_with, "item", items, wanted)
        spread = (0.0, 0.0)
        if options.relevance:
            place = items.names.index("i_std")
            spread = _spread_of(items.map(_Spread(place), "spread of items"))
        names = options.user_names(spread)
        self._users = Lookup.build(
            Groups.by(with_items, "user", parts.lazy), stats.of_users, names, options, spread
        )
        self._items = items

    @property
    def fitted(self) -> bool:
        """Whether ``fit`` was called."""
        return self._users is not None

    @property
    def user_log_features(self) -> Any:
        """A row of features for each user: a frame of the kind of the log; None before fit."""
        if self._users is None:
            return None
        return self._users.frame(self._like, self._names[0], self._dtypes[0])

    @property
    def item_log_features(self) -> Any:
        """A row of features for each item: a frame of the kind of the log; None before fit."""
        if self._items is None:
            return None
        return self._items.frame(self._like, self._names[1], self._dtypes[1])

    def transform(self, log: Any) -> Any:
        """Add the features of users and items to rows.

        Parameters
        ----------
        log
            A frame of any kind with columns of users and items, and any others.

        Returns
        -------
        frame
            Of the same kind, with more columns; lazy for a Dask frame.

        Raises
        ------
        NotFittedError
            ``fit`` was not called.
        """
        if self._users is None or self._items is None:
            raise NotFittedError("Call fit before running transform")
        table = Table.of(log)
        names = [table.role("user"), table.role("item")]
        empty = _features(
            {name: self._empty_ids(place) for place, name in enumerate(names)},
            names,
            self._users,
            self._items,
        )
        parts = replace(table, parts=table.arrays(names))
        return table.assign(parts.map(_features, tuple(names), self._users, self._items), empty)

    def _empty_ids(self, place: int) -> Any:
        lookup = (self._users, self._items)[place]
        assert lookup is not None
        return lookup.shards[0].get().ids.values[:0]


def _differ(hull: tuple[Any, Any] | None) -> bool:
    return hull is not None and bool(hull[0] != hull[1])


def _only(arrays: Arrays, names: tuple[str, ...]) -> Arrays:
    return {name: arrays[name] for name in names}


def _with(arrays: Arrays, key: str, lookup: Lookup, names: tuple[str, ...]) -> Arrays:
    """Return a part with facts about the ids of one of its columns beside its rows."""
    found, _ = lookup.take(arrays[key])
    kept = {name: array for name, array in arrays.items() if name not in (key, "unit")}
    return kept | {name: found[name] for name in names}


class _Spread:
    """The least and the largest value of a column of facts."""

    def __init__(self, place: int) -> None:
        self.place = place

    def __call__(self, facts: Facts) -> tuple[float, float] | None:
        column = facts.columns[self.place]
        return (float(column.min()), float(column.max())) if len(column) else None


def _spread_of(hulls: list[Any]) -> tuple[float, float]:
    whole: tuple[float, float] = runtime.tree_reduce(hulls, hull)
    return whole


def _features(arrays: Arrays, names: Any, users: Lookup, items: Lookup) -> Arrays:
    """Return the new columns of a part."""
    user, item = names
    mine, known_user = users.take(_ids(arrays[user], user))
    theirs, known_item = items.take(_ids(arrays[item], item))
    flags: Arrays = {
        "na_u_log_features": (~known_user).astype(np.float64),
        "na_i_log_features": (~known_item).astype(np.float64),
        "u_i_log_num_interact_diff": np.subtract(
            mine["u_log_num_interact"], theirs["i_mean_u_log_num_interact"]
        ),
        "i_u_log_num_interact_diff": np.subtract(
            theirs["i_log_num_interact"], mine["u_mean_i_log_num_interact"]
        ),
    }
    return {**mine, **theirs, **flags}


def _ids(array: Array, name: str) -> Array:
    return read_ids(array, name, "the log")
