"""EASE: dense weights between all items, in closed form."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from daskrec.data.blocks import Interactions
from daskrec.engine import runtime
from daskrec.engine.dense import Weights
from daskrec.engine.shared import Shared
from daskrec.models.item_gram import PRECISIONS, ItemGram, check_dense, closed_form, item_gram
from daskrec.models.neighbour import NeighbourRec
from daskrec.params import check_choice, check_number, check_whole

if TYPE_CHECKING:
    from daskrec.tuning.common import Common


class EASE(NeighbourRec):
    """Weights from every item to every other that rebuild the histories best.

    ``A`` is the users x items table of interactions. The model is the matrix B with a zero
    diagonal that minimises ``|A - A B|^2 + regularization |B|^2``, and the score of an item is
    the sum of the weights that the items of the history have for it, negative ones among them.

    Parameters
    ----------
    regularization
        Weight of the squares, above 0: the more users, the larger it should be.
    use_relevance
        Take relevance as it is, instead of 1 for every interaction.
    top
        The largest weights, by absolute value, that are kept for each item; None keeps all, in
        a dense table.
    precision
        Of the inverse, ``"single"`` or ``"double"``; weights are kept in single precision.

    Notes
    -----
    Fit: the products of all pairs of items, as tasks; then one Cholesky factorisation and the
    inverse, items^3 operations, in the memory of that table, 4 (8) bytes a pair of items: in
    this process, or on one worker. It is computed first, and refused above
    ``daskrec.dense-limit``. 4 bytes a pair are kept; with ``top``, 8 a weight.
    Predict: history x items additions a user, whole rows at a time. Users are served by the
    history in the log of ``predict``. On a GPU: products and inverse; and lists, without ``top``.
    ``optimize`` searches ``regularization`` from 1 to 1e5,
    ``use_relevance`` and ``top`` on request; its trials share the products.

    References
    ----------
    H. Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"user_idx": [0, 0, 1, 1, 2], "item_idx": [0, 1, 0, 1, 1]})
    >>> EASE(regularization=1).fit_predict(log, k=1, users=[2]).round(3)
       user_idx  item_idx  relevance
    0         2         0        0.5
    """

    _gpu_library: ClassVar[str | None] = "cupy"
    _search_space: ClassVar[dict[str, Any]] = {
        "regularization": {"type": "loguniform", "args": [1, 1e5]},
    }
    _search_on_request: ClassVar[dict[str, str]] = {
        "use_relevance": "categorical",
        "top": "loguniform_int",
    }

    def __init__(
        self,
        regularization: float = 500.0,
        *,
        use_relevance: bool = False,
        top: int | None = None,
        precision: str = "single",
    ) -> None:
        self.regularization = regularization
        self.use_relevance = use_relevance
        self.top = top
        self.precision = precision
        self._check_params()

    def _check_params(self) -> None:
        check_number("regularization", self.regularization, 0)
        if self.regularization == 0:
            raise ValueError("regularization must be above 0: without it the table has no inverse")
        if self.top is not None:
            check_whole("top", self.top, 1)
        check_choice("precision", self.precision, tuple(PRECISIONS))

    def _fit(self, data: Interactions) -> None:
        self._check_memory(data, 1)
        self._solve(item_gram(data, PRECISIONS[self.precision], self.use_relevance), keep=False)

    def _fit_beside(self, data: Interactions, common: "Common") -> None:
        self._check_memory(data, 2)
        key, dtype = ("products", self.use_relevance, self.precision), PRECISIONS[self.precision]
        gram = common.once(key, lambda: item_gram(data, dtype, self.use_relevance))
        self._solve(gram, keep=True)

    def _check_memory(self, data: Interactions, tables: int) -> None:
        itemsize = np.dtype(PRECISIONS[self.precision]).itemsize
        # Ranges on their way into the table, or the weights that are rounded in the end.
        beside = ItemGram.PARTS if itemsize == 4 else 0.5
        check_dense(data.item_count, itemsize, tables + beside, str(self))

    def _solve(self, gram: ItemGram, keep: bool) -> None:
        ridge, folder = float(self.regularization), runtime.storage()
        try:
            args = (_weights, gram, keep, ridge, self.top, folder)
            self.similarity_ = runtime.alone(*args, label="weights")
        finally:
            if not keep:
                gram.release()


def _weights(
    gram: ItemGram, keep: bool, ridge: float, top: int | None, folder: str | None
) -> Shared[Weights]:
    found = closed_form(gram.table(keep), ridge, "regularization", top)
    return Shared.stored(found, folder)
