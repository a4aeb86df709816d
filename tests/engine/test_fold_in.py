"""Users solved from their histories, against the equations written down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine.csr import Csr
from daskrec.engine.fold_in import FoldInScorer, fold_in
from daskrec.engine.score import Request
from daskrec.engine.shared import Shared


class Users:
    """Histories as a scorer takes them."""

    def __init__(self, matrix: Csr) -> None:
        self.matrix = matrix
        self.user_ids = None


def random_csr(rng: np.random.Generator, rows: int, width: int) -> tuple[Csr, np.ndarray]:
    dense = np.where(rng.random((rows, width)) < 0.3, rng.integers(-2, 5, (rows, width)), 0)
    lengths = (dense != 0).sum(axis=1)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = dense[dense != 0].astype(np.float32)
    return Csr(indptr, np.nonzero(dense)[1].astype(np.int32), values, width), dense.astype(float)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 150), st.integers(1, 12), st.integers(1, 6), st.integers(0, 99))
def test_the_solution_fulfils_the_equations(rows: int, width: int, rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, dense = random_csr(rng, rows, width)
    factors = rng.standard_normal((width, rank)).astype(np.float32)
    exact = factors.astype(float)
    found = fold_in(matrix, factors, exact.T @ exact, 3.0, 0.7)
    assert found.dtype == np.float32
    for row in range(rows):
        confidence = 0.7 * dense[row]
        # Pairs without an interaction have the confidence 1.
        weight = np.where(confidence == 0, 1, np.abs(confidence))
        left = exact.T @ (weight[:, None] * exact) + 3.0 * np.eye(rank)
        right = exact.T @ np.maximum(confidence, 0)
        assert np.allclose(left @ found[row], right, atol=1e-4)


def test_a_singular_system_takes_the_shortest_solution() -> None:
    matrix = Csr(np.array([0, 1]), np.array([0], np.int32), np.ones(1, np.float32), 1)
    factors = np.array([[2.0, 0.0]], np.float32)
    assert fold_in(matrix, factors, factors.T @ factors, 0.0, 1.0) == pytest.approx(
        np.array([[0.5, 0.0]])
    )


def test_users_without_a_history_are_not_served() -> None:
    rng = np.random.default_rng(0)
    items = rng.standard_normal((4, 2)).astype(np.float32)
    matrix = Csr(
        np.array([0, 0, 2, 2]), np.array([1, 3], np.int32), np.array([1, 2], np.float32), 4
    )
    scorer = FoldInScorer(Shared(items), 0.1, 2.0)
    rows, codes, scores = scorer.top(Users(matrix), Request(9))
    assert set(rows.tolist()) == {1}
    assert set(codes.tolist()) == {0, 2}
    again, scored = scorer.pairs(Users(matrix), np.array([1, 0, 1]), codes[[0, 0, 1]])
    assert scored.tolist() == [True, False, True]
    assert again[scored] == pytest.approx(scores)
