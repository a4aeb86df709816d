"""Columns of SLIM on a device: the optimum that the CPU finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.backends import DEVICES, NumpyBackend, lent
from support.logs import assert_same, random_log

from daskrec.engine.gpu import slim
from daskrec.engine.shared import RowShards, Shared
from daskrec.engine.solve.elastic_net import Choice, ColumnSolver, Penalty, RowTable
from daskrec.models import SLIM


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param()


def products(users, items, seed, dead=True):
    """Products of random rows; one item is in none of them, two are alike."""
    rng = np.random.default_rng(seed)
    rows = (rng.random((users, items)) < rng.uniform(0.1, 0.6, items)).astype(np.float32)
    if dead:
        rows[:, items // 2] = 0
    rows[:, 0] = rows[:, -1]
    return rows.T @ rows


def dense(found, cut, items):
    table = np.zeros((cut[1] - cut[0], items))
    for column, (mine, values) in found.items():
        assert mine.dtype == np.int32
        assert values.dtype == np.float32
        assert np.all(np.diff(mine) > 0)
        table[column - cut[0], mine] = values
    return table


def on_host(gram, cut, penalty, choice):
    solver = ColumnSolver(len(gram), penalty, choice)
    table = RowTable([gram], np.diagonal(gram).astype(np.float64), True)
    solved = {j: solver.solve(table, j) for j in range(*cut)}
    assert all(done for _, _, done in solved.values())
    return dense({j: (items, values) for j, (items, values, _) in solved.items()}, cut, len(gram))


def objective(gram, table, cut, penalty):
    """What the columns minimise, all together."""
    total = 0.0
    for j, w in zip(range(*cut), table, strict=True):
        total += w @ gram @ w / 2 - gram[j] @ w + penalty.ridge / 2 * w @ w
        total += penalty.weight * np.abs(w).sum()
    return total


def compare(device, gram, cut, penalty, choice):
    gram = np.ascontiguousarray(gram, np.float32)
    diagonal = np.diagonal(gram).astype(np.float64)
    found = slim.solve_columns(device, Shared(gram), diagonal, cut, penalty, choice)
    assert found.left == []
    assert sorted(found.weights) == list(range(*cut))
    mine, theirs = dense(found.weights, cut, len(gram)), on_host(gram, cut, penalty, choice)
    np.testing.assert_allclose(mine, theirs, atol=1e-4 * max(np.abs(theirs).max(initial=0), 1e-9))
    return mine, theirs


@pytest.mark.parametrize("signed", [False, True])
def test_columns(device, signed):
    @given(st.integers(0, 2**32), st.integers(2, 30), st.floats(0.05, 4), st.floats(0.5, 20))
    @settings(max_examples=25, deadline=None)
    def check(seed, items, weight, ridge):
        gram = products(60, items, seed)
        cut = (0, items) if seed % 2 else (items // 3, items - 1)
        compare(device, gram, cut, Penalty(ridge, weight, signed, 1e-6, 20_000), Choice())

    check()


def test_many_weights_in_batches_and_growing_sets(monkeypatch):
    """Sets of a few items grow to what is needed; batches are of a few columns."""
    monkeypatch.setattr(slim, "_FIRST", 4)
    gram = products(400, 120, 1, dead=False)
    penalty = Penalty(40.0, 2.0, False, 1e-6, 50_000)
    device, cut = NumpyBackend(8 * 7 * (60 * 120 + 30 * 120**2)), (0, 120)
    mine, theirs = compare(device, gram, cut, penalty, Choice())
    assert (theirs != 0).sum(axis=1).mean() > 8
    assert objective(gram, mine, cut, penalty) <= objective(gram, theirs, cut, penalty) + 1e-3


@pytest.mark.parametrize("choice", [Choice(candidates=6), Choice(top=3), Choice(5, 2)])
def test_candidates_and_the_largest_weights(device, choice):
    gram = products(80, 25, 4)
    mine, _ = compare(device, gram, (0, 25), Penalty(3.0, 1.0, False, 1e-6, 20_000), choice)
    assert (mine != 0).sum(axis=1).max() <= min(choice.candidates, choice.top)


def test_what_is_not_done_in_time_or_too_crowded_is_left_to_the_host(device, monkeypatch):
    gram = products(80, 25, 4)
    diagonal = np.diagonal(gram).astype(np.float64)
    penalty = Penalty(0.01, 0.01, True, 1e-9, 20)
    found = slim.solve_columns(device, Shared(gram), diagonal, (0, 25), penalty, Choice())
    assert found.left
    assert sorted([*found.left, *found.weights]) == list(range(25))
    monkeypatch.setattr(slim, "ROOM", 2)
    loose = Penalty(1.0, 0.5, False, 1e-4, 5000)
    found = slim.solve_columns(device, Shared(gram), diagonal, (0, 25), loose, Choice())
    assert found.left
    assert sorted([*found.left, *found.weights]) == list(range(25))


def test_a_table_in_parts(device):
    gram = products(80, 25, 4)
    parts = RowShards([Shared(gram[:9]), Shared(gram[9:])], np.array([0, 9, 25]))
    penalty, diagonal = Penalty(3.0, 1.0), np.diagonal(gram).astype(np.float64)
    found = slim.solve_columns(device, parts, diagonal, (3, 20), penalty, Choice())
    whole = slim.solve_columns(device, Shared(gram), diagonal, (3, 20), penalty, Choice())
    np.testing.assert_array_equal(*(dense(f.weights, (3, 20), 25) for f in (found, whole)))


LOG = random_log(users=60, items=30, rows=700)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"beta": 0.5, "lambda_": 1e-3, "non_negative": False, "top": 6},
        {"beta": 0.0, "lambda_": 0.05, "num_candidates": 7},
    ],
)
def test_the_model_takes_the_device(params, monkeypatch):
    expected = SLIM(**params).fit(LOG).predict(LOG, 5)
    cuts, twin = [], slim.solve_columns
    monkeypatch.setattr(slim, "solve_columns", lambda *a: cuts.append(a[3]) or twin(*a))
    with lent(NumpyBackend(), monkeypatch):
        found = SLIM(**params).fit(LOG).predict(LOG, 5)
    assert cuts
    assert_same(found, expected, 1e-3)  # both keep to the tolerance of the parameters


def test_a_table_that_is_too_large_for_the_device_is_solved_by_the_host(monkeypatch):
    expected = SLIM().fit(LOG).predict(LOG, 5)
    monkeypatch.setattr(slim, "solve_columns", None)
    with lent(NumpyBackend(slim.BYTES_A_PAIR * 30**2 - 1), monkeypatch):
        model = SLIM().fit(LOG)
    assert model.items_count == 30
    assert_same(model.predict(LOG, 5), expected)
