"""Users solved from their histories on a device, against the CPU, and through the scorer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.backends import DEVICES, NumpyBackend, lent

from daskrec.engine import fold_in as on_cpu
from daskrec.engine.csr import Csr
from daskrec.engine.gpu import fold_in as on_gpu
from daskrec.engine.gpu.batches import with_zeros
from daskrec.engine.score import Request
from daskrec.engine.shared import Shared


def histories(rng, rows, width, graded=True):
    dense = np.where(rng.random((rows, width)) < 0.3, rng.integers(-2, 5, (rows, width)), 0)
    lengths = (dense != 0).sum(axis=1)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = dense[dense != 0].astype(np.float32)
    indices = np.nonzero(dense)[1].astype(np.int32)
    return Csr(indptr, indices, values if graded else values[:0], width)


def solved(backend, matrix, factors, penalty, alpha):
    wide = factors.astype(float)
    table = with_zeros(backend, factors)
    return on_gpu.fold_in(backend, matrix, table, wide.T @ wide, penalty, alpha, on_cpu._solved)


@pytest.mark.parametrize("make", DEVICES)
@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(0, 40),
    width=st.integers(1, 12),
    rank=st.integers(1, 6),
    graded=st.booleans(),
    free=st.sampled_from([1_000, 50_000, 2**30]),
    seed=st.integers(0, 99),
)
def test_users_are_those_of_the_cpu(make, rows, width, rank, graded, free, seed):
    rng = np.random.default_rng(seed)
    matrix = histories(rng, rows, width, graded)
    factors = rng.standard_normal((width, rank)).astype(np.float32)
    wide = factors.astype(float)
    found = solved(make(free), matrix, factors, 3.0, 0.7)
    assert found.dtype == np.float32
    expected = on_cpu.fold_in(matrix, factors, wide.T @ wide, 3.0, 0.7)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", DEVICES)
def test_a_singular_system_takes_the_shortest_solution(make):
    matrix = Csr(np.array([0, 1]), np.array([0], np.int32), np.ones(1, np.float32), 1)
    found = solved(make(), matrix, np.array([[2.0, 0.0]], np.float32), 0.0, 1.0)
    np.testing.assert_allclose(found, [[0.5, 0.0]])


def test_the_scorer_works_on_the_device_that_it_is_lent(monkeypatch):
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((12, 3)).astype(np.float32)
    users = type("Users", (), {"matrix": histories(rng, 20, 12), "user_ids": None})()
    scorer = on_cpu.FoldInScorer(Shared(factors), 0.1, 2.0)
    expected = scorer.top(users, Request(4))
    called = []
    twin = on_gpu.fold_in
    monkeypatch.setattr(on_gpu, "fold_in", lambda *args: called.append(1) or twin(*args))
    with lent(NumpyBackend(), monkeypatch):
        found = scorer.top(users, Request(4))
    assert called == [1]
    for mine, theirs in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-4)
