"""The numbers of a comparison: means, intervals by the bootstrap, and tests of differences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from daskrec.comparison.gather import sample_places
from daskrec.comparison.trials import Trial
from daskrec.data.ids import Ids
from daskrec.engine.arrays import Vector
from daskrec.engine.bootstrap import percentile_interval, resampled_means
from daskrec.report.figures import Scores
from daskrec.significance import holm, paired_p

_MOST_USERS = 1_000_000  # that intervals and tests look at
_VALUE_BYTES = 1 << 29  # of values that are resampled at a time
_MEGABYTE = 1e6
TEST_COLUMNS = (
    "metric", "model", "best", "difference", "difference_low", "difference_high", "p_value",
    "p_holm",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """How models are ordered, and how their differences are judged.

    Parameters
    ----------
    primary
        The column that models are ordered by.
    seed, replicates, level
        Of the bootstrap.
    significance
        Name of the test.
    """

    primary: str
    seed: int = 0
    replicates: int = 1000
    level: float = 0.95
    significance: str = "t"


@dataclass(frozen=True)
class Board:
    """Numbers of models, best first.

    Parameters
    ----------
    scores
        Means and intervals, without models that failed.
    costs
        A row a model, without those that failed: seconds and megabytes.
    tests
        A row a column and model other than the best; see ``Comparison.tests``.
    errors
        What went wrong, for models that failed.
    """

    scores: Scores
    costs: pd.DataFrame
    tests: pd.DataFrame
    errors: dict[str, str]

    @property
    def results(self) -> pd.DataFrame:
        """All numbers in one frame; see ``Comparison.results``."""
        parts = []
        for column in self.scores.means.columns:
            parts.append(self.scores.means[column])
            if self.scores.spread(column) is not None:
                parts.append(self.scores.low[column].rename(f"{column}_low"))
                parts.append(self.scores.high[column].rename(f"{column}_high"))
        found = pd.concat([*parts, self.costs], axis=1)
        index = pd.Index([*found.index, *self.errors], name="model")
        found = found.reindex(index)
        found["error"] = [self.errors.get(name, "") for name in index]
        return found


def make_board(trials: Sequence[Trial], users: Ids, settings: Settings) -> Board:
    """Order models, and work out the intervals and tests of what was measured.

    Parameters
    ----------
    trials
        What came of each model.
    users
        The users of the comparison, whose order fixes the draws.
    settings
        How differences are judged.
    """
    done = [trial for trial in trials if trial.error is None]
    done.sort(key=lambda trial: -np.nan_to_num(trial.means[settings.primary], nan=-np.inf))
    names = pd.Index([trial.name for trial in done], name="model")
    means = pd.DataFrame([trial.means for trial in done], index=names)
    low, high = (pd.DataFrame(np.nan, index=names, columns=means.columns) for _ in range(2))
    rows: list[tuple[object, ...]] = []
    places = sample_places(users.values, _MOST_USERS, settings.seed, "comparison.users")
    narrower = np.sqrt(len(places) / len(users))
    columns = [str(name) for name in means if any(name in trial.values for trial in done)]
    step = max(1, _VALUE_BYTES // (8 * max(len(places) * len(done), 1)))
    for start in range(0, len(columns), step):
        some = columns[start : start + step]
        values = [user_values(done, column, len(users))[places] for column in some]
        # The same draws for each group of columns: they depend on the seed alone.
        drawn = resampled_means(np.hstack(values), settings.replicates, settings.seed)
        for column, mine, replicates in zip(
            some, values, np.split(drawn, len(some), axis=1), strict=True
        ):
            whole = means[column].to_numpy()
            low[column], high[column] = _interval(replicates, whole, mine, narrower, settings)
            rows += _tests(column, done, whole, mine, replicates, narrower, settings)
    tests = pd.DataFrame(rows, columns=list(TEST_COLUMNS))
    costs = pd.DataFrame([_costs(trial) for trial in done], index=names, columns=list(COSTS))
    failed = {trial.name: trial.failure for trial in trials if trial.error is not None}
    return Board(Scores(means, low, high), costs, tests, failed)


COSTS = ("fit_seconds", "predict_seconds", "metric_seconds", "peak_mb", "added_mb")


def _costs(trial: Trial) -> tuple[float, ...]:
    watched = trial.peak > 0
    return (
        trial.fit_seconds,
        trial.predict_seconds,
        trial.metric_seconds,
        trial.peak / _MEGABYTE if watched else np.nan,
        (trial.peak - trial.start) / _MEGABYTE if watched else np.nan,
    )


def user_values(trials: Sequence[Trial], column: str, users: int) -> Vector:
    """Return float64 values, users x models; NaN where a model has none for a user."""
    table = np.full((users, len(trials)), np.nan)
    for number, trial in enumerate(trials):
        if column in trial.values:
            places, values = trial.values[column]
            table[places, number] = values
    return table


def _interval(
    replicates: Vector, whole: Vector, values: Vector, narrower: float, settings: Settings
) -> tuple[Vector, Vector]:
    """Return the ends of intervals about the means of all users.

    Replicates are of a sample of the users: their spread about the sample's mean shrinks with
    the square root of the number of users, and lies about the mean of all.
    """
    if not len(replicates):
        return np.full(len(whole), np.nan), np.full(len(whole), np.nan)
    ends = percentile_interval(replicates, settings.level)
    if narrower == 1:
        return ends
    center = np.nanmean(values, axis=0)
    return whole + (ends[0] - center) * narrower, whole + (ends[1] - center) * narrower


def _tests(
    column: str,
    trials: Sequence[Trial],
    whole: Vector,
    values: Vector,
    replicates: Vector,
    narrower: float,
    settings: Settings,
) -> list[tuple[object, ...]]:
    """Compare every model with the best of a column."""
    if np.isnan(whole).all():
        return []
    best = int(np.nanargmax(whole))
    others = [number for number in range(len(trials)) if number != best]
    gaps = values - values[:, [best]]
    low, high = _interval(
        replicates - replicates[:, [best]], whole - whole[best], gaps, narrower, settings
    )
    raw = np.array(
        [
            paired_p(values[:, best], values[:, other], settings.significance, settings.seed)
            for other in others
        ]
    )
    corrected = holm(raw)
    return [
        (
            column, trials[other].name, trials[best].name, whole[other] - whole[best],
            low[other], high[other], raw[number], corrected[number],
        )
        for number, other in enumerate(others)
    ]  # fmt: skip
