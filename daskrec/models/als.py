"""ALSWrap: alternating least squares for implicit and explicit feedback."""

import secrets
from typing import Any, ClassVar

import numpy as np

from daskrec import progress
from daskrec.data import transpose
from daskrec.data.blocks import Features, Interactions
from daskrec.engine.arrays import Vector
from daskrec.engine.score import Scorer, VectorScorer
from daskrec.engine.shared import RowShards, Shared
from daskrec.models.als_rounds import Rule, first_factors, solve_rounds
from daskrec.models.item_vector import ItemVectorModel
from daskrec.models.recommender import Recommender
from daskrec.models.vector_frames import factor_frame, role_of
from daskrec.params import check_choice, check_number, check_whole


class ALSWrap(ItemVectorModel, Recommender):
    """Matrix factorisation by alternating least squares, as Spark's ALS defines it.

    With implicit feedback, factors x_u and y_i minimise::

        sum over all (u, i) of c_ui (p_ui - x_u . y_i)^2
            + regularization (sum_u n_u |x_u|^2 + sum_i n_i |y_i|^2)

    where ``p_ui`` is 1 for positive relevance and 0 else, and ``c_ui = 1 + alpha |r_ui|``
    (1 where there is no interaction). With explicit feedback the sum runs over the
    interactions, ``c`` is 1 and ``p`` the relevance. ``n`` counts the positive
    interactions (explicit: all) of a user or item. The relevance of a recommendation is
    ``x_u . y_i``.

    Parameters
    ----------
    rank
        Length of the factors; it may exceed the number of users and items.
    implicit_prefs
        Implicit feedback (True) or ratings to be predicted (False).
    seed
        Seed of the first factors, drawn by key: the partitioning of the log does not
        matter. None draws another seed for each fit.
    num_item_blocks, num_query_blocks
        Numbers of blocks of items and of users; by default they follow from the log.
    alpha
        Weight of the relevance in the confidence.
    regularization
        Weight of the penalty on factors.
    iterations
        Rounds; each solves the items, then the users.
    solver
        ``"exact"`` (Cholesky), ``"cg"`` (three conjugate-gradient steps from the last
        round's factors), or ``"auto"``: exact up to rank 128.
    scale_regularization
        Multiply the penalty by the number of interactions, as Spark does; False leaves it
        plain, as the library ``implicit`` does.

    Attributes
    ----------
    user_factors_
        Factors of users, float32, in shards.
    item_factors_
        Handle on the factors of items, float32.

    Notes
    -----
    A round takes ``2 nnz rank^2 + (users + items) rank^3 / 3`` multiply-adds exactly, and
    about ``16 nnz rank`` with conjugate gradients. Memory: twice the interactions (8 bytes
    an entry each) and ``4 rank (users + items)`` bytes. With workers, factors go through
    ``daskrec.storage-path`` after each half round, so that a lost worker costs only the
    tasks that it was at; a task that would need more than ``daskrec.share-limit`` bytes of
    factors reads only the rows that it needs. On a GPU all rounds of a process run on the
    device, ``20 rank (users + items)`` bytes beside the log, whose blocks are copied in each
    half round where it does not fit; if the factors do not fit, and in workers, each block is
    solved there and copied back. Only users and items of the training are
    served. ``optimize`` searches ``rank`` from 8 to 256; ``alpha``, ``regularization``,
    ``iterations``, ``implicit_prefs`` and ``scale_regularization`` on request.

    References
    ----------
    Y. Hu, Y. Koren and C. Volinsky, Collaborative filtering for implicit feedback
    datasets, ICDM 2008. Y. Zhou et al., Large-scale parallel collaborative filtering for
    the Netflix prize, AAIM 2008 (scaled penalty). G. Takács et al., Applications of the
    conjugate gradient method for implicit feedback collaborative filtering, RecSys 2011.
    """

    _gpu_library: ClassVar[str | None] = "cupy"
    _sharded_state: ClassVar[frozenset[str]] = frozenset({"user_factors"})
    _search_space: ClassVar[dict[str, Any]] = {"rank": {"type": "loguniform_int", "args": [8, 256]}}
    _search_on_request: ClassVar[dict[str, str]] = {
        "alpha": "loguniform",
        "regularization": "loguniform",
        "iterations": "int",
        "implicit_prefs": "categorical",
        "scale_regularization": "categorical",
    }
    user_factors_: RowShards
    item_factors_: Shared[Vector]

    def __init__(
        self,
        rank: int = 10,
        implicit_prefs: bool = True,
        seed: int | None = None,
        num_item_blocks: int | None = None,
        num_query_blocks: int | None = None,
        *,
        alpha: float = 1.0,
        regularization: float = 0.1,
        iterations: int = 10,
        solver: str = "auto",
        scale_regularization: bool = True,
    ) -> None:
        self.rank = rank
        self.implicit_prefs = implicit_prefs
        self.seed = seed
        self.num_item_blocks = num_item_blocks
        self.num_query_blocks = num_query_blocks
        self.alpha = alpha
        self.regularization = regularization
        self.iterations = iterations
        self.solver = solver
        self.scale_regularization = scale_regularization
        self._check_params()

    def _check_params(self) -> None:
        check_whole("rank", self.rank, 1)
        check_whole("iterations", self.iterations, 1)
        check_number("alpha", self.alpha, 0.0)
        check_number("regularization", self.regularization, 0.0)
        check_choice("solver", self.solver, ("auto", "exact", "cg"))
        for name in ("seed", "num_item_blocks", "num_query_blocks"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 0 if name == "seed" else 1)

    def _block_count(self) -> int | None:
        return self.num_query_blocks

    def _fit(self, data: Interactions) -> None:
        seed = secrets.randbits(63) if self.seed is None else int(self.seed)
        rule = Rule(self)
        by_user = transpose.user_side(data)
        by_item = transpose.item_side(data, self.num_item_blocks)
        users = first_factors(seed, data.user_count, int(self.rank), data.offsets)
        items = first_factors(seed + 1, data.item_count, int(self.rank), by_item.offsets)
        count = int(self.iterations)
        with progress.bar("ALS", 2 * count) as step:
            users, items = solve_rounds(by_item, by_user, users, items, rule, count, step)
        self.user_factors_ = users
        self.item_factors_ = Shared(items.whole())

    def _scorer(self, features: Features) -> Scorer:
        return VectorScorer(self._fitted.user_ids, self.user_factors_, self.item_factors_)

    def _item_vectors(self) -> Shared[Vector]:
        return self.item_factors_

    def _get_state(self) -> dict[str, Any]:
        return {"user_factors": self.user_factors_, "item_factors": self.item_factors_}

    def _set_state(self, state: dict[str, Any]) -> None:
        self.user_factors_ = state["user_factors"]
        self.item_factors_ = state["item_factors"]

    def get_features(self, ids: Any) -> tuple[Any, int | None]:
        """Return the factors of users or of items.

        Parameters
        ----------
        ids
            A frame with a column of users or of items; with both, users are taken.

        Returns
        -------
        frame
            Columns user and ``user_factors``, or item and ``item_factors``: a list of
            ``rank`` floats in each row. Unknown ids have no rows, and a warning counts them.
            In a Dask frame the lists have an Arrow type: pandas writes it to Parquet, and
            reads it back with ``dtype_backend="pyarrow"``.
        rank
            The length of the factors.
        """
        role = role_of(ids)
        fitted = self._fitted
        table = self.user_factors_
        if role == "item":
            table = RowShards([self.item_factors_], np.array([0, self.items_count]))
        return factor_frame(fitted, ids, role, table), int(self.rank)
