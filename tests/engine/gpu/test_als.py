"""Rows of ALS on a device, against those of the CPU."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import fake_cupy
from support.backends import DEVICES, NumpyBackend, StrictBackend

from daskrec.engine import solve
from daskrec.engine.backend_cupy import CupyBackend
from daskrec.engine.csr import Csr
from daskrec.engine.gpu import als
from daskrec.engine.gpu.als_block import Feedback
from daskrec.engine.gpu.als_rounds import Method, RowsOfSide, run_rounds, solve_block
from daskrec.engine.gpu.batches import with_zeros
from daskrec.engine.shared import RowShards, Shared

COLUMNS = 60
FREE = [10_000, 200_000, 2**30]  # rows in pieces; several batches; all at once


def random_rows(rng, lengths, graded=True):
    rows = [np.sort(rng.choice(COLUMNS, length, replace=False)) for length in lengths]
    indices = np.concatenate([*rows, []]).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = rng.choice([-2.0, -0.5, 0.0, 0.5, 1.0, 4.0], indices.size).astype(np.float32)
    return Csr(indptr, indices, values if graded else values[:0], COLUMNS)


def problem(seed, width, lengths, implicit, graded=True):
    rng = np.random.default_rng(seed)
    matrix = random_rows(rng, lengths, graded)
    factors = (rng.normal(size=(COLUMNS, width)) / np.sqrt(width)).astype(np.float32)
    gram = solve.gramian(factors) if implicit else np.zeros((width, width))
    penalties = rng.choice([0.1, 1.0, 3.0], len(lengths)).astype(np.float32)
    start = rng.normal(size=(len(lengths), width)).astype(np.float32)
    return matrix, factors, gram, penalties, start


def on_cpu(matrix, factors, gram, penalties, start, method):
    out = start.copy()
    parts = (matrix.indptr, matrix.indices, matrix.values(), factors, gram, penalties)
    twin = solve.solve_exact if method.exact else solve.solve_cg
    twin(*parts, alpha=method.feedback.alpha, implicit=method.feedback.implicit, out=out)
    return out


def on_device(backend, matrix, factors, gram, penalties, start, method):
    out = start.copy()
    found = solve_block(backend, matrix, penalties, RowShards.of(factors), gram, method, out)
    np.testing.assert_allclose(found, solve.gramian(out), rtol=1e-4, atol=1e-5)
    return out


def assert_near(found, expected, tolerance=1e-4):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max(initial=0) <= tolerance * np.abs(expected).max(initial=1e-9)


@pytest.mark.parametrize("make", DEVICES)
@pytest.mark.parametrize("exact", [True, False])
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.sampled_from([1, 2, 7, 16, 33]),
    lengths=st.lists(st.sampled_from([0, 1, 2, 5, 16, 17, 33, 60]), max_size=20),
    implicit=st.booleans(),
    graded=st.booleans(),
    alpha=st.sampled_from([0.0, 0.7, 40.0]),
    free=st.sampled_from(FREE),
)
def test_rows_are_those_of_the_cpu(
    make, exact, seed, width, lengths, implicit, graded, alpha, free
):
    given_ = problem(seed, width, lengths, implicit, graded)
    method = Method(Feedback(implicit, alpha), exact)
    # Weights of 160 over a penalty of 0.1 make condition numbers of 1e4, and float32 answers
    # of the CPU differ from those of float64 by as much.
    tolerance = 1e-3 if alpha == 40.0 else 1e-4
    assert_near(on_device(make(free), *given_, method), on_cpu(*given_, method), tolerance)


@pytest.mark.parametrize("make", DEVICES)
@pytest.mark.parametrize("implicit", [True, False])
def test_exact_rows_fulfil_the_equations(make, implicit):
    matrix, factors, gram, penalties, start = problem(3, 12, [0, 3, 60, 20, 7, 20], implicit)
    method = Method(Feedback(implicit, 0.7), exact=True)
    found = on_device(make(50_000), matrix, factors, gram, penalties, start, method)
    wide = factors.astype(float)
    for row in range(len(matrix)):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        chosen, r = wide[matrix.indices[part]], matrix.data[part].astype(float)
        w = 0.7 * np.abs(r) if implicit else np.ones_like(r)
        t = np.where(r > 0, 1 + w, 0.0) if implicit else r
        left = gram + (chosen.T * w) @ chosen + float(penalties[row]) * np.eye(12)
        np.testing.assert_allclose(left @ found[row], chosen.T @ t, atol=1e-4)


@pytest.mark.parametrize("make", DEVICES)
def test_rows_shorter_than_the_rank_are_as_exact_as_those_of_the_cpu(make):
    """G is singular, weights are large and penalties small: d x d matrices would lose digits."""
    matrix, factors, gram, penalties, start = problem(3, 80, [3, 30, 20, 7, 60, 60], True)
    penalties *= 0.3
    method = Method(Feedback(True, 40.0), exact=True)
    found = on_device(make(), matrix, factors, gram, penalties, start, method)
    wide = factors.astype(float)
    for row in range(len(matrix)):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        chosen, w = wide[matrix.indices[part]], 40.0 * np.abs(matrix.data[part].astype(float))
        left = wide.T @ wide + (chosen.T * w) @ chosen + float(penalties[row]) * np.eye(80)
        exact = np.linalg.solve(left, chosen.T @ np.where(matrix.data[part] > 0, 1 + w, 0.0))
        assert_near(wide @ found[row], wide @ exact, 3e-6)


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("exact", [True, False])
def test_on_the_backend_of_cupy(implicit, exact, monkeypatch):
    given_ = problem(4, 12, [0, 3, 60, 20, 7, 20], implicit)
    method = Method(Feedback(implicit, 0.7), exact)
    with fake_cupy.installed(monkeypatch):
        found = on_device(CupyBackend(0), *given_, method)
    assert_near(found, on_cpu(*given_, method))


@pytest.mark.parametrize("make", DEVICES)
@pytest.mark.parametrize("exact", [True, False])
def test_rows_without_positive_entries_are_zero(make, exact):
    indptr, indices = np.array([0, 0, 2, 3]), np.array([0, 1, 2], np.int32)
    matrix = Csr(indptr, indices, np.array([-1.0, 0.0, 2.0], np.float32), COLUMNS)
    _, factors, gram, penalties, start = problem(0, 5, [0, 0, 0], True)
    method = Method(Feedback(True, 1.0), exact)
    out = on_device(make(), matrix, factors, gram, penalties, start, method)
    np.testing.assert_array_equal(out[:2], 0)
    assert np.abs(out[2]).max() > 0


@pytest.mark.parametrize("make", DEVICES)
@pytest.mark.parametrize("free", FREE)
def test_singular_rows_get_nearly_the_solution_of_least_norm(make, free):
    """No penalty and fewer entries than factors, one of them twice the same."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(30, 20)).astype(np.float32)
    factors[3] = factors[2]
    indices = np.array([0, 1, 5, 2, 3, *range(30)], np.int32)
    values = rng.normal(size=indices.size).astype(np.float32)
    matrix = Csr(np.array([0, 3, 5, 35]), indices, values, 30)
    rest = np.zeros((20, 20)), np.zeros(3, np.float32), np.zeros((3, 20), np.float32)
    method = Method(Feedback(False, 1.0), exact=True)
    out = on_device(make(free), matrix, factors, *rest, method)
    for row in range(3):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        chosen = factors[indices[part]].astype(np.float64)
        expected = np.linalg.lstsq(chosen, values[part].astype(np.float64), rcond=1e-5)[0]
        np.testing.assert_allclose(out[row], expected, rtol=1e-4, atol=1e-5)
    zeros = on_device(make(free), matrix, np.zeros_like(factors), *rest, method)
    np.testing.assert_array_equal(zeros, 0)
    moved = on_device(make(free), matrix, factors, *rest, method._replace(exact=False))
    assert np.isfinite(moved).all()


@pytest.mark.parametrize("make", DEVICES)
@pytest.mark.parametrize("free", [20_000, 2**30])
def test_gram_matrices_are_summed_in_double_precision(make, free):
    factors = np.random.default_rng(0).normal(size=(10_000, 9)).astype(np.float32) + 1
    backend = make(free)
    wide = factors.astype(np.float64)
    found = als.gramian(backend, with_zeros(backend, factors))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wide.T @ wide, rtol=5e-6)
    empty = als.gramian(backend, backend.zeros((0, 3), np.float32))
    np.testing.assert_array_equal(empty, np.zeros((3, 3)))


def assert_rounds_are_near(backend, method):
    """Run two rounds on a log whose sides come in three blocks, one of them empty."""
    rng = np.random.default_rng(1)
    by_user = random_rows(rng, rng.integers(0, 40, 50))
    tables = [rng.normal(size=(n, 6)).astype(np.float32) for n in (COLUMNS, 50)]
    logs = by_user.transposed(), by_user
    sides = []
    for log in logs:
        cuts = [(0, 20), (20, 20), (20, len(log))]
        sides.append(
            RowsOfSide([log.rows(*cut) for cut in cuts], [np.full(b - a, 0.3) for a, b in cuts])
        )
    calls = []
    found = run_rounds(backend, sides, tables, method, 2, lambda: calls.append(1))
    assert len(calls) == 4
    for _ in range(2):
        for mine in (0, 1):
            fixed, penalties = tables[1 - mine], np.full(len(logs[mine]), 0.3, np.float32)
            gram = solve.gramian(fixed) if method.feedback.implicit else np.zeros((6, 6))
            tables[mine] = on_cpu(logs[mine], fixed, gram, penalties, tables[mine], method)
    assert_near(found[0], tables[0], 1e-3)
    assert_near(found[1], tables[1], 1e-3)


@pytest.mark.parametrize("make", DEVICES)
@pytest.mark.parametrize("free", [40_000, 400_000, 2**30])  # the log stays on the device or not
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("implicit", [True, False])
def test_rounds_are_those_of_the_cpu(make, free, exact, implicit):
    assert_rounds_are_near(make(free), Method(Feedback(implicit, 2.0), exact))


def test_blocks_are_copied_beside_the_work(monkeypatch):
    with fake_cupy.installed(monkeypatch):
        backend = CupyBackend(0)
        copied, ahead = [], backend.ahead
        monkeypatch.setattr(backend, "ahead", lambda groups: copied.append(1) or ahead(groups))
        assert_rounds_are_near(backend, Method(Feedback(True, 2.0), True))
    assert len(copied) == 4


def test_fixed_factors_stay_on_the_device_unless_they_are_large(monkeypatch):
    given_ = problem(5, 4, [3, 9], True)
    matrix, factors, gram, penalties, start = given_
    shards = RowShards([Shared(factors[:25]), Shared(factors[25:])], np.array([0, 25, COLUMNS]))
    method = Method(Feedback(True, 1.0), True)
    expected = on_cpu(*given_, method)
    for backend, held in ((NumpyBackend(), 1), (StrictBackend(free=2_000), 0)):
        for _ in range(2):
            out = start.copy()
            solve_block(backend, matrix, penalties, shards, gram, method, out)
            assert_near(out, expected)
        assert len(backend._held) == held
