"""What the scaling table runs: sizes, models and how far each goes on a laptop."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# Rows, users and items. The shape of MovieLens at 1e7, and larger catalogues for more rows.
SHAPES: Mapping[str, tuple[int, int, int]] = {
    "1e5": (100_000, 3_000, 2_000),
    "1e6": (1_000_000, 12_000, 4_000),
    "1e7": (10_000_000, 137_000, 20_700),
    "1e8": (100_000_000, 1_000_000, 100_000),
}
SIZES = tuple(SHAPES)
LARGEST = SIZES[-1]
_PART = 1_000_000  # rows of a file
_LEAST_PARTS = 4


@dataclass(frozen=True)
class Model:
    """A model of the table.

    Parameters
    ----------
    name
        Its class.
    params
        Its parameters.
    longest, spread
        The longest logs that it is fitted on, in one process and by worker processes.
    work, lists
        What the time of a fit, and of lists, is expected to be proportional to. The sizes of a log
        (``write_log``) say how much it is: ``rows``; ``squares``, the sum of squared lengths of
        histories; ``items^3``; ``cells``, rows times items. For lists also ``scores``, the users
        that are served times items.
    goal
        The most that the exponents may be; None where none is asked for.
    asked
        Users whose lists are made, by size; all where it is not named.
    beside
        Whether a fit on a Dask frame is compared with one on the same rows in pandas.
    fewer
        Parameters of a second fit, whose time tells what the rounds of the first one take.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    longest: str = "1e7"
    spread: str = LARGEST
    work: str = "rows"
    lists: str = "rows"
    goal: float | None = None
    asked: Mapping[str, int] = field(default_factory=dict)
    beside: bool = False
    fewer: Mapping[str, Any] | None = None

    def sizes(self, wanted: list[str]) -> list[str]:
        """Return the sizes that it is fitted on."""
        return [size for size in SIZES if size in wanted and float(size) <= float(self.longest)]

    @property
    def alone(self) -> str:
        """The mode of one process that all sizes of the model have."""
        return "path" if self.longest == LARGEST else "direct"

    def modes(self, size: str) -> list[str]:
        """Return the modes that a size is run in; see ``job``."""
        if size == LARGEST:
            return ["path", "2"]
        workers = ["1", "2"] if float(size) <= float(self.spread) else []
        more = (["path"] if self.alone == "path" else []) + (["dask"] if self.beside else [])
        return ["direct", *more, *workers]

    def scores(self, record: Mapping[str, Any]) -> float:
        """Return the work of the lists of a record."""
        if self.lists != "scores":
            return float(record[self.lists])
        return float((self.asked.get(record["size"]) or record["users"]) * record["items"])


_GOAL = 1.05
# 20,000 lists of 100,000 items are 2e9 scores; all users would be fifty times as many.
_SOME = {LARGEST: 20_000}
MODELS = {
    "pop": Model("PopRec", longest=LARGEST, goal=_GOAL, beside=True),
    "wilson": Model("Wilson", longest=LARGEST, goal=_GOAL),
    "knn": Model(
        "KNN", {"num_neighbours": 10}, work="squares", lists="scores", goal=_GOAL, beside=True
    ),
    "rules": Model("AssociationRulesItemRec", work="squares", lists="scores", goal=_GOAL),
    "als": Model(
        "ALSWrap",
        {"rank": 64, "seed": 0, "iterations": 3},
        longest=LARGEST,
        lists="scores",
        goal=_GOAL,
        asked=_SOME,
        beside=True,
        fewer={"iterations": 1},
    ),
    "word2vec": Model("Word2VecRec", {"seed": 0}, lists="scores"),
    "ease": Model("EASE", spread="1e6", work="items^3", lists="cells"),
    "slim": Model("SLIM", work="squares", lists="scores"),
}


def write_log(folder: Path, size: str) -> dict[str, float]:
    """Write a generated log as Parquet, where it is not there yet; return its sizes.

    Relevance is 0 or 1; users lie in ranges, one range a file. The longest log has no times.
    """
    told = folder / f"{size}.json"
    if not told.is_file():
        from daskrec.datasets import synthetic

        rows, users, items = SHAPES[size]
        parts = max(rows // _PART, _LEAST_PARTS)
        timed = size != LARGEST
        log = synthetic(users, items, rows, npartitions=parts, timestamps=timed, seed=0)
        log["relevance"] = ((log["item_idx"] + log["user_idx"]) % 3 // 2).astype("float64")
        log.to_parquet(str(folder / size), write_index=False)
        told.write_text(json.dumps(_measure(folder / size)))
    sizes: dict[str, float] = json.loads(told.read_text())
    return {**sizes, "cells": sizes["rows"] * sizes["items"]}


def _measure(folder: Path) -> dict[str, float]:
    """Count rows, users and items, and the squares of the histories, a file at a time."""
    rows, users, squares = 0, 0, 0.0
    items: set[int] = set()
    for path in sorted(folder.glob("*.parquet")):
        part = pd.read_parquet(path, columns=["user_idx", "item_idx"])
        lengths = part["user_idx"].value_counts().to_numpy(dtype=np.float64)
        rows, users = rows + len(part), users + len(lengths)
        squares += float(np.square(lengths).sum())
        items |= set(part["item_idx"].unique())
    return {
        "rows": rows,
        "users": users,
        "items": len(items),
        "squares": squares,
        "items^3": float(len(items)) ** 3,
    }
