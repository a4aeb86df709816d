"""Preparation of logs and of features, as scripts of the original do it.

::

    from daskrec.preparation import Indexer, ToNumericFeatureTransformer

    indexer = Indexer("user_id", "item_id").fit(log, log)
    log = indexer.transform(log)
    features = ToNumericFeatureTransformer(threshold=50).fit_transform(features)

The models of daskrec take any ids, so that no log has to be indexed for them.
"""

from daskrec.preparation.categories import CatFeaturesTransformer
from daskrec.preparation.indexer import Indexer
from daskrec.preparation.numeric import ToNumericFeatureTransformer
from daskrec.preparation.preparator import DataPreparator
from daskrec.preparation.saved import load_indexer, save_indexer

__all__ = [
    "CatFeaturesTransformer",
    "DataPreparator",
    "Indexer",
    "ToNumericFeatureTransformer",
    "load_indexer",
    "save_indexer",
]
