"""Columns of SLIM against scikit-learn, and against the conditions of an optimum."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

from daskrec.engine.solve.elastic_net import Choice, ColumnSolver, Penalty, RowTable
from daskrec.engine.sub_gram import Head, ItemSide, SubGram


def ratings(
    seed: int, users: int = 40, items: int = 14, *, fractions: bool = False, signs: bool = False
) -> np.ndarray:
    """Return a users x items matrix, with an item of zeros and two that are the same."""
    rng = np.random.default_rng(seed)
    values = rng.random((users, items)) * 5 if fractions else rng.integers(1, 6, (users, items))
    if signs:
        values = values * rng.choice([-1, 1], (users, items))
    found = values * (rng.random((users, items)) < rng.random(items) ** 2 + 0.05)
    found[:, 3] = 0
    found[:, 5] = found[:, 4]
    return found.astype(np.float32).astype(np.float64)


def table_of(matrix: np.ndarray, cuts: tuple[int, ...] = ()) -> RowTable:
    gram = (matrix.T @ matrix).astype(np.float32)
    parts = [np.ascontiguousarray(part) for part in np.split(gram, cuts)]
    return RowTable(parts, gram.diagonal().astype(np.float64), bool((gram >= 0).all()))


def column(solver: ColumnSolver, table: RowTable, j: int) -> np.ndarray:
    items, values, solved = solver.solve(table, j)
    assert solved
    assert np.all(np.diff(items) > 0)
    found = np.zeros(len(table))
    found[items] = values
    return found


def violation(matrix: np.ndarray, j: int, w: np.ndarray, penalty: Penalty) -> float:
    """Return how far the steepest coordinate is from its optimum."""
    r = matrix.T @ (matrix[:, j] - matrix @ w) - penalty.ridge * w
    inner = np.abs(r - np.sign(w) * penalty.weight)
    outer = np.maximum((np.abs(r) if penalty.signed else r) - penalty.weight, 0)
    far = np.where(w != 0, inner, outer)
    far[j] = 0
    return float(far.max())


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 999),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.001, 0.02, 0.5]),
    st.sampled_from([0.001, 0.05, 0.4]),
)
def test_columns_are_those_of_scikit_learn(
    seed: int, signed: bool, fractions: bool, beta: float, weight: float
) -> None:
    matrix = ratings(seed, fractions=fractions, signs=signed and fractions)
    n = len(matrix)
    table = table_of(matrix, (4, 9))
    solver = ColumnSolver(len(table), Penalty(n * beta, n * weight, signed, 1e-6))
    for j in (0, 3, 4, 13):
        others = matrix.copy()
        others[:, j] = 0
        peer = ElasticNet(
            alpha=beta + weight, l1_ratio=weight / (beta + weight), fit_intercept=False,
            positive=not signed, tol=1e-14, max_iter=100_000,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its tolerance is below its rounding
            peer.fit(others, matrix[:, j])
        assert column(solver, table, j) == pytest.approx(peer.coef_, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 999),
    st.booleans(),
    st.sampled_from([0.3, 5.0, 30.0]),
    st.sampled_from([0.01, 1.0, 40.0]),
)
def test_the_conditions_of_an_optimum(seed: int, signed: bool, ridge: float, weight: float) -> None:
    matrix = ratings(seed, users=60, items=200, signs=seed % 2 == 0)
    table, penalty = table_of(matrix), Penalty(ridge, weight, signed, 1e-4)
    for room in (200, 8):  # with a small one, rows are read where they are
        solver = ColumnSolver(len(table), penalty, room=room)
        for j in (0, 100):
            w = solver.solve(table, j)
            found = solver._weights.copy()
            assert w[2]
            assert signed or found.min() >= 0
            assert found[j] == 0
            largest = np.abs(table.parts[0][j]).max()
            limit = 1e-4 * max(weight, 1e-4 * largest)
            assert violation(matrix, j, found, penalty) <= limit * (1 + 1e-6) + 1e-9 * largest


def test_a_large_weight_leaves_nothing_and_a_small_one_all_that_explains() -> None:
    matrix = ratings(1)
    table = table_of(matrix)
    assert not len(ColumnSolver(14, Penalty(1.0, 1e6)).solve(table, 0)[0])
    explained = ratings(2)
    explained[:, 0] = explained[:, 4] + explained[:, 7]
    explained[:, 5] = 0
    solver = ColumnSolver(14, Penalty(1e-6, 1e-3, False, 1e-6))
    wanted = np.isin(np.arange(14), [4, 7]).astype(float)
    assert column(solver, table_of(explained), 0) == pytest.approx(wanted, abs=1e-3)


def test_few_sweeps_are_told() -> None:
    matrix = ratings(3)
    solver = ColumnSolver(14, Penalty(0.1, 0.1, False, 1e-10, turns=1))
    assert not solver.solve(table_of(matrix), 0)[2]


def test_the_largest_weights_are_kept() -> None:
    table, penalty = table_of(ratings(4)), Penalty(0.5, 0.5, True)
    items, values, _ = ColumnSolver(14, penalty).solve(table, 0)
    few, some, _ = ColumnSolver(14, penalty, Choice(top=2)).solve(table, 0)
    best = np.sort(np.argsort(-np.abs(values))[:2])
    assert few.tolist() == items[best].tolist()
    assert some.tolist() == values[best].tolist()


@pytest.mark.parametrize("signed", [False, True])
def test_candidates_are_those_that_explain_best_alone(signed: bool) -> None:
    matrix, penalty = ratings(5), Penalty(2.0, 0.1, signed)
    table = table_of(matrix)
    q, others = table.parts[0][0].astype(float), np.arange(1, 14)
    worth = q / np.sqrt(table.diagonal + 2.0)
    best = np.sort(others[np.argsort(-worth[1:], kind="stable")[:4]])
    items, values, _ = ColumnSolver(14, penalty, Choice(candidates=4)).solve(table, 0)
    own = np.append(best, 0)
    gram = np.ascontiguousarray(table.parts[0][np.ix_(own, own)])
    part = RowTable([gram], gram.diagonal().astype(float), True)
    wanted, weights, _ = ColumnSolver(5, penalty).solve(part, 4)
    assert items.tolist() == best[wanted].tolist()
    assert values == pytest.approx(weights, abs=1e-6)


def test_rows_of_another_type_are_refused() -> None:
    with pytest.raises(TypeError, match="float32"):
        RowTable([np.eye(3)], np.ones(3), True)


def sides(matrix: np.ndarray, cuts: tuple[int, ...], ones: bool) -> list[ItemSide]:
    found = []
    for part in np.split(matrix, cuts):
        items, users = np.nonzero(part.T)
        data = np.empty(0, np.float32) if ones else part.T[items, users].astype(np.float32)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(items, minlength=part.shape[1]))])
        found.append(ItemSide(indptr, users.astype(np.int32), data))
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.booleans(), st.sampled_from([(), (1, 1, 30)]), st.integers(1, 14))
def test_products_of_a_few_items(
    seed: int, ones: bool, cuts: tuple[int, ...], popular: int
) -> None:
    matrix = ratings(seed, fractions=not ones)
    if ones:
        matrix = (matrix != 0).astype(float)
    places = np.full(14, -1)
    head = np.sort(np.random.default_rng(seed).permutation(14)[:popular])
    places[head] = np.arange(popular)
    counter = SubGram(sides(matrix, cuts, ones), Head(places, table_of(matrix[:, head])))
    rng = np.random.default_rng(seed)
    for size in (0, 1, 6, 14):
        items = rng.permutation(14)[:size].astype(np.int32)
        wanted = matrix[:, items].T @ matrix[:, items]
        found = counter.table(items)
        assert found == pytest.approx(wanted, rel=1e-6)
        assert np.array_equal(found, found.T)
