"""ImplicitWrap: the models of the library implicit."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from daskrec.data import whole
from daskrec.data.blocks import Features, Interactions
from daskrec.engine import runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr
from daskrec.engine.fold_in import FoldInScorer
from daskrec.engine.score import NeighbourScorer, Scorer, VectorScorer
from daskrec.engine.shared import RowShards, Shared
from daskrec.models import implicit_wrap_model as library
from daskrec.models.item_vector import ItemVectorModel
from daskrec.models.neighbour import NeighbourRec
from daskrec.models.vector_frames import factor_frame, role_of
from daskrec.params import check_choice


class ImplicitWrap(ItemVectorModel, NeighbourRec):
    """A model of the library implicit, which learns in one process; lists are made in many.

    Parameters
    ----------
    model
        A model of implicit 0.7: ``AlternatingLeastSquares``, ``BayesianPersonalizedRanking``,
        ``LogisticMatrixFactorization``, ``ItemItemRecommender``, ``CosineRecommender``,
        ``TFIDFRecommender`` or ``BM25Recommender``, of the CPU or the GPU. Only its class and
        its parameters are taken: it is not changed, and what it has learned before does not
        count. Or a dict of them, which the model becomes: ``{"class":
        "implicit.cpu.bpr.BayesianPersonalizedRanking", "params": {"factors": 64}}``. None is
        ``implicit.als.AlternatingLeastSquares()``.
    recalculate_user
        With ALS: solve the factors of every user from the log of ``predict``, as this
        argument of implicit's ``recommend`` does. New users are served then, and users whom
        the log does not mention are not.

    Attributes
    ----------
    model_
        The fitted model of implicit, made of the arrays that are kept.
    user_factors_, item_factors_
        Handles on the factors of ALS, BPR and LMF; None for item-item models.

    Notes
    -----
    The relevance is what implicit calls the confidence. ALS, BPR and LMF score by the inner
    product of trained factors, which hold the biases of BPR and LMF; users who were not in the
    training are left out. Item-item models score by the history in the log of ``predict``,
    ``sum over the items i that u had of relevance(u, i) similarity(i, j)``, new users
    included; similarities are kept as float32, and those that are 0 or no number (items of no
    weight) are left out.

    Fit: implicit's, on one matrix of all interactions in one process, this one or that of a
    worker: the blocks themselves where the log lies in memory, else 8 bytes an interaction.
    A model with ``num_threads=0`` takes all cores of that process; its BLAS has one thread as
    long as the fit lasts. With a ``random_state``, ALS gives one answer; BPR and LMF
    do with ``num_threads=1``. A model that was saved answers without implicit; another fit and
    ``model_`` need it. ``optimize`` has nothing to search.
    On a GPU, ``recalculate_user`` solves the users of a block on the device.

    References
    ----------
    Y. Hu, Y. Koren and C. Volinsky, Collaborative filtering for implicit feedback datasets,
    ICDM 2008. S. Rendle et al., BPR: Bayesian personalized ranking from implicit feedback, UAI
    2009. C. Johnson, Logistic matrix factorization for implicit feedback data, NIPS 2014.

    Examples
    --------
    >>> import pandas as pd
    >>> from implicit.nearest_neighbours import ItemItemRecommender
    >>> log = pd.DataFrame({"user_idx": [1, 1, 2, 2, 2], "item_idx": [1, 2, 1, 2, 3]})
    >>> ImplicitWrap(ItemItemRecommender(K=3)).fit_predict(log, k=1)
       user_idx  item_idx  relevance
    0         1         3        2.0
    """

    _sharded_state = frozenset({"user_factors"})
    _held: Mapping[str, Any] | None = None

    def __init__(self, model: Any = None, recalculate_user: bool = False) -> None:
        self.model = model
        self.recalculate_user = recalculate_user
        self._check_params()

    def _check_params(self) -> None:
        if self.model is not None:
            self.model = library.describe(self.model)
        check_choice("recalculate_user", self.recalculate_user, (True, False))
        if self.recalculate_user and library.KINDS[self._spec["class"]] == library.FACTORS:
            raise ValueError(
                f"{self._spec['class']} has no factors for a history: recalculate_user=True is for "
                "ALS"
            )

    @property
    def _spec(self) -> Mapping[str, Any]:
        return library.DEFAULT if self.model is None else self.model

    @property
    def _item_item(self) -> bool:
        """Whether the state scores by neighbours; before a fit, whether the model will."""
        if self._held is not None:
            return "similarity" in self._held
        return library.KINDS[self._spec["class"]] == library.ITEMS

    @property
    def can_predict_cold_users(self) -> bool:  # type: ignore[override]
        """Whether users who were not in the training are served, by their history."""
        return self._item_item or bool(self.recalculate_user)

    _needs_history = can_predict_cold_users
    _weighs_history = can_predict_cold_users

    def fit(self, log: Any) -> "ImplicitWrap":
        """Learn from a log; see ``Recommender.fit``.

        Raises
        ------
        ImportError
            implicit is not installed: ``pip install 'daskrec[wrappers]'``.
        ValueError
            The class does not take the parameters of the model, or needs a GPU.
        """
        library.build(self._spec)  # its errors come before the log is read
        super().fit(log)
        return self

    def _fit(self, data: Interactions) -> None:
        found = whole.on_whole(
            data, library.fit, dict(self._spec), runtime.storage(), label="implicit"
        )
        if "user_factors" in found:
            found["user_factors"] = RowShards(
                [found["user_factors"]], np.array([0, data.user_count])
            )
        self._held = found

    def _scorer(self, features: Features) -> Scorer:
        held = self._get_state()
        if "similarity" in held:
            return NeighbourScorer(held["similarity"], weighted=True)
        if self.recalculate_user and "rule" in held:
            return FoldInScorer(held["item_factors"], *held["rule"].get().tolist())
        return VectorScorer(self._fitted.user_ids, held["user_factors"], held["item_factors"])

    def _get_state(self) -> dict[str, Any]:
        return dict(self._held or {})

    def _set_state(self, state: dict[str, Any]) -> None:
        self._held = state

    @property
    def model_(self) -> Any:
        """The fitted model of implicit; made anew by each call, and needs implicit."""
        _ = self._fitted
        learned = (self._learned_with or {}).get("model")
        return library.filled(learned or library.DEFAULT, self._get_state())

    @property
    def user_factors_(self) -> RowShards | None:
        """Factors of users."""
        return self._get_state().get("user_factors")

    @property
    def item_factors_(self) -> Shared[Vector] | None:
        """Handle on the factors of items."""
        return self._get_state().get("item_factors")

    def _item_vectors(self) -> Shared[Vector]:
        assert self.item_factors_ is not None
        return self.item_factors_

    def _neighbour_lists(self) -> Shared[Csr]:
        """Return the neighbours of each item but itself, whom implicit has among them."""
        near: Csr = self._get_state()["similarity"].get()
        rows = np.repeat(np.arange(len(near)), np.diff(near.indptr))
        other = rows != near.indices
        counts = np.bincount(rows[other], minlength=len(near))
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Shared(Csr(indptr, near.indices[other], near.data[other], near.width))

    @property
    def similarity(self) -> Any:
        """The neighbours of an item-item model; see ``NeighbourRec.similarity``.

        Raises
        ------
        ValueError
            The model has vectors of items instead.
        """
        if not self._item_item:
            raise ValueError(f"{self._spec['class']} has no similarity: see get_nearest_items")
        return super().similarity

    def get_nearest_items(
        self, items: Any, k: int, metric: str | None = "cosine_similarity", candidates: Any = None
    ) -> Any:
        """Return the k most similar items of each of some items.

        Item-item models have the similarity of their own, in a column ``similarity``; the
        others that of the vectors of items by ``metric``: see ``ItemVectorModel``.
        """
        if self._item_item:
            return NeighbourRec.get_nearest_items(self, items, k, None, candidates)
        return ItemVectorModel.get_nearest_items(self, items, k, metric, candidates)

    def get_features(self, ids: Any) -> tuple[Any, int | None]:
        """Return the factors of users or of items; (None, None) for item-item models.

        Parameters
        ----------
        ids
            A frame with a column of users or of items; with both, users are taken.

        Returns
        -------
        frame
            Columns user and ``user_factors``, or item and ``item_factors``, as those of
            ``ALSWrap``.
        length
            That of the factors: those of BPR and LMF hold biases too.
        """
        fitted = self._fitted
        users, items = self.user_factors_, self.item_factors_
        if users is None or items is None:
            return super().get_features(ids)
        role = role_of(ids)
        table = users if role == "user" else RowShards([items], np.array([0, self.items_count]))
        return factor_frame(fitted, ids, role, table), int(items.get().shape[1])
