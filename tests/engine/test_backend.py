"""The backends that kernels of a GPU are tested on, and how a task gets one."""

import gc
from concurrent.futures import ThreadPoolExecutor

import dask
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from support import fake_cupy
from support.backends import BACKENDS, NumpyBackend, lent

from daskrec.engine import backend, device, runtime
from daskrec.engine.backend_cupy import CupyBackend
from daskrec.engine.csr import Csr
from daskrec.engine.gpu.rows import DeviceRows
from daskrec.engine.shared import Shared

REAL = pytest.param("cupy", marks=pytest.mark.gpu(library="cupy"))


@pytest.fixture(params=[*BACKENDS, "cupy on numpy", REAL])
def gpu(request, monkeypatch):
    if not isinstance(request.param, str):
        yield request.param()
    elif request.param == "cupy":
        found = CupyBackend(0)
        with found.active():
            yield found
    else:
        with fake_cupy.installed(monkeypatch):
            yield CupyBackend(0)


def random_csr(rng, rows, width, graded=True):
    matrix = sparse.random(rows, width, 0.3, "csr", np.float32, random_state=rng)
    matrix.sort_indices()
    data = matrix.data if graded else matrix.data[:0]
    return Csr(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), data, width)


def plain(matrix):
    parts = (matrix.values(), matrix.indices, matrix.indptr)
    return sparse.csr_array(parts, shape=(len(matrix), matrix.width)).toarray()


@pytest.mark.parametrize("graded", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_on_a_device(gpu, graded, dtype):
    rng = np.random.default_rng(0)
    matrix, dense = random_csr(rng, 20, 7, graded), rng.random((7, 3)).astype(dtype)
    rows = DeviceRows(gpu, matrix, dtype)
    np.testing.assert_array_equal(gpu.to_host(rows.dense(3, 11)), plain(matrix)[3:11])
    found = gpu.to_host(rows.dot(gpu.asarray(dense), 5))
    np.testing.assert_allclose(found, plain(matrix)[5:] @ dense, rtol=1e-6)
    tile = gpu.asarray(np.ones((4, 7), np.float32))
    rows.write(tile, 0, 4, -np.inf)
    expected = np.where(plain(matrix)[:4] != 0, -np.inf, 1)
    np.testing.assert_array_equal(gpu.to_host(tile), expected)


def test_the_largest_by_value_and_then_by_column(gpu):
    scores = np.array([[1, 3, 3, -np.inf, np.nan, 3], [0, -0.0, 0, -1, 5, -np.inf]], np.float32)
    columns, values = gpu.largest(gpu.asarray(scores), 5)
    assert gpu.to_host(columns)[:, :4].tolist() == [[1, 2, 5, 0], [4, 0, 1, 2]]
    assert gpu.to_host(values).tolist() == [[3, 3, 3, 1, -np.inf], [5, 0, 0, 0, -1]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_tables_and_transposes(gpu, dtype):
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(5, 4, 3)).astype(dtype), rng.normal(size=(5, 3, 7)).astype(dtype)
    turn = gpu.xp.matrix_transpose
    turned = [turn(gpu.asarray(np.swapaxes(table, 1, 2))) for table in (left, right)]
    plain_ones = [gpu.asarray(table) for table in (left, right)]
    for one, other in ((0, 0), (0, 1), (1, 0), (1, 1)):
        found = gpu.products((plain_ones, turned)[one][0], (plain_ones, turned)[other][1])
        assert gpu.to_host(found).dtype == dtype
        np.testing.assert_allclose(gpu.to_host(found), left @ right, atol=1e-6)
    gram = gpu.products(turn(plain_ones[0]), plain_ones[0])
    np.testing.assert_allclose(gpu.to_host(gram), np.swapaxes(left, 1, 2) @ left, atol=1e-6)
    empty = gpu.products(plain_ones[0][:, :, :0], plain_ones[1][:, :0, :])
    np.testing.assert_array_equal(gpu.to_host(empty), np.zeros((5, 4, 7)))


def test_systems_are_solved(gpu):
    rng = np.random.default_rng(0)
    factors, right = rng.normal(size=(5, 4, 9)), rng.normal(size=(5, 4))
    left = factors @ factors.transpose(0, 2, 1)
    found = gpu.to_host(gpu.solve(gpu.asarray(left), gpu.asarray(right)))
    np.testing.assert_allclose(np.einsum("nij,nj->ni", left, found), right, atol=1e-9)
    inverse = gpu.to_host(gpu.inverse(gpu.asarray(left[0])))
    np.testing.assert_allclose(inverse @ left[0], np.eye(4), atol=1e-9)
    with pytest.raises(ArithmeticError, match="positive definite"):
        gpu.solve(gpu.asarray(-left), gpu.asarray(right))
    with pytest.raises(ArithmeticError, match="positive definite"):
        gpu.inverse(gpu.asarray(-left[0]))


def test_what_a_device_says_of_itself(monkeypatch):
    with fake_cupy.installed(monkeypatch, devices=2):
        found = CupyBackend(1)
        assert (found.name, found.describe(), found.free_bytes()) == ("cuda:1", "card 1", 1024)
        with pytest.raises(RuntimeError, match="asks for GPU 2, and CuPy finds 2"):
            CupyBackend(2)
    with (
        fake_cupy.installed(monkeypatch, devices=0),
        pytest.raises(RuntimeError, match="CuPy finds 0"),
    ):
        CupyBackend(0)


def test_a_sparse_matrix_that_is_too_large_for_a_gpu(monkeypatch):
    monkeypatch.setattr("daskrec.engine.backend_cupy._ENTRIES", 3)
    one = np.zeros(4, np.float32)
    with (
        fake_cupy.installed(monkeypatch),
        pytest.raises(ValueError, match="holds 3 entries at most"),
    ):
        CupyBackend(0).sparse_dot(np.array([0, 4]), np.arange(4), one, one[:, None])


@settings(max_examples=50)
@given(
    scores=arrays(np.float32, (3, 9), elements=st.floats(-2, 2, width=32) | st.just(float("-inf"))),
    k=st.integers(1, 9),
)
def test_keys_order_as_scores_and_columns_do(scores, k):
    with pytest.MonkeyPatch.context() as patch, fake_cupy.installed(patch):
        found = CupyBackend(0).largest(scores, k)
    for mine, plain_one in zip(found, NumpyBackend().largest(scores, k), strict=True):
        np.testing.assert_array_equal(mine, plain_one)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_groups_are_copied_ahead(gpu, count):
    groups = [(np.arange(n), np.full((n, 2), n, np.float32)) for n in range(count)]
    asked = []

    def given():
        for number, group in enumerate(groups):
            asked.append(number)
            yield group

    for number, (found, expected) in enumerate(zip(gpu.ahead(given()), groups, strict=True)):
        for mine, array in zip(found, expected, strict=True):
            np.testing.assert_array_equal(gpu.to_host(mine), array)
            assert gpu.to_host(mine).dtype == array.dtype
        assert len(asked) <= number + 2


def test_who_stops_early_waits_for_copies(monkeypatch):
    with fake_cupy.installed(monkeypatch):
        gpu = CupyBackend(0)
        copies = gpu.ahead([(np.arange(3),)] * 4)
        next(copies)
        stream = copies.gi_frame.f_locals["stream"]
        assert stream.log == []
        copies.close()
        assert stream.log == ["stream"]


def test_products_of_whole_numbers(gpu):
    rng = np.random.default_rng(0)
    left, right = (rng.integers(0, 3, shape).astype(np.float32) for shape in ((4, 50), (50, 6)))
    found = gpu.to_host(gpu.counts(gpu.asarray(left), gpu.asarray(right)))
    np.testing.assert_array_equal(found, left @ right)


def test_values_of_handles_stay_on_the_device():
    gpu = NumpyBackend()
    handle = Shared(np.arange(3.0))
    first = gpu.held(handle, backend.on_device)
    assert gpu.held(handle, backend.on_device) is first
    assert gpu.held(Shared(np.arange(3.0)), backend.on_device) is not first
    del handle
    gc.collect()
    gpu.chunk(1)
    assert gpu._held_bytes() == 0


def test_no_more_stays_on_the_device_than_a_part_of_it():
    gpu = NumpyBackend(free=80)  # of twice as much, half may be held
    handles = [Shared(np.full(4, n)) for n in range(4)]  # 32 bytes each
    for handle in handles:
        gpu.held(handle, backend.on_device)
    kept = [key[0] for key in gpu._held]
    assert kept == [handle.uid for handle in handles[-2:]]
    assert len(gpu.held(Shared(np.zeros(1000)), backend.on_device)) == 1000


def _takes_its_turn():
    with backend._turn:
        return True


def test_work_that_does_not_fit_stays_on_the_cpu_and_leaves_others_their_turn(monkeypatch, caplog):
    gpu = NumpyBackend(free=1000)
    with lent(gpu, monkeypatch), caplog.at_level("INFO", "daskrec"):
        with backend.borrow(1.0, needed=1000) as found:
            assert found is gpu
        assert not caplog.records
        with backend.borrow(1.0, needed=1001) as found, ThreadPoolExecutor(1) as other:
            assert found is None
            assert other.submit(_takes_its_turn).result(10)
    assert [record.getMessage() for record in caplog.records] == [
        "work that needs 1001 bytes on a GPU is done by the host: numpy has no room for it"
    ]


def test_held_values_make_room(monkeypatch):
    gpu = NumpyBackend(free=100)
    handles = [Shared(np.full(4, n)) for n in range(2)]  # 32 bytes each
    for handle in handles:
        gpu.held(handle, backend.on_device)
    assert gpu.free_bytes() == 36
    assert gpu.make_room(36)
    assert len(gpu._held) == 2
    assert gpu.make_room(60)
    assert [key[0] for key in gpu._held] == [handles[1].uid]
    assert not gpu.make_room(101)
    assert gpu.make_room(100)
    assert gpu.free_bytes() == 100


def test_how_much_work_it_is_is_not_asked_without_a_gpu(monkeypatch):
    asked = []
    monkeypatch.setattr(backend, "has_driver", lambda: False)
    with backend.borrow(lambda: asked.append(1) or 1e12) as gpu:
        assert gpu is None
    assert not asked
    monkeypatch.setattr(backend, "has_driver", lambda: True)
    monkeypatch.setattr(backend, "usable", lambda: True)
    monkeypatch.setattr(backend, "gpu", lambda number: NumpyBackend())
    with backend.borrow(lambda: asked.append(1) or 1e12) as gpu:
        assert gpu is not None
    assert asked == [1]


def test_pieces_of_what_is_free():
    assert NumpyBackend(free=8000).chunk(10) == 100
    assert NumpyBackend(free=8).chunk(10, at_least=3) == 3


def _seen():
    with backend.borrow(1.0) as gpu:
        return device.asked(), None if gpu is None else gpu.name


def test_tasks_take_the_device_along(monkeypatch):
    with lent(NumpyBackend(), monkeypatch):
        assert runtime.compute([runtime.task(_seen)] * 2, "test") == [("cuda", "numpy")] * 2
        task = runtime.task(_seen)
        with dask.config.set({"daskrec.device": "cpu"}):
            assert runtime.compute([task, runtime.task(_seen)], "test") == [
                ("cuda", "numpy"),
                ("cpu", None),
            ]
    assert _seen() == ("auto", None)


def test_workers_get_the_device_of_the_client(client):
    with dask.config.set({"daskrec.device": "cpu"}):
        task = runtime.task(_seen)
    assert runtime.compute([task, runtime.task(_seen)], "test") == [("cpu", None), ("auto", None)]


def test_a_device_that_is_none():
    with (
        dask.config.set({"daskrec.device": "gpu"}),
        pytest.raises(ValueError, match="device must be"),
    ):
        runtime.task(_seen)


def test_little_work_stays_on_the_cpu(monkeypatch):
    monkeypatch.setattr(backend, "has_driver", lambda: True)
    monkeypatch.setattr(backend, "usable", lambda: True)
    monkeypatch.setattr(backend, "gpu", lambda number: NumpyBackend())
    with backend.borrow(10.0) as gpu:
        assert gpu is None
    with backend.borrow(1e12) as gpu:
        assert gpu is not None


def test_without_cupy_the_error_names_the_extras(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    backend.gpu.cache_clear()
    with (
        dask.config.set({"daskrec.device": "cuda"}),
        pytest.raises(ImportError, match=r"daskrec\[gpu-cu12\].*daskrec\[gpu-cu13\]"),
    ):
        _seen()
