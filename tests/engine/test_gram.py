"""Neighbours against a dense float64 table, cut into blocks and tiles in every way."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine import gram, gram_bits
from daskrec.engine.csr import Csr

EMPTY = np.empty(0, np.float32)


def make_blocks(dense, ones, cuts):
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


def reference(dense, norms, shrink, n):
    """List the neighbours of every item from the full table."""
    weights = dense.astype(np.float64)
    product = norms[:, None] * norms[None, :]
    with np.errstate(all="ignore"):
        table = ((weights.T @ weights) / (product + shrink)).astype(np.float32)
    table[product == 0] = 0
    np.fill_diagonal(table, 0)
    out = []
    for row in table:
        order = np.lexsort((np.arange(row.size), -row))
        best = order[row[order] != 0][:n]
        out.append((best, row[best]))
    return out


def check(found, expected):
    """Compare a CSR of neighbours with the reference."""
    indptr, indices, values = found
    assert indptr.dtype == np.int64
    assert indices.dtype == np.int32
    assert values.dtype == np.float32
    assert indptr.size == len(expected) + 1
    for a, (best, sims) in enumerate(expected):
        row = slice(indptr[a], indptr[a + 1])
        assert np.array_equal(indices[row], best)
        assert np.array_equal(values[row], sims)


def join(parts):
    """Put the lists of consecutive ranges together."""
    lengths = np.concatenate([np.diff(part[0]) for part in parts])
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return indptr, np.concatenate([p[1] for p in parts]), np.concatenate([p[2] for p in parts])


@settings(max_examples=80, deadline=None)
@given(
    st.booleans(),
    st.sampled_from([0, 1, 7, 40]),
    st.sampled_from([1, 3, 64, 65, 200]),
    st.sampled_from([0.01, 0.1, 0.6]),
    st.sampled_from([0, 1, 5, 300]),
    st.sampled_from([0.0, 2.5]),
    st.sampled_from([1, 3000, 2**20]),
    st.lists(st.integers(0, 40), max_size=3),
    st.integers(0, 99),
)
def test_matches_the_dense_table(
    ones, n_users, n_items, density, n, shrink, tile_bytes, cuts, seed
):
    # Small integers, negative ones too: sums are exact, so ties are ties.
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((n_users, n_items)) < density, 1.0, 0.0)
    if not ones:
        dense *= rng.integers(-3, 4, dense.shape)
    norms = np.sqrt((dense**2).sum(0))
    blocks = make_blocks(dense, ones, cuts)
    middle = n_items // 3
    parts = [
        gram.similarity_range(blocks, norms, shrink, n, *span, tile_bytes=tile_bytes)
        for span in ((0, middle), (middle, n_items))
    ]
    check(join(parts), reference(dense, norms, shrink, n))


@pytest.mark.parametrize("ones", [True, False])
def test_blocks_and_tiles_change_nothing(ones):
    rng = np.random.default_rng(3)
    dense = (rng.random((300, 90)) < 0.2) * (1 if ones else rng.random((300, 90)))
    dense = dense.astype(np.float32).astype(np.float64)
    norms = np.sqrt((dense**2).sum(0))
    found = [
        gram.similarity_range(
            make_blocks(dense, ones, cuts), norms, 1.0, 20, 0, 90, tile_bytes=tile_bytes
        )
        for cuts in ([], [100], [0, 1, 17, 250])
        for tile_bytes in (1, 10_000, 2**20)
    ]
    for other in found[1:]:
        for left, right in zip(found[0], other, strict=True):
            assert np.array_equal(left, right)


def test_zero_norms_and_overflow_leave_no_trace():
    dense = np.zeros((4, 5))
    dense[:, 0] = dense[:, 1] = dense[:, 2] = 1
    norms = np.array([2.0, 0.0, 1e-300, 0.0, np.inf])
    indptr, indices, values = gram.similarity_range(
        make_blocks(dense, False, []), norms, 0.0, 4, 0, 5
    )
    # Items 0 and 2: their similarity does not fit float32; item 1 has norm zero.
    assert indptr.tolist() == [0] * 6
    assert indices.size == values.size == 0


def test_no_blocks_and_empty_range():
    indptr, indices, _ = gram.similarity_range([], np.ones(3), 0.0, 2, 0, 3)
    assert indptr.tolist() == [0, 0, 0, 0]
    assert indices.size == 0
    assert gram.similarity_range([], np.ones(3), 0.0, 2, 1, 1)[0].tolist() == [0]


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([0, 1, 70, 600]),
    st.sampled_from([1, 3, 70, 200]),
    st.sampled_from([0.05, 0.4]),
    st.sampled_from([0, 100, 10_000, 2**20]),
    st.sampled_from([1, 3000, 2**20]),
    st.sampled_from([0.0, 0.3, 10.0]),
    st.lists(st.integers(0, 600), max_size=3),
    st.integers(0, 99),
)
def test_bits_change_nothing(n_users, n_items, density, max_bytes, tile_bytes, cost, cuts, seed):
    rng = np.random.default_rng(seed)
    popularity = rng.random(n_items) ** 2
    dense = np.where(rng.random((n_users, n_items)) < 2 * density * popularity, 1.0, 0.0)
    norms = np.sqrt(dense.sum(0))
    blocks = make_blocks(dense, True, cuts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gram_bits, "WORD_COST", cost)
        head = gram.plan_head(blocks, n_items, max_bytes=max_bytes)
    assert head.bits.nbytes <= max_bytes
    middle = n_items // 2
    parts = [
        gram.similarity_range(blocks, norms, 1.0, 10, *span, head=head, tile_bytes=tile_bytes)
        for span in ((0, middle), (middle, n_items))
    ]
    check(join(parts), reference(dense, norms, 1.0, 10))


def test_bit_rows_longer_than_a_strip():
    n_users = 70_000
    rng = np.random.default_rng(0)
    dense = (rng.random((n_users, 7)) < 0.5) * 1.0
    blocks = make_blocks(dense, True, [1000, 50_001])
    head = gram.plan_head(blocks, 7)
    assert head.items.size == 7
    norms = np.sqrt(dense.sum(0))
    found = gram.similarity_range(blocks, norms, 0.0, 6, 0, 7, head=head)
    check(found, reference(dense, norms, 0.0, 6))
