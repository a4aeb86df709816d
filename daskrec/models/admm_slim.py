"""ADMMSLIM: a sparse linear model of all items at once."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from daskrec.data.blocks import Interactions
from daskrec.engine import runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.backend import borrow
from daskrec.engine.csr import Csr
from daskrec.engine.dense import Weights, by_source, strongest
from daskrec.engine.gpu import admm
from daskrec.engine.shared import Shared
from daskrec.engine.solve import admm_seeded
from daskrec.engine.solve.admm import Problem, Stop, solve_columns, usual_rho
from daskrec.errors import warn_caller
from daskrec.models.item_gram import (
    PRECISIONS,
    ItemGram,
    check_dense,
    closed_form,
    inverse_of,
    item_gram,
)
from daskrec.models.neighbour import NeighbourRec
from daskrec.params import check_choice, check_number, check_whole

if TYPE_CHECKING:
    from daskrec.tuning.common import Common

_TABLES = 3.0  # the inverse, and the weights that are found, which are sparse
_LABEL = "weights"
_COLUMNS = 256  # solved together; their number shows in the last bits of products


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
    top
        The largest weights, by absolute value, that are kept for each item; None keeps all.
    precision
        ``"double"`` or ``"single"``: half the memory and about half the time.
    max_iter, eps_abs, eps_rel
        Rounds at most, and tolerances of the residuals: of each weight, and relative to the
        norms of the weights. ``eps_abs`` None is 1e-3 with a seed, as in the original, and
        1e-5 without one.

    Notes
    -----
    Fit: the products of all pairs of items, as tasks; one factorisation and inverse of that
    table, in this process or on one worker, 4 (8) bytes a pair of items; then blocks of 256
    columns are tasks, a product of the block and that table a round, each until it is done.
    Three tables (with a seed six, and rounds in one process) are computed first, and refused
    above ``daskrec.dense-limit``. 8 bytes are kept for each weight; 4 a pair of items where a
    quarter of them or more have one. ``lambda_1`` 0 without a seed is EASE, in closed form.
    Predict: history x weights of an item a user. Users are served by the history in the log of
    ``predict``. On a GPU: products, inverse and rounds; and lists, where weights are dense.
    ``optimize`` searches ``lambda_1`` to 50 and ``lambda_2`` to 5000, ``top`` on
    request; its trials share the products.

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

    _gpu_library: ClassVar[str | None] = "cupy"
    _draws_without_seed: ClassVar[bool] = False
    _search_space: ClassVar[dict[str, Any]] = {
        "lambda_1": {"type": "loguniform", "args": [1e-9, 50]},
        "lambda_2": {"type": "loguniform", "args": [1e-9, 5000]},
    }
    _search_on_request: ClassVar[dict[str, str]] = {"top": "loguniform_int"}

    def __init__(
        self,
        lambda_1: float = 5,
        lambda_2: float = 5000,
        seed: int | None = None,
        *,
        top: int | None = None,
        precision: str = "double",
        max_iter: int = 100,
        eps_abs: float | None = None,
        eps_rel: float = 1e-3,
    ) -> None:
        self.lambda_1 = lambda_1
        self.lambda_2 = lambda_2
        self.seed = seed
        self.top = top
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
        check_choice("precision", self.precision, tuple(PRECISIONS))
        check_whole("max_iter", self.max_iter, 1)
        if self.top is not None:
            check_whole("top", self.top, 1)
        if self.eps_abs is not None:
            check_number("eps_abs", self.eps_abs, 0)
        check_number("eps_rel", self.eps_rel, 0)

    def _fit(self, data: Interactions) -> None:
        self._check_memory(data, 0)
        gram = item_gram(data, PRECISIONS[self.precision])
        try:
            self._solve(gram, keep=False)
        finally:
            gram.release()

    def _fit_beside(self, data: Interactions, common: "Common") -> None:
        self._check_memory(data, 1)
        dtype = PRECISIONS[self.precision]
        gram = common.once(("products", self.precision), lambda: item_gram(data, dtype))
        self._solve(gram, keep=True)

    def _check_memory(self, data: Interactions, kept: int) -> None:
        tables = _TABLES if self.seed is None else admm_seeded.TABLES
        itemsize = np.dtype(PRECISIONS[self.precision]).itemsize
        check_dense(data.item_count, itemsize, tables + kept, str(self))

    def _solve(self, gram: ItemGram, keep: bool) -> None:
        """Learn from a table of products, which is kept for others or written over."""
        weight, ridge, folder = float(self.lambda_1), float(self.lambda_2), runtime.storage()
        if self.seed is None and weight == 0:
            closed = (_closed_form, gram, keep, ridge, self.top, folder)
            self.similarity_ = runtime.alone(*closed, label=_LABEL)
        elif self.seed is None:
            self.similarity_ = self._by_columns(gram, keep, weight, ridge, folder)
        else:
            seeded = (_seeded, gram, keep, weight, ridge, self.seed, self._stop, self.top, folder)
            self.similarity_ = runtime.alone(*seeded, label=_LABEL)

    @property
    def _stop(self) -> Stop:
        usual = 1e-5 if self.seed is None else 1e-3
        eps_abs = usual if self.eps_abs is None else float(self.eps_abs)
        return Stop(eps_abs, float(self.eps_rel), int(self.max_iter))

    def _by_columns(
        self, gram: ItemGram, keep: bool, weight: float, ridge: float, folder: str | None
    ) -> Shared[Weights]:
        """Return the weights that blocks of columns are solved for, side by side."""
        parts, left = self._solved_columns(gram, keep, weight, ridge, folder)
        if not keep:
            gram.release()  # with the inverse, which lies in its place
        if left and not keep:  # the trials of a search are judged by their lists
            warn_caller(
                f"the weights of {left} items are not within the tolerances after "
                f"max_iter={self.max_iter} rounds: raise max_iter, eps_abs or eps_rel"
            )
        try:
            found: Shared[Weights] = runtime.alone(_join, parts, folder, label=_LABEL)
            return found
        finally:
            for part in parts:
                part.release()

    def _solved_columns(
        self, gram: ItemGram, keep: bool, weight: float, ridge: float, folder: str | None
    ) -> tuple[list[Shared[Csr]], int]:
        """Return blocks of columns, and how many of these are not done."""
        inverse, count, rho = runtime.alone(_invert, gram, keep, ridge, folder, label=_LABEL)
        problem = Problem(weight, ridge, rho, self._stop)
        cuts = [(at, min(at + _COLUMNS, count)) for at in range(0, count, _COLUMNS)]
        tasks = [runtime.task(_columns, cut, inverse, problem, self.top, folder) for cut in cuts]
        try:
            solved = runtime.compute(tasks, _LABEL)
        finally:
            inverse.release()
        return [part for part, _ in solved], sum(left for _, left in solved)


def _closed_form(
    gram: ItemGram, keep: bool, ridge: float, top: int | None, folder: str | None
) -> Shared[Weights]:
    return Shared.stored(closed_form(gram.table(keep), ridge, "lambda_2", top), folder)


def _seeded(
    gram: ItemGram,
    keep: bool,
    weight: float,
    ridge: float,
    seed: int,
    stop: Stop,
    top: int | None,
    folder: str | None,
) -> Shared[Weights]:
    products = gram.table(keep)
    needed = admm.SEEDED_TABLES * products.nbytes
    with borrow(float(stop.rounds) * len(products) ** 3, needed) as gpu:
        if gpu is not None:
            table = admm.solve_seeded(gpu, products, weight, ridge, seed, stop)
        else:
            table = admm_seeded.solve(products, weight, ridge, seed, stop)
    np.fill_diagonal(table, 0)
    return Shared.stored(by_source([strongest(np.ascontiguousarray(table.T), top)]), folder)


def _invert(
    gram: ItemGram, keep: bool, ridge: float, folder: str | None
) -> tuple[Shared[Vector], int, float]:
    """Return the table that rounds multiply by, the number of items, and rho."""
    table = gram.table(keep)
    rho = usual_rho(table, ridge)
    inverse = inverse_of(table, ridge + rho, "lambda_2")
    return Shared.stored(inverse, folder), len(table), rho


def _columns(
    cut: tuple[int, int],
    inverse: Shared[Vector],
    problem: Problem,
    top: int | None,
    folder: str | None,
) -> tuple[Shared[Csr], int]:
    """Return the weights into a range of items, and how many of them are not done."""
    table = inverse.get()
    needed = table.nbytes + admm.COLUMN_TABLES * (cut[1] - cut[0]) * table[0].nbytes
    with borrow(float(cut[1] - cut[0]) * len(table) ** 2, needed) as gpu:
        if gpu is not None:  # the inverse stays on it from one range to the next
            solved = admm.solve_columns(gpu, inverse, *cut, problem)
        else:
            solved = solve_columns(table, *cut, problem)
    left = len(solved.done) - int(solved.done.sum())
    return Shared.stored(strongest(solved.weights, top), folder), left


def _join(parts: list[Shared[Csr]], folder: str | None) -> Shared[Weights]:
    return Shared.stored(by_source([part.get() for part in parts]), folder)
