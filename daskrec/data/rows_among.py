"""The rows of a frame whose users and items are among some."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.data.ids import Ids, ShardedIds, same_kind
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table, call
from daskrec.engine.arrays import Arrays, Vector


def rows_among(
    source: Any,
    what: str,
    *,
    users: Ids | ShardedIds | None = None,
    items: Ids | ShardedIds | None = None,
) -> Any:
    """Return the rows of a frame whose users and items are among some.

    Parameters
    ----------
    source
        A frame of any kind, or a path.
    what
        How errors call it.
    users, items
        Those that stay; None for all. One of the two, at least, is not None.

    Returns
    -------
    frame
        Rows of the frame, in its order; of its kind, lazy for a Dask frame.

    Raises
    ------
    LogError
        A column is missing, or its ids cannot be used or are of another type.
    """
    table = Table.of(source, what)
    known = {
        table.role(role): ShardedIds.of(chosen) if isinstance(chosen, Ids) else chosen
        for role, chosen in (("user", users), ("item", items))
        if chosen is not None
    }
    names, encoders = list(known), tuple(known.values())
    masks = [call(table.lazy, _mask, part, names, encoders, what) for part in table.arrays(names)]
    return table.filter(masks)


def _mask(columns: Arrays, names: Sequence[str], known: Sequence[ShardedIds], what: str) -> Vector:
    mask = np.ones(len(columns[names[0]]), dtype=bool)
    for name, chosen in zip(names, known, strict=True):
        found = read_ids(columns[name], name, what)
        if len(found) and len(chosen):
            same_kind(chosen.shards[0].get().values, found)
        mask &= np.asarray(chosen.encode(found) >= 0)
    return mask
