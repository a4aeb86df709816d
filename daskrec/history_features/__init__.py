"""Features of users and items that come from their history.

``LogStatFeaturesProcessor`` describes users and items by how many interactions they have, how
they are rated and when; ``ConditionalPopularityProcessor`` by the share of interactions that
some category has; ``HistoryBasedFeaturesProcessor`` does both.
"""

from daskrec.history_features.conditional import ConditionalPopularityProcessor
from daskrec.history_features.log_stats import LogStatFeaturesProcessor
from daskrec.history_features.processor import (
    EmptyFeatureProcessor,
    HistoryBasedFeaturesProcessor,
)

__all__ = [
    "ConditionalPopularityProcessor",
    "EmptyFeatureProcessor",
    "HistoryBasedFeaturesProcessor",
    "LogStatFeaturesProcessor",
]
