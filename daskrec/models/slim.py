"""SLIM: a sparse linear model of one item at a time."""

from typing import TYPE_CHECKING, Any, ClassVar

from daskrec.data.blocks import Interactions
from daskrec.engine import config
from daskrec.engine.dense import by_source
from daskrec.engine.shared import Shared
from daskrec.engine.solve.elastic_net import ALL, Choice, Penalty
from daskrec.errors import warn_caller
from daskrec.models.neighbour import NeighbourRec
from daskrec.models.slim_products import (
    CandidateProducts,
    DenseProducts,
    Products,
    fits_dense,
)
from daskrec.params import check_number, check_whole

if TYPE_CHECKING:
    from daskrec.tuning.common import Common

CANDIDATES = 200  # of an item, where the table of all products is too large


class SLIM(NeighbourRec):
    """Sparse weights from items to an item that rebuild who had it.

    ``A`` is the users x items table of relevance (1 without a column of it; repeated rows add
    up) with n rows. The weights w of item j, with ``w_j = 0``, minimise ::

        1 / (2 n) |a_j - A w|^2 + beta / 2 |w|^2 + lambda_ |w|_1

    and the score of j is the sum of the weights that the items of the history have for it.

    Parameters
    ----------
    beta
        Weight of the squares, 0 or more.
    lambda_
        Weight of the absolute values, above 0: larger ones leave fewer weights.
    seed
        Accepted as by the original, whose solver goes through the weights at random. Here
        nothing is drawn, and it changes nothing.
    non_negative
        Whether weights are 0 or more, as in the original; False lets items speak against
        others too.
    top
        The largest weights, by absolute value, that are kept for each item; None keeps all.
    num_candidates
        Items that an item may take weights from: those that alone would explain it best. None
        allows all while the table of all products, of 4 bytes, takes at most
        ``daskrec.dense-limit`` (8 GiB: 46,340 items), and 200 beyond that. With a number, the
        table is made where it takes at most ``daskrec.share-limit`` too.
    tol
        Largest violation of the conditions of an optimum that ends the search, as a part of
        the weight of absolute values, or of 1e-4 of the largest product of the item where
        that is more. Weights are then within about 1e-5 of the optimum.
    max_iter
        Sweeps over the weights of an item, and steps of conjugate gradients, at most. One
        warning counts the items for which they did not do.

    Notes
    -----
    Fit, all items allowed: the products of all pairs of items in time of the sum of squared
    history lengths, 4 bytes a pair, which lie in storage on a cluster. Then ranges of items are
    tasks, whose time does not depend on the users: for an item with m weights, m times the
    number of items, and 20 to 40 times m squared; up to 64 MB of working space a task. Signed
    weights with a small ``lambda_`` are nearly as many as items, and take long.

    With candidates and a table above the limit, no table of all pairs is made. Candidates are
    found as the neighbours of KNN (by at most 10,000 items of each user), and their products
    counted anew for each item, in time of their interactions and of the pairs of them that
    users have; those of two of the 4096 most frequent items are counted once, in 64 MB. 12
    bytes a pair of candidates. Either way 8 bytes are kept for each weight, which pass through
    this process, and 12 an interaction while the fit lasts.

    On a GPU: the table of products, held there in float64, and its columns, but those of more than
    256 weights; products of candidates and sparse lists stay on the host.

    Predict: history x weights of an item a user. Users are served by the history in the log of
    ``predict``. ``optimize`` searches ``beta`` to 5 and ``lambda_`` to 2, ``non_negative``,
    ``top`` and ``num_candidates`` on request; its trials share the table of products.

    References
    ----------
    X. Ning and G. Karypis, SLIM: sparse linear methods for top-N recommender systems, ICDM
    2011. Screening and working sets: M. Massias, A. Gramfort and J. Salmon, Celer: a fast
    solver for the lasso with dual extrapolation, ICML 2018.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_idx": [0, 0, 1, 1, 2], "item_idx": [0, 1, 0, 1, 1]})
    >>> SLIM(beta=0.1, lambda_=0.1).fit_predict(log, k=1, users=[2]).round(3)
       user_idx  item_idx  relevance
    0         2         0      0.515
    """

    _gpu_library: ClassVar[str | None] = "cupy"
    _draws_without_seed: ClassVar[bool] = False
    _search_space: ClassVar[dict[str, Any]] = {
        "beta": {"type": "loguniform", "args": [1e-6, 5]},
        "lambda_": {"type": "loguniform", "args": [1e-6, 2]},
    }
    _search_on_request: ClassVar[dict[str, str]] = {
        "non_negative": "categorical",
        "top": "loguniform_int",
        "num_candidates": "loguniform_int",
    }

    def __init__(
        self,
        beta: float = 0.01,
        lambda_: float = 0.01,
        seed: int | None = None,
        *,
        non_negative: bool = True,
        top: int | None = None,
        num_candidates: int | None = None,
        tol: float = 1e-4,
        max_iter: int = 5000,
    ) -> None:
        self.beta = beta
        self.lambda_ = lambda_
        self.seed = seed
        self.non_negative = non_negative
        self.top = top
        self.num_candidates = num_candidates
        self.tol = tol
        self.max_iter = max_iter
        self._check_params()

    def _check_params(self) -> None:
        check_number("beta", self.beta, 0)
        check_number("lambda_", self.lambda_, 0)
        if self.lambda_ == 0:
            raise ValueError("lambda_ must be above 0: EASE has no weight of absolute values")
        if self.seed is not None:
            check_whole("seed", self.seed, 0)
        for name in ("top", "num_candidates"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1)
        check_number("tol", self.tol, 0)
        if not 0 < self.tol < 1:
            raise ValueError(f"tol must be between 0 and 1, not {self.tol!r}")
        check_whole("max_iter", self.max_iter, 1)

    def _fit(self, data: Interactions) -> None:
        products = self._products(data)
        try:
            self._solve(products, data.user_count)
        finally:
            products.release()

    def _fit_beside(self, data: Interactions, common: "Common") -> None:
        key = ("products", fits_dense(data.item_count, self.num_candidates))
        self._solve(common.once(key, lambda: self._products(data)), data.user_count)

    def _products(self, data: Interactions) -> Products:
        if fits_dense(data.item_count, self.num_candidates):
            return DenseProducts(data)
        if self.num_candidates is None:
            self.logger.info(
                "%s: a table of %d x %d products is above daskrec.dense-limit (%d bytes): each "
                "item takes weights from %d candidates; num_candidates sets their number",
                *(self, data.item_count, data.item_count),
                *(config.get_bytes("dense-limit"), CANDIDATES),
            )
        return CandidateProducts(data)

    def _solve(self, products: Products, users: int) -> None:
        penalty = Penalty(
            users * float(self.beta),
            users * float(self.lambda_),
            not self.non_negative,
            float(self.tol),
            int(self.max_iter),
        )
        usual = CANDIDATES if isinstance(products, CandidateProducts) else ALL
        choice = Choice(self.num_candidates or usual, self.top or ALL)
        weights, unsolved = products.columns(penalty, choice)
        if unsolved:
            warn_caller(
                f"the weights of {unsolved} items did not reach tol={self.tol} within "
                f"max_iter={self.max_iter}: raise beta, lambda_, tol or max_iter"
            )
        self.similarity_ = Shared(by_source([weights]))
