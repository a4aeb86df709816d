"""Models for the contract suite whose input is made fit for them on its way in."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from daskrec.data.columns import find
from daskrec.data.frames import find_kind
from daskrec.data.ids import Ids, union
from daskrec.data.paths import open_frame
from daskrec.data.selection import read_selection
from daskrec.errors import LogError
from support.logs import as_kind, kind_of, to_pandas
from support.spark import is_spark


def _binary(values: Any) -> Any:
    """Return 1 for odd numbers and 0 for even ones; what is no number stays."""
    numbers = np.asarray(values, dtype=float)
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(numbers), numbers % 2 == 1, numbers)


def _binary_pandas(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.assign(**{column: _binary(frame[column])})


def binary_log(log: Any) -> Any:
    """Return a log whose relevance is 0 or 1, in the kind of frame that it was."""
    frame = open_frame(log, "the log") if isinstance(log, str) else log
    if is_spark(frame):
        return as_kind(binary_log(to_pandas(frame)), "spark")
    columns = getattr(frame, "columns", [])
    if isinstance(frame, pa.Table):
        columns = frame.column_names
    column = next((name for name in ("relevance", "rating") if name in list(columns)), None)
    if column is None:
        return frame
    if isinstance(frame, pd.DataFrame):
        return _binary_pandas(frame, column)
    if isinstance(frame, dd.DataFrame):
        return frame.map_partitions(_binary_pandas, column)
    if isinstance(frame, pl.DataFrame):
        return frame.with_columns(pl.Series(column, _binary(frame[column])))
    place = frame.column_names.index(column)
    return frame.set_column(place, column, pa.array(_binary(frame[column].to_pandas())))


def timed_log(log: Any) -> Any:
    """Return a log whose rows without a time have one: their relevance, whatever the ids are."""
    frame = open_frame(log, "the log") if isinstance(log, str) else log
    if is_spark(frame):
        return as_kind(timed_log(to_pandas(frame)), "spark")
    kind = find_kind(frame)
    if kind is None or "timestamp" in kind.columns(frame):
        return frame
    return frame.map_partitions(_timed) if isinstance(frame, dd.DataFrame) else _timed(frame)


def _timed(frame: Any) -> Any:
    kind = find_kind(frame)
    column = next((n for n in ("relevance", "rating") if n in kind.columns(frame)), None)
    values = np.zeros(len(frame)) if column is None else kind.arrays(frame, [column])[column]
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iufb":
        values = np.zeros(len(frame))  # the model itself says what is wrong
    times = np.where(np.isfinite(values), values, 0.0)
    return kind.assign(frame, {"timestamp": times}, {}, ())


class Timed:
    """A model that takes a log without times, and gives each row one."""

    def fit(self, log: Any) -> Any:
        return super().fit(timed_log(log))

    def fit_predict(self, log: Any, *args: Any, **options: Any) -> Any:
        return super().fit_predict(timed_log(log), *args, **options)


class BinaryRelevance:
    """A model that takes a log of any relevance, and makes it 0 or 1."""

    def fit(self, log: Any) -> Any:
        return super().fit(binary_log(log))

    def fit_predict(self, log: Any, *args: Any, **options: Any) -> Any:
        return super().fit_predict(binary_log(log), *args, **options)

    def update(self, log: Any) -> Any:
        return super().update(binary_log(log))


def features_of(users: Ids, trained: Ids, role: str = "user") -> pd.DataFrame:
    """Return features by the places of users among those of the fit.

    Other ids in the same order get the same lists. The first four users are alike, so that
    those of a small log share a cluster; of three kinds of users two are near each other, so
    that there is no doubt where clusters are cut.
    """
    both = users.values, trained.values
    names, order = (v if isinstance(v, np.ndarray) else np.array(v.to_pylist()) for v in both)
    group = np.searchsorted(order, names) // 4 % 3
    far = np.array([0.0, 100.0, 400.0])[group]
    column = names if isinstance(users.values, np.ndarray) else users.values.to_pandas()
    return pd.DataFrame({f"{role}_idx": column, "far": far, "whole": group, "flag": group == 2})


class Featured:
    """A model of users' features that makes the features itself, and has a log alone."""

    def _features_for(self, *sources: Any) -> Any:
        """Return features of all users that frames or selections mention, as the first is."""
        trained = self._fitted.user_ids.whole()
        found = [_users_of(source) for source in sources if source is not None]
        kind = next((kind_of(s) for s in sources if find_kind(s) is not None), "pandas")
        return as_kind(features_of(union([*found, trained]), trained), kind)

    def fit(self, log: Any) -> Any:
        try:
            users = _users_of(log)
        except LogError:  # the model itself says what is wrong
            users = Ids(np.arange(3))
        kind = kind_of(log) if find_kind(log) is not None else "pandas"
        return super().fit(log, as_kind(features_of(users, users), kind))

    def predict(
        self,
        log: Any,
        k: int,
        users: Any = None,
        items: Any = None,
        filter_seen_items: bool = True,
        recs_file_path: Any = None,
    ) -> Any:
        if users is None and log is None:
            users = self._fitted.user_ids.whole().values
        elif isinstance(users, Iterator):
            users = list(users)
        features = self._features_for(log, users)
        return super().predict(features, k, log, users, items, filter_seen_items, recs_file_path)

    def fit_predict(self, log: Any, k: int, *args: Any, **options: Any) -> Any:
        return self.fit(log).predict(log, k, *args, **options)

    def predict_pairs(
        self, pairs: Any, log: Any = None, recs_file_path: Any = None, k: int | None = None
    ) -> Any:
        features = self._features_for(pairs) if self._catalogue is not None else None
        return super().predict_pairs(pairs, log, features, recs_file_path, k)

    def update(self, log: Any) -> Any:
        try:
            users = _users_of(log)
        except LogError:
            return super().update(log)
        if len(users) == 0 or self._catalogue is None:
            return super().update(log)
        every = union([users, self._fitted.user_ids.whole()])  # known ones change places
        return super().update(log, features_of(every, every))


class HybridFeatured:
    """A model of features of both sides that makes them itself, and has a log alone."""

    def _features(self, users: list[Any], items: list[Any]) -> tuple[Any, Any]:
        """Return features of all ids that frames or selections mention, as the first is."""
        found = []
        trained = {"user": self._fitted.user_ids.whole(), "item": self._fitted.item_ids.get()}
        kind = next((kind_of(s) for s in users if find_kind(s) is not None), "pandas")
        for role, sources in (("user", users), ("item", items)):
            ids = [_ids_of(s, role) for s in sources if s is not None]
            frame = features_of(union([*ids, trained[role]]), trained[role], role)
            found.append(as_kind(frame, kind))
        return found[0], found[1]

    def fit(self, log: Any) -> Any:
        try:
            ids = {role: _ids_of(log, role) for role in ("user", "item")}
        except LogError:  # the model itself says what is wrong
            ids = dict.fromkeys(("user", "item"), Ids(np.arange(3)))
        if not all(map(len, ids.values())):
            ids = dict.fromkeys(ids, Ids(np.arange(3)))
        kind = kind_of(log) if find_kind(log) is not None else "pandas"
        frames = [as_kind(features_of(known, known, role), kind) for role, known in ids.items()]
        return super().fit(log, *frames)

    def predict(
        self,
        log: Any,
        k: int,
        users: Any = None,
        items: Any = None,
        filter_seen_items: bool = True,
        recs_file_path: Any = None,
    ) -> Any:
        users = list(users) if isinstance(users, Iterator) else users
        if users is None and log is None and self._catalogue is not None:
            users = self._fitted.user_ids.whole().values
        made = (None, None)
        if self._catalogue is not None:
            made = self._features([log, users], [items])
        return super().predict(log, k, users, items, *made, filter_seen_items, recs_file_path)

    def fit_predict(self, log: Any, k: int, *args: Any, **options: Any) -> Any:
        return self.fit(log).predict(log, k, *args, **options)

    def predict_pairs(
        self, pairs: Any, log: Any = None, recs_file_path: Any = None, k: int | None = None
    ) -> Any:
        made = (None, None)
        if self._catalogue is not None and find_kind(pairs) is not None:
            named = [pairs if find(find_kind(pairs).columns(pairs), r) else None for r in ROLES]
            made = self._features([named[0]], [named[1]])
        return super().predict_pairs(pairs, log, *made, recs_file_path, k)


ROLES = ("user", "item")


def _users_of(source: Any) -> Ids:
    """Return the users that a log, a frame of pairs or a selection mentions."""
    return _ids_of(source, "user")


def _ids_of(source: Any, role: str) -> Ids:
    """Return the users or items that a log, a frame of pairs or a selection mentions."""
    if isinstance(source, str):
        source = open_frame(source, "the log")
    return read_selection(source, role, Ids(np.empty(0, np.int64)))


@cache
def adapted(model: type, how: type) -> type:
    """Return a model, under its own name, with ``how`` put before it."""
    return type(model.__name__, (how, model), {"__reduce__": _reduce})


def _reduce(self: Any) -> Any:
    how, model = type(self).__bases__
    return _again, (model, how, self.__getstate__())


def _again(model: type, how: type, state: Any) -> Any:
    again = object.__new__(adapted(model, how))
    again.__setstate__(state)
    return again
