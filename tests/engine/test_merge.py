"""Adding sparse matrices: against sums of dense ones."""

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine.csr import Csr, stack
from daskrec.engine.merge import merge_csr

WIDTH = 9


def draw(
    rng: np.random.Generator, rows: int, graded: bool, counted: bool
) -> tuple[Csr, np.ndarray]:
    dense = sp.random(rows, WIDTH, 0.4, "csr", random_state=rng)
    dense.sort_indices()
    data = rng.integers(1, 8, dense.nnz).astype(np.float32) / 4
    repeats = rng.integers(1, 4, dense.nnz).astype(np.int32)
    matrix = Csr(
        dense.indptr.astype(np.int64),
        dense.indices.astype(np.int32),
        data if graded else data[:0],
        WIDTH,
    )
    return matrix, repeats if counted else repeats[:0]


def dense(matrix: Csr, values: np.ndarray, rows: np.ndarray, height: int) -> np.ndarray:
    out = np.zeros((height, matrix.width))
    values = values if len(values) else np.ones(matrix.nnz)
    owners = rows[np.repeat(np.arange(len(matrix)), np.diff(matrix.indptr))]
    out[owners, matrix.indices] = values
    return out


@settings(deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_a_merge_is_a_sum(seed: int, a: bool, b: bool, c: bool, d: bool) -> None:
    rng = np.random.default_rng(seed)
    height = int(rng.integers(0, 7))
    sides = []
    for graded, counted in ((a, c), (b, d)):
        rows = np.flatnonzero(rng.random(height) < 0.7)
        sides.append((*draw(rng, len(rows), graded, counted), rows))
    merged, repeats = merge_csr(*sides[0], *sides[1], height)
    every = np.arange(height)
    total = sum(dense(m, m.data, rows, height) for m, _, rows in sides)
    times = sum(dense(m, t, rows, height) for m, t, rows in sides)
    np.testing.assert_array_equal(dense(merged, merged.data, every, height), total)
    np.testing.assert_array_equal(dense(merged, repeats, every, height), times)
    for row in range(height):
        items = merged.indices[merged.indptr[row] : merged.indptr[row + 1]]
        assert (np.diff(items) > 0).all()
    if merged.nnz == sum(m.nnz for m, _, _ in sides):  # nothing to add up
        assert len(merged.data) == 0 or a or b
        assert len(repeats) == 0 or c or d


def test_stacked_rows_are_end_to_end() -> None:
    rng = np.random.default_rng(0)
    parts = [
        draw(rng, rows, graded, False)[0] for rows, graded in ((3, True), (0, False), (2, False))
    ]
    whole = stack(parts)
    expected = np.concatenate([dense(p, p.data, np.arange(len(p)), len(p)) for p in parts])
    np.testing.assert_array_equal(dense(whole, whole.data, np.arange(5), 5), expected)
    assert stack(parts[:1]) is parts[0]
