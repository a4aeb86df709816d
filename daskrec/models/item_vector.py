"""The base of models that have a vector for each item."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from daskrec.data import output
from daskrec.data.columns import find
from daskrec.data.frames import find_kind
from daskrec.data.ids import Ids
from daskrec.data.log import Layout
from daskrec.data.output import Form
from daskrec.data.selection import read_selection
from daskrec.engine import config, runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.score import Encoder
from daskrec.engine.shared import RowShards, Shared
from daskrec.engine.threads import single_threaded_blas
from daskrec.engine.vectors import METRICS, nearest
from daskrec.errors import warn_caller
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

    def _item_frame(self, ids: Any) -> Any:
        """Return the vectors of the items of a frame; see ``get_features`` of the models."""
        fitted, own = self._fitted, self._fitted.item_ids.get()
        some = self._with_vector()
        encoder = own if some is None else Ids(own.values.take(some))
        known = known_ids(ids, "item", own, encoder)
        vectors = self._item_vectors()
        table = RowShards([vectors], np.array([0, len(own)]))
        return factor_frame(fitted.layout, "item", known, own.encode(known.values), table)

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


def role_of(ids: Any) -> str:
    """Return whether a frame names users or items; with both, users are taken.

    Raises
    ------
    ValueError
        It is no frame with a column of either.
    """
    kind = find_kind(ids)
    columns = kind.columns(ids) if kind is not None else []
    role = next((role for role in ("user", "item") if find(columns, role)), None)
    if role is None:
        raise ValueError("ids must be a frame with a column user_idx or item_idx")
    return role


def known_ids(ids: Any, role: str, own: Ids, encoder: Encoder) -> Ids:
    """Return the ids of a frame that an encoder knows, and count the others in one warning.

    Parameters
    ----------
    ids
        A frame.
    role
        The column that is read.
    own
        Ids of the type of the model's.
    encoder
        Those that have vectors.
    """
    chosen = read_selection(ids, role, own)
    assert chosen is not None
    found = encoder.encode(chosen.values) >= 0
    if not found.all():
        warn_caller(f"{int((~found).sum())} {role}s are not known to the model")
    return Ids(chosen.values.take(np.flatnonzero(found)))


def factor_frame(layout: Layout, role: str, known: Ids, codes: Vector, table: RowShards) -> Any:
    """Return a frame of ids and their vectors, as lists, in the kind of the log.

    Parameters
    ----------
    layout
        Of the log of the fit.
    role
        ``"user"`` or ``"item"``.
    known
        The ids.
    codes
        The row of each in ``table``.
    table
        float32 vectors.
    """
    name, dtype = getattr(layout.names, role), getattr(layout, role)
    column, rank = f"{role}_factors", table.shards[0].get().shape[1]
    empty: Arrays = {name: known.values[:0], column: _lists(np.empty((0, rank)))}
    dtypes = {name: dtype, **_list_dtype(layout.kind, column)}
    task = runtime.task(_factor_rows, known, codes, table, (name, column))
    form = Form(layout.kind, layout.part, empty, dtypes)
    return output.finish([task], form, label="factors")


def _factor_rows(
    known: Ids, codes: Vector, table: RowShards, names: tuple[str, str]
) -> dict[str, Array]:
    return {names[0]: known.values, names[1]: _lists(table.take(codes))}


def _lists(rows: Vector) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(rows, dtype=np.float32).reshape(-1))
    starts = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(pa.array(starts), flat)


def _list_dtype(kind: str, column: str) -> dict[str, Any]:
    """Name the type of lists for Dask, which would make strings of an object column."""
    return {column: pd.ArrowDtype(pa.list_(pa.float32()))} if kind == "dask" else {}
