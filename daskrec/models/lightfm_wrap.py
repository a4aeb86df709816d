"""LightFMWrap: the hybrid matrix factorisation of the library LightFM."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from daskrec.data import encode, ranges, whole
from daskrec.data.blocks import Features, Interactions
from daskrec.data.features import FeatureBlock, FeatureTable, read_features
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.log import Log
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.score import Encoder, Scorer, VectorScorer
from daskrec.engine.score_hybrid import HybridScorer, Part, mixed
from daskrec.engine.shared import RowShards, Shared
from daskrec.engine.threads import cores
from daskrec.errors import warn_caller
from daskrec.models import lightfm_wrap_fit as fitting
from daskrec.models.asked import Catalogue, Items
from daskrec.models.recommender import HybridRecommender
from daskrec.models.vector_frames import as_lists, finish, names_of, read_ids, role_of
from daskrec.params import check_choice, check_number, check_whole

_LOSSES = ("logistic", "bpr", "warp", "warp-kos")
_ROLES = ("user", "item")


class LightFMWrap(HybridRecommender):
    """LightFM, which learns in one process; lists are made in many.

    The relevance of item i for user u is ``q_u . p_i + b_u + b_i``, where the vectors and the
    biases of users and items are means over what describes them: themselves, and their
    features where features are given. A feature is scaled to 0 to 1 by its range in the fit
    (what lies beyond counts as the end of the range), weighs as much as its scaled value, and
    the user or item itself weighs 1.

    Parameters
    ----------
    no_components
        Length of the vectors.
    loss
        ``"logistic"`` (relevance above 0 is liked, below 0 not), ``"bpr"``, ``"warp"`` or
        ``"warp-kos"``.
    random_state
        Seed. With one, a fit gives one answer, whatever the partitioning of the log.
    epochs
        Passes over the interactions.
    num_threads
        Threads of a fit. By default one where there is a ``random_state``, since threads
        overtake each other, and else all cores.
    learning_rate, learning_schedule
        Of the stochastic gradient descent; the schedule is ``"adagrad"`` or ``"adadelta"``.
    user_alpha, item_alpha
        Penalties on the features of users and of items.
    max_sampled
        Most negative items that WARP draws for a pair.

    Notes
    -----
    A side whose features are given at ``fit`` needs them at ``predict`` too, and new users, or
    new items that ``items`` or ``pairs`` name, are served by features alone; without features
    they are left out. Features are numeric columns, one row an id. Users and items that only
    features mention are described by features alone.

    Fit: LightFM's, on one matrix of all interactions and features in one process, this one or
    that of a worker: 12 bytes an interaction, ``4 (users + items) (no_components + 2)`` of
    results. Predict: ``2 no_components`` operations a score. A model that was saved answers
    without LightFM. ``optimize`` searches ``loss`` and ``no_components`` from 8 to 512;
    ``epochs``, ``learning_rate``, ``user_alpha``, ``item_alpha`` and ``max_sampled`` on request.

    References
    ----------
    M. Kula, Metadata embeddings for user and item cold-start recommendations, CBRecSys 2015.
    J. Weston, S. Bengio and N. Usunier, WSABIE: scaling up to large vocabulary image
    annotation, IJCAI 2011.
    """

    _sharded_state: ClassVar[frozenset[str]] = frozenset({"user_vectors"})
    _seed_parameter: ClassVar[str] = "random_state"
    _search_space: ClassVar[dict[str, Any]] = {
        "loss": {"type": "categorical", "args": list(_LOSSES)},
        "no_components": {"type": "loguniform_int", "args": [8, 512]},
    }
    _search_on_request: ClassVar[dict[str, str]] = {
        "epochs": "int",
        "learning_rate": "loguniform",
        "user_alpha": "loguniform",
        "item_alpha": "loguniform",
        "max_sampled": "int",
    }
    _held: Mapping[str, Any] = {}
    _names: Mapping[str, list[str]] = {}  # of the features; nothing for a side without

    def __init__(
        self,
        no_components: int = 128,
        loss: str = "warp",
        random_state: int | None = None,
        *,
        epochs: int = 10,
        num_threads: int | None = None,
        learning_rate: float = 0.05,
        learning_schedule: str = "adagrad",
        user_alpha: float = 0.0,
        item_alpha: float = 0.0,
        max_sampled: int = 10,
    ) -> None:
        self.no_components = no_components
        self.loss = loss
        self.random_state = random_state
        self.epochs = epochs
        self.num_threads = num_threads
        self.learning_rate = learning_rate
        self.learning_schedule = learning_schedule
        self.user_alpha = user_alpha
        self.item_alpha = item_alpha
        self.max_sampled = max_sampled
        self._check_params()

    def _check_params(self) -> None:
        for name in ("no_components", "epochs", "max_sampled"):
            check_whole(name, getattr(self, name), 1)
        for name in ("learning_rate", "user_alpha", "item_alpha"):
            check_number(name, getattr(self, name), 0.0)
        check_choice("loss", self.loss, _LOSSES)
        check_choice("learning_schedule", self.learning_schedule, ("adagrad", "adadelta"))
        if self.random_state is not None:
            check_whole("random_state", self.random_state, 0)
        if self.num_threads is not None:
            check_whole("num_threads", self.num_threads, 1)

    # ------------------------------------------------------------ fit

    def fit(self, log: Any, user_features: Any = None, item_features: Any = None) -> "LightFMWrap":
        """Learn from a log and features; see ``HybridRecommender.fit``.

        Raises
        ------
        ImportError
            lightfm-next is not installed: ``pip install 'daskrec[wrappers]'``.
        LogError
            A frame cannot be used, features are not numeric or miss values, or none is of a
            user (an item) of the log.
        """
        fitting.library()  # its error comes before the log is read
        super().fit(log, user_features, item_features)
        return self

    def _encode(self, log: Log, features: Features) -> tuple[Interactions, ShardedIds, Array]:
        given = {"user": features.users, "item": features.items}
        tables = {
            role: None if frame is None else read_features(frame, role=role)
            for role, frame in given.items()
        }
        parts = [table.user_parts() if table is not None else [] for table in tables.values()]
        data = encode.encode_training(log, parts[0], ranges.all_ids(parts[1]))
        data.features = Features(*tables.values())
        return data, data.user_ids, data.bounds

    def _fit(self, data: Interactions) -> None:
        tables = {"user": data.features.users, "item": data.features.items}
        ids: dict[str, Encoder] = {"user": data.user_ids, "item": ShardedIds.of(data.item_ids)}
        names = {role: sorted(t.names) for role, t in tables.items() if t is not None}
        sides = {role: _side(role, ids[role], table) for role, table in tables.items()}
        seeded = self.random_state is not None
        threads = self.num_threads or (1 if seeded else cores())
        training = {"epochs": int(self.epochs), "num_threads": int(threads)}
        params = {
            name: getattr(self, name)
            for name in (
                "no_components", "loss", "random_state", "learning_rate", "learning_schedule",
                "user_alpha", "item_alpha", "max_sampled",
            )
        }  # fmt: skip
        held = whole.on_whole(
            data, fitting.fit, sides, params, training, runtime.storage(), label="LightFM"
        )
        held["user_vectors"] = RowShards([held["user_vectors"]], np.array([0, data.user_count]))
        self._held, self._names = held, names

    def _learn(self, data: Interactions, catalogue: Catalogue) -> None:
        try:
            super()._learn(data, catalogue)
        finally:
            for table in (data.features.users, data.features.items):
                if table is not None:
                    table.release()

    # ------------------------------------------------------------ predict

    @property
    def can_predict_cold_users(self) -> bool:  # type: ignore[override]
        """Whether users who were not in the training are served: where users have features."""
        return self._catalogue is not None and "user" in self._names

    @property
    def can_predict_cold_items(self) -> bool:  # type: ignore[override]
        """Whether items that were not in the training are served: where items have features."""
        return self._catalogue is not None and "item" in self._names

    def _check_features(self, features: Features) -> None:
        _ = self._fitted  # or says that there is none
        for role, given in (("user", features.users), ("item", features.items)):
            if role in self._names and given is None:
                raise ValueError(
                    f"{role.capitalize()} features are missing for predict: the model was fitted "
                    f"with {self._names[role]}, so give {role}_features"
                )
            if role not in self._names and given is not None:
                raise ValueError(
                    f"{role.capitalize()} features were not given to fit, so that predict cannot "
                    f"use them: leave {role}_features out, or fit with them"
                )

    def _open_features(self, user_features: Any) -> tuple[FeatureTable, ShardedIds]:
        """Return features of users in a form that need not be read again, and the users."""
        table = read_features(user_features, self._names["user"])
        return table, table.users()

    def _scorer(self, features: Features) -> Scorer:
        return self._scorer_of(Items(self._fitted.item_ids), features)

    def _scorer_of(self, items: Items, features: Features) -> Scorer:
        self._check_features(features)
        vectors = Shared(self._item_vectors(items, features.items))
        if "user" not in self._names:
            return VectorScorer(self._fitted.user_ids, self._held["user_vectors"], vectors)
        return HybridScorer(self._parts("user", features.users), vectors)

    def _item_vectors(self, items: Items, features: Any) -> Vector:
        """Return a vector for each item code of a call; NaN for one that nothing is known of."""
        ids = items.ids.get().values
        known, found = mixed(self._parts("item", features), ids)
        vectors = np.full((len(ids), found.shape[1]), np.nan, dtype=np.float32)
        vectors[known] = found
        asked = np.arange(len(ids)) if items.candidates is None else items.candidates
        unknown = int(np.isnan(vectors[asked, 0]).sum())
        if unknown:
            warn_caller(f"{unknown} items have no features: there are no rows for them")
        vectors[:, [-1, -2]] = vectors[:, [-2, -1]]  # meets the bias and the 1 of a user
        return vectors

    def _parts(self, role: str, features: Any = None) -> Sequence[Part]:
        """Return what describes a side: itself, and features where some are given."""
        fitted, own = self._fitted, self._held[f"{role}_vectors"]
        if role == "user":
            parts: list[Part] = [(fitted.user_ids, own)]
        else:
            ends = np.array([0, self.items_count])
            known = ShardedIds([fitted.item_ids], fitted.item_ids.get().values[:0], ends)
            parts = [(known, RowShards([own], ends))]
        if features is None:
            return parts
        table = features
        if not isinstance(table, FeatureTable):
            table = read_features(features, self._names[role], role)
        made = table.map(
            _describe,
            self._held[f"{role}_scaling"],
            self._held[f"{role}_feature_vectors"],
            runtime.storage(),
            label="reading features",
        )
        shards, counts = zip(*made, strict=True)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        parts.append((table.users(), RowShards(shards, offsets)))
        if table is not features:  # who opened it closes it
            table.release()
        return parts

    def get_features(self, ids: Any, features: Any = None) -> tuple[Any, int | None]:
        """Return biases and vectors of users or of items.

        Parameters
        ----------
        ids
            A frame with a column of users or of items; with both, items are taken.
        features
            Features of these, where the model was fitted with some. Without them the bias
            and the vector are those of the user or item itself.

        Returns
        -------
        frame
            Columns item, ``item_bias`` and ``item_factors``, or user, ``user_bias`` and
            ``user_factors``; zeros for an id that nothing is known of.
        length
            ``no_components``.
        """
        fitted = self._fitted
        role = role_of(ids, first="item")
        if features is not None and role not in self._names:
            raise ValueError(f"{role} features were not given to fit: leave features out")
        known = read_ids(fitted, ids, role)
        parts = list(self._parts(role, features))
        task = runtime.task(_feature_rows, known, parts, names_of(fitted, role))
        width = self._held["item_vectors"].get().shape[1] - 2
        return finish(fitted, [task], known, role, biased=True), width

    # ------------------------------------------------------------ state

    def _get_state(self) -> dict[str, Any]:
        names = {
            f"{role}_names": Shared(pa.array(names, pa.large_string()))
            for role, names in self._names.items()
        }
        return {**self._held, **names}

    def _set_state(self, state: dict[str, Any]) -> None:
        self._names = {
            role: state[f"{role}_names"].get().to_pylist()
            for role in _ROLES
            if f"{role}_names" in state
        }
        self._held = {k: value for k, value in state.items() if not k.endswith("_names")}


def _side(role: str, ids: Encoder, table: FeatureTable | None) -> fitting.Side | None:
    if table is None:
        return None
    return fitting.Side(role, ids, table.blocks, np.argsort(np.array(table.names, dtype=object)))


def _describe(
    block: FeatureBlock, scaling: Shared[Vector], vectors: Shared[Vector], folder: str | None
) -> tuple[Shared[Vector], int]:
    """Return the sum of the features of each id, times their weights."""
    rows = fitting.scaled(block.values, scaling.get()) @ vectors.get()
    return Shared.stored(rows, folder), len(rows)


def _feature_rows(
    known: Ids, parts: Sequence[Part], names: tuple[str, str, str]
) -> dict[str, Array]:
    found, vectors = mixed(parts, known.values)
    rows = np.zeros((len(known), vectors.shape[1]), dtype=np.float32)
    rows[found] = vectors
    return {names[0]: known.values, names[1]: rows[:, -2], names[2]: as_lists(rows[:, :-2])}
