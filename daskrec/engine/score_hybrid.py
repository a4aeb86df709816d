"""A scorer of users whose vectors are sums over what is known of them.

A table of parts has a row for each id: ``rank`` numbers, a bias, and the weight of the part. An
id's vector is the sum of its rows in all tables, divided by its weight: the last number is 1
then, and with an item's ``[..., 1, bias]`` the inner product has both biases in it.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from daskrec.engine.arrays import Array, Vector
from daskrec.engine.score import DotScorer, Encoder, Histories
from daskrec.engine.shared import RowShards, Shared

Part: TypeAlias = tuple[Encoder, RowShards]


def mixed(parts: Sequence[Part], ids: Array) -> tuple[Vector, Vector]:
    """Add up the rows of ids in several tables.

    Parameters
    ----------
    parts
        Tables and the ids of their rows. A row whose weight is 0 in the first table says
        nothing; in the others a row says something though its numbers are all 0.
    ids
        The ids that are asked for.

    Returns
    -------
    tuple
        The places of ids that some table knows of, ascending, and their vectors, float32.
    """
    width = parts[0][1].shards[0].get().shape[1]
    total = np.zeros((len(ids), width), dtype=np.float32)
    known = np.zeros(len(ids), dtype=bool)
    for number, (encoder, table) in enumerate(parts):
        codes = encoder.encode(ids)
        found = np.flatnonzero(codes >= 0)
        rows = table.take(codes[found])
        total[found] += rows
        known[found] |= (rows[:, -1] > 0) | (number > 0)
    vectors = total[known]
    weights = np.where(vectors[:, -1:] > 0, vectors[:, -1:], 1)
    vectors[:, :-1] /= weights
    vectors[:, -1] = 1
    return np.flatnonzero(known), vectors


class HybridScorer(DotScorer):
    """Inner products with vectors of users that are sums of parts.

    Parameters
    ----------
    parts
        As for ``mixed``.
    item_vectors
        As for ``DotScorer``, with 1 and the bias of the item as its last numbers.
    """

    def __init__(self, parts: Sequence[Part], item_vectors: Shared[Vector]) -> None:
        super().__init__(item_vectors)
        self.parts = list(parts)

    def _vectors(self, users: Histories) -> tuple[Vector, Vector]:
        return mixed(self.parts, users.user_ids.values)

    def unserved(self, users: Histories) -> int:
        """Count users of whom no table knows anything."""
        return len(users.matrix) - len(mixed(self.parts, users.user_ids.values)[0])
