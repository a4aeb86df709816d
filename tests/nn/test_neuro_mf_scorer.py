"""NeuroMF's scores against the network written out in float64."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from support.devices import DEVICES, scored_by

from daskrec.data.blocks import UserBlock
from daskrec.data.ids import Ids, ShardedIds
from daskrec.engine.csr import Csr
from daskrec.engine.score import Request
from daskrec.engine.shared import RowShards, Shared
from daskrec.engine.weights import Weights
from daskrec.nn.inference import neuro_mf
from daskrec.nn.inference.neuro_mf import NeuroMFScorer, split_weights

USERS, ITEMS, KNOWN = 8, 13, 6
# Dimensions of the two branches, and hidden layers.
NETWORKS = [
    (4, None, ()),
    (None, 3, ()),
    (4, 3, ()),
    (None, 3, (5,)),
    (4, 3, (5,)),
    (1, 1, (1,)),
    (4, 3, (6, 5)),
    (None, 2, (6, 5, 3)),
]
quick = settings(max_examples=15, deadline=None)


def make_weights(seed, network, whole=False):
    """Draw a network; of small whole numbers, so that logits are exact and many are equal."""
    gmf, mlp, hidden = network
    rng = np.random.default_rng(seed)

    def numbers(*shape):
        drawn = rng.integers(-1, 2, shape) if whole else rng.standard_normal(shape) / 2
        return drawn.astype(np.float32)

    arrays = {}
    for branch, dim in (("gmf", gmf), ("mlp", mlp)):
        if dim is not None:
            arrays[f"{branch}.user_embedding.weight"] = numbers(KNOWN, dim)
            arrays[f"{branch}.item_embedding.weight"] = numbers(ITEMS, dim)
            arrays[f"{branch}.item_biases.weight"] = numbers(ITEMS, 1)
            arrays[f"{branch}.user_biases.weight"] = numbers(KNOWN, 1)
    width = 2 * (mlp or 0)
    for number, size in enumerate(hidden):
        arrays[f"mlp.hidden_layers.{number}.weight"] = numbers(size, width)
        arrays[f"mlp.hidden_layers.{number}.bias"] = numbers(size)
        width = size
    arrays["last_layer.weight"] = numbers(1, (gmf or 0) + width)
    arrays["last_layer.bias"] = numbers(1)
    return Weights(arrays)


def logits_of(weights):
    """Return the logit of every pair, float64."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    parts = []
    for branch in ("gmf", "mlp"):
        if f"{branch}.user_embedding.weight" not in w:
            continue
        users = w[f"{branch}.user_embedding.weight"] + w[f"{branch}.user_biases.weight"]
        items = w[f"{branch}.item_embedding.weight"] + w[f"{branch}.item_biases.weight"]
        users, items = np.broadcast_arrays(users[:, None], items[None])
        if branch == "gmf":
            parts.append(users * items)
            continue
        values = np.concatenate([users, items], axis=2)
        for number in range(sum("hidden" in name for name in w) // 2):
            name = f"mlp.hidden_layers.{number}"
            values = np.maximum(values @ w[f"{name}.weight"].T + w[f"{name}.bias"], 0)
        parts.append(values)
    return np.concatenate(parts, axis=2) @ w["last_layer.weight"][0] + w["last_layer.bias"]


def make_scorer(weights):
    """Return a scorer that knows the users 0, 10, 20, ... but the last ones."""
    return NeuroMFScorer.of(ShardedIds.of(Ids(np.arange(KNOWN) * 10)), Shared(weights))


def make_block(seed, density=0.3):
    """Draw the histories of users 0, 10, 20, ..."""
    found = sp.random_array((USERS, ITEMS), density=density, format="csr", rng=seed)
    found.sort_indices()
    indices, data = found.indices.astype(np.int32), found.data.astype(np.float32)
    matrix = Csr(found.indptr.astype(np.int64), indices, data, ITEMS)
    return UserBlock(Ids(np.arange(USERS) * 10), matrix, np.empty(0, dtype=np.int32))


def expected_top(table, block, request):
    """Rank dense relevance: descending, item ascending."""
    found = []
    for row in range(KNOWN):
        seen = block.matrix.indices[block.matrix.indptr[row] : block.matrix.indptr[row + 1]]
        items = range(ITEMS) if request.candidates is None else request.candidates.tolist()
        items = [i for i in items if not (request.filter_seen and i in seen)]
        items.sort(key=lambda i: (-table[row, i], i))
        found += [(row, i) for i in items[: request.k]]
    return found


REQUESTS = st.tuples(
    st.sampled_from([0, 1, 3, ITEMS, 100]),
    st.one_of(st.none(), st.lists(st.integers(0, ITEMS - 1), unique=True).map(sorted)),
    st.booleans(),
)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("network", NETWORKS, ids=str)
@quick
@given(REQUESTS, st.integers(0, 2**32), st.booleans())
def test_the_best_are_those_of_the_network(device, small, network, asked, seed, whole):
    k, candidates, filter_seen = asked
    chosen = None if candidates is None else np.array(candidates, dtype=np.int32)
    request = Request(k, chosen, filter_seen)
    weights, block = make_weights(seed, network, whole), make_block(seed)
    logits = logits_of(weights)
    with scored_by(device, neuro_mf, small):
        rows, items, scores = make_scorer(weights).top(block, request)
    expected = expected_top(logits, block, request)
    assert rows.tolist() == [row for row, _ in expected]
    best = [logits[pair] for pair in expected]
    if whole and np.abs(logits).max() < 20:  # no two logits have one relevance
        assert list(zip(rows.tolist(), items.tolist(), strict=True)) == expected
    np.testing.assert_allclose(scores, expit(best), rtol=1e-5)
    np.testing.assert_allclose(logits[rows, items], best, rtol=1e-4, atol=1e-4)
    assert (rows.dtype, items.dtype, scores.dtype) == (np.int64, np.int32, np.float64)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("network", NETWORKS, ids=str)
@quick
@given(st.integers(0, 2**32), st.integers(0, 40))
def test_pairs_have_the_relevance_of_the_network(device, small, network, seed, count):
    weights, block = make_weights(seed, network), make_block(seed)
    rng = np.random.default_rng(seed)
    rows, items = rng.integers(0, USERS, count), rng.integers(0, ITEMS, count)
    with scored_by(device, neuro_mf, small):
        scores, scored = make_scorer(weights).pairs(block, rows, items.astype(np.int32))
    assert scored.tolist() == (rows < KNOWN).tolist()
    expected = expit(logits_of(weights)[rows[scored], items[scored]])
    np.testing.assert_allclose(scores[scored], expected, rtol=1e-5)
    assert scores.dtype == np.float64


@pytest.mark.parametrize("device", DEVICES)
def test_relevance_that_is_all_one_goes_by_item(device):
    weights = make_weights(0, (1, None, ()))
    arrays = dict(weights)
    arrays["gmf.item_embedding.weight"] = np.linspace(0, 1, ITEMS, dtype=np.float32)[:, None]
    arrays["gmf.item_biases.weight"] = np.zeros((ITEMS, 1), np.float32)
    arrays["gmf.user_embedding.weight"] = np.ones((KNOWN, 1), np.float32)
    arrays["gmf.user_biases.weight"] = np.zeros((KNOWN, 1), np.float32)
    arrays["last_layer.weight"] = np.ones((1, 1), np.float32)
    arrays["last_layer.bias"] = np.full(1, 60, np.float32)
    with scored_by(device, neuro_mf, False):
        rows, items, scores = make_scorer(Weights(arrays)).top(
            make_block(0), Request(5, None, False)
        )
    assert (scores == 1).all()
    # The largest logits are taken, and stand in the order of items.
    assert items.reshape(KNOWN, 5).tolist() == [list(range(ITEMS - 5, ITEMS))] * KNOWN
    assert rows.tolist() == np.repeat(np.arange(KNOWN), 5).tolist()


@pytest.mark.parametrize("device", DEVICES)
def test_nobody_known_and_everything_seen_give_nothing(device):
    scorer, block = make_scorer(make_weights(0, (4, 3, (5, 2)))), make_block(0, 1.0)
    with scored_by(device, neuro_mf, False):
        for users in (block, block.users(KNOWN, USERS), block.users(2, 2)):
            assert [len(part) for part in scorer.top(users, Request(5))] == [0, 0, 0]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_the_split_is_as_wide_as_what_a_pair_needs(network):
    gmf, mlp, hidden = network
    split = split_weights(make_weights(0, network))
    width = (gmf or 0) + (hidden[0] if hidden else 1 if mlp is None else 2)
    assert split.users.shape == (KNOWN, width)
    assert split.items.shape == (ITEMS, width)
    assert (split.users.dtype, split.items.dtype) == (np.float32, np.float32)
    assert (split.layers.widths if hidden else split.layers) == (list(hidden) if hidden else None)


@pytest.mark.parametrize("network", [(4, 3, ()), (4, 3, (5, 2))], ids=str)
def test_scorers_travel_as_paths(network):
    scorer = make_scorer(make_weights(4, network))
    packed = pickle.dumps(scorer)
    assert len(packed) < 3000
    again, block = pickle.loads(packed), make_block(4)
    for left, right in zip(*(s.top(block, Request(5)) for s in (scorer, again)), strict=True):
        assert np.array_equal(left, right)


def test_users_may_lie_in_shards():
    weights, block = make_weights(5, (4, 3, (5, 2))), make_block(5)
    scorer, split = make_scorer(weights), split_weights(weights)
    halves = RowShards([Shared(split.users[:2]), Shared(split.users[2:])], [0, 2, KNOWN])
    other = NeuroMFScorer(scorer.users, halves, scorer.item_vectors, scorer.layers)
    for left, right in zip(*(s.top(block, Request(5)) for s in (scorer, other)), strict=True):
        assert np.array_equal(left, right)
