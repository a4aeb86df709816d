"""What can be asked of an evaluation: means, medians, intervals, and the values of users."""

from statistics import NormalDist
from typing import Any

import numpy as np

from daskrec.data import frames, ids
from daskrec.data.output import Form, finish
from daskrec.data.rows import read_ids
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.errors import LogError
from daskrec.metrics.columns import Side
from daskrec.metrics.measured import Measured
from daskrec.metrics.medians import lower_medians
from daskrec.metrics.modes import check_alpha
from daskrec.metrics.passes import Pass
from daskrec.metrics.scene import widen


class Evaluation:
    """The outcome of ``evaluate``.

    A lazy evaluation holds sums here and, where they are few, the values of users on the
    workers. Where they are many, medians and values of users are worked out once more of the
    rows in storage, which are there as long as this object (to the end of the process, where
    a lazy frame of users was made of them).

    Attributes
    ----------
    names
        Names of the metrics.
    ks
        The depths, in the order in which they were given.
    """

    def __init__(
        self,
        names: list[str],
        ks: list[int],
        outcome: Pass,
        index: dict[str, int],
        fixed: dict[str, dict[int, float]],
        recs: Side,
    ) -> None:
        self.names = names
        self.ks = ks
        self._outcome = outcome
        self._index = index
        self._fixed = fixed
        self._recs = recs
        self._medians: dict[str, list[float]] = {}

    def __repr__(self) -> str:
        return f"Evaluation({self.names}, ks={self.ks})"

    def mean(self, name: str, k: int) -> float:
        """Return the mean of a metric over users; 0 where there is none."""
        at, depth = self._place(name, k)
        if name in self._fixed:
            return self._fixed[name][k]
        count = self._outcome.summary.counts[at]
        return float(self._outcome.summary.sums[at][depth] / count) if count else 0.0

    def median(self, name: str, k: int) -> float:
        """Return the lower median of a metric, which is the value of a user.

        It is exact. Many values of a lazy evaluation are not gathered for it, but counted on
        the workers.
        """
        at, depth = self._place(name, k)
        if name in self._fixed:
            return self._fixed[name][k]
        if name not in self._medians:
            self._medians[name] = self._find_medians(at)
        return self._medians[name][depth]

    def _find_medians(self, at: int) -> list[float]:
        """Return the medians at all depths, for one pass where values were not kept."""
        count = self._outcome.summary.counts[at]
        if count == 0:
            return [0.0] * len(self.ks)
        return lower_medians(self._map(_table_of, at), len(self.ks), count, self._outcome.lazy)

    def conf_interval(self, name: str, k: int, alpha: float = 0.95) -> float:
        """Return half the width of the confidence interval of the mean.

        It is ``z * s / sqrt(n)``, where z is the quantile ``(1 + alpha) / 2`` of the normal
        distribution and s the standard deviation of the sample; 0 for one user.
        """
        check_alpha(alpha)
        at, depth = self._place(name, k)
        if name in self._fixed:
            return 0.0
        count = self._outcome.summary.counts[at]
        if count < 2:
            return 0.0
        variance = self._outcome.summary.squares[at][depth] / (count - 1)
        return float(NormalDist().inv_cdf((1 + alpha) / 2) * np.sqrt(variance / count))

    def per_user(self, name: str, k: int) -> tuple[Array, Vector]:
        """Return the users of a metric, sorted, and their values (float64).

        They come to this process: 16 bytes a user of integer ids.

        Raises
        ------
        LogError
            The metric has no value of a user (``Coverage``).
        """
        at, depth = self._need_users(name, k)
        pieces = self._gather(_pairs_of, at, depth)
        users = ids.concat([piece["user"] for piece in pieces])
        values = np.concatenate([piece["value"] for piece in pieces])
        if not self._outcome.lazy:
            return users, values
        known, codes = ids.factorize(users)
        sorted_values = np.empty_like(values)
        sorted_values[codes] = values
        return known.values, sorted_values

    def per_user_frame(self, name: str, k: int) -> Any:
        """Return a frame of users and values, of the kind of the recommendations.

        Lazy for lazy recommendations, whose users then come in no particular order.
        """
        table, user = self._recs.table, self._recs.columns["user"]
        dtypes = table.dtypes([user])
        if not table.lazy:
            users, values = self.per_user(name, k)
            columns: Arrays = {user: users, "value": values}
            return frames.kind_named(table.kind).build(columns, dtypes)
        at, depth = self._need_users(name, k)
        if self._outcome.stored is not None:
            self._outcome.stored.scratch.stay()
        empty = frames.kind_named(table.part).arrays(table.empty, [user])[user]
        none: Arrays = {user: read_ids(empty, user, table.what), "value": np.empty(0)}
        form = Form(table.kind, table.part, none, dtypes)
        return finish(self._map(_pairs_of, at, depth, user), form, label="evaluating")

    def by_rows(self, name: str, k: int) -> tuple[Vector, Vector]:
        """Return numbers of rows of the log, ascending, and the mean of users with so many."""
        at, depth = self._need_users(name, k)
        found = self._gather(_group_by_rows, at, depth)
        counts, codes = np.unique(
            np.concatenate([piece["rows"] for piece in found]), return_inverse=True
        )
        sums, users = (
            np.bincount(codes, np.concatenate([piece[part] for piece in found]), len(counts))
            for part in ("sum", "users")
        )
        return counts, sums / users

    def _gather(self, function: Any, at: int, depth: int) -> list[Arrays]:
        found = self._map(function, at, depth)
        return runtime.compute(found, "evaluating") if self._outcome.lazy else found

    def _map(self, function: Any, at: int, *args: Any) -> list[Any]:
        held, place = self._outcome.values(at)
        if not self._outcome.lazy:
            return [function(one, place, *args) for one in held]
        return runtime.tasks(function, [(one, place, *args) for one in held])

    def _place(self, name: str, k: int) -> tuple[int, int]:
        if name not in self.names:
            raise ValueError(f"no metric is called {name!r}: there are {self.names}")
        if k not in self.ks:
            raise ValueError(f"nothing was evaluated at {k}: there are {self.ks}")
        return self._index.get(name, -1), sorted(self.ks).index(k)

    def _need_users(self, name: str, k: int) -> tuple[int, int]:
        at, depth = self._place(name, k)
        if at < 0:
            raise LogError(f"{name} is one number for all users: it has no value per user")
        return at, depth


def _table_of(measured: Measured, at: int) -> Vector:
    assert measured.values is not None
    return measured.values[at].table


def _values_of(measured: Measured, at: int, depth: int) -> Vector:
    return np.asarray(_table_of(measured, at)[depth])


def _pairs_of(measured: Measured, at: int, depth: int, user: str = "user") -> Arrays:
    return {user: widen(measured.ids_of(at)), "value": _values_of(measured, at, depth)}


def _group_by_rows(measured: Measured, at: int, depth: int) -> Arrays:
    assert measured.values is not None
    assert measured.rows is not None
    counts, codes = np.unique(measured.rows[measured.values[at].users], return_inverse=True)
    values = _values_of(measured, at, depth)
    users = np.bincount(codes, minlength=len(counts))
    return {"rows": counts, "sum": np.bincount(codes, values, len(counts)), "users": users}
