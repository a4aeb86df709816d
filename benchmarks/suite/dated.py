"""The split of the original's published comparison, as files that every engine reads.

The last fifth of the positive ratings by time are the test (``leaderboard_data``). ``inner/`` holds
the training part split in the same way once more: parameters are searched there. Users are those
of the test (``users.parquet``), at both levels.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmarks import leaderboard_data as board
from benchmarks.engines import ITEM, RELEVANCE, TIME, USER
from benchmarks.suite.splits import Frames, coded, kept

INNER = "inner"
# The data set, and the column that is the time of a rating.
SETS: Mapping[str, tuple[str, str]] = {
    "ml-100k": ("ml-100k", "timestamp"),
    "ml-1m": ("ml-1m", "position"),
    "ml-1m-dates": ("ml-1m", "timestamp"),
}
_NAMES = dict(zip(board.COLUMNS, (USER, ITEM, RELEVANCE, TIME), strict=True))


def prepare(name: str, source: Path, target: Path) -> dict[str, float]:
    """Write a data set for engines, where it is not there yet; return its sizes.

    Parameters
    ----------
    name
        Of ``SETS``.
    source
        The folder of data sets.
    target
        The folder for the files.
    """

    def parts() -> dict[str, Frames]:
        data, time = SETS[name]
        ratings = pd.read_parquet(source / data / "ratings.parquet")
        ratings["timestamp"] = ratings[time]
        features = board.user_features(source, data)
        features.columns = features.columns.str.replace("-", "_")
        outer = board.split(ratings[board.COLUMNS], features)
        # What the inner models see ends where the test begins, negative ratings too.
        known = _original_ratings(ratings[board.COLUMNS], outer)
        return {"": _frames(outer), INNER: _frames(board.split(known, features))}

    return kept(target, parts)


def _original_ratings(ratings: pd.DataFrame, outer: board.Split) -> pd.DataFrame:
    """Return the rows of ratings that a split learns from, with the ratings that they had."""
    known: pd.DataFrame = ratings[ratings["timestamp"] < outer.test["timestamp"].min()]
    return known


def _frames(split: board.Split) -> Frames:
    outcomes, test = (part.rename(columns=_NAMES) for part in (split.outcomes, split.test))
    frames = coded(outcomes, test, split.features)
    frames["users"] = frames["test"][[USER]].drop_duplicates(ignore_index=True)
    return frames
