"""Sparse rows built on a device: those of the host."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.backends import DEVICES, NumpyBackend, lent

from daskrec.engine.csr_build import build_csr
from daskrec.engine.gpu import csr as on_gpu

quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=DEVICES)
def backend(request):
    return request.param()


def assert_equal(found, expected):
    for (matrix, repeats), name in ((found, "found"), (expected, "expected")):
        types = matrix.indptr.dtype, matrix.indices.dtype, matrix.data.dtype, repeats.dtype
        assert types == (np.int64, np.int32, np.float32, np.int32), name
    assert found[0].width == expected[0].width
    for one, two in (
        (found[0].indptr, expected[0].indptr),
        (found[0].indices, expected[0].indices),
        (found[0].data, expected[0].data),
        (found[1], expected[1]),
    ):
        assert one.tolist() == two.tolist()


def drawn(seed, count, height, width, graded):
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(0, height, count), rng.integers(0, width, count)
    values = rng.standard_normal(count).astype(np.float32) if graded else None
    return rows, columns, values


@quick
@given(st.integers(0, 999), st.integers(0, 60), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_the_matrix_of_the_host(backend, seed, count, height, width, graded):
    rows, columns, values = drawn(seed, count, height, width, graded)
    found = on_gpu.build_csr(backend, rows, columns, values, height, width)
    assert_equal(found, build_csr(rows, columns, values, height, width))


@pytest.mark.parametrize("graded", [True, False])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_entries_without_a_code_are_left_out(backend, graded, dtype):
    rows, columns, values = drawn(3, 50, 6, 5, graded)
    rows[::7], columns[::5] = -1, -1
    known = (rows >= 0) & (columns >= 0)
    there = [backend.asarray(a.astype(dtype)) for a in (rows, columns)]
    found = on_gpu.build_csr(backend, *there, values, 6, 5)
    some = values[known] if graded else None
    assert_equal(found, build_csr(rows[known], columns[known], some, 6, 5))


def test_places_beyond_32_bits(backend):
    rows, columns = np.array([99_999, 0, 99_999]), np.array([99_998, 1, 99_998])
    found, repeats = on_gpu.build_csr(backend, rows, columns, None, 100_000, 100_000)
    assert found.indices.tolist() == [1, 99_998]
    assert found.indptr[[0, 1, 99_999, 100_000]].tolist() == [0, 1, 1, 2]
    assert (found.data.tolist(), repeats.tolist()) == ([1, 2], [1, 2])


def test_the_order_of_the_rows_does_not_show(backend):
    rng = np.random.default_rng(0)
    rows, columns, values = drawn(1, 300, 3, 3, True)
    order = rng.permutation(300)
    one = on_gpu.build_csr(backend, rows, columns, values, 3, 3)
    assert_equal(on_gpu.build_csr(backend, rows[order], columns[order], values[order], 3, 3), one)


def test_many_entries_are_sorted_on_a_gpu(monkeypatch):
    rows, columns, values = drawn(5, 40, 6, 5, True)
    expected = build_csr(rows, columns, values, 6, 5)
    monkeypatch.setattr(on_gpu, "build_csr", lambda *args: args[1:])
    with lent(NumpyBackend(), monkeypatch):
        assert build_csr(rows, columns, values, 6, 5)[:2] == (rows, columns)
    with lent(NumpyBackend(free=1000), monkeypatch):  # no room
        assert_equal(build_csr(rows, columns, values, 6, 5), expected)


@pytest.mark.parametrize("free", [2**30, 1000])
def test_entries_of_a_device_come_back_where_there_is_no_room(monkeypatch, free):
    from support.backends import StrictBackend

    rows, columns, values = drawn(5, 40, 6, 5, True)
    expected = build_csr(rows[1:], columns[1:], values[1:], 6, 5)
    rows[0] = -1
    made = StrictBackend(free)
    with lent(made, monkeypatch):
        there = (made.asarray(array) for array in (rows, columns, values))
        assert_equal(build_csr(*there, 6, 5), expected)
