"""Item-item similarities with the 100 best of each item: KNN against sparse_dot_topn."""

from typing import Any, cast

import numpy as np
import scipy.sparse as sp
import sparse_dot_topn

from benchmarks import THREADS
from benchmarks.data import Dataset
from benchmarks.measure import call, interleave
from benchmarks.report import Goal, SpeedTable, Table
from daskrec.engine.csr import Csr
from daskrec.models import KNN

TOP = 100
_TOLERANCE = 1e-6


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable(f"gram: item-item cosines, the {TOP} best of each item")
    for what, matrix, graded in (
        ("1 for every interaction", dataset.ones, False),
        ("ratings as values", dataset.matrix, True),
    ):
        by_user = _normalised(matrix)
        by_item = by_user.T.tocsr()
        seconds, (ours, peer) = interleave(
            [call(_ours, dataset, graded), call(_peer, by_item, by_user)], rounds
        )
        errors = _errors(ours, peer, _reference(matrix))
        table.compare(
            what,
            seconds,
            "sparse_dot_topn",
            goal=Goal(ratio=1.5),
            equal=errors["ours"] <= _TOLERANCE,
            errors=errors,
        )
        table.notes.append(
            f"{what}: largest error of a value against float64 products of dense matrices: "
            f"ours {errors['ours']:.1e}, {errors['peer']:.1e} the peer's own float32 sums."
        )
    table.notes.append(
        "Ours: all of KNN's fitting from blocks, that is counting, weighting, the transpose, "
        "the plan for popular items, sums and selection. Peer: `sp_matmul_topn` alone, on "
        "normalised float32 matrices made off the clock; it keeps one more, the item itself."
    )
    return table


def _ours(dataset: Dataset, graded: bool) -> Csr:
    model = KNN(TOP, use_relevance=graded)
    model._fit(dataset.blocks)
    return cast(Csr, model.similarity_.get())


def _peer(by_item: Any, by_user: Any) -> Any:
    return sparse_dot_topn.sp_matmul_topn(
        by_item, by_user, top_n=TOP + 1, n_threads=THREADS, sort=True
    )


def _normalised(matrix: Any) -> Any:
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0), dtype=np.float64)).ravel()
    scaled = (matrix @ sp.diags(1 / np.where(norms > 0, norms, 1))).astype(np.float32).tocsr()
    scaled.sort_indices()
    return scaled


def _reference(matrix: Any) -> np.ndarray[Any, Any]:
    """Return all cosines in float64, minus infinity for an item with itself."""
    dense = matrix.toarray().astype(np.float64)
    products = dense.T @ dense
    norms = np.sqrt(np.diag(products))
    products /= np.maximum(np.outer(norms, norms), 1e-300)
    np.fill_diagonal(products, -np.inf)
    return np.asarray(products)


def _errors(ours: Csr, peer: Any, reference: np.ndarray[Any, Any]) -> dict[str, float]:
    """Return the largest difference from the best values, of the values and of their order.

    The nth value of a row is held against the nth best of all, and against the cosine of the
    pair it is given for, so a wrong item shows and ties do not.
    """
    best = -np.sort(-np.partition(reference, -TOP, axis=1)[:, -TOP:], axis=1)
    worst = {"ours": 0.0, "peer": 0.0}
    for name, lists in (("ours", ours), ("peer", peer)):
        for row in range(len(reference)):
            part = slice(lists.indptr[row], lists.indptr[row + 1])
            items, values = lists.indices[part], lists.data[part].astype(np.float64)
            items, values = items[items != row][:TOP], values[items != row][:TOP]
            wanted = best[row][best[row] > 0]
            if len(values) != len(wanted):
                worst[name] = np.inf
                continue
            for truth in (reference[row, items], wanted):
                worst[name] = max(worst[name], float(np.abs(values - truth).max(initial=0.0)))
    return worst
