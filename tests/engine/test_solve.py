"""ALS rows against dense float64 algebra."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine import solve
from daskrec.engine.solve import direct

WIDTHS = (1, 2, 7, 16, 33, 64, 130)
COLUMNS = 200
LENGTHS = (0, 1, 5, 16, 17, 40, 64, 129, 190)


def make_block(seed, width, lengths, offset=3):
    """Random CSR rows that start at a position other than 0, factors and regularisation."""
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.choice(COLUMNS, length, replace=False)) for length in lengths]
    before = np.full(offset, COLUMNS - 1)
    indices = np.concatenate([before, *rows]).astype(np.int32)
    indptr = offset + np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = rng.choice([-2.0, -0.5, 0.0, 0.5, 1.0, 4.0], indices.size).astype(np.float32)
    factors = (rng.normal(size=(COLUMNS, width)) / np.sqrt(width)).astype(np.float32)
    regularization = rng.choice([0.1, 1.0, 3.0], len(lengths)).astype(np.float32)
    return indptr, indices, values, factors, regularization


def make_gram(factors, implicit):
    return solve.gramian(factors) if implicit else np.zeros((factors.shape[1],) * 2)


def dense(indptr, indices, values, factors, gram, regularization, *, alpha, implicit):
    """Rows solved one by one in float64."""
    wide = factors.astype(np.float64)
    out = np.zeros((indptr.size - 1, factors.shape[1]))
    for row in range(indptr.size - 1):
        part = slice(indptr[row], indptr[row + 1])
        chosen, r = wide[indices[part]], values[part].astype(np.float64)
        w = alpha * np.abs(r) if implicit else np.ones_like(r)
        t = np.where(r > 0, 1 + w, 0.0) if implicit else r
        if np.any(t != 0):
            matrix = gram + (chosen.T * w) @ chosen
            matrix += np.float64(regularization[row]) * np.eye(factors.shape[1])
            out[row] = np.linalg.solve(matrix, chosen.T @ t)
    return out


def assert_rows_close(actual, expected, tolerance=2e-5):
    assert np.isfinite(actual).all()
    error = np.linalg.norm(actual - expected, axis=1)
    # Where the terms of a right-hand side cancel, what is left has their rounding errors.
    size = np.maximum(np.linalg.norm(expected, axis=1), 0.1 * np.any(expected != 0, axis=1))
    assert (error <= tolerance * size).all()


def exact(block, gram, implicit, alpha=0.7, rotated=None):
    indptr, indices, values, factors, regularization = block
    out = np.full((indptr.size - 1, factors.shape[1]), np.nan, dtype=np.float32)
    solve.solve_exact(
        indptr, indices, values, factors, gram, regularization,
        alpha=alpha, implicit=implicit, out=out, rotated=rotated,
    )  # fmt: skip
    return out


def gradients(block, gram, implicit, out, steps, alpha=0.7):
    indptr, indices, values, factors, regularization = block
    solve.solve_cg(
        indptr, indices, values, factors, gram, regularization,
        alpha=alpha, implicit=implicit, out=out, steps=steps,
    )  # fmt: skip
    return out


def reference(block, gram, implicit, alpha=0.7):
    indptr, indices, values, factors, regularization = block
    return dense(
        indptr, indices, values, factors, gram, regularization, alpha=alpha, implicit=implicit
    )


def loss_of(block, gram, implicit, solutions, alpha=0.7):
    indptr, indices, values, factors, regularization = block
    return solve.objective(
        indptr, indices, values, solutions, factors, gram, regularization,
        alpha=alpha, implicit=implicit,
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.sampled_from(WIDTHS),
    lengths=st.lists(st.sampled_from(LENGTHS), max_size=20),
    implicit=st.booleans(),
    rotate=st.booleans(),
    alpha=st.sampled_from([0.0, 0.7, 40.0]),
)
def test_exact_equals_dense_algebra(seed, width, lengths, implicit, rotate, alpha):
    block = make_block(seed, width, lengths)
    gram = make_gram(block[3], implicit)
    rotated = solve.rotate(block[3], gram) if rotate else None
    out = exact(block, gram, implicit, alpha, rotated)
    # Weights of 160 over a penalty of 0.1 make condition numbers of 1e4: float32 loses four
    # of its seven digits there at worst, and 1e-4 is what the solver promises.
    tolerance = 1e-4 if alpha == 40.0 else 2e-5
    assert_rows_close(out, reference(block, gram, implicit, alpha), tolerance)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.sampled_from(WIDTHS),
    lengths=st.lists(st.sampled_from(LENGTHS), max_size=12),
    implicit=st.booleans(),
)
def test_many_gradient_steps_reach_the_solution(seed, width, lengths, implicit):
    block = make_block(seed, width, lengths)
    gram = make_gram(block[3], implicit)
    start = np.random.default_rng(seed).normal(size=(len(lengths), width)).astype(np.float32) / 10
    out = gradients(block, gram, implicit, start, steps=3 * width + 20)
    assert_rows_close(out, reference(block, gram, implicit), tolerance=2e-4)


@pytest.mark.parametrize("implicit", [True, False])
def test_three_gradient_steps_lower_the_loss(implicit):
    block = make_block(1, 33, LENGTHS)
    gram = make_gram(block[3], implicit)
    best = loss_of(block, gram, implicit, exact(block, gram, implicit))
    start = np.random.default_rng(2).normal(size=(len(LENGTHS), 33)).astype(np.float32)
    losses = [loss_of(block, gram, implicit, start)]
    for _ in range(3):
        gradients(block, gram, implicit, start, steps=3)
        losses.append(loss_of(block, gram, implicit, start))
    assert losses[0] > losses[1] > losses[2] > losses[3] > best * (1 - 1e-6)
    assert losses[3] - best < 0.05 * (losses[0] - best)


@pytest.mark.parametrize("width", [16, 33])
@pytest.mark.parametrize("kind", ["exact", "cg"])
def test_results_do_not_depend_on_the_split(width, kind):
    indptr, indices, values, factors, regularization = block = make_block(3, width, LENGTHS * 4)
    gram = make_gram(factors, implicit=True)
    rotated = solve.rotate(factors, gram)

    def run(block):
        if kind == "exact":
            return exact(block, gram, True, rotated=rotated)
        start = np.ones((block[0].size - 1, width), dtype=np.float32)
        return gradients(block, gram, True, start, steps=3)

    whole = run(block)
    for cuts in ([0, 36], [0, 1, 2, 20, 36], [0, 17, 17, 36]):
        parts = [
            run((indptr[low : high + 1], indices, values, factors, regularization[low:high]))
            for low, high in itertools.pairwise(cuts)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("implicit", [True, False])
def test_rows_longer_than_the_buffers(implicit):
    """Rows whose entries are packed, or gathered at every step, in more than one part."""
    rng = np.random.default_rng(5)
    count, width = 3000, 50
    factors = rng.normal(size=(count, width)).astype(np.float32) / 7
    indices = np.concatenate([np.arange(count), np.arange(10)]).astype(np.int32)
    values = rng.integers(1, 6, indices.size).astype(np.float32)
    block = (np.array([0, count, count + 10]), indices, values, factors, np.ones(2, np.float32))
    gram = make_gram(factors, implicit)
    expected = reference(block, gram, implicit)
    assert_rows_close(exact(block, gram, implicit), expected)
    start = np.zeros((2, width), dtype=np.float32)
    assert_rows_close(gradients(block, gram, implicit, start, 100), expected, 2e-4)


def test_wide_factors():
    block = make_block(7, 512, (3, 60, 190, 0))
    gram = make_gram(block[3], implicit=True)
    assert_rows_close(exact(block, gram, True), reference(block, gram, True), 1e-4)
    rotated = solve.rotate(block[3], gram)
    out = exact(block, gram, True, rotated=rotated)
    assert_rows_close(out, reference(block, gram, True), 1e-4)


@pytest.mark.parametrize("rotate", [True, False])
def test_rows_without_positive_entries_are_zero(rotate):
    indptr = np.array([0, 0, 2, 3])
    indices, values = np.array([0, 1, 2], np.int32), np.array([-1.0, 0.0, 2.0], np.float32)
    factors = np.random.default_rng(0).normal(size=(3, 40)).astype(np.float32)
    block = (indptr, indices, values, factors, np.ones(3, np.float32))
    gram = make_gram(factors, implicit=True)
    out = exact(block, gram, True, rotated=solve.rotate(factors, gram) if rotate else None)
    np.testing.assert_array_equal(out[:2], 0)
    assert np.abs(out[2]).max() > 0
    out = gradients(block, gram, True, np.ones((3, 40), np.float32), steps=3)
    np.testing.assert_array_equal(out[:2], 0)


def test_empty_block():
    factors = np.ones((4, 5), np.float32)
    block = (np.array([7]), np.zeros(9, np.int32), np.ones(9, np.float32), factors,
             np.zeros(0, np.float32))  # fmt: skip
    gram = make_gram(factors, implicit=True)
    assert exact(block, gram, True).shape == (0, 5)
    assert gradients(block, gram, True, np.zeros((0, 5), np.float32), steps=3).shape == (0, 5)
    assert loss_of(block, gram, True, np.zeros((0, 5), np.float32)) == 0


@pytest.mark.parametrize("rotate", [True, False])
def test_singular_rows_get_nearly_the_solution_of_least_norm(rotate):
    """No regularisation and fewer entries than factors, one of them twice the same."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(30, 20)).astype(np.float32)
    factors[3] = factors[2]
    indices = np.array([0, 1, 5, 2, 3, *range(30)], np.int32)
    values = rng.normal(size=indices.size).astype(np.float32)
    block = (np.array([0, 3, 5, 35]), indices, values, factors, np.zeros(3, np.float32))
    gram = make_gram(factors, implicit=False)
    out = exact(block, gram, False, rotated=solve.rotate(factors, gram) if rotate else None)
    for row in range(3):
        part = slice(block[0][row], block[0][row + 1])
        chosen = factors[indices[part]].astype(np.float64)
        expected = np.linalg.lstsq(chosen, values[part].astype(np.float64), rcond=1e-5)[0]
        np.testing.assert_allclose(out[row], expected, rtol=1e-4, atol=1e-5)
    zeros = (block[0], indices, values, np.zeros_like(factors), block[4])
    np.testing.assert_array_equal(exact(zeros, gram, False), 0)
    assert np.isfinite(gradients(block, gram, False, np.zeros((3, 20), np.float32), 50)).all()


@pytest.mark.parametrize("implicit", [True, False])
def test_objective_equals_the_dense_formula(implicit):
    indptr, indices, values, factors, regularization = block = make_block(9, 7, LENGTHS)
    rows = np.repeat(np.arange(len(LENGTHS)), np.diff(indptr))
    relevance = np.zeros((len(LENGTHS), COLUMNS))
    known = np.zeros(relevance.shape, dtype=bool)
    relevance[rows, indices[3:]], known[rows, indices[3:]] = values[3:], True
    solutions = np.random.default_rng(1).normal(size=(len(LENGTHS), 7)).astype(np.float32)
    scores = solutions.astype(np.float64) @ factors.astype(np.float64).T
    if implicit:
        losses = (1 + 0.7 * np.abs(relevance)) * ((relevance > 0) - scores) ** 2
    else:
        losses = np.where(known, (relevance - scores) ** 2, 0)
    penalty = np.sum(regularization * np.sum(solutions.astype(np.float64) ** 2, axis=1))
    actual = loss_of(block, make_gram(factors, implicit), implicit, solutions)
    assert actual == pytest.approx(losses.sum() + penalty, rel=1e-6)


def test_exact_minimises_the_objective():
    block = make_block(11, 16, LENGTHS)
    gram = make_gram(block[3], implicit=True)
    best = exact(block, gram, True)
    least = loss_of(block, gram, True, best)
    rng = np.random.default_rng(0)
    for _ in range(5):
        moved = best + 0.05 * rng.normal(size=best.shape).astype(np.float32)
        assert loss_of(block, gram, True, moved) > least


def test_gramian():
    factors = np.random.default_rng(0).normal(size=(10_000, 9)).astype(np.float32) + 1
    wide = factors.astype(np.float64)
    actual = solve.gramian(factors)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, wide.T @ wide, rtol=1e-6)
    np.testing.assert_array_equal(solve.gramian(np.zeros((0, 3), np.float32)), np.zeros((3, 3)))


def test_memory_mapped_input(tmp_path):
    """Arrays that cannot be written are as good as others."""
    block = make_block(13, 33, LENGTHS)
    gram = make_gram(block[3], implicit=True)
    expected = exact(block, gram, True)
    mapped = []
    for place, array in enumerate(block):
        np.save(tmp_path / f"{place}.npy", array)
        mapped.append(np.load(tmp_path / f"{place}.npy", mmap_mode="r"))
    np.testing.assert_array_equal(exact(tuple(mapped), gram, True), expected)
    assert len(direct.exact_rows.signatures) == 1
