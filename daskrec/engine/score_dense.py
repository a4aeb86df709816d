"""A scorer of dense weights: sums of whole rows of an items x items table."""

from typing import cast

import numpy as np

from daskrec.engine import config
from daskrec.engine.arrays import Vector
from daskrec.engine.backend import borrow
from daskrec.engine.csr import Csr
from daskrec.engine.dense import DenseRows, Weights
from daskrec.engine.gpu import topk_dense as on_gpu
from daskrec.engine.score import Histories, NeighbourScorer, Ragged, Request, Scorer
from daskrec.engine.select import Ranked
from daskrec.engine.shared import Shared
from daskrec.engine.topk import flatten
from daskrec.engine.topk_dense import table_pairs, table_topk


class DenseScorer(Scorer):
    """A score is the sum of the weights of the items of the history.

    Parameters
    ----------
    weights
        Handle on the items x items table; row i holds the weights from item i.
    """

    gpu_library = "cupy"

    def __init__(self, weights: Shared[DenseRows]) -> None:
        self.weights = weights

    def top(self, users: Histories, request: Request) -> Ragged:
        """Add up whole rows, tile by tile: O(history x items) a user."""
        table, history = self.weights.get().table, users.matrix
        length, work = request.length(len(table)), float(history.nnz) * len(table)
        with borrow(work, 2.0 * table.nbytes) as gpu:
            if gpu is None:
                found = self._ranked(history, length, request)
            else:
                found = on_gpu.table_topk(
                    gpu,
                    history,
                    self.weights,
                    length,
                    candidates=request.candidates,
                    filter_seen=request.filter_seen,
                )
        return flatten(*found)

    def _ranked(self, history: Csr, length: int, request: Request) -> Ranked:
        table = self.weights.get().table
        allowed = None
        if request.candidates is not None:
            allowed = np.zeros(len(table), dtype=np.bool_)
            allowed[request.candidates] = True
        return table_topk(
            history.indptr,
            history.indices,
            table,
            length,
            allowed=allowed,
            filter_seen=request.filter_seen,
            tile_bytes=config.get_bytes("tile-bytes"),
        )

    def pairs(self, users: Histories, rows: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Score pairs; those that no weight reaches have no score."""
        history = users.matrix
        scores = table_pairs(history.indptr, history.indices, self.weights.get().table, rows, items)
        return scores, ~np.isnan(scores)


def history_scorer(weights: Shared[Weights]) -> Scorer:
    """Return the scorer of weights between items, be they few or most of them."""
    if isinstance(weights.get(), DenseRows):
        return DenseScorer(cast(Shared[DenseRows], weights))
    return NeighbourScorer(cast(Shared[Csr], weights))
