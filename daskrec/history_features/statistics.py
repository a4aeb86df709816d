"""The statistics themselves: rows of one bucket of ids in, one row an id out."""

from dataclasses import dataclass

import numpy as np

from daskrec.data.ids import Ids
from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.shared import as_array

_DAY = 86_400_000_000_000  # nanoseconds
_QUANTILES = {"quantile_05": 0.05, "quantile_5": 0.5, "quantile_95": 0.95}
_TIMES = (
    "log_interact_days_count",
    "min_interact_date",
    "max_interact_date",
    "history_length_days",
    "last_interaction_gap_days",
)
_RELEVANCE = ("std", "mean", *_QUANTILES)


@dataclass(frozen=True)
class Options:
    """Which statistics are made.

    Parameters
    ----------
    relevance
        Those of relevance.
    last
        The last time of the log in nanoseconds; None leaves the statistics of times out.
    unit
        numpy type of the dates.
    """

    relevance: bool
    last: int | None
    unit: str

    @property
    def item_names(self) -> list[str]:
        """Names of the columns of ``of_items``."""
        return [*self._names("i"), "i_mean_u_log_num_interact"]

    def user_names(self, spread: tuple[float, float]) -> list[str]:
        """Return the names of the columns of ``of_users``."""
        more = ["abnormality"] if self.relevance else []
        if self.relevance and spread[0] != spread[1]:
            more.append("abnormalityCR")
        return [*self._names("u"), *more, "u_mean_i_log_num_interact"]

    def _names(self, prefix: str) -> list[str]:
        names = ["log_num_interact"]
        names += _TIMES if self.last is not None else ()
        names += _RELEVANCE if self.relevance else ()
        return [f"{prefix}_{name}" for name in names]


def log_counts(columns: Arrays, codes: Vector, ids: Ids) -> list[Vector]:
    """Return the logarithm of the number of rows of each id."""
    return [np.log(np.bincount(codes, minlength=len(ids)).astype(np.float64))]


def of_items(columns: Arrays, codes: Vector, ids: Ids, options: Options) -> list[Vector]:
    """Return the statistics of items; ``count`` holds the log counts of the rows' users."""
    own = _common(columns, codes, ids, options)
    return [*own, _mean(codes, as_array(columns["count"]), len(ids))]


def of_users(
    columns: Arrays, codes: Vector, ids: Ids, options: Options, spread: tuple[float, float]
) -> list[Vector]:
    """Return the statistics of users; columns of the rows' items are beside the rows.

    ``spread`` is the least and the largest standard deviation of any item.
    """
    out = _common(columns, codes, ids, options)
    if options.relevance:
        relevance, mean = (
            as_array(columns.get("relevance", np.empty(0))),
            as_array(columns["i_mean"]),
        )
        apart = np.abs(relevance - mean)
        out.append(_mean(codes, apart, len(ids)))
        low, high = spread
        if low != high:
            controversy = (as_array(columns["i_std"]) - low) / (high - low)
            out.append(_mean(codes, (apart * (1 - controversy)) ** 2, len(ids)))
    return [*out, _mean(codes, as_array(columns["i_log_num_interact"]), len(ids))]


def _common(columns: Arrays, codes: Vector, ids: Ids, options: Options) -> list[Vector]:
    out = log_counts(columns, codes, ids)
    if options.last is not None:
        out += _of_times(
            as_array(columns.get("time", np.empty(0, np.int64))),
            codes,
            len(ids),
            options.last,
            options.unit,
        )
    if options.relevance:
        out += _of_relevance(as_array(columns.get("relevance", np.empty(0))), codes, len(ids))
    return out


def _mean(codes: Vector, values: Vector, count: int) -> Vector:
    return np.bincount(codes, values, minlength=count) / np.bincount(codes, minlength=count)


def _of_times(times: Vector, codes: Vector, count: int, last: int, unit: str) -> list[Vector]:
    order = np.lexsort((times, codes))
    times, codes = times[order], codes[order]
    days = times // _DAY
    new = np.ones(len(days), dtype=bool)
    new[1:] = (days[1:] != days[:-1]) | (codes[1:] != codes[:-1])
    starts = np.searchsorted(codes, np.arange(count + 1))
    first, final = times[starts[:-1]], times[starts[1:] - 1]
    return [
        np.log(np.bincount(codes[new], minlength=count).astype(np.float64)),
        first.view("datetime64[ns]").astype(unit),
        final.view("datetime64[ns]").astype(unit),
        final // _DAY - first // _DAY,
        last // _DAY - final // _DAY,
    ]


def _of_relevance(relevance: Vector, codes: Vector, count: int) -> list[Vector]:
    rows = np.bincount(codes, minlength=count)
    mean = _mean(codes, relevance, count)
    squares = np.bincount(codes, (relevance - mean[codes]) ** 2, minlength=count)
    std = np.sqrt(squares / np.maximum(rows - 1, 1))
    order = np.lexsort((relevance, codes))
    starts = np.concatenate([[0], np.cumsum(rows)[:-1]])
    # The smallest value that at least this share of the values do not exceed.
    quantiles = [
        relevance[order][starts + np.maximum(np.ceil(share * rows).astype(np.int64) - 1, 0)]
        for share in _QUANTILES.values()
    ]
    return [std, mean, *quantiles]
