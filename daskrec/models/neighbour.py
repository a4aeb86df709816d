"""The base of models that keep, for each item, its most similar items."""

from typing import Any, ClassVar

import numpy as np

from daskrec.data import output
from daskrec.data.blocks import Features
from daskrec.data.ids import Ids
from daskrec.data.output import Form
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.csr import Csr
from daskrec.engine.dense import Weights
from daskrec.engine.score import Scorer
from daskrec.engine.score_dense import history_scorer
from daskrec.engine.shared import Shared
from daskrec.engine.topk import rank_in_row
from daskrec.models.recommender import Recommender


class NeighbourRec(Recommender):
    """A model whose score of an item is a sum over the items of the user's history.

    ``score(u, j) = sum over the items i that u had of similarity(i, j)``. The neighbour
    list is that of the item the user had; relevance in the history does not matter. A user
    who was not in the training is served by the history in the log of ``predict``.

    Attributes
    ----------
    similarity_
        Handle on the items x items matrix (float32), sparse or dense: row i holds the items
        that item i speaks for, and how much.
    """

    can_predict_cold_users: ClassVar[bool] = True
    can_predict_item_to_item: ClassVar[bool] = True
    _needs_history: ClassVar[bool] = True
    similarity_: Shared[Weights]

    def _scorer(self, features: Features) -> Scorer:
        return history_scorer(self.similarity_)

    def _get_state(self) -> dict[str, Any]:
        return {"similarity": self.similarity_}

    def _set_state(self, state: dict[str, Any]) -> None:
        self.similarity_ = state["similarity"]

    def _neighbour_lists(self) -> Shared[Weights] | Shared[Csr]:
        """Return a handle on the neighbours of each item, by item."""
        return self.similarity_

    @property
    def similarity(self) -> Any:
        """The neighbours as a frame: ``item_idx_one, item_idx_two, similarity``."""
        codes = np.arange(self.items_count)
        name = self._fitted.layout.names.item
        return self._neighbour_frame(codes, None, None, (f"{name}_one", f"{name}_two"))

    def get_nearest_items(
        self, items: Any, k: int, metric: str | None = None, candidates: Any = None
    ) -> Any:
        """Return the k most similar items of each of some items.

        Parameters
        ----------
        items
            Items: a single id, any iterable, array, series or frame.
        k
            Neighbours of an item; never more than the model keeps.
        metric
            Not used: the similarity is that of the model.
        candidates
            Items that may be neighbours; None allows all.

        Returns
        -------
        frame
            Columns item, neighbour and ``similarity``; by item, similarity descending,
            neighbour ascending. An item without neighbours has no rows.
        """
        names = self._fitted.layout.names
        codes, allowed = self._nearest_request(items, k, candidates)
        if metric is not None:
            self.logger.debug("%s has a similarity of its own: metric is not used", self)
        return self._neighbour_frame(codes, allowed, int(k), (names.item, names.neighbour))

    def _neighbour_frame(
        self, codes: Vector, allowed: Vector | None, k: int | None, names: tuple[str, str]
    ) -> Any:
        fitted = self._fitted
        empty = fitted.item_ids.get().values[:0]
        columns: Arrays = {names[0]: empty, names[1]: empty, "similarity": np.empty(0)}
        dtypes = dict.fromkeys(names, fitted.layout.item)
        form = Form(fitted.layout.kind, fitted.layout.part, columns, dtypes)
        job = runtime.task(
            _nearest, self._neighbour_lists(), fitted.item_ids, codes, allowed, k, tuple(columns)
        )
        return output.finish([job], form, label="neighbours")


def _nearest(
    similarity: Shared[Weights] | Shared[Csr],
    item_ids: Shared[Ids],
    codes: Vector,
    allowed: Vector | None,
    k: int | None,
    names: tuple[str, str, str],
) -> dict[str, Array]:
    matrix, known = similarity.get(), item_ids.get()
    wanted = matrix.take(codes)
    rows = np.repeat(codes, np.diff(wanted.indptr))
    near, values = wanted.indices, wanted.data.astype(np.float64)
    if allowed is not None:
        kept = np.isin(near, allowed)
        rows, near, values = rows[kept], near[kept], values[kept]
    order = np.lexsort((near, -values, rows))
    rows, near, values = rows[order], near[order], values[order]
    if k is not None:
        kept = rank_in_row(rows) < k
        rows, near, values = rows[kept], near[kept], values[kept]
    return {names[0]: known.decode(rows), names[1]: known.decode(near), names[2]: values}
