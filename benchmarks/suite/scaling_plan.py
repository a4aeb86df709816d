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
    longest
        The longest log that it is fitted on.
    work
        What the time of a fit is expected to be proportional to: ``rows``, or ``squares``, the
        sum of squared lengths of histories.
    goal
        The most that the exponents may be; None where none is asked for.
    asked
        Users whose lists are made, by size; all where it is not named.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    longest: str = "1e7"
    work: str = "rows"
    goal: float | None = None
    asked: Mapping[str, int] = field(default_factory=dict)

    def sizes(self, wanted: list[str]) -> list[str]:
        """Return the sizes that it is fitted on."""
        return [size for size in SIZES if size in wanted and float(size) <= float(self.longest)]


_GOAL = 1.05
# 20,000 lists of 100,000 items are 2e9 scores; all users would be fifty times as many.
_SOME = {"1e8": 20_000}
MODELS = {
    "pop": Model("PopRec", longest="1e8", goal=_GOAL),
    "wilson": Model("Wilson", longest="1e8", goal=_GOAL),
    "knn": Model("KNN", {"num_neighbours": 10}, work="squares", goal=_GOAL),
    "rules": Model("AssociationRulesItemRec", work="squares", goal=_GOAL),
    "als": Model(
        "ALSWrap",
        {"rank": 64, "seed": 0, "iterations": 3},
        longest="1e8",
        goal=_GOAL,
        asked=_SOME,
    ),
    "word2vec": Model("Word2VecRec", {"seed": 0}),
    "ease": Model("EASE", work="items^3"),
    "slim": Model("SLIM", longest="1e6", work="squares"),
}


def write_log(folder: Path, size: str) -> dict[str, float]:
    """Write a generated log as Parquet, where it is not there yet; return its sizes.

    Relevance is 0 or 1; users lie in ranges, one range a file.
    """
    told = folder / f"{size}.json"
    if not told.is_file():
        from daskrec.datasets import synthetic

        rows, users, items = SHAPES[size]
        parts = max(rows // _PART, _LEAST_PARTS)
        log = synthetic(users, items, rows, npartitions=parts, timestamps=True, seed=0)
        log["relevance"] = ((log["item_idx"] + log["user_idx"]) % 3 // 2).astype("float64")
        log.to_parquet(str(folder / size), write_index=False)
        told.write_text(json.dumps(_measure(folder / size)))
    sizes: dict[str, float] = json.loads(told.read_text())
    return sizes


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
