"""Vectors of first-level models as features of pairs: of the user, of the item, their product."""

from typing import Any

import numpy as np

from daskrec.data import ids as id_tools
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table
from daskrec.engine import runtime
from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.shared import RowShards, Shared


class Vectors:
    """The vectors of the users and items of a model.

    Parameters
    ----------
    users, items
        Ids, and float32 rows of their vectors.
    """

    def __init__(
        self, users: tuple[ShardedIds, RowShards], items: tuple[ShardedIds, RowShards]
    ) -> None:
        self.users = users
        self.items = items

    @classmethod
    def of(cls, model: Any) -> "Vectors | None":
        """Return the vectors of a fitted model; None where it has none.

        Models whose factors lie in shards are read through them; others are asked by
        ``get_features`` for all users and items of their fit, which come to this process.
        """
        users, items = getattr(model, "user_factors_", None), getattr(model, "item_factors_", None)
        if isinstance(users, RowShards) and isinstance(items, Shared):
            fitted = model._fitted
            known = fitted.item_ids
            return cls(
                (fitted.user_ids, users),
                (ShardedIds.of(known.get()), RowShards([items], np.array([0, len(known.get())]))),
            )
        if not hasattr(model, "get_features") or not hasattr(model, "fit_users"):
            return None
        found = [_asked(model, role) for role in ("user", "item")]
        return None if found[0] is None or found[1] is None else cls(found[0], found[1])

    @property
    def rank(self) -> int:
        """Length of a vector."""
        return int(self.items[1].shards[0].get().shape[1])

    def names(self, number: int) -> list[str]:
        """Return the names of the columns for the model of this number."""
        return [f"m_{number}_{part}_{d}" for part in ("uf", "if", "fm") for d in range(self.rank)]

    def columns(self, users: Any, items: Any, number: int) -> Arrays:
        """Return the columns for pairs; zeros for a user or item without a vector."""
        left, right = _take(*self.users, users), _take(*self.items, items)
        values = [column for side in (left, right, left * right) for column in side.T]
        return dict(zip(self.names(number), values, strict=True))


def _take(known: ShardedIds, table: RowShards, ids: Any) -> Vector:
    codes = known.encode(ids)
    found = np.flatnonzero(codes >= 0)
    out = np.zeros((len(ids), table.shards[0].get().shape[1]), dtype=np.float32)
    if len(found):
        out[found] = table.take(codes[found])
    return out


def _asked(model: Any, role: str) -> tuple[ShardedIds, RowShards] | None:
    frame, rank = model.get_features(model.fit_users if role == "user" else model.fit_items)
    if frame is None:
        return None
    table = Table.of(frame, "features")
    name, column = table.role(role), f"{role}_factors"
    parts = table.arrays([name, column])
    if table.lazy:
        parts = runtime.compute(parts, "reading vectors")
    (whole,) = parts if len(parts) == 1 else (_joined(parts),)
    ids = read_ids(whole[name], name, "features")
    order = _order(ids)
    rows = np.stack([np.asarray(row, dtype=np.float32) for row in _listed(whole[column])])
    rows = rows.reshape(-1, int(rank))
    return ShardedIds.of(Ids(ids.take(order))), RowShards.of(rows[order])


def _listed(column: Any) -> list[Any]:
    return list(column) if isinstance(column, np.ndarray) else column.to_pylist()


def _order(ids: Any) -> Vector:
    return np.argsort(id_tools.factorize(ids)[1], kind="stable")


def _joined(parts: list[Arrays]) -> Arrays:
    filled = [part for part in parts if len(next(iter(part.values())))]
    out: Arrays = {}
    for name in filled[0]:
        columns = [part[name] for part in filled]
        if isinstance(columns[0], np.ndarray) and columns[0].dtype.kind == "O":
            out[name] = np.concatenate(columns)
        else:
            out[name] = id_tools.concat(columns)
    return out


def look_up(columns: Arrays, keys: tuple[str, str], vectors: Vectors, number: int) -> Arrays:
    """Return the columns of vectors for the rows of a part."""
    ids = [read_ids(columns[key], key, "pairs") for key in keys]
    return vectors.columns(ids[0], ids[1], number)
