"""Nearest rows of a table of vectors."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.select import empty_ranked
from daskrec.engine.topk import flatten, mask_seen, merge_tile

METRICS = ("cosine_similarity", "dot_product", "euclidean_distance_sim")


def nearest(
    vectors: Vector,
    rows: Vector,
    k: int,
    metric: str,
    candidates: Vector | None,
    tile_bytes: int,
) -> tuple[Vector, Vector, Vector]:
    """Find the k vectors most similar to each of some rows; a row is not similar to itself.

    Parameters
    ----------
    vectors
        float32, items x rank.
    rows
        Row numbers to find neighbours of.
    k
        Neighbours of a row.
    metric
        One of ``METRICS``.
    candidates
        Sorted row numbers that may be neighbours; None allows all.
    tile_bytes
        Bound for a tile of similarities.

    Returns
    -------
    tuple
        Positions in ``rows`` (int64, ascending), neighbours (int32) and similarities
        (float64), similarity descending and neighbour ascending. Computed in float64, so
        that the difference of near vectors keeps its digits. A vector of zeros has cosine 0.
    """
    others = np.arange(len(vectors), dtype=np.int32) if candidates is None else candidates
    left, right = vectors[rows].astype(np.float64), vectors[others].astype(np.float64)
    left_norms, right_norms = (np.einsum("ij,ij->i", side, side) for side in (left, right))
    if metric == "cosine_similarity":
        left /= np.sqrt(np.where(left_norms > 0, left_norms, 1))[:, None]
        right /= np.sqrt(np.where(right_norms > 0, right_norms, 1))[:, None]
    # Each row's own place among the others, as a list of one seen item or none.
    place = np.searchsorted(others, rows)
    inside = place < len(others)
    inside[inside] = others[place[inside]] == rows[inside]
    own = np.concatenate([[0], np.cumsum(inside)]).astype(np.int64)
    best = empty_ranked(len(rows), min(k, len(others)), np.float64)
    height = max(1, tile_bytes // (8 * max(len(others), 1)))
    for start in range(0, len(rows) if k else 0, height):
        part = slice(start, min(start + height, len(rows)))
        tile = left[part] @ right.T
        if metric == "euclidean_distance_sim":
            squares = left_norms[part, None] + right_norms - 2 * tile
            tile = 1 / (1 + np.sqrt(np.maximum(squares, 0)))
        numbers = np.arange(part.start, part.stop, dtype=np.int64)
        mask_seen(tile, 0, own, place[inside].astype(np.int32), numbers)
        merge_tile(tile, 0, *(array[part] for array in best))
    positions, near, values = flatten(*best)
    return positions, others[near], values
