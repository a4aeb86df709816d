"""Vectors that are sums of parts."""

from itertools import pairwise

import numpy as np
import pytest

from daskrec.engine.csr import Csr
from daskrec.engine.score import Request
from daskrec.engine.score_hybrid import HybridScorer, mixed
from daskrec.engine.shared import RowShards, Shared


class Numbers:
    """Ids that are numbers, some of them known."""

    def __init__(self, *known: int) -> None:
        self.known = np.array(known)

    def encode(self, ids: np.ndarray) -> np.ndarray:
        place = np.searchsorted(self.known, ids)
        inside = np.minimum(place, len(self.known) - 1)
        return np.where(self.known[inside] == ids, inside, -1)


class Users:
    """Histories as a scorer takes them: nobody had anything."""

    def __init__(self, ids: list[int], width: int) -> None:
        empty = np.empty(0, np.int32)
        self.user_ids = type("Ids", (), {"values": np.array(ids)})
        self.matrix = Csr(np.zeros(len(ids) + 1, np.int64), empty, empty.astype("f4"), width)


OWN = (Numbers(1, 2, 3), np.array([[2, 4, 1, 1], [6, 0, 3, 1], [0, 0, 0, 0]], np.float32))
MORE = (Numbers(2, 5, 8), np.array([[2, 2, 1, 3], [4, 8, 2, 2], [0, 0, 0, 0]], np.float32))


@pytest.mark.parametrize("cuts", [[0, 3], [0, 1, 3]])
def test_rows_are_added_and_divided_by_their_weight(cuts: list[int]) -> None:
    parts = [
        (ids, RowShards([Shared(rows[a:b]) for a, b in pairwise(cuts)], cuts))
        for ids, rows in (OWN, MORE)
    ]
    places, vectors = mixed(parts, np.array([8, 3, 5, 2, 1, 99]))
    # 3 is known by a row of no weight alone; 8 has features, all of them 0.
    assert places.tolist() == [0, 2, 3, 4]
    assert vectors.tolist() == [[0, 0, 0, 1], [2, 4, 1, 1], [2, 0.5, 1, 1], [2, 4, 1, 1]]
    assert vectors.dtype == np.float32


def test_a_score_has_both_biases_and_unknown_items_none() -> None:
    parts = [(ids, RowShards.of(rows)) for ids, rows in (OWN, MORE)]
    items = np.array([[1, 0, 1, 0.5], [np.nan] * 4, [0, 1, 1, -0.5]], np.float32)
    scorer = HybridScorer(parts, Shared(items))
    users = Users([2, 3, 5], 3)
    rows, codes, scores = scorer.top(users, Request(3))
    assert rows.tolist() == [0, 0, 2, 2]
    assert codes.tolist() == [0, 2, 2, 0]
    assert scores.tolist() == [2 + 1 + 0.5, 0.5 + 1 - 0.5, 4 + 1 - 0.5, 2 + 1 + 0.5]
    assert scorer.unserved(users) == 1
    found, scored = scorer.pairs(users, np.array([0, 0, 1, 2]), np.array([0, 1, 0, 2]))
    assert scored.tolist() == [True, False, False, True]
    assert found[scored].tolist() == [3.5, 4.5]
