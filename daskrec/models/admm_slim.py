"""ADMMSLIM: a sparse linear model of all items at once."""

from typing import Any, ClassVar

import numpy as np

from daskrec.data.blocks import Interactions
from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr
from daskrec.engine.shared import Shared
from daskrec.engine.solve import admm
from daskrec.models.item_gram import check_dense, item_gram
from daskrec.models.neighbour import NeighbourRec
from daskrec.params import check_choice, check_number, check_whole

_TYPES = {"single": np.float32, "double": np.float64}


class ADMMSLIM(NeighbourRec):
    """Weights from every item to every other that rebuild the histories, sparse ones.

    ``A`` is the users x items table of relevance (1 without a column of it). The model is the
    matrix C with a zero diagonal that minimises ``1/2 |A - A C|^2 + lambda_2 / 2 |C|^2 +
    lambda_1 |C|_1``, and the score of an item is the sum of the weights that the items of the
    history have for it.

    Parameters
    ----------
    lambda_1
        Weight of the absolute values, 0 or more: larger ones leave fewer weights.
    lambda_2
        Weight of the squares, above 0.
    seed
        None starts at zero and solves the problem above. With a seed the numbers are those of
        the original: a start at random and a rho that moves, after which the table that was
        inverted is no longer that of the problem, so that the result depends on the start.
    precision
        ``"double"`` or ``"single"``: half the memory and about half the time.
    max_iter, eps_abs, eps_rel
        Rounds at most, and tolerances of the residuals, an item and relative to the tables.

    Notes
    -----
    Fit: the products of all pairs of items, as tasks; then, in this process, one factorisation
    and a product of items x items tables a round, with six tables of 8 (4) bytes a cell:
    no larger ones than ``daskrec.dense-limit`` allows. 12 bytes are kept for each weight.
    Predict: history x weights of an item a user. Users are served by the history in the log of
    ``predict``. ``optimize`` searches ``lambda_1`` to 50 and ``lambda_2`` to 5000.

    References
    ----------
    H. Steck, M. Dimakopoulou, N. Riabov and T. Jebara, ADMM SLIM: sparse recommendations for
    many users, WSDM 2020.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_idx": [0, 0, 1, 1, 2], "item_idx": [0, 1, 0, 1, 1]})
    >>> ADMMSLIM(lambda_1=0.1, lambda_2=1).fit_predict(log, k=1, users=[2]).round(3)
       user_idx  item_idx  relevance
    0         2         0      0.475
    """

    _draws_without_seed: ClassVar[bool] = False
    _search_space: ClassVar[dict[str, Any]] = {
        "lambda_1": {"type": "loguniform", "args": [1e-9, 50]},
        "lambda_2": {"type": "loguniform", "args": [1e-9, 5000]},
    }

    def __init__(
        self,
        lambda_1: float = 5,
        lambda_2: float = 5000,
        seed: int | None = None,
        *,
        precision: str = "double",
        max_iter: int = 100,
        eps_abs: float = 1e-3,
        eps_rel: float = 1e-3,
    ) -> None:
        self.lambda_1 = lambda_1
        self.lambda_2 = lambda_2
        self.seed = seed
        self.precision = precision
        self.max_iter = max_iter
        self.eps_abs = eps_abs
        self.eps_rel = eps_rel
        self._check_params()

    def _check_params(self) -> None:
        check_number("lambda_1", self.lambda_1, 0)
        check_number("lambda_2", self.lambda_2, 0)
        if self.lambda_2 == 0:
            raise ValueError("lambda_2 must be above 0: without it the table has no inverse")
        if self.seed is not None:
            check_whole("seed", self.seed, 0)
        check_choice("precision", self.precision, tuple(_TYPES))
        check_whole("max_iter", self.max_iter, 1)
        check_number("eps_abs", self.eps_abs, 0)
        check_number("eps_rel", self.eps_rel, 0)

    def _fit(self, data: Interactions) -> None:
        dtype: Any = _TYPES[self.precision]
        check_dense(data.item_count, np.dtype(dtype).itemsize, admm.TABLES, str(self))
        gram = item_gram(data, dtype)
        stop = admm.Stop(float(self.eps_abs), float(self.eps_rel), int(self.max_iter))
        weights = admm.solve(gram, float(self.lambda_1), float(self.lambda_2), self.seed, stop)
        self.similarity_ = Shared(_sparse(weights))


def _sparse(table: Vector) -> Csr:
    """Return the cells that are not zero; the diagonal is none."""
    np.fill_diagonal(table, 0)
    rows, columns = np.nonzero(table)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(table)))])
    values = table[rows, columns].astype(np.float32)
    return Csr(indptr.astype(np.int64), columns.astype(np.int32), values, table.shape[1])
