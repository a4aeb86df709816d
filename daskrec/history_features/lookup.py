"""Facts about ids, looked up where the rows are.

What is known of each user or item (counts, means, dates) is one row of columns. The rows lie
in shards by the hash of the id, as handles, so that a task opens the shards that it needs and
nobody holds all of them; rows that look something up do not move.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from daskrec.data.groups import Groups, join
from daskrec.data.ids import Ids
from daskrec.data.tables import Table
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.keys import hash_ids
from daskrec.engine.shared import Shared
from daskrec.errors import LogError


class Facts:
    """Columns about the ids of one shard.

    Parameters
    ----------
    ids
        Sorted distinct ids.
    columns
        numpy arrays with an entry an id; their names are those of the ``Lookup``.
    """

    __slots__ = ("columns", "ids")

    def __init__(self, ids: Ids, columns: Sequence[Vector]) -> None:
        self.ids = ids
        self.columns = list(columns)

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return {"ids": self.ids.values} | {str(n): c for n, c in enumerate(self.columns)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Facts":
        """Make the object of its arrays."""
        return cls(Ids(arrays["ids"]), [np.asarray(arrays[str(n)]) for n in range(len(arrays) - 1)])


class Lookup:
    """Facts about ids, in shards by hash.

    Parameters
    ----------
    shards
        Handles on ``Facts``; an id lies in the shard that its hash names.
    names
        Names of the columns.
    """

    def __init__(self, shards: Sequence[Shared[Facts]], names: Sequence[str]) -> None:
        self.shards = list(shards)
        self.names = list(names)

    @classmethod
    def build(
        cls,
        groups: Groups,
        function: Callable[..., list[Vector]],
        names: Sequence[str],
        *args: Any,
    ) -> "Lookup":
        """Work facts out from rows brought together by id; the work is done at once.

        Parameters
        ----------
        groups
            The rows.
        function
            ``function(columns, codes, ids, *args)`` returns the columns of a bucket.
        names
            Names of the columns.
        """
        folder = runtime.storage() if groups.lazy else None
        shards = groups.map(_facts, function, tuple(args), folder)
        return cls(runtime.compute(shards, "facts of ids") if groups.lazy else shards, names)

    def take(self, ids: Array) -> tuple[Arrays, Vector]:
        """Look ids up.

        Returns
        -------
        tuple
            The columns with an entry an id, and a mask of the ids that are known. Of an id
            that is not, there is 0 in every column, and no date in those of dates.
        """
        count = len(self.shards)
        home = (hash_ids(ids) % np.uint64(count)).astype(np.int64) if count > 1 else None
        known = np.zeros(len(ids), dtype=bool)
        out: list[Vector] = [_blank(column, len(ids)) for column in self.shards[0].get().columns]
        for shard in range(count):
            here = None if home is None else np.flatnonzero(home == shard)
            if here is not None and not len(here):
                continue
            facts = self.shards[shard].get()
            codes = facts.ids.encode(ids if here is None else ids.take(here))
            rows = np.flatnonzero(codes >= 0)
            places = rows if here is None else here[rows]
            known[places] = True
            for column, values in zip(out, facts.columns, strict=True):
                column[places] = values[codes[rows]]
        return dict(zip(self.names, out, strict=True)), known

    def map(self, function: Callable[[Facts], Any], label: str) -> list[Any]:
        """Call a function on every shard; return the results in order."""
        tasks = [runtime.task(_on_facts, shard, function) for shard in self.shards]
        return runtime.compute(tasks, label)

    def frame(self, like: Table, name: str, dtype: Any = None) -> Any:
        """Return the facts as a frame of the kind of a table, a row an id.

        Parameters
        ----------
        like
            Its kind is that of the frame.
        name, dtype
            Name and type of the column of ids.
        """
        names = [name, *self.names]
        if like.lazy:
            columns = [runtime.task(_as_columns, shard, names) for shard in self.shards]
        else:
            columns = [join_columns([_as_columns(shard, names) for shard in self.shards])]
        first = next((s for s in self.shards if len(s.get().ids)), self.shards[0])
        empty = {n: column[:0] for n, column in _as_columns(first, names).items()}
        return like.build(columns, empty, {} if dtype is None else {name: dtype})


def distinct_rows(what: str, codes: Vector, ids: Ids) -> None:
    """Raise unless every id has one row.

    Raises
    ------
    LogError
        Ids are repeated; the text gives the number of rows too many.
    """
    if len(codes) > len(ids):
        raise LogError(f"{what} has {len(codes) - len(ids)} rows of ids that have a row already")


def join_columns(parts: Sequence[Arrays]) -> Arrays:
    """Join columns end to end; parts without rows do not decide the types."""
    first = next(iter(parts[0]))
    filled = [part for part in parts if len(part[first])] or list(parts[:1])
    return {name: join([part[name] for part in filled]) for name in filled[0]}


def _facts(
    columns: Arrays,
    codes: Vector,
    ids: Ids,
    function: Callable[..., list[Vector]],
    args: tuple[Any, ...],
    folder: str | None,
) -> Shared[Facts]:
    return Shared.stored(Facts(ids, function(columns, codes, ids, *args)), folder)


def _blank(column: Vector, count: int) -> Vector:
    if column.dtype.kind == "M":
        return np.full(count, np.datetime64("NaT"), dtype=column.dtype)
    return np.zeros(count, dtype=column.dtype)


def _on_facts(shard: Shared[Facts], function: Callable[[Facts], Any]) -> Any:
    return function(shard.get())


def _as_columns(shard: Shared[Facts], names: Sequence[str]) -> Arrays:
    facts = shard.get()
    return dict(zip(names, [facts.ids.values, *facts.columns], strict=True))
