"""Scores on a GPU beside those of numpy."""

import numpy as np
import pytest
import scipy.sparse as sp

from daskrec.data.blocks import UserBlock
from daskrec.data.ids import Ids, ShardedIds
from daskrec.engine.csr import Csr
from daskrec.engine.score import Request
from daskrec.engine.shared import Shared
from daskrec.engine.weights import Weights
from daskrec.nn.inference.mult_vae import MultVAEScorer
from daskrec.nn.inference.neuro_mf import NeuroMFScorer

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.gpu
USERS, ITEMS = 700, 5000


def draws(shapes):
    """Draw weights."""
    rng = np.random.default_rng(0)
    return Weights(
        {
            name: (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
            for name, shape in shapes.items()
        }
    )


@pytest.fixture(scope="module")
def block():
    """Draw the histories of users."""
    found = sp.random_array((USERS, ITEMS), density=0.01, format="csr", rng=0)
    found.sort_indices()
    indices, data = found.indices.astype(np.int32), found.data.astype(np.float32)
    matrix = Csr(found.indptr.astype(np.int64), indices, data, ITEMS)
    return UserBlock(Ids(np.arange(USERS)), matrix, np.empty(0, dtype=np.int32))


def vae(device):
    """Make the scorer of a drawn MultVAE."""
    shapes = {
        "encoder.0.weight": (60, ITEMS),
        "encoder.0.bias": (60,),
        "encoder.1.weight": (40, 60),
        "encoder.1.bias": (40,),
        "decoder.0.weight": (60, 20),
        "decoder.0.bias": (60,),
        "decoder.1.weight": (ITEMS, 60),
        "decoder.1.bias": (ITEMS,),
    }
    return MultVAEScorer(Shared(draws(shapes)), "tanh", device)


def neuro(hidden, device):
    """Make the scorer of a drawn NeuroMF."""
    shapes = {}
    for branch in ("gmf", "mlp"):
        shapes |= {
            f"{branch}.user_embedding.weight": (USERS, 16),
            f"{branch}.item_embedding.weight": (ITEMS, 16),
            f"{branch}.user_biases.weight": (USERS, 1),
            f"{branch}.item_biases.weight": (ITEMS, 1),
        }
    width = 32
    for number, size in enumerate(hidden):
        shapes[f"mlp.hidden_layers.{number}.weight"] = (size, width)
        shapes[f"mlp.hidden_layers.{number}.bias"] = (size,)
        width = size
    shapes |= {"last_layer.weight": (1, 16 + width), "last_layer.bias": (1,)}
    return NeuroMFScorer.of(ShardedIds.of(Ids(np.arange(USERS))), Shared(draws(shapes)), device)


SCORERS = {
    "vae": vae,
    "neuro": lambda device: neuro((32, 16), device),
    "inner": lambda device: neuro((), device),
}


@pytest.mark.parametrize("k", [1, 10, 2000])
@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize("name", SCORERS)
def test_lists_are_those_of_numpy(name, some, k, block):
    candidates = np.arange(0, ITEMS, 3, dtype=np.int32) if some else None
    request = Request(k, candidates)
    ours = SCORERS[name]("cuda").top(block, request)
    plain = SCORERS[name]("cpu").top(block, request)
    assert np.array_equal(ours[0], plain[0])
    np.testing.assert_allclose(ours[2], plain[2], rtol=1e-4)
    # Scores that differ by rounding alone may change places.
    assert (ours[1] == plain[1]).mean() > 0.99


def test_pairs_are_those_of_numpy(block):
    rng = np.random.default_rng(1)
    rows = rng.integers(0, USERS, 3000)
    items = rng.integers(0, ITEMS, 3000).astype(np.int32)
    for name in SCORERS:
        ours, plain = (
            SCORERS[name](device).pairs(block, rows, items) for device in ("cuda", "cpu")
        )
        assert np.array_equal(ours[1], plain[1])
        np.testing.assert_allclose(ours[0], plain[0], rtol=1e-4)


@pytest.mark.parametrize("kind", ["ties", "masked"])
def test_ties_are_those_of_numpy(kind):
    from daskrec.nn.inference import ranking

    rng = np.random.default_rng(2)
    scores = np.round(rng.standard_normal((300, 9000)) * 4).astype(np.float32)
    if kind == "masked":
        scores[rng.random(scores.shape) < 0.9] = np.nan
    held = torch.tensor(scores, device="cuda")
    rows, items, found = ranking.rank_tiles(
        lambda rows, columns: held[rows, columns].clone(),
        scores.shape,
        100,
        None,
        "cuda",
        (64, 4000),
    )
    order = np.argsort(np.where(np.isnan(scores), np.inf, -scores), axis=1, kind="stable")[:, :100]
    assert np.array_equal(items.reshape(300, 100), order)
    assert np.array_equal(found, scores[rows, items])
