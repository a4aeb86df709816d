"""Ids and rows of some users, brought here from frames of any kind."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.data import ids
from daskrec.data.groups import join_pieces
from daskrec.data.ids import Ids
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table, call
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.keys import hash_ids
from daskrec.engine.random import hash64, stream
from daskrec.engine.shared import Shared


def distinct_ids(frame: Any, role: str, what: str) -> Ids:
    """Return the distinct users or items of a frame or a path; one pass.

    Raises
    ------
    LogError
        There is no column of the role, or its ids cannot be used.
    """
    table = Table.of(frame, what)
    name = table.role(role)
    table = table.only([name])
    found = [call(table.lazy, _distinct, part, name, what) for part in table.arrays([name])]
    if table.lazy:
        merged: Ids = runtime.reduce(found, _union, f"reading the {role}s")
        return merged
    return Ids(found[0].values)


def _distinct(columns: Arrays, name: str, what: str) -> Ids:
    return ids.distinct(read_ids(columns[name], name, what))


def _union(one: Ids, other: Ids) -> Ids:
    return ids.union([one, other])


def rows_of(frame: Any, role: str, chosen: Ids, names: Sequence[str], what: str) -> Arrays:
    """Bring the rows of some users or items here.

    Parameters
    ----------
    frame
        A frame of any kind, or a path.
    role
        ``"user"`` or ``"item"``.
    chosen
        The users or items; few, for their rows come to this process.
    names
        The columns to bring besides.
    what
        How errors call the frame.

    Returns
    -------
    Arrays
        The columns, in the order of the rows, and as ``"code"`` (int64) the place of the user
        or item among ``chosen``.
    """
    table = Table.of(frame, what)
    name = table.role(role)
    wanted = list(dict.fromkeys([name, *names]))
    table = table.only(wanted)
    pieces = [
        call(table.lazy, _pick, part, name, tuple(names), what, Shared(chosen))
        for part in table.arrays(wanted)
    ]
    if table.lazy:
        pieces = runtime.compute(pieces, f"reading {what}")
    return join_pieces(pieces)


def _pick(
    columns: Arrays, name: str, names: tuple[str, ...], what: str, chosen: Shared[Ids]
) -> Arrays:
    codes = chosen.get().encode(read_ids(columns[name], name, what)).astype(np.int64)
    kept = np.flatnonzero(codes >= 0)
    picked: Arrays = {each: columns[each].take(kept) for each in names}
    return picked | {"code": codes[kept]}


def sample_places(values: Array, most: int, seed: int, purpose: str) -> Vector:
    """Choose ids by a hash of them, so that the choice is the same wherever it is made.

    Parameters
    ----------
    values
        Ids.
    most
        How many at most.
    seed, purpose
        Other ones choose others.

    Returns
    -------
    ndarray of int64
        Places of the chosen ids, ascending.
    """
    if len(values) <= most:
        return np.arange(len(values))
    keys = hash64(stream(seed, purpose), hash_ids(values))
    return np.sort(np.argpartition(keys, most)[:most])
