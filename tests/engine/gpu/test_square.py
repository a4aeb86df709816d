"""Square tables of items on a device: EASE and ADMM as the CPU solves them."""

import numpy as np
import pytest
from support.backends import DEVICES, NumpyBackend, lent
from support.logs import assert_same, random_log

from daskrec.engine.csr import Csr
from daskrec.engine.gpu import admm as admm_there
from daskrec.engine.gpu import square
from daskrec.engine.shared import Shared
from daskrec.engine.solve import admm, admm_seeded, ease
from daskrec.engine.solve.admm import Problem, Stop
from daskrec.models import ADMMSLIM, EASE

LOG = random_log(users=60, items=30, rows=700)


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param()


def products(items=17, users=40, seed=0, dtype=np.float64):
    rows = np.random.default_rng(seed).integers(0, 3, (users, items)).astype(dtype)
    return rows.T @ rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inverse(device, dtype):
    gram = products(dtype=dtype)
    found = device.to_host(square.inverted(device, gram, 2.5, "ridge"))
    assert found.dtype == dtype
    expected = np.linalg.inv(gram.astype(np.float64) + 2.5 * np.eye(17))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ArithmeticError, match=r"not positive definite in float.*raise ridge"):
        square.inverted(device, -gram, 0.0, "ridge")


@pytest.mark.parametrize("top", [None, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ease(device, top, dtype):
    gram = products(dtype=dtype)
    found = square.ease_weights(device, gram.copy(), 3.0, "ridge", top)
    expected = ease.weights(gram.copy(), 3.0, "ridge", top)
    assert type(found) is type(expected)
    if isinstance(expected, Csr):
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-3, atol=1e-5)
    else:
        np.testing.assert_allclose(found.table, expected.table, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(np.signbit(found.table), np.signbit(expected.table))


def test_a_table_that_is_too_large_for_the_device_is_told(monkeypatch, caplog):
    called = []
    monkeypatch.setattr(square, "inverted", lambda *a: called.append(a))
    with (
        lent(NumpyBackend(square.TABLES * 30 * 30 * 4 - 1), monkeypatch),
        caplog.at_level("INFO", "daskrec"),
    ):
        model = EASE(3.0).fit(LOG)
    assert model.items_count == 30
    assert not called
    assert "work that needs 18000 bytes on a GPU is done by the host: numpy has no room for it" in [
        record.getMessage() for record in caplog.records
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rounds", [3, 200])
def test_columns_by_admm(device, dtype, rounds):
    gram, ridge, rho = products(dtype=dtype), 4.0, 20.0
    inverse = np.linalg.inv(gram + (ridge + rho) * np.eye(17, dtype=dtype)).astype(dtype)
    problem = Problem(2.0, ridge, rho, Stop(1e-5, 1e-4, rounds))
    found = admm_there.solve_columns(device, Shared(inverse), 4, 13, problem)
    expected = admm.solve_columns(inverse, 4, 13, problem)
    assert found.weights.dtype == dtype
    np.testing.assert_array_equal(found.done, expected.done)
    assert expected.done.all() == (rounds == 200)
    assert np.abs(found.rounds - expected.rounds).max() <= 1  # a residual at the tolerance
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-4)


def test_a_start_at_random(device):
    gram, stop = products(), Stop(1e-3, 1e-3, 50)
    found = admm_there.solve_seeded(device, gram, 0.5, 5.0, 3, stop)
    expected = admm_seeded.solve(gram, 0.5, 5.0, 3, stop)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize(
    ("make", "kernels"),
    [
        (lambda: EASE(3.0), ["inverted"]),
        (lambda: EASE(3.0, top=4, precision="double"), ["inverted"]),
        (lambda: ADMMSLIM(0.0, 5.0), ["inverted"]),
        (lambda: ADMMSLIM(0.3, 5.0, top=3), ["inverted", "solve_columns"]),
        (lambda: ADMMSLIM(0.3, 5.0, seed=1, precision="single"), ["solve_seeded"]),
    ],
)
def test_models_take_the_device(make, kernels, monkeypatch):
    expected = make().fit(LOG).predict(LOG, 5)
    called = []
    for module, name in (
        (square, "inverted"),
        (admm_there, "solve_columns"),
        (admm_there, "solve_seeded"),
    ):
        twin = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, _n=name, _t=twin, **k: called.append(_n) or _t(*a, **k)
        )
    with lent(NumpyBackend(), monkeypatch):
        found = make().fit(LOG).predict(LOG, 5)
    assert called == kernels
    assert_same(found, expected, 1e-4)
