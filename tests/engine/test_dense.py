"""Tables of weights: sums of their rows, the largest of a column, and work on squares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine.csr import Csr
from daskrec.engine.dense import DenseRows, by_source, dense_weights, strongest
from daskrec.engine.solve.square import invert, mirror, sweep, transpose
from daskrec.engine.topk_dense import table_pairs, table_topk
from daskrec.engine.topk_sparse import sparse_pairs, sparse_topk


def random_table(seed: int, items: int, share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(items, items)) * (rng.random((items, items)) < share)
    np.fill_diagonal(table, 0)
    return (table / np.sqrt(items)).astype(np.float32)


def histories(seed: int, rows: int, items: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = [np.sort(rng.permutation(items)[: rng.integers(0, items + 1)]) for _ in range(rows)]
    indptr = np.cumsum([0, *map(len, found)]).astype(np.int64)
    return indptr, np.concatenate(found).astype(np.int32)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    items=st.sampled_from([1, 2, 7, 300, 600]),
    k=st.integers(0, 12),
    share=st.sampled_from([0.0, 0.02, 1.0]),
    filter_seen=st.booleans(),
    some=st.booleans(),
    tile_bytes=st.sampled_from([64, 4096, 2**21]),
)
def test_lists_are_those_of_the_same_weights_kept_sparsely(
    seed: int, items: int, k: int, share: float, filter_seen: bool, some: bool, tile_bytes: int
) -> None:
    table = random_table(seed, items, share)
    indptr, indices = histories(seed + 1, 9, items)
    allowed = np.random.default_rng(seed).random(items) < 0.4 if some else None
    sparse = DenseRows(table).take(np.arange(items))
    weights = dense_weights(table.T.copy())
    options = {"allowed": allowed, "filter_seen": filter_seen}
    found = table_topk(indptr, indices, weights.table, k, tile_bytes=tile_bytes, **options)
    wanted = sparse_topk(indptr, indices, sparse.indptr, sparse.indices, sparse.data, k, **options)
    assert found[2].tolist() == wanted[2].tolist()
    for row, count in enumerate(found[2]):
        np.testing.assert_allclose(found[1][row, :count], wanted[1][row, :count], atol=2e-5)
    rows = np.repeat(np.arange(9), items)
    every = np.tile(np.arange(items, dtype=np.int32), 9)
    ours = table_pairs(indptr, indices, weights.table, rows, every)
    theirs = sparse_pairs(indptr, indices, sparse.indptr, sparse.indices, sparse.data, rows, every)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
    for row, count in enumerate(found[2]):  # the very bits of the lists
        assert ours[row * items + found[0][row, :count]].tolist() == found[1][row, :count].tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.sampled_from([1, 5, 40]), st.sampled_from([1, 3, 60, None]))
def test_the_strongest_weights_of_each_item(seed: int, items: int, top: int | None) -> None:
    table = np.round(5 * random_table(seed, items, 0.7))  # with ties
    found = strongest(table, top)
    for row in range(items):
        mine = slice(found.indptr[row], found.indptr[row + 1])
        order = np.lexsort((np.arange(items), -np.abs(table[row])))[:top]
        wanted = np.sort(order[table[row, order] != 0])
        assert found.indices[mine].tolist() == wanted.tolist()
        assert found.data[mine].tolist() == table[row, wanted].tolist()


@pytest.mark.parametrize(("share", "kind"), [(0.1, Csr), (0.6, DenseRows)])
def test_weights_are_kept_as_serves_them_best(share: float, kind: type) -> None:
    table = random_table(0, 50, share)
    found = by_source([strongest(table[:20], None), strongest(table[20:], None)])
    assert type(found) is kind
    rows = found.take(np.arange(50))
    dense = np.zeros((50, 50), np.float32)
    dense[np.repeat(np.arange(50), np.diff(rows.indptr)), rows.indices] = rows.data
    assert np.array_equal(dense, table.T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 31, 32, 70])
def test_squares_are_worked_on_in_their_own_memory(n: int, dtype: type) -> None:
    rng = np.random.default_rng(n)
    table = rng.normal(size=(n, n)).astype(dtype)
    assert np.array_equal(_done(transpose, table), table.T)
    assert np.array_equal(_done(mirror, table), np.tril(table) + np.tril(table, -1).T)
    spd = (table @ table.T + n * np.eye(n)).astype(dtype)
    inverse = spd.copy()
    invert(inverse, "ridge")
    np.testing.assert_allclose(inverse @ spd, np.eye(n), atol=1e-4 if dtype == np.float32 else 1e-9)
    assert np.array_equal(inverse, inverse.T)
    for block in (1, 7, 64):
        swept = spd.copy()
        sweep(swept, block)
        np.testing.assert_allclose(np.tril(swept), np.tril(inverse), rtol=0, atol=1e-6)
    with pytest.raises(ArithmeticError, match="raise ridge"):
        invert(-spd, "ridge")


def _done(function: object, table: np.ndarray) -> np.ndarray:
    copy = table.copy()
    function(copy)  # type: ignore[operator]
    return copy
