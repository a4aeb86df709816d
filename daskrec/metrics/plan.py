"""What metrics ask for, brought together before any work begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from daskrec.engine.shared import Shared
from daskrec.errors import LogError
from daskrec.metrics.catalogue import Catalogue
from daskrec.metrics.columns import Names, Side, Wanted, open_side
from daskrec.metrics.measured import Measure
from daskrec.metrics.passes import Work
from daskrec.metrics.scene import ByItem

WHAT = {
    "recs": "the recommendations",
    "truth": "the truth",
    "train": "the training log",
    "base": "the baseline recommendations",
    "log": "the log",
}


@dataclass(frozen=True)
class Given:
    """The frames that a call was given beside the recommendations; None for those it was not."""

    truth: Any = None
    train: Any = None
    base: Any = None


@dataclass(frozen=True)
class Ask:
    """What one metric asks for.

    Parameters
    ----------
    measure
        The work for every user; None for a metric that is not one of users.
    sides
        Frames whose rows are set beside the recommendations, by name.
    table
        Name and maker of numbers of items.
    coverage
        Maker of the items to be covered.
    known_only
        Items outside of them do not count.
    category
        The recommendations have to have a column of categories.
    whole
        Lists may not be cut.
    """

    measure: Measure | None = None
    sides: dict[str, Any] = field(default_factory=dict)
    table: tuple[str, Callable[[Names], ByItem]] | None = None
    coverage: Callable[[Names], Catalogue] | None = None
    known_only: bool = False
    category: bool = False
    whole: bool = False

    def same(self, other: "Ask") -> bool:
        """Tell whether another metric asks for the same, of the same frames."""
        return self is other or (
            self.measure == other.measure
            and self.table is other.table is None
            and self.coverage is other.coverage is None
            and self.sides.keys() == other.sides.keys()
            and all(self.sides[name] is other.sides[name] for name in self.sides)
        )


def merge_names(given: Sequence[Names]) -> Names:
    """Return the names of columns that several metrics were given.

    Raises
    ------
    LogError
        Two of them differ.
    """
    found: dict[str, str] = {}
    for names in given:
        for role, name in vars(names).items():
            if name is not None and found.setdefault(role, name) != name:
                raise LogError(
                    f"metrics that are evaluated together name two columns of one role "
                    f"({role}): {found[role]!r} and {name!r}"
                )
    return Names(**found)


def open_sides(recs: Any, asks: Sequence[Ask], names: Names) -> dict[str, Side]:
    """Find the frames and columns that metrics need, before anything is read.

    Raises
    ------
    LogError
        A frame or a column is missing, or two metrics bring different frames for one purpose.
    """
    sources: dict[str, Any] = {}
    for ask in asks:
        for name, source in ask.sides.items():
            if source is None:
                raise LogError(f"{WHAT[name]} is needed and was not given")
            if sources.setdefault(name, source) is not source:
                raise LogError(
                    f"two metrics bring different frames for {WHAT[name]}: evaluate them apart"
                )
    category = any(ask.category for ask in asks)
    # A metric of categories alone can do without items.
    items = any(ask.coverage or ask.table or set(ask.sides) - {"log"} for ask in asks)
    roles = ("user", *(["item"] if items else []), *(["category"] if category else []))
    rest = ("score",) if items else ("score", "item")
    sides = {"recs": open_side(recs, Wanted(WHAT["recs"], roles, rest, strict=True), names)}
    for name, source in sources.items():
        wanted = Wanted(
            WHAT[name],
            ("user",) if name == "log" else ("user", "item"),
            ("score",) if name == "base" else (),
        )
        sides[name] = open_side(source, wanted, names)
    return sides


def make_work(asks: Sequence[Ask], names: Names, ks: Any) -> Work:
    """Return the work for every scene; what is known of items is read now."""
    tables: dict[str, Shared[ByItem]] = {}
    for ask in asks:
        if ask.table is not None:
            purpose, make = ask.table
            if purpose in tables:
                raise LogError(f"two metrics bring {purpose} of items: evaluate them apart")
            tables[purpose] = Shared(make(names))
    return Work(
        [ask.measure for ask in asks if ask.measure is not None],
        ks,
        whole=any(ask.whole for ask in asks),
        best=any(ask.coverage is not None for ask in asks),
        rows=any("log" in ask.sides for ask in asks),
        tables=tables,
    )
