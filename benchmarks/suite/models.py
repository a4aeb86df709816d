"""Which model of the original is which of ours, with the same hyper-parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks import THREADS


@dataclass(frozen=True)
class Goals:
    """How many times as fast as the original ours has to be on ml-1m.

    Parameters
    ----------
    fit, predict
        Of each alone; None where it is not asked for.
    total
        Of both together.
    """

    fit: float | None = None
    predict: float | None = None
    total: float | None = None


@dataclass(frozen=True)
class Pair:
    """A model of both libraries.

    Parameters
    ----------
    key
        A short name.
    name
        Its class in the original.
    params
        Its parameters there; those of ours are the same.
    ours
        Its class here, where it has another name.
    ours_params
        Its parameters here, where they have other names.
    log
        ``train``, or ``outcomes`` for models that learn from 0 and 1.
    features
        Whether it takes features of users.
    options
        More arguments of ``predict``.
    rounds
        The least number of rounds, each with a seed of its own: more than one where the figures
        of seeds are further apart than users make them.
    goals
        On ml-1m.
    """

    key: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    ours: str | None = None
    ours_params: Mapping[str, Any] | None = None
    log: str = "train"
    features: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 1
    goals: Goals = field(default_factory=Goals)

    def job(self, original: bool) -> dict[str, Any]:
        """Return the part of a job that says what is run."""
        other = not original and self.ours_params is not None
        return {
            "key": self.key,
            "class": self.name if original else self.ours or self.name,
            "params": dict(self.ours_params if other else self.params),  # type: ignore[arg-type]
            "log": self.log,
            "features": self.features,
            "options": dict(self.options),
            "least": self.rounds,
        }


SEED = 42
_SEEDED = {"seed": SEED}
_COUNTS, _COOCCURRENCE = Goals(total=30), Goals(total=100)
_WRAPPER, _NEURAL = Goals(predict=10), Goals(fit=3, predict=50)

PAIRS = (
    Pair("pop", "PopRec", goals=_COUNTS),
    Pair("user_pop", "QueryPopRec", options={"filter_seen_items": False}),
    Pair("wilson", "Wilson", log="outcomes", goals=_COUNTS),
    Pair("ucb", "UCB", {"exploration_coef": 0.5}, log="outcomes"),
    Pair("kl_ucb", "KLUCB", log="outcomes"),
    Pair("thompson", "ThompsonSampling", _SEEDED, log="outcomes"),
    Pair("random", "RandomRec", _SEEDED, goals=_COUNTS),
    Pair("random_popular", "RandomRec", {"distribution": "popular_based", **_SEEDED}),
    Pair("knn", "ItemKNN", {"num_neighbours": 10}, goals=_COOCCURRENCE),
    Pair(
        "rules",
        "AssociationRulesItemRec",
        {"session_column": "user_idx"},
        ours_params={"session_col": "user_idx"},
        goals=_COOCCURRENCE,
    ),
    Pair("cluster", "ClusterRec", features=True),
    Pair("als", "ALSWrap", {"rank": 64, **_SEEDED}, goals=Goals(fit=15, predict=100)),
    Pair("als_explicit", "ALSWrap", {"rank": 64, "implicit_prefs": False, **_SEEDED}),
    Pair("slim", "SLIM", _SEEDED, goals=Goals(total=10)),
    Pair("word2vec", "Word2VecRec", _SEEDED, goals=Goals(fit=10, predict=500)),
    Pair("admm_slim", "ADMMSLIM", _SEEDED, goals=Goals(total=5)),
    # With a seed ours would take one thread, which the original does not.
    Pair(
        "lightfm",
        "LightFMWrap",
        {"no_components": 64, "random_state": SEED},
        ours_params={"no_components": 64, "random_state": SEED, "num_threads": THREADS},
        goals=_WRAPPER,
    ),
    Pair(
        "implicit_als",
        "ImplicitWrap",
        {"kind": "als", "factors": 64, "random_state": SEED},
        goals=_WRAPPER,
    ),
    Pair("implicit_cosine", "ImplicitWrap", {"kind": "cosine", "K": 10}, goals=_WRAPPER),
    Pair("mult_vae", "MultVAE", ours_params=_SEEDED, rounds=3, goals=_NEURAL),
    Pair("neuro_mf", "NeuroMF", ours_params=_SEEDED, rounds=3, goals=_NEURAL),
)
BY_KEY = {pair.key: pair for pair in PAIRS}
