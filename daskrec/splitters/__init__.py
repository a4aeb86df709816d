"""Splitters: a log is cut into what models learn from and what they are tested on."""

from daskrec.splitters.base import Splitter
from daskrec.splitters.k_folds import KFolds, k_folds
from daskrec.splitters.last_n import LastNSplitter, RatioSplitter
from daskrec.splitters.new_users import NewUsersSplitter
from daskrec.splitters.next_n import RandomNextNSplitter
from daskrec.splitters.random import ColdUserRandomSplitter, RandomSplitter
from daskrec.splitters.time import DateSplitter, TimeSplitter
from daskrec.splitters.user import TwoStageSplitter, UserSplitter

__all__ = [
    "ColdUserRandomSplitter",
    "DateSplitter",
    "KFolds",
    "LastNSplitter",
    "NewUsersSplitter",
    "RandomNextNSplitter",
    "RandomSplitter",
    "RatioSplitter",
    "Splitter",
    "TimeSplitter",
    "TwoStageSplitter",
    "UserSplitter",
    "k_folds",
]
