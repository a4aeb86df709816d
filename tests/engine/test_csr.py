"""Sparse rows against scipy."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine.csr import Csr
from daskrec.engine.csr_build import build_csr

quick = settings(max_examples=40, deadline=None)


@st.composite
def entries(draw, repeats=True):
    """Draw rows, columns, values and the size of a matrix."""
    height, width = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    place = st.tuples(st.integers(0, height - 1), st.integers(0, width - 1))
    places = draw(st.lists(place, max_size=40, unique=not repeats))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, columns = (np.array([p[n] for p in places], dtype=np.int64) for n in range(2))
    values = rng.standard_normal(len(places)).astype(np.float32)
    return rows, columns, values, height, width


def scipy_of(matrix, values=None):
    """Return a matrix as scipy's, which checks its form."""
    shape = (len(matrix), matrix.width)
    found = sp.csr_array(
        (matrix.values() if values is None else values, matrix.indices, matrix.indptr), shape
    )
    found.check_format(full_check=True)
    assert found.has_canonical_format
    return found


def random_csr(seed, height, width, density=0.4, graded=True):
    """Draw a matrix and return it with its dense form."""
    found = sp.random_array((height, width), density=density, format="csr", rng=seed)
    found = found.astype(np.float32)
    found.sort_indices()
    data = found.data if graded else np.empty(0, dtype=np.float32)
    if not graded:
        found.data[:] = 1
    csr = Csr(found.indptr.astype(np.int64), found.indices.astype(np.int32), data, width)
    return csr, found.toarray()


@quick
@given(entries(), st.booleans())
def test_build_sums_and_counts_repeated_places_as_scipy_does(drawn, graded):
    rows, columns, values, height, width = drawn
    matrix, repeats = build_csr(rows, columns, values if graded else None, height, width)
    ones = np.ones(len(rows))
    counts = sp.coo_array((ones, (rows, columns)), (height, width)).toarray()
    sums = np.zeros((height, width))
    np.add.at(sums, (rows, columns), values.astype(np.float64) if graded else ones)
    assert matrix.nnz == np.count_nonzero(counts)
    np.testing.assert_allclose(scipy_of(matrix).toarray(), sums, rtol=1e-6, atol=1e-12)
    if len(repeats):
        assert scipy_of(matrix, repeats).toarray().tolist() == counts.tolist()
        assert repeats.dtype == np.int32
    else:
        assert counts.max(initial=0) <= 1
    assert (len(matrix.data) == 0) == (not graded and len(repeats) == 0) or len(rows) == 0
    assert (matrix.indptr.dtype, matrix.indices.dtype, matrix.data.dtype) == (
        np.int64,
        np.int32,
        np.float32,
    )


@quick
@given(entries(), st.randoms())
def test_the_order_of_the_rows_does_not_show(drawn, random):
    rows, columns, values, height, width = drawn
    order = list(range(len(rows)))
    random.shuffle(order)
    order = np.array(order, dtype=np.int64)
    one, one_repeats = build_csr(rows, columns, values, height, width)
    two, two_repeats = build_csr(rows[order], columns[order], values[order], height, width)
    for a, b in ((one.indptr, two.indptr), (one.indices, two.indices), (one.data, two.data)):
        assert a.tolist() == b.tolist()
    assert one_repeats.tolist() == two_repeats.tolist()


@pytest.mark.parametrize("graded", [True, False])
def test_entries_without_a_code_are_left_out(graded):
    rng = np.random.default_rng(3)
    rows, columns = rng.integers(-1, 4, 60), rng.integers(-1, 3, 60)
    values = rng.standard_normal(60).astype(np.float32) if graded else None
    known = (rows >= 0) & (columns >= 0)
    found, repeats = build_csr(rows, columns, values, 4, 3)
    some = values[known] if graded else None
    expected, counts = build_csr(rows[known], columns[known], some, 4, 3)
    assert np.array_equal(scipy_of(found).toarray(), scipy_of(expected).toarray())
    assert repeats.tolist() == counts.tolist()
    assert repeats.sum() == known.sum() < 60


def test_a_sum_of_repeats_is_taken_in_float64():
    values = np.array([2.0**24, 1, 1, -(2.0**24)], dtype=np.float32)
    zeros = np.zeros(4, dtype=np.int64)
    matrix, repeats = build_csr(zeros, zeros, values, 1, 1)
    assert matrix.data.tolist() == [2.0]
    assert repeats.tolist() == [4]


@quick
@given(entries(repeats=False), st.booleans())
def test_transposed_is_that_of_scipy(drawn, graded):
    rows, columns, values, height, width = drawn
    matrix, _ = build_csr(rows, columns, values if graded else None, height, width)
    turned = matrix.transposed()
    assert np.array_equal(scipy_of(turned).toarray(), scipy_of(matrix).toarray().T)
    assert (len(turned), turned.width) == (width, height)
    assert len(turned.data) == len(matrix.data)
    back = turned.transposed()
    assert back.indices.tolist() == matrix.indices.tolist()
    assert back.indptr.tolist() == matrix.indptr.tolist()


@pytest.mark.parametrize("graded", [True, False])
@pytest.mark.parametrize(("start", "stop"), [(0, 9), (2, 5), (4, 4), (9, 9)])
def test_rows_are_a_slice(graded, start, stop):
    matrix, dense = random_csr(0, 9, 6, graded=graded)
    part = matrix.rows(start, stop)
    assert np.array_equal(scipy_of(part).toarray(), dense[start:stop])
    assert part.nnz == 0 or np.shares_memory(part.indices, matrix.indices)
    again = part.rows(0, len(part))
    assert np.array_equal(scipy_of(again).toarray(), dense[start:stop])


@pytest.mark.parametrize("graded", [True, False])
@pytest.mark.parametrize("rows", [[3, 0, 3, -1], [-1, -1], [], [8, 7, 6, 5, 4, 3, 2, 1, 0]])
def test_take_picks_rows_and_gives_empty_ones_for_minus_one(graded, rows):
    matrix, dense = random_csr(1, 9, 6, graded=graded)
    rows = np.array(rows, dtype=np.int64)
    expected = np.where(rows[:, None] >= 0, dense[rows], 0)
    assert np.array_equal(scipy_of(matrix.take(rows)).toarray(), expected)
    assert np.array_equal(
        scipy_of(matrix.rows(2, 9).take(rows[rows < 7])).toarray(),
        np.where(rows[rows < 7, None] >= 0, dense[2:][rows[rows < 7]], 0),
    )


def test_take_of_no_rows_gives_empty_ones():
    nothing = Csr(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), 4)
    assert scipy_of(nothing.take(np.array([-1, -1]))).shape == (2, 4)
    assert nothing.transposed().indptr.tolist() == [0] * 5


@pytest.mark.parametrize("graded", [True, False])
def test_a_matrix_is_made_again_of_its_arrays(graded):
    matrix, dense = random_csr(2, 5, 7, graded=graded)
    again = Csr.from_arrays(matrix.to_arrays())
    assert np.array_equal(scipy_of(again).toarray(), dense)
    assert len(again.data) == len(matrix.data)
