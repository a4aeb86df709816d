"""Word2VecRec: vectors of items from the sequences of users, and users as their means."""

import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from daskrec.data.blocks import Features, Interactions, UserBlock
from daskrec.data.log import Needs
from daskrec.engine import runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.score import Scorer
from daskrec.engine.score_means import MeanScorer
from daskrec.engine.shared import RowShards, Shared
from daskrec.models.item_vector import ItemVectorModel
from daskrec.models.recommender import Recommender
from daskrec.models.vector_frames import factor_frame, role_of
from daskrec.models.word2vec_given import read_vectors
from daskrec.models.word2vec_training import Plan, train
from daskrec.params import check_choice, check_number, check_whole


class Word2VecRec(ItemVectorModel, Recommender):
    """Recommend by vectors of items that stand near each other in the histories of users.

    What a user had, in the order of time (items of one time in the order of their ids), is a
    sentence, and vectors v of its items are learned by skip-gram. A user is the mean over the
    rows of her log, repeated ones too, of those items that have a vector::

        u = mean of idf(i) v_i        idf(i) = ln(users / users who had i), or 1
        relevance(u, j) = v_j . u + rank

    The history is that in the log of ``predict``, so new users are served as well.

    Parameters
    ----------
    rank
        Length of the vectors.
    min_count
        Items with fewer rows in the log have no vector: they are not recommended, have no
        similar items, and do not count in histories.
    step_size
        The first learning rate; it falls in proportion to what is done.
    max_iter
        How often the log is gone through. More is not always better: popular items have long
        vectors after few passes.
    window_size
        Neighbours of an item are at most so far from it; for each occurrence the distance is
        drawn evenly from 1 to it.
    use_idf
        Weigh items in the mean of a user by their rarity.
    seed
        Of the first vectors and all draws, by key: partitions, workers and schedulers do not
        change a bit of the vectors. None draws another seed for each fit.
    num_partitions
        Shards of users that are trained side by side and merged; it changes the result. By
        default it follows from the size of the log, from 1 to 32.
    loss
        ``"negative"`` (negative sampling) or ``"hierarchical"`` (hierarchical softmax, the
        original's).
    negatives
        Items drawn against each group of at most 8 neighbours.
    ns_exponent
        They are drawn in proportion to this power of their counts.
    sample
        Share of all rows above which occurrences of an item are passed over at random, the
        more the more frequent it is; 0 passes over none.
    shuffle
        Draw the order of each sentence anew in each pass, for logs whose order means nothing:
        no times are needed. With a ``window_size`` it samples the pairs of a set of items.
    normalize
        Bring all vectors to unit length in the end, so that popular items do not stand out by
        the length of theirs.
    vectors
        Vectors to take instead of learning: gensim's ``KeyedVectors`` (or a model with one as
        ``wv``), a mapping from items to vectors, an array (row i for item i), or a frame with
        a column of items and one of vectors, as ``get_features`` gives. Keys may be the texts
        of items. Their length takes the place of ``rank``, and no times are needed. ``save``
        keeps the vectors of the items of the log, and not this argument.

    Attributes
    ----------
    item_vectors_
        Handle on float32 vectors, items x rank; zeros for an item without one.
    item_weights_
        Handle on float64 idf, or 1; NaN for an item without a vector.

    Notes
    -----
    The log of ``fit`` needs a column ``timestamp`` (dates, numbers, or texts of dates), but with
    ``shuffle`` or ``vectors``. Fit:
    about ``6 rank (window_size + 1) (1 + negatives / neighbours that share them)`` operations
    a row and pass. Memory: 8 bytes an interaction, 16 a user, and two tables of
    ``4 rank`` bytes an item in each task that runs; the driver holds two such tables. Predict:
    ``rank`` operations for each row of a history, and ``2 rank`` a score. ``optimize``
    searches ``rank`` from 50 to 300, ``window_size`` from 1 to 100 and ``use_idf``, and other
    parameters on request.

    References
    ----------
    T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, Distributed representations of
    words and phrases and their compositionality, NIPS 2013. O. Barkan and N. Koenigstein,
    Item2Vec: neural item embedding for collaborative filtering, MLSP 2016.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_idx": [1, 1, 2], "item_idx": [7, 8, 9]})
    >>> vectors = {7: [1.0, 0.0], 8: [0.0, 1.0], 9: [1.0, 1.0]}
    >>> Word2VecRec(vectors=vectors).fit(log).predict(log, k=1)
       user_idx  item_idx  relevance
    0         1         9        3.0
    1         2         7        3.0
    """

    can_predict_cold_users: ClassVar[bool] = True
    _needs_history: ClassVar[bool] = True
    _search_space: ClassVar[dict[str, Any]] = {
        "rank": {"type": "int", "args": [50, 300]},
        "window_size": {"type": "int", "args": [1, 100]},
        "use_idf": {"type": "categorical", "args": [True, False]},
    }
    _search_on_request: ClassVar[dict[str, str]] = {
        "min_count": "int",
        "step_size": "loguniform",
        "max_iter": "int",
        "loss": "categorical",
        "negatives": "int",
        "ns_exponent": "uniform",
        "sample": "uniform",
        "shuffle": "categorical",
        "normalize": "categorical",
    }
    item_vectors_: Shared[Vector]
    item_weights_: Shared[Vector]

    def __init__(
        self,
        rank: int = 100,
        min_count: int = 5,
        step_size: float = 0.025,
        max_iter: int = 1,
        window_size: int = 1,
        use_idf: bool = False,
        seed: int | None = None,
        num_partitions: int | None = None,
        *,
        loss: str = "negative",
        negatives: int = 5,
        ns_exponent: float = 0.75,
        sample: float = 0.0,
        shuffle: bool = False,
        normalize: bool = False,
        vectors: Any = None,
    ) -> None:
        self.rank = rank
        self.min_count = min_count
        self.step_size = step_size
        self.max_iter = max_iter
        self.window_size = window_size
        self.use_idf = use_idf
        self.seed = seed
        self.num_partitions = num_partitions
        self.loss = loss
        self.negatives = negatives
        self.ns_exponent = ns_exponent
        self.sample = sample
        self.shuffle = shuffle
        self.normalize = normalize
        self.vectors = vectors
        self._check_params()

    def _check_params(self) -> None:
        for name in ("rank", "max_iter", "window_size", "negatives"):
            check_whole(name, getattr(self, name), 1)
        check_whole("min_count", self.min_count, 0)
        check_number("step_size", self.step_size, 0.0)
        check_number("sample", self.sample, 0.0)
        check_number("ns_exponent", self.ns_exponent, -10.0)
        check_choice("use_idf", self.use_idf, (True, False))
        check_choice("shuffle", self.shuffle, (True, False))
        check_choice("normalize", self.normalize, (True, False))
        check_choice("loss", self.loss, ("negative", "hierarchical"))
        if self.seed is not None:
            check_whole("seed", self.seed, 0)
        if self.num_partitions is not None:
            check_whole("num_partitions", self.num_partitions, 1)

    def _saved_params(self, params: dict[str, Any]) -> dict[str, Any]:
        return {**params, "vectors": None} if params else params

    # ------------------------------------------------------------ fit

    def _log_needs(self) -> Needs:
        return Needs(time=self.vectors is None and not self.shuffle)

    def _fit(self, data: Interactions) -> None:
        parts = data.tasks(_count, data.item_count)
        rows, users = runtime.reduce(parts, np.add, "counting items")
        if self.vectors is not None:
            codes, learned = read_vectors(self.vectors, data.item_ids)
        else:
            codes = self._frequent(rows)
            learned = train(data, codes, rows[codes], self._plan())
            if not np.isfinite(learned).all():
                raise ValueError(
                    f"step_size is {self.step_size}, and with it the vectors grew beyond float32: "
                    "give a smaller one"
                )
        if self.normalize:
            lengths = np.linalg.norm(learned, axis=1, keepdims=True)
            learned = learned / np.where(lengths > 0, lengths, 1)
        table = np.zeros((data.item_count, learned.shape[1]), dtype=np.float32)
        table[codes] = learned
        weights = np.full(data.item_count, np.nan)
        idf = np.log(data.user_count / np.maximum(users[codes], 1))
        weights[codes] = idf if self.use_idf else 1.0
        self.item_vectors_, self.item_weights_ = Shared(table), Shared(weights)

    def _frequent(self, rows: Vector) -> Vector:
        """Return the codes of the items that get a vector.

        Raises
        ------
        ValueError
            There are none.
        """
        codes = np.flatnonzero(rows >= max(self.min_count, 1)).astype(np.int32)
        if len(codes) == 0:
            raise ValueError(
                f"min_count is {self.min_count}, and no item has more than {rows.max()} rows in "
                "the log: no item would have a vector"
            )
        rare = int((rows > 0).sum()) - len(codes)
        if rare:
            self.logger.info("%d items with fewer rows than min_count have no vector", rare)
        return codes

    def _plan(self) -> Plan:
        return Plan(
            rank=int(self.rank),
            shards=self.num_partitions,
            seed=secrets.randbits(63) if self.seed is None else int(self.seed),
            window=int(self.window_size),
            rate=float(self.step_size),
            epochs=int(self.max_iter),
            negatives=int(self.negatives) if self.loss == "negative" else 0,
            exponent=float(self.ns_exponent),
            sample=float(self.sample),
            shuffle=bool(self.shuffle),
        )

    # ------------------------------------------------------------ what the vectors say

    def _scorer(self, features: Features) -> Scorer:
        rank = self.item_vectors_.get().shape[1]
        return MeanScorer(self.item_vectors_, self.item_weights_, float(rank))

    def _item_vectors(self) -> Shared[Vector]:
        return self.item_vectors_

    def _with_vector(self) -> Vector | None:
        without = np.isnan(self.item_weights_.get())
        return np.flatnonzero(~without).astype(np.int32) if without.any() else None

    def get_features(self, ids: Any) -> tuple[Any, int | None]:
        """Return the vectors of items.

        Parameters
        ----------
        ids
            A frame with a column of items. For users there are no vectors but those of the
            histories in a log: (None, None) is returned.

        Returns
        -------
        frame
            Columns item and ``item_factors``: a list of floats in each row, as ``vectors``
            takes it. Items without a vector have no rows, and a warning counts them.
        rank
            The length of the vectors.
        """
        if role_of(ids) == "user":
            return super().get_features(ids)
        fitted, rank = self._fitted, int(self.item_vectors_.get().shape[1])
        table = RowShards([self.item_vectors_], np.array([0, self.items_count]))
        return factor_frame(fitted, ids, "item", table, self._with_vector()), rank

    def _get_state(self) -> dict[str, Any]:
        return {"vectors": self.item_vectors_, "weights": self.item_weights_}

    def _set_state(self, state: Mapping[str, Any]) -> None:
        self.item_vectors_, self.item_weights_ = state["vectors"], state["weights"]


def _count(block: UserBlock, item_count: int) -> Vector:
    """Return the log rows and the users of each item, int64."""
    indices, repeats = block.matrix.indices, block.repeats
    users = np.bincount(indices, minlength=item_count)
    if len(repeats) == 0:
        return np.stack([users, users])
    rows = np.bincount(indices, repeats, minlength=item_count)
    return np.stack([rows.astype(np.int64), users])
