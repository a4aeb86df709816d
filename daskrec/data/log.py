"""A log as it comes in: checked once, with every fault told in one error.

A log is a frame with a column of users, one of items and, when there is one, one of
relevance. ``read_log`` finds the columns and turns each partition into plain arrays;
faults of the values are counted over all partitions before any is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dask.delayed import Delayed

from daskrec.data import columns as roles
from daskrec.data import frames
from daskrec.data.columns import Names, Roles
from daskrec.data.dataset import Dataset
from daskrec.data.gpu_rows import read_rows
from daskrec.data.paths import open_frame
from daskrec.data.rows import Rows, Wanted
from daskrec.engine import runtime
from daskrec.errors import LogError


@dataclass(frozen=True)
class Layout:
    """How a frame looks, so that a result can be made alike.

    Parameters
    ----------
    kind
        Name of the kind of frame.
    names
        Names of the three columns.
    user, item
        Types of the two id columns, as the kind of frame (of its partitions) spells them.
    part
        Name of the kind of the partitions; the kind itself for a frame in memory.
    """

    kind: str = "pandas"
    names: Names = field(default_factory=Names)
    user: Any = None
    item: Any = None
    part: str = "pandas"

    @property
    def partitioned(self) -> bool:
        """Whether the frame is a lazy one of partitions."""
        return bool(frames.kind_named(self.kind).partitioned)


@dataclass(frozen=True)
class Log:
    """A log whose columns are known and whose values are checked, now or when it is read.

    Exactly one of ``rows`` and ``parts`` is set: rows for a log in memory, tasks that give
    ``Rows`` for one of partitions. ``owner`` is what stands in the place of users, and
    ``timed`` tells whether times were read.
    """

    layout: Layout
    rows: Rows | None
    parts: list[Delayed]
    owner: str = "user"
    timed: bool = False

    def held(self) -> "Log":
        """Return the log with its partitions read, where they are read more than once."""
        if self.rows is not None:
            return self
        return replace(self, parts=runtime.persist(self.parts, "reading the log"))

    def by_session(self) -> "Log":
        """Return the same log with sessions in the place of users."""
        if self.rows is not None:
            return replace(self, rows=self.rows.by_session(), owner="session")
        parts = [runtime.task(Rows.by_session, part) for part in self.parts]
        return replace(self, parts=parts, owner="session")


@dataclass(frozen=True)
class Needs:
    """What a model asks of a log besides users and items.

    Parameters
    ----------
    relevance
        Read the column of relevance, if there is one.
    binary
        There has to be one, and it may hold 0 and 1 alone.
    session
        Name of a column that says which rows belong together.
    user, item
        Names of columns of users and items, where no column has one of the usual names.
    time
        There has to be a column of times, which is read.
    """

    relevance: bool = True
    binary: bool = False
    session: str | None = None
    user: str | None = None
    time: bool = False
    item: str | None = None


PLAIN = Needs()


def read_log(source: Any, what: str = "the log", needs: Needs = PLAIN) -> Log:
    """Find the columns of a log and check its values.

    Parameters
    ----------
    source
        A frame of any kind, a path or glob of Parquet or CSV files, or a ``Dataset``.
    what
        How errors call it.
    needs
        Which columns are read besides those of users and items.

    Raises
    ------
    LogError
        A column is missing or doubled, or values cannot be used. Faults of the values of
        a partitioned log are found when its partitions are read.
    """
    frame = open_frame(source.interactions if isinstance(source, Dataset) else source, what)
    present = frames.kind_of(frame, what).columns(frame)
    if isinstance(source, Dataset):
        given = source.roles
        names = Names(given.user, given.item, given.relevance or "rating")
    else:
        given = _find(present, what, needs)
        names = replace(roles.names_of(present), user=given.user, item=given.item)
    wanted = _wanted(given, present, what, needs)
    frame = frames.opened(frame, wanted.columns)
    kind = frames.kind_of(frame, what)
    dtypes = kind.dtypes(frame, [given.user, given.item])
    part = kind.part_kind(frame) if kind.partitioned else kind.name
    layout = Layout(kind.name, names, dtypes[given.user], dtypes[given.item], part)
    if kind.partitioned:
        parts = [
            runtime.task(read_rows, chunk, part, wanted, what)
            for chunk in kind.parts(frame, wanted.columns)
        ]
        return Log(layout, None, parts, timed=needs.time)
    rows = read_rows(frame, kind.name, wanted, what)
    rows.faults.raise_any(what)
    return Log(layout, rows, [], timed=needs.time)


def _find(present: Sequence[str], what: str, needs: Needs) -> Roles:
    """Return the columns of a frame by their roles."""
    found = {}
    for role, other in (("user", needs.user), ("item", needs.item)):
        name = roles.find(present, role)
        if name is None and other in present:
            name = other
        found[role] = name or roles.require(present, role, what)
    rest = (roles.find(present, role) for role in ("relevance", "timestamp"))
    return Roles(found["user"], found["item"], *rest)


def _wanted(given: Roles, present: Sequence[str], what: str, needs: Needs) -> Wanted:
    """Return the columns that are read."""
    rating = given.relevance if needs.relevance else None
    if needs.binary and rating is None:
        raise LogError(f"{what} has no relevance column, and this model needs one of 0 and 1")
    session = needs.session
    if session not in present and session in roles.SPELLINGS["user"]:
        session = given.user  # the original's name for the sessions of users
    if session is not None and session not in present:
        raise LogError(f"{what} has no column {session!r} of sessions: it has {present}")
    time = None
    if needs.time:
        time = given.timestamp or roles.require(present, "timestamp", what)
    return Wanted(given.user, given.item, rating, session, needs.binary, time)
