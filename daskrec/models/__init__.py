"""The models: one file for each, or for each close family."""

from daskrec.models.als import ALSWrap
from daskrec.models.base import BaseRecommender
from daskrec.models.item_vector import ItemVectorModel
from daskrec.models.knn import KNN
from daskrec.models.neighbour import NeighbourRec
from daskrec.models.pop_rec import PopRec
from daskrec.models.recommender import HybridRecommender, Recommender, UserRecommender

__all__ = [
    "KNN",
    "ALSWrap",
    "BaseRecommender",
    "HybridRecommender",
    "ItemVectorModel",
    "NeighbourRec",
    "PopRec",
    "Recommender",
    "UserRecommender",
]
