"""Scores of given pairs, and ranks within rows."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr
from daskrec.engine.jit import kernel


def neighbour_pairs(history: Csr, similarity: Csr, rows: Vector, items: Vector) -> Vector:
    """Score pairs by the similarities from the items of each history.

    Parameters
    ----------
    history
        Users x items.
    similarity
        Items x items; row i holds the neighbours of item i.
    rows, items
        The pairs, in ascending order of rows.

    Returns
    -------
    ndarray
        float64 scores, rounded as those of ``sparse_topk`` are; NaN where no neighbour
        list reaches the item. O(history x neighbours) for each row that occurs.
    """
    scores = np.full(len(rows), np.nan)
    _neighbour_pairs(
        history.indptr,
        history.indices,
        similarity.indptr,
        similarity.indices,
        similarity.data,
        np.asarray(rows, dtype=np.int64),
        np.asarray(items, dtype=np.int32),
        np.zeros(similarity.width),
        np.full(similarity.width, -1, dtype=np.int64),
        scores,
    )
    return scores


@kernel()
def _neighbour_pairs(
    h_indptr: Vector,
    h_indices: Vector,
    s_indptr: Vector,
    s_indices: Vector,
    s_values: Vector,
    rows: Vector,
    items: Vector,
    total: Vector,
    reached: Vector,
    scores: Vector,
) -> None:
    """Add the neighbour lists of a row up once, then look its pairs up."""
    current = -1
    for pair in range(len(rows)):
        row = rows[pair]
        if row != current:
            current = row
            for entry in range(h_indptr[row], h_indptr[row + 1]):
                item = h_indices[entry]
                for near in range(s_indptr[item], s_indptr[item + 1]):
                    other = s_indices[near]
                    if reached[other] != row:
                        reached[other] = row
                        total[other] = 0.0
                    total[other] += s_values[near]
        if reached[items[pair]] == row:
            scores[pair] = np.float32(total[items[pair]])


def rank_in_row(rows: Vector) -> Vector:
    """Return the place of each entry among those of its row (0, 1, ...), rows ascending."""
    starts = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))[: len(rows)]
    lengths = np.diff(np.append(starts, len(rows)))
    return np.arange(len(rows)) - np.repeat(starts, lengths)
