"""Lists of several models brought together: the rows of a user go where the user lies."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.data import ids, output
from daskrec.data.groups import bucket_count, join_pieces, scatter
from daskrec.data.log import Layout
from daskrec.data.output import Form
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.shared import Shared
from daskrec.models.serving import result_form

_MOST_PIECES = 65_536


class Bundle:
    """Columns that tasks read by handle.

    Parameters
    ----------
    columns
        Arrays of one length.
    """

    __slots__ = ("columns",)

    def __init__(self, columns: Arrays) -> None:
        self.columns = columns

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return self.columns

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Bundle":
        """Make the object of its arrays."""
        return cls(arrays)


def read_lists(frame: Any, what: str = "the recommendations", score: bool = True) -> Table:
    """Return recommendations with parts of arrays under the names ``user, item, relevance``."""
    table = Table.of(frame, what)
    names = [table.role("user"), table.role("item")]
    if score:
        names.append(table.role("relevance"))
    table = table.only(names)
    read = Table(table.kind, table.part, names, table.arrays(names), what, table.empty)
    return Table(table.kind, table.part, names, read.map(_read, tuple(names), what), what)


def read_users(frame: Any, what: str = "the log") -> Table:
    """Return the column of users of a frame, with parts of arrays under the name ``user``."""
    table = Table.of(frame, what)
    names = [table.role("user")]
    table = table.only(names)
    read = Table(table.kind, table.part, names, table.arrays(names), what, table.empty)
    return Table(table.kind, table.part, names, read.map(_read, tuple(names), what), what)


def _read(columns: Arrays, names: Sequence[str], what: str) -> Arrays:
    out: Arrays = {
        role: read_ids(columns[name], name, what)
        for role, name in zip(("user", "item"), names, strict=False)
    }
    if len(names) > 2:
        out["relevance"] = np.asarray(columns[names[2]]).astype(np.float64)
    return out


def coarse(bounds: Array, parts: int) -> Array:
    """Return as many of the bounds as keep the number of pieces small."""
    most = max(1, _MOST_PIECES // max(parts, 1))
    step = -(-(len(bounds) + 1) // most)
    return bounds[step - 1 :: step] if step > 1 else bounds


def by_user(parts: Sequence[Any], bounds: Array | None, count: int) -> list[list[Any]]:
    """Send rows to the ranges of their users, or by hash to so many buckets.

    Parameters
    ----------
    parts
        Tasks that give ``Arrays`` with a column ``user``.
    bounds
        The first user id of each range but the first; None goes by hash.
    count
        Number of buckets, where there are no bounds.
    """
    if bounds is None:
        return scatter(parts, "user", count)
    return runtime.pieces([runtime.task(_split, p, bounds) for p in parts], len(bounds) + 1)


def buckets_for(*tables: Table | None) -> int:
    """Return the number of hash buckets that suits some tables."""
    return bucket_count(max(len(table.parts) for table in tables if table is not None))


def _split(columns: Arrays, bounds: Array) -> list[Arrays]:
    home = ids.route(bounds, columns["user"])
    order = np.argsort(home, kind="stable")
    cuts = np.searchsorted(home[order], np.arange(len(bounds) + 2))
    return [
        {name: array.take(order[a:b]) for name, array in columns.items()}
        for a, b in itertools.pairwise(cuts)
    ]


def joined(pieces: Sequence[Arrays]) -> Arrays:
    """Join pieces end to end; those without rows do not decide the types."""
    return join_pieces(pieces)


def form_of(layout: Layout, users: Array, items: Array) -> Form:
    """Return the form of recommendations in the kind and types of a log."""
    return result_form(layout, users, items)


def renamed(columns: Arrays, form: Form) -> Arrays:
    """Return columns of roles under the names of a form."""
    return dict(zip(form.empty, columns.values(), strict=True))


def finish(columns: list[Any], form: Form, path: Any) -> Any:
    """Make a frame, or files, of columns of roles: arrays in memory, tasks for lazy frames."""
    if form.lazy:
        tasks = [runtime.task(renamed, part, form) for part in columns]
        return output.finish(tasks, form, path)
    parts = [renamed(part, form) for part in columns]
    if path is None:
        return form.build(output.join([p for p in parts if _count(p)], form.empty))
    held = [runtime.task(columns_of, Shared(Bundle(part))) for part in parts if _count(part)]
    return output.finish(held, form, path)


def _count(columns: Arrays) -> int:
    return len(next(iter(columns.values())))


def columns_of(bundle: Shared[Bundle]) -> Arrays:
    """Return the columns of a bundle: a task."""
    return bundle.get().columns


def ranked(columns: Arrays, k: int | None) -> Arrays:
    """Return rows by user, relevance descending, item ascending; the first k of each user."""
    users, items = ids.factorize(columns["user"])[1], ids.factorize(columns["item"])[1]
    scores = np.asarray(columns["relevance"])
    order = np.lexsort((items, -scores, users))
    if k is not None:
        order = order[places_in_groups(users[order]) < k]
    return {name: array.take(order) for name, array in columns.items()}


def places_in_groups(sorted_groups: Vector) -> Vector:
    """Return the place of each row among the rows of its group, which lie together."""
    count = len(sorted_groups)
    if not count:
        return np.empty(0, dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]])
    lengths = np.diff(np.r_[starts, count])
    return np.arange(count) - np.repeat(starts, lengths)


def joined_frame(frame: Any) -> Any:
    """Return a frame: a task of one partition."""
    return frame


def alike(table: Table, other: Table) -> Table:
    """Return a table with parts in memory, or as tasks, as those of another are."""
    if table.lazy == other.lazy:
        return table
    if other.lazy:
        parts = [runtime.task(columns_of, Shared(Bundle(table.parts[0])))]
    else:
        parts = [joined(runtime.compute(table.parts, "reading the log"))]
    return Table(other.kind, other.part, table.names, parts, table.what, other.empty)
