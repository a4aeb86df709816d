"""Nearest vectors against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances

from daskrec.engine.vectors import METRICS, nearest

DENSE = {
    "cosine_similarity": cosine_similarity,
    "dot_product": lambda a, b: a @ b.T,
    "euclidean_distance_sim": lambda a, b: 1 / (1 + euclidean_distances(a, b)),
}


def expected(vectors, rows, k, metric, candidates):
    """Rank by a dense table: similarity descending, then number ascending."""
    wide = vectors.astype(np.float64)
    table = DENSE[metric](wide, wide)
    found = []
    for position, row in enumerate(rows):
        others = [c for c in candidates if c != row]
        others.sort(key=lambda other: (-table[row, other], other))
        found += [(position, other, table[row, other]) for other in others[:k]]
    return found


def check(vectors, rows, k, metric, candidates=None, tile_bytes=1 << 20):
    """Compare with the reference."""
    positions, near, values = nearest(vectors, rows, k, metric, candidates, tile_bytes)
    everything = range(len(vectors)) if candidates is None else candidates.tolist()
    wanted = expected(vectors, rows, k, metric, everything)
    assert positions.tolist() == [row[0] for row in wanted]
    assert near.tolist() == [row[1] for row in wanted]
    np.testing.assert_allclose(values, [row[2] for row in wanted], rtol=1e-9, atol=1e-12)
    assert (positions.dtype, near.dtype, values.dtype) == (np.int64, np.int32, np.float64)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(METRICS),
    st.integers(1, 40),
    st.integers(0, 45),
    st.booleans(),
    st.sampled_from([1, 200, 1 << 20]),
    st.integers(0, 2**32),
)
def test_the_nearest_are_those_of_scikit_learn(metric, items, k, limited, tile_bytes, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((items, 4)).astype(np.float32)
    rows = rng.integers(0, items, 6).astype(np.int32)
    candidates = np.flatnonzero(rng.random(items) < 0.5).astype(np.int32) if limited else None
    check(vectors, rows, k, metric, candidates, tile_bytes)


@pytest.mark.parametrize("metric", METRICS)
def test_an_item_need_not_be_its_own_candidate(metric):
    vectors = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    rows = np.array([8, 0, 4], dtype=np.int32)
    check(vectors, rows, 3, metric, np.array([1, 2, 7], dtype=np.int32))
    check(vectors, rows, 3, metric, np.array([4], dtype=np.int32))
    check(vectors, rows, 3, metric, np.empty(0, dtype=np.int32))


@pytest.mark.parametrize("metric", METRICS)
def test_ties_go_to_the_lower_number(metric):
    vectors = np.ones((6, 2), dtype=np.float32)
    _, near, _ = nearest(vectors, np.array([3, 0]), 4, metric, None, 64)
    assert near.tolist() == [0, 1, 2, 4, 1, 2, 3, 4]


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_is_asked_and_nothing_is_found(metric):
    vectors = np.ones((3, 2), dtype=np.float32)
    for rows, k in (([], 3), ([0, 1], 0)):
        found = nearest(vectors, np.array(rows, dtype=np.int32), k, metric, None, 64)
        assert [len(array) for array in found] == [0, 0, 0]


def test_a_vector_of_zeros_has_cosine_zero():
    vectors = np.array([[0, 0], [1, 0], [-1, 0]], dtype=np.float32)
    _, near, values = nearest(vectors, np.arange(3), 2, "cosine_similarity", None, 64)
    assert near.tolist() == [1, 2, 0, 2, 0, 1]
    assert values.tolist() == [0, 0, 0, -1, 0, -1]


def test_near_vectors_far_from_the_origin_keep_their_digits():
    vectors = np.array([[4096, 0], [4096.0005, 0], [4096, 0.125]], dtype=np.float32)
    _, near, values = nearest(vectors, np.array([0]), 2, "euclidean_distance_sim", None, 64)
    assert near.tolist() == [1, 2]
    gaps = [abs(float(vectors[1, 0]) - 4096), 0.125]
    np.testing.assert_allclose(values, [1 / (1 + gap) for gap in gaps], rtol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_the_vectors_stay_as_they_are_and_nan_is_nobodys_neighbour(metric):
    vectors = np.array([[1, 2], [np.nan, 1], [3, 4]], dtype=np.float32)
    before = vectors.copy()
    positions, near, values = nearest(vectors, np.arange(3), 5, metric, None, 64)
    assert list(zip(positions.tolist(), near.tolist(), strict=True)) == [(0, 2), (2, 0)]
    assert np.isfinite(values).all()
    assert vectors.tobytes() == before.tobytes()
