"""What items are called, looked up for those that a page shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from daskrec.comparison.gather import rows_of
from daskrec.data import ids
from daskrec.data.ids import Ids
from daskrec.engine.arrays import Array


class Titles:
    """Titles by id; an item without one is called by its id.

    Parameters
    ----------
    known
        Titles by id.
    """

    def __init__(self, known: Mapping[Any, Any] | None = None) -> None:
        self._known = known or {}

    def of(self, items: Array) -> list[str]:
        """Return what items are called."""
        return [str(self._known.get(item, item)) for item in items.tolist()]


def read_titles(source: Any, column: str, wanted: Sequence[Array]) -> Titles:
    """Look titles up.

    Parameters
    ----------
    source
        A frame of any kind, or a path, with a column of items and one of titles; a mapping of
        ids; or None.
    column
        The column of titles.
    wanted
        The items that are shown: no others are brought here.

    Raises
    ------
    LogError
        The frame lacks a column, or its ids are of another kind.
    """
    if source is None:
        return Titles()
    if isinstance(source, Mapping):
        return Titles(source)
    shown: Ids = ids.distinct(ids.concat([one for one in wanted if len(one)] or list(wanted[:1])))
    rows = rows_of(source, "item", shown, [column], "titles")
    items = shown.decode(rows["code"]).tolist()
    texts = rows[column].tolist()
    return Titles({item: text for item, text in zip(items, texts, strict=True) if text is not None})
