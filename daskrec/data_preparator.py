"""Preparation, under the name that scripts of the original import; see ``daskrec.preparation``."""

from daskrec.preparation import (
    CatFeaturesTransformer,
    DataPreparator,
    Indexer,
    ToNumericFeatureTransformer,
)

__all__ = ["CatFeaturesTransformer", "DataPreparator", "Indexer", "ToNumericFeatureTransformer"]
