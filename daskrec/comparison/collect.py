"""What a report shows, brought together from the frames of a comparison."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dask
import numpy as np

import daskrec
from daskrec.comparison.board import Board, Settings
from daskrec.comparison.gather import rows_of, sample_places
from daskrec.comparison.titles import Titles, read_titles
from daskrec.comparison.trials import Task
from daskrec.data.ids import Ids, concat
from daskrec.data.selection import read_selection
from daskrec.data.tables import Table
from daskrec.distributions import ItemCounts, count_items
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.errors import LogError
from daskrec.report.figures import Curve
from daskrec.report.lists import Entry, UserLists
from daskrec.report.page import Content
from daskrec.report.pieces import count

_NAMED_ITEMS = 10  # of a curve: the first items are told by name
_HELD = 40  # items of the test that a user's lists show


@dataclass(frozen=True)
class Shown:
    """What the caller of a report chose; see ``Comparison.report``."""

    title: str
    titles: Any
    title_column: str
    users: Any
    history: int


def collect(
    board: Board,
    task: Task,
    settings: Settings,
    recommendations: Mapping[str, Any],
    shown: Shown,
) -> Content:
    """Bring together what a report shows.

    Raises
    ------
    LogError
        Titles cannot be used, or none of the chosen users is in the test.
    """
    lists = _Lists(task, recommendations, _choose(task.users, shown.users, settings.seed), shown)
    train = count_items(task.train, "train")
    shares = {name: count_items(one, "recommendations") for name, one in recommendations.items()}
    wanted = [lists.items(), *(_first(one) for one in (train, *shares.values()))]
    titles = read_titles(shown.titles, shown.title_column, wanted)
    facts = [
        ("models", f"{len(board.scores.models) + len(board.errors):,}"),
        ("users of the test", f"{len(task.users):,}"),
        ("interactions in the training", f"{int(train.counts.sum()):,}"),
        ("items in the training", f"{len(train.items):,}"),
    ]
    return Content(
        title=shown.title,
        scores=board.scores,
        primary=settings.primary,
        tests=board.tests,
        costs=board.costs,
        errors=board.errors,
        facts=facts,
        curves=_curves(train, shares, titles),
        users=lists.views(titles),
        latest_first=lists.timed,
        notes=_notes(task, settings),
        level=settings.level,
    )


def popularity_curves(train: Any, recommendations: Mapping[str, Any]) -> list[Curve]:
    """Return how interactions and recommendations are spread over items."""
    shares = {name: count_items(one, "recommendations") for name, one in recommendations.items()}
    return _curves(count_items(train, "train"), shares, Titles())


def _curves(train: ItemCounts, shares: Mapping[str, ItemCounts], titles: Titles) -> list[Curve]:
    curves = [
        Curve(name, np.sort(one.counts)[::-1], number, titles.of(_first(one)))
        for number, (name, one) in enumerate(shares.items())
    ]
    return [Curve("the log", np.sort(train.counts)[::-1], None, titles.of(_first(train))), *curves]


def _first(one: ItemCounts) -> Array:
    """Return the most frequent items, in their order; equal ones by id."""
    return one.items.values.take(np.argsort(-one.counts, kind="stable")[:_NAMED_ITEMS])


def _choose(users: Ids, chosen: Any, seed: int) -> Ids:
    """Return the users whose lists are shown."""
    if isinstance(chosen, int) and not isinstance(chosen, bool):
        return Ids(users.values.take(sample_places(users.values, chosen, seed, "report.users")))
    named = read_selection(chosen, "user", users)
    assert named is not None
    found = np.flatnonzero(users.encode(named.values) >= 0)
    if not len(found):
        raise LogError("users: none of them is in the test")
    return Ids(named.values.take(found))


class _Lists:
    """The histories, test items and recommendations of some users."""

    def __init__(
        self, task: Task, recommendations: Mapping[str, Any], users: Ids, shown: Shown
    ) -> None:
        self.users = users
        self._most = shown.history
        self._depth = max(task.ks)
        self._history, self._times = _read(task.train, "train", users, "timestamp")
        self._held, _ = _read(task.test, "test", users, None)
        self._recommended = [
            _read(one, "recommendations", users, "relevance") for one in recommendations.values()
        ]

    @property
    def timed(self) -> bool:
        """Whether histories are in the order of time."""
        return self._times is not None

    def items(self) -> Array:
        """Return every item that may be shown, many of them more than once."""
        rows = [self._history, self._held, *(rows for rows, _ in self._recommended)]
        return _joined([one["item"] for one in rows])

    def views(self, titles: Titles) -> list[UserLists]:
        """Return the lists of each user."""
        return [self._view(code, titles) for code in range(len(self.users))]

    def _view(self, code: int, titles: Titles) -> UserLists:
        history, total = self._recent(code, titles)
        held = _distinct(self._held["item"].take(np.flatnonzero(self._held["code"] == code)))
        truth = set(_plain(held))
        rows = [self._best(number, code) for number in range(len(self._recommended))]
        recommended = [
            [
                Entry(name, hit=item in truth)
                for name, item in zip(titles.of(items), _plain(items), strict=True)
            ]
            for items in rows
        ]
        own = _found_by(held, rows, titles)
        user = str(_plain(self.users.values)[code])
        return UserLists(user, history, total, own[:_HELD], len(own), recommended)

    def _recent(self, code: int, titles: Titles) -> tuple[list[Entry], int]:
        """Return what a user had last, and how much there is in all."""
        rows = np.flatnonzero(self._history["code"] == code)
        days = [""] * min(len(rows), self._most)
        if self._times is not None:
            # Of what came at one time, what stands last in the log is the latest.
            rows = rows[::-1]
            rows = rows[np.argsort(-self._times[rows].astype(np.float64), kind="stable")]
            days = dates(self._times[rows[: self._most]])
        names = titles.of(self._history["item"].take(rows[: self._most]))
        return [Entry(name, day) for name, day in zip(names, days, strict=True)], len(rows)

    def _best(self, number: int, code: int) -> Array:
        """Return the list of a user, best first and each item once."""
        rows, scores = self._recommended[number]
        mine = np.flatnonzero(rows["code"] == code)
        if scores is not None:
            mine = mine[np.argsort(-scores[mine], kind="stable")]
        return _distinct(rows["item"].take(mine))[: self._depth]


def _read(source: Any, what: str, users: Ids, extra: str | None) -> tuple[Arrays, Vector | None]:
    """Return the items of users, and a column of numbers or times where there is one."""
    table = Table.of(source, what)
    item, more = table.role("item"), table.find(extra) if extra else None
    rows = rows_of(source, "user", users, [item, *([more] if more else [])], what)
    values = rows[more] if more else None
    found: Arrays = {"item": rows[item], "code": rows["code"]}
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iufM":
        return found, None
    if values.dtype.kind == "M":
        return found, values.astype("datetime64[s]")
    return found, np.nan_to_num(values.astype(np.float64))


def dates(values: Vector) -> list[str]:
    """Return the days of times, where it is plain what they are.

    Numbers that seconds since 1970 would be from 1980 to 2100, or that milli-, micro- or
    nanoseconds would be, are taken for times; others may be anything, and are not shown.
    """
    if values.dtype.kind == "M":
        return ["" if np.isnat(day) else str(day) for day in values.astype("datetime64[D]")]
    for scale in (1.0, 1e3, 1e6, 1e9):
        seconds = values / scale
        if len(values) and (seconds > 315_532_800).all() and (seconds < 4_102_444_800).all():
            days = seconds.astype(np.int64).astype("datetime64[s]").astype("datetime64[D]")
            return [str(day) for day in days]
    return [""] * len(values)


def _found_by(held: Array, rows: Sequence[Array], titles: Titles) -> list[Entry]:
    """Return the items of the test, those that most models recommended first."""
    found = [set(_plain(items)) for items in rows]
    entries = []
    for name, item in zip(titles.of(held), _plain(held), strict=True):
        by = tuple(number for number, items in enumerate(found) if item in items)
        entries.append(Entry(name, hit=bool(by), found_by=by))
    return sorted(entries, key=lambda entry: -len(entry.found_by))


def _joined(arrays: Sequence[Array]) -> Array:
    filled = [array for array in arrays if len(array)] or list(arrays[:1])
    return concat(filled)


def _distinct(items: Array) -> Array:
    """Return items each once, where it stands first."""
    seen: dict[Any, int] = {}
    for place, item in enumerate(_plain(items)):
        seen.setdefault(item, place)
    return items.take(np.fromiter(seen.values(), np.int64, len(seen)))


def _plain(items: Array) -> list[Any]:
    found: list[Any] = items.tolist()
    return found


def _notes(task: Task, settings: Settings) -> list[str]:
    tests = {
        "t": "the paired t test over users",
        "permutation": "the paired permutation test over users",
        "wilcoxon": "the Wilcoxon signed-rank test over users",
    }
    intervals = (
        f"Intervals: {settings.level:.0%} percentile intervals of a bootstrap over users "
        f"({count(settings.replicates, 'replicate')}, seed {settings.seed}; the same users are "
        "drawn for all models). Coverage is one number for all users and has none. "
        if settings.replicates
        else ""
    )
    seen = "Items that users had in the training are left out. " if task.filter_seen_items else ""
    return [
        f"{intervals}Significance: {tests[settings.significance]} against the best model of the "
        "column, corrected for the number of models (Holm).",
        f"Every model served the same {count(len(task.users), 'user')} with the "
        f"{'given items' if task.items is not None else 'items of the training'}. {seen}Seconds "
        "are of one run, the first of a kernel on a machine includes its compilation. Memory is "
        "the most that all processes held while the model was fitted and asked; below it, how "
        "much more that was than before.",
        f"Made on {date.today().isoformat()} with daskrec {daskrec.__version__}, Dask "
        f"{dask.__version__} and Python {platform.python_version()}.",
    ]
