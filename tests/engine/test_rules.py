"""Rules against a dense table of pairs, cut into blocks, ranges and tiles in every way."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine import gram_bits
from daskrec.engine.csr import Csr
from daskrec.engine.gram_bits import Block
from daskrec.engine.rules import rule_range

EMPTY = np.empty(0, np.float32)


def make_block(users, items, data, shape):
    """Make one block of entries sorted by session, then item."""
    indptr = np.searchsorted(users, np.arange(shape[0] + 1)).astype(np.int64)
    turned = Csr(indptr, items.astype(np.int32), data, shape[1]).transposed()
    sides = (turned.indptr, turned.indices, turned.data)
    return Block(indptr, items.astype(np.int32), data, *sides)


def make_blocks(dense, graded, cuts):
    """Cut a dense sessions x items matrix, NaN where there is no entry, into blocks."""
    edges = [0, *sorted(min(c, len(dense)) for c in cuts), len(dense)]
    blocks = []
    for start, stop in pairwise(edges):
        part = dense[start:stop]
        users, items = np.nonzero(~np.isnan(part))
        data = part[users, items].astype(np.float32) if graded else EMPTY
        blocks.append(make_block(users, items, data, part.shape))
    return blocks


def reference(dense, graded, weights, allowed, n, least):
    """List the rules of every item from all pairs of columns."""
    held = ~np.isnan(dense)
    usable = allowed & (weights != 0)
    out = []
    for a in range(dense.shape[1]):
        both = held & held[:, [a]]
        counts = both.sum(axis=0)
        smaller = np.where(both, np.minimum(dense, dense[:, [a]]), 0).astype(np.float64)
        # A cumulative sum adds in order, as nothing else of numpy promises.
        total = np.cumsum(smaller, axis=0)[-1] if len(dense) else np.zeros(dense.shape[1])
        support = total if graded else counts.astype(np.float64)
        valid = (counts >= max(least, 1)) & usable & usable[a]
        valid[a] = False
        items = np.flatnonzero(valid)
        order = np.lexsort((items, -(support[items] / weights[items])))
        best = items[order][:n]
        out.append((best, support[best]))
    return out


def check(found, expected):
    """Compare a CSR of rules with the reference, to the last bit."""
    indptr, indices, support = found
    assert (indptr.dtype, indices.dtype, support.dtype) == (np.int64, np.int32, np.float64)
    assert indptr.tolist() == np.cumsum([0, *(len(best) for best, _ in expected)]).tolist()
    for a, (best, values) in enumerate(expected):
        row = slice(indptr[a], indptr[a + 1])
        assert indices[row].tolist() == best.tolist()
        assert support[row].tolist() == values.tolist()


def draw(rng, sessions, items, density, graded):
    """Draw a matrix with popular and rare items, NaN where there is no entry."""
    popular = rng.random(items) ** 3 * density * 3
    held = rng.random((sessions, items)) < popular
    if not graded:
        return np.where(held, 1.0, np.nan)
    # Thirds, whose sums depend on their order; zeros and negative ones are entries as well.
    values = (rng.integers(-2, 9, (sessions, items)) / 3).astype(np.float32)
    return np.where(held, values, np.nan)


@settings(max_examples=120, deadline=None)
@given(
    st.booleans(),
    st.sampled_from([0, 1, 7, 40]),
    st.sampled_from([1, 3, 64, 65, 200]),
    st.sampled_from([0.02, 0.1, 0.6]),
    st.sampled_from([None, 0, 1, 5, 300]),
    st.sampled_from([0, 1, 2, 5]),
    st.sampled_from(["sums", "few", "signed"]),
    st.sampled_from([1, 3000, 2**20]),
    st.lists(st.integers(0, 40), max_size=3),
    st.integers(0, 99),
)
def test_matches_all_pairs(
    graded, sessions, items, density, n, least, kind, tile_bytes, cuts, seed
):
    rng = np.random.default_rng(seed)
    dense = draw(rng, sessions, items, density, graded)
    allowed = rng.random(items) < 0.8
    weights = {
        "sums": np.nansum(dense, axis=0),
        "few": rng.integers(0, 4, items).astype(np.float64),  # many ties
        "signed": rng.normal(size=items) * (rng.random(items) < 0.9),
    }[kind]
    blocks = make_blocks(dense, graded, cuts)
    expected = reference(dense, graded, weights, allowed, n, least)
    cut = items // 3
    for start, stop in ((0, items), (0, cut), (cut, items), (cut, cut)):
        part = rule_range(blocks, weights, allowed, n, least, start, stop, tile_bytes=tile_bytes)
        check(part, expected[start:stop])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([0, 1, 70, 600]),
    st.sampled_from([1, 3, 70, 200]),
    st.sampled_from([0.05, 0.4]),
    st.sampled_from([None, 4]),
    st.sampled_from([1, 5]),
    st.sampled_from([100, 10_000, 2**20]),
    st.sampled_from([1, 3000, 2**20]),
    st.sampled_from([0.0, 0.3, 10.0]),
    st.lists(st.integers(0, 600), max_size=3),
    st.integers(0, 99),
)
def test_bits_change_nothing(
    sessions, items, density, n, least, max_bytes, tile_bytes, cost, cuts, seed
):
    rng = np.random.default_rng(seed)
    dense = draw(rng, sessions, items, density, graded=False)
    weights, allowed = np.nansum(dense, axis=0), rng.random(items) < 0.9
    blocks = make_blocks(dense, False, cuts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gram_bits, "WORD_COST", cost)
        head = gram_bits.plan_head(blocks, items, max_bytes=max_bytes)
    expected = reference(dense, False, weights, allowed, n, least)
    middle = items // 2
    for span in ((0, middle), (middle, items)):
        found = rule_range(
            blocks, weights, allowed, n, least, *span, head=head, tile_bytes=tile_bytes
        )
        check(found, expected[slice(*span)])


@pytest.mark.parametrize("n", [1, 7, 100, 129, 500, None])
@pytest.mark.parametrize("values", [1, 2, 30, None])
def test_ties_in_long_rows_go_by_item(n, values):
    # One session has all items, so P is 1, and R alone makes the order; None: all different,
    # by less than float32 can tell.
    items, rng = 2500, np.random.default_rng(0)
    weights = 1.0 + rng.permutation(items) * 2.0**-40
    if values is not None:
        weights = rng.integers(1, values + 1, items).astype(np.float64)
    dense = np.ones((1, items))
    found = rule_range(make_blocks(dense, False, []), weights, np.ones(items, bool), n, 1, 0, 20)
    for a in range(20):
        order = np.lexsort((np.arange(items), weights))
        row = found[1][found[0][a] : found[0][a + 1]]
        assert row.tolist() == order[order != a][:n].tolist()


def test_equal_quotients_are_equal():
    # 49 / 49 is 1, but 49 (1 / 49) is less; then the first of the two would not be item 1.
    assert 49.0 * (1.0 / 49.0) < 1.0
    dense = np.full((49, 3), np.nan)
    dense[:, :2] = 1
    dense[0, 2] = 1
    weights = np.array([1.0, 49.0, 1.0])
    found = rule_range(make_blocks(dense, False, []), weights, np.ones(3, bool), 1, 1, 0, 1)
    check(found, [(np.array([1]), np.array([49.0]))])


@pytest.mark.parametrize("graded", [True, False])
def test_blocks_and_tiles_change_nothing(graded):
    rng = np.random.default_rng(3)
    dense = draw(rng, 300, 90, 0.4, graded)
    dense[:] = np.where(np.isnan(dense), np.nan, rng.random(dense.shape).astype(np.float32))
    weights, allowed = np.nansum(dense, axis=0) + 1, np.ones(90, bool)
    found = [
        rule_range(blocks, weights, allowed, 20, 2, 0, 90, tile_bytes=tile_bytes)
        for blocks in (make_blocks(dense, graded, c) for c in ([], [100], [0, 1, 17, 250]))
        for tile_bytes in (1, 10_000, 2**20)
    ]
    assert found[0][1].size > 1000
    for other in found[1:]:
        for left, right in zip(found[0], other, strict=True):
            assert np.array_equal(left, right)


def test_no_blocks_and_empty_range():
    weights, allowed = np.ones(3), np.ones(3, bool)
    indptr, indices, support = rule_range([], weights, allowed, None, 1, 0, 3)
    assert indptr.tolist() == [0, 0, 0, 0]
    assert indices.size == support.size == 0
    assert rule_range([], weights, allowed, 2, 1, 1, 1)[0].tolist() == [0]
    assert rule_range([], np.ones(0), np.ones(0, bool), None, 1, 0, 0)[0].tolist() == [0]


def test_a_large_catalogue_of_rare_items():
    items = 20_000
    codes = np.random.default_rng(0).integers(0, items, (500, 4))
    keys = np.unique(np.arange(500)[:, None] * items + codes)
    users, held = keys // items, keys % items
    block = make_block(users, held, EMPTY, (500, items))
    matrix = sp.csr_matrix((np.ones(keys.size), (users, held)), (500, items))
    counts = (matrix.T @ matrix).tolil()
    counts.setdiag(0)
    weights = np.asarray(matrix.sum(axis=0)).ravel()
    found = rule_range([block], weights, np.ones(items, bool), None, 1, 0, items)
    assert len(found[1]) == counts.nnz
    left = np.repeat(np.arange(items), np.diff(found[0]))
    assert (np.asarray(counts.tocsr()[left, found[1]]).ravel() == found[2]).all()


@pytest.mark.parametrize("graded", [True, False])
def test_all_rules_take_the_memory_of_a_tile(graded):
    # Every pair is counted, but few are kept: a table of all is 64 or 192 MB.
    items, tile_bytes = 4000, 2**20
    dense = np.ones((3, items))
    dense[1:, 40:] = np.nan
    blocks = make_blocks(dense, graded, [])
    request = (np.ones(items), np.ones(items, bool), None, 3, 0, items)
    tracemalloc.start()
    found = rule_range(blocks, *request, tile_bytes=tile_bytes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[1].size == 40 * 39
    assert peak < 6 * tile_bytes
