"""Logs prepared as files that every engine reads: split once, ids as codes from 0.

``train.parquet`` has positive interactions (relevance 1), ``outcomes.parquet`` the negative ones
of the same time too (relevance 0), ``test.parquet`` what is to be found, ``features.parquet``
numbers of users, where the data set has them, and ``users.parquet`` who gets lists, where only some
do. Times are places in the order of a user, so that no two are equal. ``warm/`` holds the same of a
tenth of the users.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from benchmarks import leaderboard_data, protocols
from benchmarks.engines import ITEM, RELEVANCE, TIME, USER

LEAST = 3  # of the ratings that count as positive
SHARE = 0.2  # of a user's ratings that are held out, the last ones
_WARM_EVERY = 10
Frames: TypeAlias = dict[str, pd.DataFrame]


def prepare(
    name: str, source: Path, target: Path, *, served: int | None = None
) -> dict[str, float]:
    """Write a data set for engines, where it is not there yet; return its sizes.

    Parameters
    ----------
    name
        Of ``SETS``.
    source
        The folder of data sets.
    target
        The folder for the files.
    served
        How many users of the test get lists, drawn at random; None is all. Models learn from
        everybody all the same.
    """

    def parts() -> dict[str, Frames]:
        frames = SETS[name](source)
        warm = _part(frames)
        if served is None:
            return {"": frames, "warm": warm}
        return {"": drawn(frames, served), "warm": drawn(warm, -(-served // _WARM_EVERY))}

    return kept(target, parts)


def kept(target: Path, parts: Callable[[], dict[str, Frames]]) -> dict[str, float]:
    """Write parts of a data set where they are not there yet; return the sizes of the first.

    Parameters
    ----------
    target
        The folder for the files.
    parts
        Gives the frames of each folder below it; the first is the folder itself.
    """
    told = target / "sizes.json"
    if not told.is_file():
        made = parts()
        for place, frames in made.items():
            write(frames, target / place)
        # Last: one cut short is written again.
        told.write_text(json.dumps(_sizes(next(iter(made.values())))))
    sizes: dict[str, float] = json.loads(told.read_text())
    return sizes


def _movielens(name: str) -> Callable[[Path], Frames]:
    def read(source: Path) -> Frames:
        ratings = pd.read_parquet(source / name / "ratings.parquet")
        last = "position" if "position" in ratings else "item_id"
        ratings = ratings.sort_values(["user_id", "timestamp", last], ignore_index=True)
        by_user = ratings.groupby("user_id")
        place, size = by_user.cumcount(), by_user["item_id"].transform("size")
        held = place >= np.ceil(size * (1 - SHARE))
        log = ratings[["user_id", "item_id"]].set_axis([USER, ITEM], axis=1)
        log[RELEVANCE] = (ratings["rating"] >= LEAST).astype(np.float64)
        log[TIME] = place
        features = leaderboard_data.user_features(source, name)
        features.columns = features.columns.str.replace("-", "_")
        return coded(log[~held], log[held & (log[RELEVANCE] > 0)], features)

    return read


def _gowalla(source: Path) -> Frames:
    split = protocols.gowalla(source)
    train, test = (part.set_axis([USER, ITEM], axis=1) for part in split)
    for log in (train, test):
        log[RELEVANCE] = 1.0
        log[TIME] = log.groupby(USER).cumcount()
    return coded(train, test, None)


SETS: Mapping[str, Callable[[Path], Frames]] = {
    "ml-100k": _movielens("ml-100k"),
    "ml-1m": _movielens("ml-1m"),
    "gowalla": _gowalla,
}


def told(name: str) -> str:
    """Return how a data set is split, in words."""
    return (
        "the published split"
        if name == "gowalla"
        else f"the last {SHARE:.0%} of each user are the test"
    )


def coded(outcomes: pd.DataFrame, test: pd.DataFrame, features: pd.DataFrame | None) -> Frames:
    """Give users and items of a training log codes, and leave out of the others what it has not.

    The positive part of the log decides: every engine then has the same users and candidates.
    """
    positive = outcomes[RELEVANCE] > 0
    codes = {
        column: pd.Index(np.sort(outcomes.loc[positive, column].unique()))
        for column in (USER, ITEM)
    }

    def code(frame: pd.DataFrame) -> pd.DataFrame:
        columns = [column for column in codes if column in frame]
        numbered = frame.assign(**{c: codes[c].get_indexer(frame[c]) for c in columns})
        return numbered[(numbered[columns] >= 0).all(axis=1)].reset_index(drop=True)

    outcomes = code(outcomes)
    train = outcomes[outcomes[RELEVANCE] > 0].reset_index(drop=True)
    frames = {"outcomes": outcomes, "train": train, "test": code(test)}
    if features is not None:
        frames["features"] = code(features.rename(columns={"user_id": USER}))
    return frames


def _part(frames: Frames) -> Frames:
    """Take one user of ten, and number them and their items anew."""
    outcomes, test = (
        frames[name][frames[name][USER] % _WARM_EVERY == 0] for name in ("outcomes", "test")
    )
    return coded(outcomes, test, frames.get("features"))


def drawn(frames: Frames, served: int) -> Frames:
    """Draw users of the test who get lists; the test is then theirs alone."""
    test = frames["test"]
    users = np.sort(test[USER].unique())
    chosen = np.random.default_rng(0).permutation(users)[:served]
    return {
        **frames,
        "test": test[test[USER].isin(chosen)].reset_index(drop=True),
        "users": pd.DataFrame({USER: np.sort(chosen)}),
    }


def write(frames: Frames, folder: Path) -> None:
    """Write each frame as a Parquet file of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)


def _sizes(frames: Frames) -> dict[str, float]:
    """Return numbers of users, items and rows, and the sum of squared history lengths."""
    train = frames["train"]
    lengths = train.groupby(USER).size().to_numpy(dtype=np.float64)
    return {
        "users": train[USER].nunique(),
        "items": train[ITEM].nunique(),
        "rows": len(train),
        "outcomes": len(frames["outcomes"]),
        "test": len(frames["test"]),
        "squares": float(np.square(lengths).sum()),
    }
