"""Softmax rankings against dense logits in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from daskrec.engine.csr import Csr
from daskrec.engine.topk_softmax import softmax_pairs, softmax_topk
from daskrec.engine.unit_rows import unit_product

quick = settings(max_examples=40, deadline=None)


def random_rows(rng, rows, n_items, density=0.3):
    """Draw a CSR with sorted rows."""
    chosen = rng.random((rows, n_items)) < density
    indptr = np.concatenate([[0], np.cumsum(chosen.sum(1))])
    return chosen, indptr.astype(np.int64), np.nonzero(chosen)[1].astype(np.int32)


def ranked(relevance, allowed, k):
    """Rank rows of dense relevance: descending, then item ascending."""
    found = []
    for row in range(len(relevance)):
        items = np.flatnonzero(allowed[row])
        best = items[np.lexsort((items, -relevance[row, items]))][:k]
        found += [(row, item) for item in best.tolist()]
    return found


def draw(rng, n_users, n_items):
    """Draw vectors of small integers: logits are exact, and many are equal."""
    users = rng.integers(-2, 3, (n_users, 4)).astype(np.float32)
    items = rng.integers(-2, 3, (n_items, 4)).astype(np.float32)
    return users, items, rng.integers(-3, 4, n_items).astype(np.float32)


@quick
@given(
    st.integers(0, 9),
    st.sampled_from([1, 7, 40, 150]),
    st.sampled_from([0, 1, 5, 200]),
    st.sampled_from([4, 400, 4000, 2**20]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 99),
)
def test_the_best_have_their_share_of_all(n_users, n_items, k, tile_bytes, some, masked, seed):
    rng = np.random.default_rng(seed)
    users, items, bias = draw(rng, n_users, n_items)
    seen, indptr, indices = random_rows(rng, n_users + 2, n_items)
    rows = rng.permutation(n_users + 2)[:n_users].astype(np.int64)
    candidates = np.flatnonzero(rng.random(n_items) < 0.5).astype(np.int32) if some else None
    history = (indptr, indices) if masked else (None, None)
    found, codes, scores = softmax_topk(
        users, items, bias, k, *history, rows=rows, candidates=candidates, tile_bytes=tile_bytes
    )
    relevance = softmax((users @ items.T + bias).astype(np.float64), axis=1)
    allowed = ~seen[rows] if masked else np.ones((n_users, n_items), bool)
    if some:
        allowed[:, np.setdiff1d(np.arange(n_items), candidates)] = False
    assert list(zip(found.tolist(), codes.tolist(), strict=True)) == ranked(relevance, allowed, k)
    np.testing.assert_allclose(scores, relevance[found, codes], rtol=1e-6)
    assert (found.dtype, codes.dtype, scores.dtype) == (np.int64, np.int32, np.float64)


@quick
@given(st.integers(1, 9), st.integers(1, 60), st.integers(0, 50), st.integers(0, 99))
def test_pairs_score_as_rankings_do(n_users, n_items, count, seed):
    rng = np.random.default_rng(seed)
    users, items = (rng.standard_normal((n, 5)).astype(np.float32) for n in (n_users, n_items))
    bias = rng.standard_normal(n_items).astype(np.float32)
    rows, codes = rng.integers(0, n_users, count), rng.integers(0, n_items, count).astype(np.int32)
    table = np.empty((n_users, n_items))
    at, what, scores = softmax_topk(users, items, bias, n_items)
    table[at, what] = scores
    for tile_bytes in (4, 256, 2**20):
        pairs = softmax_pairs(users, items, bias, rows, codes, tile_bytes)
        np.testing.assert_allclose(pairs, table[rows, codes], rtol=1e-5)


def test_logits_that_exp_does_not_hold():
    users = np.array([[1000.0], [-1000.0]], np.float32)
    items = np.array([[1.0], [0.5], [-1.0]], np.float32)
    none = np.zeros(3, np.float32)
    _, codes, scores = softmax_topk(users, items, none, 3, tile_bytes=4)
    # exp(-500) is 7e-218; exp(-1500) and exp(-2000) are 0, and equal.
    assert codes.tolist() == [0, 1, 2, 2, 0, 1]
    np.testing.assert_allclose(scores, [1, np.exp(-500), 0, 1, 0, 0], rtol=1e-9)


def test_what_rounds_to_the_same_goes_by_item():
    users, items = np.ones((1, 1), np.float32), np.array([[-2000.0], [-1990.0], [0]], np.float32)
    _, codes, scores = softmax_topk(users, items, np.zeros(3, np.float32), 3)
    assert codes.tolist() == [2, 0, 1]
    assert scores.tolist() == [1.0, 0.0, 0.0]


@quick
@given(st.integers(0, 6), st.sampled_from([1, 3, 255, 256, 257, 600]), st.integers(0, 99))
def test_histories_are_rows_of_length_one(n_rows, width, seed):
    rng = np.random.default_rng(seed)
    chosen, indptr, indices = random_rows(rng, n_rows, 30)
    values = rng.uniform(1, 5, indices.size).astype(np.float32)
    table, bias = rng.standard_normal((30, width)), rng.standard_normal(width)
    rows = np.flatnonzero(rng.random(n_rows) < 0.7)
    history = Csr(indptr, indices, values, 30)
    found = unit_product(history, rows, table.astype(np.float32), bias.astype(np.float32))
    unit = chosen / np.sqrt(np.maximum(chosen.sum(1, keepdims=True), 1))
    np.testing.assert_allclose(found, (unit @ table + bias)[rows], rtol=1e-5, atol=1e-5)
    assert found.dtype == np.float32


@pytest.mark.parametrize("k", [0, 3])
def test_nobody_asks(k):
    nobody = np.empty((0, 4), np.float32)
    found = softmax_topk(nobody, np.ones((5, 4), np.float32), np.ones(5, np.float32), k)
    assert [len(part) for part in found] == [0, 0, 0]
