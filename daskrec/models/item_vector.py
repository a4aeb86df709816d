"""The base of models that have a vector for each item."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from daskrec.data import output
from daskrec.data.ids import Ids
from daskrec.data.output import Form
from daskrec.engine import config, runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.shared import Shared
from daskrec.engine.threads import single_threaded_blas
from daskrec.engine.vectors import METRICS, nearest
from daskrec.models.base import BaseRecommender

_ITEMS_PER_TASK = 4096


class ItemVectorModel(BaseRecommender):
    """A model that finds similar items by their vectors."""

    can_predict_item_to_item: ClassVar[bool] = True

    @abstractmethod
    def _item_vectors(self) -> Shared[Vector]:
        """Return a handle on the vectors, items x rank."""

    def _with_vector(self) -> Vector | None:
        """Return the sorted codes of the items that have a vector; None where all have one."""
        return None

    def get_nearest_items(
        self, items: Any, k: int, metric: str | None = "cosine_similarity", candidates: Any = None
    ) -> Any:
        """Return the k most similar items of each of some items.

        Parameters
        ----------
        items
            Items: a single id, any iterable, array, series or frame.
        k
            Neighbours of an item; it is no neighbour of itself.
        metric
            ``"cosine_similarity"``, ``"dot_product"``, or ``"euclidean_distance_sim"``,
            which is ``1 / (1 + distance)``.
        candidates
            Items that may be neighbours; None allows all.

        Returns
        -------
        frame
            Columns item, neighbour and one named after the metric; by item, metric
            descending, neighbour ascending.

        Raises
        ------
        ValueError
            ``metric`` is None.
        NotImplementedError
            The metric is another one.
        """
        if metric is None:
            raise ValueError(f"Distance metric is required: give one of {list(METRICS)}")
        if metric not in METRICS:
            raise NotImplementedError(
                f"{metric} metric is not implemented: there are {list(METRICS)}"
            )
        fitted = self._fitted
        codes, allowed = self._nearest_request(items, k, candidates)
        some = self._with_vector()
        if some is not None:
            codes = codes[np.isin(codes, some)]
            allowed = some if allowed is None else allowed[np.isin(allowed, some)]
        names = fitted.layout.names
        empty = fitted.item_ids.get().values[:0]
        columns: Arrays = {names.item: empty, names.neighbour: empty, metric: np.empty(0)}
        dtypes = dict.fromkeys((names.item, names.neighbour), fitted.layout.item)
        form = Form(fitted.layout.kind, fitted.layout.part, columns, dtypes)
        tasks = [
            runtime.task(
                _nearest_block,
                self._item_vectors(),
                fitted.item_ids,
                codes[start : start + _ITEMS_PER_TASK],
                allowed,
                int(k),
                tuple(columns),
            )
            for start in range(0, max(len(codes), 1), _ITEMS_PER_TASK)
        ]
        return output.finish(tasks, form, label="neighbours")


def _nearest_block(
    vectors: Shared[Vector],
    item_ids: Shared[Ids],
    codes: Vector,
    allowed: Vector | None,
    k: int,
    names: tuple[str, str, str],
) -> dict[str, Array]:
    known = item_ids.get()
    with single_threaded_blas():
        rows, near, values = nearest(
            vectors.get(), codes, k, names[2], allowed, config.get_bytes("tile-bytes")
        )
    return {names[0]: known.decode(codes[rows]), names[1]: known.decode(near), names[2]: values}
