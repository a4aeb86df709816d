"""Top-k against plain numpy: order, ties, masks, tilings, histories."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine import topk, topk_sparse

SIZES = st.sampled_from([0, 1, 2, 5, 63, 64, 65, 130, 300, 1000])
LENGTHS = st.sampled_from([0, 1, 3, 10, 64, 65, 129, 300, 1200])
KINDS = st.sampled_from(["normal", "ties", "constant", "masked", "nan", "heavy", "ascending"])


def make_scores(kind, rows, width, seed, dtype=np.float32):
    """Draw scores of one of the awkward kinds."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((rows, width)).astype(dtype)
    if kind == "ties":
        scores = np.round(scores)
    elif kind == "constant":
        scores[:] = 2.5
    elif kind == "masked":
        scores[rng.random(scores.shape) < 0.7] = -np.inf
        scores[:1] = -np.inf
    elif kind == "nan":
        scores[rng.random(scores.shape) < 0.3] = np.nan
        scores[rng.random(scores.shape) < 0.1] = np.inf
    elif kind == "heavy":
        scores = np.sinh(np.clip(20 * scores, -80, 80)).astype(dtype)  # within float32
    elif kind == "ascending":
        scores.sort(axis=1)
    return scores


def reference(row, k):
    """Rank one row: score descending, then item ascending."""
    valid = np.flatnonzero(row > -np.inf)
    return valid[np.lexsort((valid, -row[valid]))][:k]


def run_tiles(scores, k, cuts):
    """Merge the columns tile by tile."""
    rows, width = scores.shape
    state = (
        np.zeros((rows, k), np.int32),
        np.zeros((rows, k), scores.dtype),
        np.zeros(rows, np.int32),
    )
    edges = [0, *sorted(min(c, width) for c in cuts), width]
    for start, stop in pairwise(edges):
        topk.merge_tile(np.ascontiguousarray(scores[:, start:stop]), start, *state)
    return state


def check(found, scores, k):
    """Compare a result with the reference, row by row."""
    items, values, counts = found
    for r in range(len(scores)):
        best = reference(scores[r], k)
        assert counts[r] == best.size
        assert np.array_equal(items[r, : counts[r]], best)
        assert np.array_equal(values[r, : counts[r]], scores[r, best])


@settings(max_examples=150, deadline=None)
@given(KINDS, SIZES, LENGTHS, st.lists(st.integers(0, 1000), max_size=4), st.integers(0, 99))
def test_tiles_match_reference(kind, width, k, cuts, seed):
    scores = make_scores(kind, 3, width, seed)
    check(run_tiles(scores, k, cuts), scores, k)


@pytest.mark.parametrize("kind", ["normal", "ties", "nan"])
def test_double_precision(kind):
    scores = make_scores(kind, 4, 700, 1, np.float64)
    for k in (1, 10, 200):
        check(run_tiles(scores, k, [100, 353]), scores, k)


def random_rows(rng, rows, n_items, density=0.2):
    """Draw a CSR with sorted rows."""
    chosen = rng.random((rows, n_items)) < density
    indptr = np.concatenate([[0], np.cumsum(chosen.sum(1))])
    return chosen, indptr.astype(np.int64), np.nonzero(chosen)[1].astype(np.int32)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 9),
    st.sampled_from([1, 40, 150]),
    st.sampled_from([0, 1, 5, 200]),
    st.sampled_from([4, 400, 4000, 2**20]),
    st.booleans(),
    st.integers(0, 99),
)
def test_dot_topk(n_users, n_items, k, tile_bytes, some, seed):
    # Small integers: products are exact, so tiles cannot change rounding.
    rng = np.random.default_rng(seed)
    users = rng.integers(-3, 4, (n_users, 5)).astype(np.float32)
    items = rng.integers(-3, 4, (n_items, 5)).astype(np.float32)
    seen, indptr, indices = random_rows(rng, n_users + 2, n_items)
    rows = rng.permutation(n_users + 2)[:n_users].astype(np.int64)
    candidates = np.flatnonzero(rng.random(n_items) < 0.5).astype(np.int32) if some else None
    scores = users @ items.T
    scores[seen[rows]] = -np.inf
    if candidates is not None:
        scores[:, np.setdiff1d(np.arange(n_items), candidates)] = -np.inf
    found = topk.dot_topk(
        users, items, k, indptr, indices, rows=rows, candidates=candidates, tile_bytes=tile_bytes
    )
    check(found, scores, k)
    assert found[0].dtype == np.int32
    assert found[1].dtype == np.float32


def test_dot_topk_without_history():
    rng = np.random.default_rng(0)
    users, items = rng.integers(-3, 4, (6, 4)), rng.integers(-3, 4, (90, 4))
    check(topk.dot_topk(users * 1.0, items * 1.0, 7), (users @ items.T) * 1.0, 7)


def test_mask_seen_stays_in_the_tile():
    indptr = np.array([0, 4, 4, 6], np.int64)
    indices = np.array([0, 3, 5, 9, 4, 6], np.int32)
    scores = np.zeros((2, 3), np.float32)
    topk.mask_seen(scores, 4, indptr, indices, np.array([2, 0]))
    assert np.array_equal(scores == -np.inf, [[True, False, True], [False, True, False]])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 6), st.integers(1, 60), st.integers(0, 70), st.integers(0, 99))
def test_take_unseen(rows, n_items, k, seed):
    rng = np.random.default_rng(seed)
    seen, indptr, indices = random_rows(rng, rows, n_items, 0.5)
    order = rng.permutation(n_items)[: rng.integers(0, n_items + 1)].astype(np.int32)
    values = -np.arange(order.size) / 7
    items, scores, counts = topk_sparse.take_unseen(order, values, indptr, indices, k, n_items)
    for r in range(rows):
        left = np.flatnonzero(~seen[r, order])[:k]
        assert np.array_equal(items[r, : counts[r]], order[left])
        assert np.array_equal(scores[r, : counts[r]], values[left])


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([1, 30, 64, 200]),
    st.sampled_from([0, 1, 7, 300]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 99),
)
def test_sparse_topk_and_pairs(n_items, k, some, filter_seen, weighted, seed):
    rng = np.random.default_rng(seed)
    seen, indptr, indices = random_rows(rng, 5, n_items, 0.1)
    near, sim_indptr, sim_indices = random_rows(rng, n_items, n_items, 0.1)
    values = np.round(rng.standard_normal(sim_indices.size), 1).astype(np.float32)
    similar = np.zeros((n_items, n_items))
    similar[near] = values
    # Added item by item, as the kernel does, so that sums agree to the last bit.
    sums = np.zeros((5, n_items))
    weights = rng.integers(-2, 5, indices.size).astype(np.float32) / 3 if weighted else None
    each = np.ones(indices.size) if weights is None else weights.astype(np.float64)
    for weight, row, item in zip(each, *np.nonzero(seen), strict=True):
        sums[row] += weight * similar[item]
    reached = (seen.astype(int) @ near.astype(int)) > 0
    scores = np.where(reached, sums, -np.inf).astype(np.float32)
    rows, items = (grid.ravel() for grid in np.indices((5, n_items)))
    mixed = rng.permutation(rows.size)
    pairs = topk_sparse.sparse_pairs(
        indptr,
        indices,
        sim_indptr,
        sim_indices,
        values,
        rows[mixed],
        items[mixed].astype(np.int32),
        weights=weights,
    )
    assert np.array_equal(np.where(np.isnan(pairs), -np.inf, pairs), scores.ravel()[mixed])
    allowed = rng.random(n_items) < 0.6 if some else None
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    if filter_seen:
        scores[seen] = -np.inf
    found = topk_sparse.sparse_topk(
        indptr,
        indices,
        sim_indptr,
        sim_indices,
        values,
        k,
        allowed=allowed,
        filter_seen=filter_seen,
        weights=weights,
    )
    check(found, scores, k)


def test_flatten_and_rank_in_row():
    items = np.array([[4, 2, 0], [0, 0, 0], [7, 1, 3]], np.int32)
    scores = np.array([[3, 2, 9], [9, 9, 9], [1, 1, 0]], np.float32)
    rows, codes, values = topk.flatten(items, scores, np.array([2, 0, 3], np.int32))
    assert rows.dtype == np.int64
    assert values.dtype == np.float64
    assert rows.tolist() == [0, 0, 2, 2, 2]
    assert codes.tolist() == [4, 2, 7, 1, 3]
    assert values.tolist() == [3, 2, 1, 1, 0]
    assert topk.rank_in_row(rows).tolist() == [0, 1, 0, 1, 2]
    assert topk.rank_in_row(rows[:0]).tolist() == []


def test_tile_shape_respects_the_bound():
    for n_rows, n_items, tile_bytes in ((10, 10, 1), (1000, 50, 4096), (3, 10**6, 2**20)):
        height, width = topk.tile_shape(n_rows, n_items, 4, tile_bytes)
        assert height >= 1
        assert width >= 1
        assert height * width * 4 <= max(tile_bytes, 4)
