"""MultVAE's scores against the network written out in float64."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from support.devices import DEVICES, scored_by

from daskrec.data.blocks import UserBlock
from daskrec.data.ids import Ids
from daskrec.engine.csr import Csr
from daskrec.engine.score import Request
from daskrec.engine.shared import Shared
from daskrec.engine.weights import Weights
from daskrec.nn.inference import mult_vae
from daskrec.nn.inference.mult_vae import MultVAEScorer

USERS, ITEMS, HIDDEN, LATENT = 9, 14, 6, 3
ACTIVATIONS = {"relu": lambda values: np.maximum(values, 0), "tanh": np.tanh}
quick = settings(max_examples=30, deadline=None)


def make_weights(seed, scale=0.5):
    """Draw a network."""
    rng = np.random.default_rng(seed)
    shapes = {
        "encoder.0.weight": (HIDDEN, ITEMS),
        "encoder.0.bias": (HIDDEN,),
        "encoder.1.weight": (2 * LATENT, HIDDEN),
        "encoder.1.bias": (2 * LATENT,),
        "decoder.0.weight": (HIDDEN, LATENT),
        "decoder.0.bias": (HIDDEN,),
        "decoder.1.weight": (ITEMS, HIDDEN),
        "decoder.1.bias": (ITEMS,),
    }
    draws = {name: rng.standard_normal(shape) * scale for name, shape in shapes.items()}
    return Weights({name: array.astype(np.float32) for name, array in draws.items()})


def make_block(seed, density=0.3):
    """Draw histories with relevance; some are empty."""
    found = sp.random_array((USERS, ITEMS), density=density, format="csr", rng=seed)
    found.sort_indices()
    data = (1 + found.data).astype(np.float32)
    matrix = Csr(found.indptr.astype(np.int64), found.indices.astype(np.int32), data, ITEMS)
    return UserBlock(Ids(np.arange(USERS) * 10), matrix, np.empty(0, dtype=np.int32))


def dense(block, weights, activation="relu"):
    """Return seen items, latent means and relevance, NaN for users without a history."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    act = ACTIVATIONS[activation]
    rows = np.repeat(np.arange(USERS), np.diff(block.matrix.indptr))
    seen = np.zeros((USERS, ITEMS), bool)
    seen[rows, block.matrix.indices] = True
    unit = seen / np.sqrt(np.maximum(seen.sum(1, keepdims=True), 1))
    hidden = act(unit @ w["encoder.0.weight"].T + w["encoder.0.bias"])
    means = (hidden @ w["encoder.1.weight"].T + w["encoder.1.bias"])[:, :LATENT]
    hidden = act(means @ w["decoder.0.weight"].T + w["decoder.0.bias"])
    table = softmax(hidden @ w["decoder.1.weight"].T + w["decoder.1.bias"], axis=1)
    table[~seen.any(1)] = np.nan
    return seen, means, table


def expected_top(table, seen, request):
    """Rank dense relevance: descending, item ascending."""
    found = []
    for row in range(USERS):
        allowed = range(ITEMS) if request.candidates is None else request.candidates.tolist()
        items = [i for i in allowed if not np.isnan(table[row, i])]
        items = [i for i in items if not (request.filter_seen and seen[row, i])]
        items.sort(key=lambda i: (-table[row, i], i))
        found += [(row, i) for i in items[: request.k]]
    return found


REQUESTS = st.tuples(
    st.sampled_from([0, 1, 3, ITEMS, 100]),
    st.one_of(st.none(), st.lists(st.integers(0, ITEMS - 1), unique=True).map(sorted)),
    st.booleans(),
)


def check_top(scorer, block, request, seen, table):
    """Compare lists with dense relevance."""
    rows, items, scores = scorer.top(block, request)
    expected = expected_top(table, seen, request)
    assert rows.tolist() == [row for row, _ in expected]
    best = [table[pair] for pair in expected]
    np.testing.assert_allclose(scores, best, rtol=1e-5)
    np.testing.assert_allclose(table[rows, items], best, rtol=1e-5)
    assert len(set(zip(rows.tolist(), items.tolist(), strict=True))) == len(rows)
    allowed = ~seen[rows, items] if request.filter_seen else np.ones(len(rows), bool)
    if request.candidates is not None:
        allowed &= np.isin(items, request.candidates)
    assert allowed.all()
    assert (rows.dtype, items.dtype, scores.dtype) == (np.int64, np.int32, np.float64)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("device", DEVICES)
@quick
@given(REQUESTS, st.integers(0, 2**32), st.sampled_from(sorted(ACTIVATIONS)))
def test_the_best_are_those_of_the_network(device, small, asked, seed, activation):
    k, candidates, filter_seen = asked
    chosen = None if candidates is None else np.array(candidates, dtype=np.int32)
    weights, block = make_weights(seed), make_block(seed)
    seen, _, table = dense(block, weights, activation)
    scorer = MultVAEScorer(Shared(weights), activation)
    with scored_by(device, mult_vae, small):
        check_top(scorer, block, Request(k, chosen, filter_seen), seen, table)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("device", DEVICES)
@quick
@given(st.integers(0, 2**32), st.integers(0, 40))
def test_pairs_have_the_relevance_of_the_network(device, small, seed, count):
    weights, block = make_weights(seed), make_block(seed)
    _, _, table = dense(block, weights)
    rng = np.random.default_rng(seed)
    rows, items = rng.integers(0, USERS, count), rng.integers(0, ITEMS, count)
    with scored_by(device, mult_vae, small):
        scores, scored = MultVAEScorer(Shared(weights)).pairs(block, rows, items.astype(np.int32))
    expected = table[rows, items]
    assert scored.tolist() == (~np.isnan(expected)).tolist()
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert scores.dtype == np.float64


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("density", [0.0, 1.0])
def test_nothing_had_and_everything_seen_give_nothing(device, density):
    block = make_block(0, density)
    scorer = MultVAEScorer(Shared(make_weights(0)))
    nobody = block.users(2, 2)
    with scored_by(device, mult_vae, False):
        for users in (block, nobody):
            assert [len(part) for part in scorer.top(users, Request(5))] == [0, 0, 0]
            assert scorer.unserved(users) == 0
        scores, scored = scorer.pairs(block, np.array([1, 3]), np.array([0, 2], np.int32))
    assert scored.all() == bool(density)
    assert np.isnan(scores).all() == (not density)
    if not density:
        assert scorer.latent_means(block.matrix)[1].shape == (0, LATENT)


@pytest.mark.parametrize("device", DEVICES)
def test_logits_far_apart_are_ordered_by_what_is_left_of_them(device):
    weights, block = make_weights(1, scale=40.0), make_block(1)
    with scored_by(device, mult_vae, False):
        rows, items, scores = MultVAEScorer(Shared(weights)).top(block, Request(ITEMS, None, False))
    assert (scores == 0).any()
    assert np.lexsort((items, -scores, rows)).tolist() == list(range(len(rows)))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_latent_means(activation):
    weights, block = make_weights(2), make_block(2)
    seen, means, _ = dense(block, weights, activation)
    rows, latent = MultVAEScorer(Shared(weights), activation).latent_means(block.matrix)
    assert rows.tolist() == np.flatnonzero(seen.any(1)).tolist()
    np.testing.assert_allclose(latent, means[rows], rtol=1e-4, atol=1e-5)
    assert latent.dtype == np.float32


def test_relevance_of_the_history_does_not_count():
    weights, block = make_weights(3), make_block(3)
    plain = Csr(block.matrix.indptr, block.matrix.indices, np.empty(0, np.float32), ITEMS)
    other = UserBlock(block.user_ids, plain, block.repeats)
    scorer = MultVAEScorer(Shared(weights))
    for left, right in zip(*(scorer.top(b, Request(5)) for b in (block, other)), strict=True):
        assert np.array_equal(left, right)


def test_scorers_travel_as_paths():
    scorer = MultVAEScorer(Shared(make_weights(4)))
    packed = pickle.dumps(scorer)
    assert len(packed) < 2000
    again, block = pickle.loads(packed), make_block(4)
    for left, right in zip(*(s.top(block, Request(5)) for s in (scorer, again)), strict=True):
        assert np.array_equal(left, right)


def test_the_first_layer_is_turned_once_for_a_handle():
    weights = Shared(make_weights(5))
    assert MultVAEScorer(weights).entry is MultVAEScorer(weights).entry
    assert MultVAEScorer(Shared(make_weights(5))).entry is not MultVAEScorer(weights).entry
