"""The filters as functions, under the names and with the arguments of the original."""

import logging
from typing import Any

from daskrec.data.tables import Table
from daskrec.filters.counts import MinCountFilter
from daskrec.filters.order import NumInteractionsFilter
from daskrec.filters.periods import EntityDaysFilter, GlobalDaysFilter, TimePeriodFilter
from daskrec.filters.ratings import LowRatingFilter

logger = logging.getLogger("daskrec")

_MUCH = 0.5  # a share of the rows whose loss is worth a warning


def min_entries(data_frame: Any, num_entries: int) -> Any:
    """Keep rows of users with at least ``num_entries`` rows.

    Parameters
    ----------
    data_frame
        A frame of any kind, or a path.
    num_entries
        The lowest number of rows.

    Returns
    -------
    frame
        Of the kind that came in.

    Notes
    -----
    The share of rows that go is logged, as a warning where it is more than half; not for a Dask
    frame, whose rows are not counted before they are asked for. See ``MinCountFilter``.

    Examples
    --------
    >>> import pandas as pd
    >>> min_entries(pd.DataFrame({"user_id": [1, 1, 2]}), 2)
       user_id
    0        1
    1        1
    """
    table = Table.of(data_frame)
    masks = MinCountFilter(num_entries).masks(table)
    if not table.lazy and len(masks[0]):
        removed = 1.0 - float(masks[0].mean())
        level = logging.WARNING if removed > _MUCH else logging.INFO
        logger.log(level, "the threshold of %d rows removes %.1f%%", num_entries, 100 * removed)
    return table.filter(masks)


def min_rating(data_frame: Any, value: float, column: str = "relevance") -> Any:
    """Keep rows whose rating is above ``value`` (not equal to it).

    Parameters
    ----------
    data_frame
        A frame of any kind, or a path.
    value
        The bound.
    column
        The column of ratings.

    Examples
    --------
    >>> import pandas as pd
    >>> min_rating(pd.DataFrame({"relevance": [1, 5, 3, 4]}), 3)
       relevance
    1          5
    3          4
    """
    return LowRatingFilter(value, column, strict=True).transform(data_frame)


def filter_user_interactions(
    log: Any,
    num_interactions: int = 10,
    first: bool = True,
    date_col: str = "timestamp",
    user_col: str = "user_idx",
    item_col: str | None = "item_idx",
) -> Any:
    """Keep the first or last ``num_interactions`` rows of each user.

    Rows of one time are ordered by their items where ``item_col`` is given. See
    ``NumInteractionsFilter``.
    """
    return NumInteractionsFilter(num_interactions, first, user_col, date_col, item_col).transform(
        log
    )


def filter_by_user_duration(
    log: Any,
    days: float = 10,
    first: bool = True,
    date_col: str = "timestamp",
    user_col: str = "user_idx",
) -> Any:
    """Keep the rows of the first or last ``days`` of each user.

    A row exactly ``days`` after the first one (or before the last) does not stay. See
    ``EntityDaysFilter``.
    """
    return EntityDaysFilter(days, first, user_col, date_col).transform(log)


def filter_between_dates(
    log: Any, start_date: Any = None, end_date: Any = None, date_column: str = "timestamp"
) -> Any:
    """Keep the rows from ``start_date`` on and before ``end_date``; see ``TimePeriodFilter``."""
    return TimePeriodFilter(start_date, end_date, date_column).transform(log)


def filter_by_duration(
    log: Any, duration_days: float, first: bool = True, date_column: str = "timestamp"
) -> Any:
    """Keep the rows of the first or last ``duration_days`` of the log; see ``GlobalDaysFilter``."""
    return GlobalDaysFilter(duration_days, first, date_column).transform(log)
