"""Rankings by a network of every pair against its plain definition."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine.shared import Shared
from daskrec.engine.topk_layers import Layers, layers_pairs, layers_topk

WIDTHS = st.sampled_from([[1], [7], [5, 3], [2, 4, 3], [17, 33, 16], [3, 3, 3, 3]])


def draw(rng, n_users, n_items, product, widths):
    """Draw small integers: sums are exact, so no order of them shows, and ties are many."""

    def numbers(*shape):
        return rng.integers(-2, 3, shape).astype(np.float32)

    hidden = [(numbers(after, before), numbers(after)) for before, after in pairwise(widths)]
    layers = Layers(hidden, numbers(widths[-1]), numbers(1))
    width = product + widths[0]
    return numbers(n_users, width), numbers(n_items, width), layers


def dense(users, items, layers, product):
    """Score every pair in float64."""
    users, items = users.astype(np.float64), items.astype(np.float64)
    values = np.maximum(users[:, None, product:] + items[None, :, product:], 0)
    for weight, bias in layers.hidden:
        values = np.maximum(values @ weight.T.astype(np.float64) + bias, 0)
    inner = users[:, :product] @ items[:, :product].T
    return inner + values @ layers.last.astype(np.float64) + layers.bias


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 9),
    st.sampled_from([1, 7, 40, 150]),
    st.sampled_from([0, 1, 5, 200]),
    st.sampled_from([0, 1, 4]),
    WIDTHS,
    st.sampled_from([4, 2000, 20000, 2**20]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 99),
)
def test_the_best_are_those_of_the_definition(
    n_users, n_items, k, product, widths, tile_bytes, some, masked, seed
):
    rng = np.random.default_rng(seed)
    users, items, layers = draw(rng, n_users, n_items, product, widths)
    seen = rng.random((n_users + 2, n_items)) < 0.3
    indptr = np.concatenate([[0], np.cumsum(seen.sum(1))]).astype(np.int64)
    indices = np.nonzero(seen)[1].astype(np.int32)
    rows = rng.permutation(n_users + 2)[:n_users].astype(np.int64)
    candidates = np.flatnonzero(rng.random(n_items) < 0.5).astype(np.int32) if some else None
    history = (indptr, indices) if masked else (None, None)
    found, scores, counts = layers_topk(
        users,
        items,
        layers,
        k,
        *history,
        rows=rows,
        candidates=candidates,
        tile_bytes=tile_bytes,
    )
    table = dense(users, items, layers, product)
    allowed = ~seen[rows] if masked else np.ones((n_users, n_items), bool)
    if some:
        allowed[:, np.setdiff1d(np.arange(n_items), candidates)] = False
    for row in range(n_users):
        codes = np.flatnonzero(allowed[row])
        best = codes[np.lexsort((codes, -table[row, codes]))][:k]
        assert found[row, : counts[row]].tolist() == best.tolist()
        assert scores[row, : counts[row]].tolist() == table[row, best].tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.sampled_from([0, 4]), WIDTHS, st.integers(0, 99))
def test_pairs_score_as_rankings_do(count, product, widths, seed):
    rng = np.random.default_rng(seed)
    users, items, layers = draw(rng, 6, 20, product, widths)
    rows, codes = rng.integers(0, 6, count), rng.integers(0, 20, count).astype(np.int32)
    scores = layers_pairs(users, items, layers, rows, codes)
    assert scores.tolist() == dense(users, items, layers, product)[rows, codes].tolist()


@pytest.mark.parametrize("widths", [[4], [4, 3, 2]])
def test_layers_travel_as_arrays(widths):
    _, _, layers = draw(np.random.default_rng(0), 1, 1, 0, widths)
    again = Layers.from_arrays(layers.to_arrays())
    assert again.widths == widths
    assert Shared(again).get() is again
    for name, array in layers.to_arrays().items():
        assert np.array_equal(again.to_arrays()[name], array)


@pytest.mark.parametrize("widths", [[5], [17, 33, 16], [6, 5, 4]])
def test_tiles_do_not_show_in_what_layers_say(widths):
    rng = np.random.default_rng(1)
    users, items, layers = draw(rng, 7, 50, 0, widths)
    users, items = (table + rng.standard_normal(table.shape) for table in (users, items))
    users, items = users.astype(np.float32), items.astype(np.float32)
    whole = layers_topk(users, items, layers, 50)
    table = np.empty((7, 50), np.float32)
    np.put_along_axis(table, whole[0], whole[1], axis=1)
    for tile_bytes in (4, 300, 3000):
        found = layers_topk(users, items, layers, 50, tile_bytes=tile_bytes)
        assert all(np.array_equal(left, right) for left, right in zip(found, whole, strict=True))
    rows, codes = (grid.ravel() for grid in np.indices((7, 50)))
    pairs = layers_pairs(users, items, layers, rows, codes.astype(np.int32))
    assert np.array_equal(pairs.reshape(7, 50), table)
