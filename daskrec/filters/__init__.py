"""Filters: which rows of a log stay, as functions of the original and as today's classes.

::

    from daskrec.filters import InteractionEntriesFilter, min_rating

    log = min_rating(log, 3)
    log = InteractionEntriesFilter(min_inter_per_user=5, min_inter_per_item=5).transform(log)
"""

from daskrec.filters.base import Filter
from daskrec.filters.counts import MinCountFilter, QuantileItemsFilter
from daskrec.filters.entries import InteractionEntriesFilter
from daskrec.filters.functions import (
    filter_between_dates,
    filter_by_duration,
    filter_by_user_duration,
    filter_user_interactions,
    min_entries,
    min_rating,
)
from daskrec.filters.order import ConsecutiveDuplicatesFilter, NumInteractionsFilter
from daskrec.filters.periods import EntityDaysFilter, GlobalDaysFilter, TimePeriodFilter
from daskrec.filters.ratings import LowRatingFilter

__all__ = [
    "ConsecutiveDuplicatesFilter",
    "EntityDaysFilter",
    "Filter",
    "GlobalDaysFilter",
    "InteractionEntriesFilter",
    "LowRatingFilter",
    "MinCountFilter",
    "NumInteractionsFilter",
    "QuantileItemsFilter",
    "TimePeriodFilter",
    "filter_between_dates",
    "filter_by_duration",
    "filter_by_user_duration",
    "filter_user_interactions",
    "min_entries",
    "min_rating",
]
