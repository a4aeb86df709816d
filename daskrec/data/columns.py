"""The roles of columns and the names that people give them.

The names that daskrec uses are those of the original, ``user_idx, item_idx, relevance,
timestamp``. Other common spellings are recognised, and results come back under the names
that came in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from daskrec.errors import LogError

SPELLINGS: dict[str, tuple[str, ...]] = {
    "user": ("user_idx", "user_id", "query_idx", "query_id", "userId", "user"),
    "item": ("item_idx", "item_id", "itemId", "item"),
    "relevance": ("relevance", "rating"),
    "timestamp": ("timestamp",),
}


@dataclass(frozen=True)
class Names:
    """The names of the three columns of a result, as the user spells them."""

    user: str = "user_idx"
    item: str = "item_idx"
    relevance: str = "relevance"

    @property
    def neighbour(self) -> str:
        """The name of the column of neighbours of an item."""
        return f"neighbour_{self.item}"


@dataclass(frozen=True)
class Roles:
    """The columns of interactions by their roles; None for those that there are not."""

    user: str
    item: str
    relevance: str | None
    timestamp: str | None


def find(columns: Sequence[str], role: str) -> str | None:
    """Return the column that plays a role, or None.

    Raises
    ------
    LogError
        Two columns are spellings of the same role.
    """
    found = [name for name in SPELLINGS[role] for column in columns if column == name]
    if len(found) > 1:
        raise LogError(
            f"columns {found} are spellings of one role ({role}): keep one of them and "
            "drop or rename the others"
        )
    return found[0] if found else None


def require(columns: Sequence[str], role: str, what: str) -> str:
    """Return the column that plays a role.

    Raises
    ------
    LogError
        No column does; the text lists the names that would.
    """
    name = find(columns, role)
    if name is None:
        raise LogError(
            f"{what} has no {role} column: it has {list(columns)}, and one of "
            f"{list(SPELLINGS[role])} is needed"
        )
    return name


def names_of(columns: Sequence[str]) -> Names:
    """Return the names that a result takes from the columns of a log."""
    plain = Names()
    return Names(
        find(columns, "user") or plain.user,
        find(columns, "item") or plain.item,
        find(columns, "relevance") or plain.relevance,
    )
