"""Neighbours chosen from pairs that were kept, against those of a fit of its own."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine import gram, gram_pairs
from daskrec.engine.csr import Csr

EMPTY = np.empty(0, np.float32)


def make_blocks(dense, ones, cuts=()):
    """Cut a dense users x items matrix into blocks."""
    edges = [0, *sorted(min(c, len(dense)) for c in cuts), len(dense)]
    blocks = []
    for start, stop in pairwise(edges):
        part = sp.csr_matrix(dense[start:stop])
        indptr, indices = part.indptr.astype(np.int64), part.indices.astype(np.int32)
        data = EMPTY if ones else part.data.astype(np.float32)
        turned = Csr(indptr, indices, data, dense.shape[1]).transposed()
        sides = (indptr, indices, data, turned.indptr, turned.indices, turned.data)
        blocks.append(gram.Block(*sides))
    return blocks


def make_dense(n_users, n_items, density, ones, seed):
    rng = np.random.default_rng(seed)
    popularity = rng.random(n_items) ** 2
    dense = np.where(rng.random((n_users, n_items)) < 2 * density * popularity, 1.0, 0.0)
    return dense if ones else dense * rng.integers(-3, 9, dense.shape)


def check(blocks, norms, shrinks, longest, asked, tile_bytes=2**20, head=None, cut=None):
    """Compare every way of asking with a search of its own; return the number of pairs."""
    n_items = norms.size
    cut = n_items // 3 if cut is None else cut
    kept = 0
    for span in ((0, cut), (cut, n_items)):
        pairs = gram_pairs.pair_range(
            blocks, norms, shrinks, longest, *span, head=head, tile_bytes=tile_bytes
        )
        kept += pairs[1].size
        for shrink, n in asked:
            found = gram_pairs.choose_neighbours(pairs, norms, shrink, n, span[0])
            expected = gram.similarity_range(blocks, norms, shrink, n, *span)
            for mine, theirs in zip(found, expected, strict=True):
                assert mine.dtype == theirs.dtype
                assert np.array_equal(mine, theirs)
    return kept


@settings(max_examples=80, deadline=None)
@given(
    st.booleans(),
    st.sampled_from([0, 1, 7, 60]),
    st.sampled_from([1, 2, 3, 64, 65, 200]),
    st.sampled_from([0.05, 0.4]),
    st.sampled_from([1, 5, 40, 300]),
    st.sampled_from([(0.0, 0.0), (0.0, 100.0), (2.5, 7.5)]),
    st.sampled_from([1, 3000, 2**20]),
    st.lists(st.integers(0, 60), max_size=2),
    st.integers(0, 99),
)
def test_kept_pairs_are_enough(
    ones, n_users, n_items, density, longest, shrinks, tile_bytes, cuts, seed
):
    # Small integers: many similarities are equal, so that ties have to be right as well.
    dense = make_dense(n_users, n_items, density, ones, seed)
    norms = np.sqrt((dense**2).sum(0))
    blocks = make_blocks(dense, ones, cuts)
    low, high = shrinks
    between = [low, high, (low + high) / 2, low + 0.03 * (high - low)]
    asked = [(shrink, n) for shrink in between for n in {1, max(longest // 2, 1), longest}]
    head = gram.plan_head(blocks, n_items) if ones else None
    check(blocks, norms, shrinks, longest, asked, tile_bytes, head)


def test_few_pairs_are_kept():
    dense = make_dense(500, 400, 0.3, True, 0)
    norms = np.sqrt(dense.sum(0))
    asked = [(shrink, n) for shrink in (0.0, 1.0, 10.0, 37.0, 100.0) for n in (1, 10)]
    kept = check(make_blocks(dense, True), norms, (0.0, 100.0), 10, asked)
    assert 10 * 400 <= kept < 0.25 * np.count_nonzero(dense.T @ dense)


def test_similarities_beyond_float32_are_no_witnesses():
    dense = np.ones((4, 6))
    # Without shrinkage some similarities do not fit float32, with it they are the largest.
    norms = np.array([1e-300, 1.0, 1e-300, 2.0, 0.0, np.inf])
    asked = [(shrink, n) for shrink in (0.0, 1e-3, 1.0, 5.0) for n in (1, 2, 3)]
    check(make_blocks(dense, True), norms, (0.0, 5.0), 3, asked)


@pytest.mark.parametrize("n", [0, 1])
def test_a_single_item_has_no_neighbours(n):
    pairs = gram_pairs.pair_range(
        make_blocks(np.ones((3, 1)), True), np.ones(1), (0.0, 1.0), n, 0, 1
    )
    assert gram_pairs.choose_neighbours(pairs, np.ones(1), 0.5, n, 0)[0].tolist() == [0, 0]
