"""DataPreparator: a log and features with the original's names and numbers for ids."""

from typing import Any

from daskrec.data.once import reading_once
from daskrec.data.reading import declared
from daskrec.data.tables import Table, each
from daskrec.engine.arrays import Arrays
from daskrec.errors import LogError
from daskrec.preparation.indexer import Indexer

ROLES = {"user_id": "user", "item_id": "item", "timestamp": "timestamp", "relevance": "relevance"}


class DataPreparator:
    """Name the columns of a log as the original does, and turn its ids into numbers.

    The models of daskrec need neither; this is for scripts of the original.

    Attributes
    ----------
    indexer : Indexer
        What turns ids into numbers; fitted by the call.

    Examples
    --------
    >>> import pandas as pd
    >>> prepare = DataPreparator()
    >>> frame = pd.DataFrame({"user": [4], "item_id": [3]})
    >>> log, _, _ = prepare(frame, mapping={"user_id": "user"})
    >>> log
       user_idx  item_idx
    0         0         0
    >>> prepare.back(log)
       user_id  item_id
    0        4        3
    """

    def __init__(self) -> None:
        self.indexer = Indexer()

    @reading_once()
    def __call__(
        self,
        log: Any,
        user_features: Any = None,
        item_features: Any = None,
        mapping: dict[str, str] | None = None,
    ) -> tuple[Any, Any, Any]:
        """Prepare a log, and features where there are some.

        Parameters
        ----------
        log
            A frame of any kind, or a path, with columns of users and of items.
        user_features, item_features
            Frames with a column of users (of items), or None.
        mapping
            For ``"user_id"``, ``"item_id"``, ``"timestamp"`` and ``"relevance"`` the column of
            the frames that plays the role, where it has another name. Usual spellings are
            recognised without it.

        Returns
        -------
        log, user_features, item_features : frame or None
            With ``user_idx`` and ``item_idx`` (int32) in the place of ids, as the last columns,
            and columns of the mapping under the original's names. Ids are numbered by how
            often they are in the log and in the features together.

        Raises
        ------
        LogError
            The mapping has another key, or columns are missing.
        """
        mapping = dict(mapping or {})
        foreign = sorted(set(mapping) - set(ROLES))
        if foreign:
            raise LogError(f"the mapping has keys {foreign}: {list(ROLES)} are known")
        log = _renamed(log, mapping, ("user_id", "item_id"), "the log")
        users = _renamed(user_features, mapping, ("user_id",), "user_features")
        items = _renamed(item_features, mapping, ("item_id",), "item_features")
        self.indexer = Indexer().fit(
            [frame for frame in (log, users) if frame is not None],
            [frame for frame in (log, items) if frame is not None],
        )
        prepared = [
            None if frame is None else self.indexer.transform(frame)
            for frame in (log, users, items)
        ]
        return prepared[0], prepared[1], prepared[2]

    def back(self, df: Any) -> Any:
        """Put ids in the place of ``user_idx`` and ``item_idx``, as ``user_id`` and ``item_id``."""
        return self.indexer.inverse_transform(df)


def _renamed(frame: Any, mapping: dict[str, str], ids: tuple[str, ...], what: str) -> Any:
    """Return a frame whose columns have the original's names."""
    if frame is None:
        return None
    table = Table.of(frame, what)
    names = {new: old for new, old in mapping.items() if old in table.names}
    for new in ids:
        if new in mapping and new not in names:
            raise LogError(f"{what} has no column {mapping[new]!r}: it has {table.names}")
        if new not in names and new not in table.names:
            names[new] = table.role(ROLES[new])
    names = {new: old for new, old in names.items() if new != old}
    doubled = [new for new in names if new in table.names and new not in names.values()]
    if doubled:
        raise LogError(f"{what} has columns {doubled} besides those that the mapping calls so")
    if not names:
        return frame
    old = list(dict.fromkeys(names.values()))
    plan = tuple(names.items())
    columns = each(table.lazy, _under_new_names, [(part, plan) for part in table.arrays(old)])
    dtypes = {
        new: dtype
        for new, dtype in zip(names, table.dtypes([names[n] for n in names]).values(), strict=True)
        if getattr(dtype, "tz", None) is None  # arrays are in UTC: pandas makes no zone of them
    }
    empty = _under_new_names(declared(table, old), plan) if table.lazy else {}
    return table.assign(columns, empty, tuple(old), dtypes)


def _under_new_names(columns: Arrays, plan: tuple[tuple[str, str], ...]) -> Arrays:
    return {new: columns[old] for new, old in plan}
