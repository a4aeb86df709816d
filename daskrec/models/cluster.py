"""ClusterRec: to each user what users with like features had."""

import secrets
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from daskrec.data import encode, history
from daskrec.data.blocks import Features, Interactions, UserBlock
from daskrec.data.features import FeatureBlock, FeatureTable, read_features
from daskrec.data.history import History
from daskrec.data.ids import ShardedIds
from daskrec.data.log import Log
from daskrec.engine import config, kmeans, runtime
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.backend import borrow
from daskrec.engine.gpu import kmeans as on_gpu
from daskrec.engine.keys import hash_ids
from daskrec.engine.kmeans import Frame, Moments, Sample
from daskrec.engine.score import Scorer
from daskrec.engine.score_groups import GroupScorer
from daskrec.engine.shared import RowShards, Shared
from daskrec.errors import LogError
from daskrec.models.asked import Catalogue
from daskrec.models.recommender import UserRecommender
from daskrec.models.updates import Updatable, joint_layout
from daskrec.params import check_choice, check_number, check_whole


class ClusterRec(Updatable, UserRecommender):
    """Recommend what users with similar features had, by clusters of users.

    Users are clustered by k-means over their features. In a cluster c::

        relevance(c, i) = rows of item i by users of c / the most rows of any item by them

    A row counts each time that the log repeats it. Every column of the features but that of
    users is one, and numeric. A user who was not in the training is served by features alone;
    a user without features has no rows.

    Parameters
    ----------
    num_clusters
        Number of clusters; fewer where fewer users differ.
    seed
        Of the first centres; without one, every fit starts elsewhere.
    scale
        Divide each feature by its standard deviation first, so that units do not matter.
    max_iter, tol
        Rounds of k-means at most, and the move of the centres, relative to the variance of
        the features, at which they end.

    Notes
    -----
    Fit: the features are read once and sorted by user (8 bytes each, kept for ``update``, as
    is the log); scikit-learn clusters a sample of at most 16,384 users, and rounds over all
    users follow where there are more, each users x features x clusters operations in blocks.
    On a GPU these rounds, and the search for the cluster of each user, run on the device, 8
    bytes a feature copied each round. The table of scores takes 8 bytes a cluster and item.
    Predict: O(k + history) a user. ``optimize`` searches ``num_clusters`` from 2 to 20, and
    ``scale`` on request.

    References
    ----------
    S. P. Lloyd, Least squares quantization in PCM, IEEE Transactions on Information Theory 28
    (1982). D. Arthur and S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA
    (2007).

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_idx": [1, 1, 2, 3], "item_idx": [7, 8, 7, 9]})
    >>> features = pd.DataFrame({"user_idx": [1, 2, 3, 4], "age": [20, 21, 70, 71]})
    >>> ClusterRec(num_clusters=2, seed=0).fit(log, features).predict(features, k=1)
       user_idx  item_idx  relevance
    0         1         7        1.0
    1         2         7        1.0
    2         3         9        1.0
    3         4         9        1.0
    """

    can_predict_cold_users: ClassVar[bool] = True
    _gpu_library: ClassVar[str | None] = "cupy"
    _sharded_state: ClassVar[frozenset[str]] = frozenset({"features"})
    _search_space: ClassVar[dict[str, Any]] = {"num_clusters": {"type": "int", "args": [2, 20]}}
    _search_on_request: ClassVar[dict[str, str]] = {"scale": "categorical"}
    centres_: Shared[Vector]
    item_relevance_: Shared[Vector]
    feature_names_: list[str]

    def __init__(
        self,
        num_clusters: int = 10,
        seed: int | None = None,
        scale: bool = False,
        max_iter: int = 100,
        tol: float = 1e-4,
    ) -> None:
        self.num_clusters = num_clusters
        self.seed = seed
        self.scale = scale
        self.max_iter = max_iter
        self.tol = tol
        self._check_params()

    def _check_params(self) -> None:
        check_whole("num_clusters", self.num_clusters, 1)
        check_choice("scale", self.scale, (True, False))
        if self.seed is not None:
            check_whole("seed", self.seed, 0)
        check_whole("max_iter", self.max_iter, 1)
        check_number("tol", self.tol, 0.0)

    def update(self, log: Any, user_features: Any = None) -> "ClusterRec":
        """Learn from more interactions and users; see ``Updatable.update``.

        Parameters
        ----------
        log
            The new interactions alone.
        user_features
            Features of new users; those of a known user replace the old ones. The clusters
            are made anew from all of them.
        """
        fitted = self._fitted
        self._check_params()
        self._refuse_other_params()
        read = self._read_log(log)
        if self._features is None or self._history is None:
            self._extended(read)  # says why there is nothing to extend
        before = self._features
        assert before is not None
        assert self._history is not None
        table = before
        if user_features is not None:
            table = before.merged(read_features(user_features, self.feature_names_))
        data = history.extend(read, self._history, fitted.item_ids.get(), table.user_parts())
        data.features = Features(table)
        layout = joint_layout(fitted.layout, read.layout)
        self._learn(data, Catalogue(data.user_ids, Shared(data.item_ids), data.bounds, layout))
        if before is not table:
            before.release()
        return self

    # ------------------------------------------------------------ fit

    _features: FeatureTable | None = None

    def _encode(self, log: Log, features: Features) -> tuple[Interactions, ShardedIds, Array]:
        table = read_features(features.users)
        data = encode.encode_training(log, table.user_parts())
        data.features = Features(table)
        return data, data.user_ids, data.bounds

    def _fit(self, data: Interactions) -> None:
        table: FeatureTable = data.features.users
        self.feature_names_ = table.names
        self._cluster(table)
        users, labels = self._label(table)
        size = (len(self.centres_.get()), data.item_count)
        counts = runtime.reduce(
            data.tasks(_count_rows, users, labels, size), np.add, "counting items"
        )
        handles: list[Shared[Any]] = [*users.shards, *labels.shards]
        for handle in handles:
            handle.release()
        self.item_relevance_ = Shared(_share_of_most(counts))

    def _keep(self, data: Interactions) -> History | None:
        table: FeatureTable = data.features.users
        if not config.get("keep-history"):
            table.release()
            self._features = None
            return None
        self._features = table
        return History.of(data, relevance=False, repeats=True)

    def _cluster(self, table: FeatureTable) -> None:
        """Find the centres."""
        seed = secrets.randbits(63) if self.seed is None else self.seed
        found = table.map(_moments, label="reading features")
        moments = runtime.tree_reduce(found, Moments.merge)
        if not moments.count:
            raise LogError("user_features has no rows")
        self._frame = Frame.of(moments, self.scale)
        size = kmeans.SAMPLE
        most = kmeans.key_limit(size, moments.count)
        drawn = table.map(_draw, self._frame, seed, most, label="sampling users")
        sample = Sample.join(drawn, size)
        limits = (self.max_iter, self.tol)
        centres = kmeans.first_centres(sample.values, self.num_clusters, seed, *limits)
        if moments.count > size:
            spread = (moments.variance / self._frame.scale**2).mean()
            centres = self._refine(table, centres, float(spread))
        self.centres_ = Shared(centres)

    def _refine(self, table: FeatureTable, centres: Vector, spread: float) -> Vector:
        """Move centres by all users until they stand still."""
        for _ in range(self.max_iter):
            parts = table.map(_contribute, self._frame, centres, label="clustering users")
            moved = kmeans.moved_centres(centres, runtime.tree_reduce(parts, kmeans.add))
            step = float(((moved - centres) ** 2).sum())
            centres = moved
            if step <= self.tol * spread:
                break
        return centres

    def _label(self, table: FeatureTable) -> tuple[ShardedIds, RowShards]:
        """Return the users of features, and the cluster of each."""
        folder = runtime.storage()
        found = table.map(_assign, self._frame, self.centres_, folder, label="clustering users")
        labels, counts = zip(*found, strict=True)
        return table.users(), RowShards(labels, np.concatenate([[0], np.cumsum(counts)]))

    # ------------------------------------------------------------ predict and state

    def _open_features(self, user_features: Any) -> tuple[FeatureTable, ShardedIds]:
        _ = self._fitted  # or says that there is none
        table = read_features(user_features, self.feature_names_)
        return table, table.users()

    def _close_features(self, user_features: Any) -> None:
        if isinstance(user_features, FeatureTable):
            user_features.release()

    def _scorer(self, features: Features) -> Scorer:
        if features.users is None:
            raise ValueError(
                f"user_features are not provided, and {self} knows users by their features: "
                "give a frame of them"
            )
        table = features.users
        if isinstance(table, FeatureTable):  # who opened it closes it
            users, labels = self._label(table)
            return GroupScorer(users, labels, self.item_relevance_)
        table = read_features(table, self.feature_names_)
        users, labels = self._label(table)
        table.release()
        return GroupScorer(users, labels, self.item_relevance_)

    def _get_state(self) -> dict[str, Any]:
        state: dict[str, Any] = {
            "centres": self.centres_,
            "mean": Shared(self._frame.mean),
            "scale": Shared(self._frame.scale),
            "item_relevance": self.item_relevance_,
            "names": Shared(pa.array(self.feature_names_, pa.large_string())),
        }
        if self._features is not None:
            state["features"] = self._features.blocks
        return state

    def _set_state(self, state: dict[str, Any]) -> None:
        self.centres_, self.item_relevance_ = state["centres"], state["item_relevance"]
        self._frame = Frame(state["mean"].get(), state["scale"].get())
        self.feature_names_ = state["names"].get().to_pylist()
        if "features" in state:
            self._features = FeatureTable(state["features"], self.feature_names_)


def _moments(block: FeatureBlock) -> Moments:
    return Moments.of(block.values)


def _draw(block: FeatureBlock, frame: Frame, seed: int, most: int) -> Sample:
    drawn = Sample.of(hash_ids(block.user_ids.values), block.values, seed, most)
    return Sample(drawn.keys, frame.apply(drawn.values))


def _contribute(block: FeatureBlock, frame: Frame, centres: Vector) -> tuple[Vector, Vector]:
    _, sums, counts = _nearest(block.values, frame, centres)
    return sums, counts


def _nearest(values: Vector, frame: Frame, centres: Vector) -> tuple[Vector, Vector, Vector]:
    """Call ``kmeans.contribution``, or its twin on the GPU of a task."""
    with borrow(2.0 * values.size * len(centres)) as gpu:
        if gpu is not None:
            return on_gpu.contribution(gpu, values, frame, centres)
    return kmeans.contribution(values, frame, centres)


def _assign(
    block: FeatureBlock, frame: Frame, centres: Shared[Vector], folder: str | None
) -> tuple[Shared[Vector], int]:
    labels, _, _ = _nearest(block.values, frame, centres.get())
    return Shared.stored(labels, folder), len(labels)


def _count_rows(
    block: UserBlock, users: ShardedIds, labels: RowShards, size: tuple[int, int]
) -> Vector:
    """Return the rows of each item by the users of each cluster (clusters x items)."""
    codes = users.encode(block.user_ids.values)
    known = np.flatnonzero(codes >= 0)
    label = np.full(len(block), -1, dtype=np.int64)
    label[known] = labels.take(codes[known])
    matrix = block.matrix
    owner = np.repeat(label, np.diff(matrix.indptr))
    kept = owner >= 0
    cells = owner[kept] * size[1] + matrix.indices[kept]
    times = block.repeats[kept] if len(block.repeats) else None
    return np.bincount(cells, times, minlength=size[0] * size[1]).reshape(size).astype(np.float64)


def _share_of_most(counts: Vector) -> Vector:
    """Divide the counts of each cluster by its largest; NaN where there are none."""
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, counts / counts.max(axis=1, keepdims=True), np.nan)
