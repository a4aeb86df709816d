"""The protocol of the original's comparison of models, and the models that take part.

Ratings of 3 and more are positive, with relevance 1. The last 20 % of them by time are the test,
without users and items that the training does not know. Models of outcomes learn from the
training and from the ratings below 3 before the test, with relevance 0. Every model gives ten
items for each user of the test, of those that it was fitted on and that the user did not have.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from daskrec.metrics import MAP, MRR, NDCG, Coverage, HitRate, Novelty, Surprisal, evaluate
from daskrec.models import (
    ADMMSLIM,
    KLUCB,
    KNN,
    SLIM,
    UCB,
    ALSWrap,
    AssociationRulesItemRec,
    ClusterRec,
    LightFMWrap,
    PopRec,
    RandomRec,
    ThompsonSampling,
    UserPopRec,
    Wilson,
    Word2VecRec,
)
from daskrec.splitters import DateSplitter

K = 10
SHARE = 0.2  # of the test
LEAST = 3  # of the ratings that count as positive
METRICS = ("HitRate", "MAP", "MRR", "NDCG", "Coverage", "Surprisal", "Novelty")
COLUMNS = ["user_id", "item_id", "rating", "timestamp"]
SETS = ("ml-100k", "ml-1m")


class Split(NamedTuple):
    """What models learn from, and what they are tested on."""

    train: pd.DataFrame
    test: pd.DataFrame
    outcomes: pd.DataFrame
    features: pd.DataFrame

    @property
    def users(self) -> pd.DataFrame:
        """The users of the test."""
        return self.test[["user_id"]].drop_duplicates(ignore_index=True)


@dataclass(frozen=True)
class Entry:
    """A model of the leaderboard.

    Parameters
    ----------
    key
        A short name for files and figures.
    model
        Ours; None where daskrec has none.
    original
        Class of the original and its parameters; None where it has none.
    outcomes
        Whether it learns from outcomes, which are 0 or 1, instead of positive ratings.
    features
        Whether it takes features of users.
    options
        More arguments of ``predict``.
    """

    key: str
    model: Any
    original: tuple[str, dict[str, Any]] | None
    outcomes: bool = False
    features: bool = False
    options: dict[str, Any] = field(default_factory=dict)


_SEED = 42
_SEEDED = {"seed": _SEED}
ENTRIES = (
    Entry("pop", PopRec(), ("PopRec", {})),
    Entry("user_pop", UserPopRec(), ("QueryPopRec", {}), options={"filter_seen_items": False}),
    Entry("wilson", Wilson(), ("Wilson", {}), outcomes=True),
    Entry("ucb", UCB(0.5), ("UCB", {"exploration_coef": 0.5}), outcomes=True),
    Entry("kl_ucb", KLUCB(), ("KLUCB", {}), outcomes=True),
    Entry("thompson", ThompsonSampling(seed=_SEED), ("ThompsonSampling", _SEEDED), outcomes=True),
    Entry("random", RandomRec(seed=_SEED), ("RandomRec", _SEEDED)),
    Entry(
        "random_popular",
        RandomRec("popular_based", seed=_SEED),
        ("RandomRec", {"distribution": "popular_based", "seed": _SEED}),
    ),
    Entry("knn", KNN(75, shrink=78), ("ItemKNN", {"num_neighbours": 75, "shrink": 78})),
    Entry(
        "rules",
        AssociationRulesItemRec(),
        ("AssociationRulesItemRec", {"session_column": "user_id"}),
    ),
    Entry("cluster", ClusterRec(seed=_SEED), ("ClusterRec", {}), features=True),
    Entry("als", ALSWrap(8, seed=_SEED), ("ALSWrap", {"rank": 8, "seed": _SEED})),
    Entry(
        "als_explicit",
        ALSWrap(8, implicit_prefs=False, seed=_SEED),
        ("ALSWrap", {"rank": 8, "implicit_prefs": False, "seed": _SEED}),
    ),
    Entry("lightfm", LightFMWrap(9, random_state=_SEED), None),
    # The original's own version has none any more; its published figures are of other parameters.
    Entry("admm_slim", ADMMSLIM(5, 20_000, precision="single"), None),
    Entry(
        "slim",
        SLIM(4.65, 2e-4, seed=_SEED),
        ("SLIM", {"beta": 4.65, "lambda_": 2e-4, "seed": _SEED}),
    ),
    Entry("word2vec", Word2VecRec(seed=_SEED), ("Word2VecRec", _SEEDED)),
)


def load(folder: Path, name: str) -> Split:
    """Read a data set from a folder of data sets, and split it.

    Parameters
    ----------
    folder
        Where ``<name>/ratings.parquet`` and ``<name>/users.parquet`` are.
    name
        Of ``SETS``.
    """
    ratings = pd.read_parquet(folder / name / "ratings.parquet", columns=COLUMNS)
    return split(ratings, user_features(folder, name))


def split(ratings: pd.DataFrame, features: pd.DataFrame) -> Split:
    """Split ratings (columns ``COLUMNS``) by time."""
    rated = ratings.astype({"rating": "float64"})
    positive = rated["rating"] >= LEAST
    splitter = DateSplitter(SHARE, drop_cold_items=True, drop_cold_users=True)
    train, test = splitter.split(rated[positive].assign(rating=1.0))
    before = ~positive & (rated["timestamp"] < test["timestamp"].min())
    outcomes = pd.concat([train, rated[before].assign(rating=0.0)], ignore_index=True)
    return Split(train, test, outcomes, features)


def user_features(folder: Path, name: str) -> pd.DataFrame:
    """Return the age of users, and a column of 0 and 1 for each gender and occupation."""
    users = pd.read_parquet(folder / name / "users.parquet")
    words = users[["gender", "occupation"]].astype(str)
    return pd.concat([users[["user_id", "age"]], pd.get_dummies(words, dtype=int)], axis=1)


def fit(entry: Entry, split: Split) -> Any:
    """Fit our model of an entry."""
    given = {"user_features": split.features} if entry.features else {}
    return entry.model.fit(split.outcomes if entry.outcomes else split.train, **given)


def predict(entry: Entry, model: Any, split: Split) -> pd.DataFrame:
    """Return its lists for the users of the test."""
    given = {"user_features": split.features} if entry.features else {}
    log = split.outcomes if entry.outcomes else split.train
    recs: pd.DataFrame = model.predict(log=log, k=K, users=split.users, **given, **entry.options)
    return recs


def measure(recs: pd.DataFrame, split: Split) -> dict[str, float]:
    """Return the figures of lists, by the names of ``METRICS``."""
    logs = (Coverage(split.train), Surprisal(split.train), Novelty(split.train))
    found = evaluate([HitRate(), MAP(), MRR(), NDCG(), *logs], recs, split.test, K)
    return {name: float(found.mean(name, K)) for name in METRICS}


def with_ties_of_the_original(recs: pd.DataFrame) -> pd.DataFrame:
    """Order items of equal relevance as the metrics of the original do: by descending id.

    The lists of daskrec, and its metrics, keep them by ascending id.
    """
    user, item, relevance = recs.columns[:3]
    return recs.sort_values([user, relevance, item], ascending=[True, False, False])
