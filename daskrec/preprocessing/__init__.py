"""Features of histories, under the name that today's scripts of the original import."""

from daskrec.history_features import (
    ConditionalPopularityProcessor,
    EmptyFeatureProcessor,
    HistoryBasedFeaturesProcessor,
    LogStatFeaturesProcessor,
)

__all__ = [
    "ConditionalPopularityProcessor",
    "EmptyFeatureProcessor",
    "HistoryBasedFeaturesProcessor",
    "LogStatFeaturesProcessor",
]
