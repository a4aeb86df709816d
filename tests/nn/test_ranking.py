"""Top-k on a device against plain numpy: order, ties, masks, tilings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine.csr import Csr

torch = pytest.importorskip("torch")
from daskrec.engine.shared import Shared  # noqa: E402
from daskrec.engine.weights import Weights  # noqa: E402
from daskrec.nn.inference import device_arrays, ranking  # noqa: E402

KINDS = ["normal", "ties", "zeros", "masked", "nan", "tiny"]


def make_scores(kind, rng, rows, width):
    """Draw scores of one of the awkward kinds."""
    scores = rng.standard_normal((rows, width)).astype(np.float32)
    if kind == "ties":
        scores = np.round(scores)
    elif kind == "zeros":
        scores = np.where(scores > 0, np.float32(0), np.float32(-0.0))
    elif kind == "masked":
        scores[rng.random(scores.shape) < 0.7] = -np.inf
    elif kind == "nan":
        scores[rng.random(scores.shape) < 0.3] = np.nan
        scores[rng.random(scores.shape) < 0.1] = -np.nan
        scores[rng.random(scores.shape) < 0.1] = np.inf
    elif kind == "tiny":
        scores *= np.float32(1e-42)
    return scores


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(0, 7),
    st.sampled_from([1, 2, 30, 100]),
    st.sampled_from([0, 1, 3, 40, 200]),
    st.tuples(st.sampled_from([1, 3, 100]), st.sampled_from([1, 7, 100])),
    st.booleans(),
    st.integers(0, 99),
)
def test_lists_are_those_of_dense_scores(kind, n_rows, width, k, tile, masked, seed):
    rng = np.random.default_rng(seed)
    scores = make_scores(kind, rng, n_rows, width)
    seen = rng.random(scores.shape) < 0.3
    indptr = np.concatenate([[0], np.cumsum(seen.sum(1))]).astype(np.int64)
    history = Csr(indptr, np.nonzero(seen)[1].astype(np.int32), np.empty(0, np.float32), width)
    held = torch.tensor(scores)
    rows, items, found = ranking.rank_tiles(
        lambda rows, columns: held[rows, columns].clone(),
        scores.shape,
        k,
        history if masked else None,
        "cpu",
        tile,
    )
    expected = []
    for row in range(n_rows):
        valid = np.flatnonzero((scores[row] > -np.inf) & ~(seen[row] & masked))
        best = valid[np.lexsort((valid, -scores[row, valid]))][:k]
        expected += [(row, item) for item in best.tolist()]
    assert list(zip(rows.tolist(), items.tolist(), strict=True)) == expected
    assert np.array_equal(found, scores[rows, items])
    assert (items.dtype, found.dtype) == (np.int32, np.float32)
    assert np.array_equal(held.numpy(), scores, equal_nan=True)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 10**7), st.sampled_from([32, 5000, 2**28]))
def test_tiles_keep_to_their_bytes(rows, columns, tile_bytes):
    height, width = ranking.tile_shape(rows, columns, tile_bytes)
    assert 1 <= height <= max(rows, 1)
    assert 1 <= width <= max(columns, 1)
    assert height * width <= max(1, tile_bytes // 32)


def test_the_last_item_of_all_has_a_key():
    scores = torch.tensor([[1.0, 1.0]])
    last = 2**31 - 2
    keys = ranking.keys_of(scores, last).sort(descending=True).values.numpy()
    _, columns, values = ranking.entries_of(keys)
    assert columns.tolist() == [last, last + 1]
    assert values.tolist() == [1, 1]


def test_weights_are_moved_once():
    handle = Shared(Weights({"left": np.ones(3, np.float32), "right": np.zeros(2, np.float32)}))
    held = device_arrays.on_device(handle, "cpu")
    assert held["left"].tolist() == [1, 1, 1]
    assert device_arrays.on_device(handle, "cpu") is held
    table = Shared(np.arange(4, dtype=np.float32))
    assert device_arrays.on_device(table, "cpu")["value"].tolist() == [0, 1, 2, 3]
    for _ in range(4):
        device_arrays.on_device(Shared(np.zeros(1)), "cpu")
    assert device_arrays.on_device(handle, "cpu") is not held
