"""The models: one file for each, or for each close family."""

from daskrec.models.admm_slim import ADMMSLIM
from daskrec.models.als import ALSWrap
from daskrec.models.association_rules import AssociationRulesItemRec
from daskrec.models.base import BaseRecommender
from daskrec.models.cluster import ClusterRec
from daskrec.models.ease import EASE
from daskrec.models.implicit_wrap import ImplicitWrap
from daskrec.models.item_vector import ItemVectorModel
from daskrec.models.knn import KNN
from daskrec.models.lightfm_wrap import LightFMWrap
from daskrec.models.mult_vae import MultVAE
from daskrec.models.neighbour import NeighbourRec
from daskrec.models.neuro_mf import NeuroMF
from daskrec.models.non_personalized import NonPersonalizedRecommender
from daskrec.models.pop_rec import PopRec
from daskrec.models.random_rec import RandomRec
from daskrec.models.recommender import HybridRecommender, Recommender, UserRecommender
from daskrec.models.slim import SLIM
from daskrec.models.thompson import ThompsonSampling
from daskrec.models.torch_recommender import TorchRecommender
from daskrec.models.ucb import KLUCB, UCB
from daskrec.models.user_pop_rec import UserPopRec
from daskrec.models.wilson import Wilson
from daskrec.models.word2vec import Word2VecRec

# What today's original calls them.
ItemKNN = KNN
QueryPopRec = UserPopRec

__all__ = [
    "ADMMSLIM",
    "EASE",
    "KLUCB",
    "KNN",
    "SLIM",
    "UCB",
    "ALSWrap",
    "AssociationRulesItemRec",
    "BaseRecommender",
    "ClusterRec",
    "HybridRecommender",
    "ImplicitWrap",
    "ItemKNN",
    "ItemVectorModel",
    "LightFMWrap",
    "MultVAE",
    "NeighbourRec",
    "NeuroMF",
    "NonPersonalizedRecommender",
    "PopRec",
    "QueryPopRec",
    "RandomRec",
    "Recommender",
    "ThompsonSampling",
    "TorchRecommender",
    "UserPopRec",
    "UserRecommender",
    "Wilson",
    "Word2VecRec",
]
