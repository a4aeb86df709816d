"""Training on a GPU: the same bits again, and what a CPU learns."""

import numpy as np
import pytest
from support.logs import assert_same, random_log

import daskrec
from daskrec.models import MultVAE, NeuroMF

pytestmark = pytest.mark.gpu
LOG = random_log(users=400, items=200, rows=12_000)
MODELS = [
    (MultVAE, {"latent_dim": 16, "hidden_dim": 64, "batch_size": 100}),
    (MultVAE, {"latent_dim": 16, "hidden_dim": 64, "batch_size": 100, "activation": "tanh"}),
    (NeuroMF, {"embedding_gmf_dim": 16, "batch_size": 1000, "exclude_positives": True}),
    (
        NeuroMF,
        {
            "embedding_gmf_dim": 16,
            "embedding_mlp_dim": 16,
            "hidden_mlp_dims": [32, 16],
            "batch_size": 1000,
            "count_negative_sample": 4,
        },
    ),
]


@pytest.fixture(params=MODELS, ids=str)
def make(request):
    model, params = request.param
    return lambda **more: model(**{"learning_rate": 0.01, "epochs": 4, "seed": 3, **params, **more})


def weights(model) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in model._weights.get().items()}


def assert_near(found, expected) -> None:
    """Compare weights of two devices: Adam makes steps of what rounding leaves of a zero."""
    for name, array in expected.items():
        apart = np.abs(found[name] - array)
        assert np.quantile(apart, 0.98) < 1e-3, name
        assert apart.max() < 0.05, name


def test_a_seed_gives_the_same_bits_again(make) -> None:
    for precision in ("single", "mixed"):
        one, two = (weights(make(device="cuda", precision=precision).fit(LOG)) for _ in range(2))
        for name, array in one.items():
            assert np.array_equal(array, two[name]), (precision, name)


def test_a_gpu_learns_what_a_cpu_learns(make, tmp_path) -> None:
    here = make(device="cpu").fit(LOG)
    there = make(device="cuda", precision="single").fit(LOG)
    assert_near(weights(there), weights(here))
    losses = [m.history_[["loss", "val_loss"]].to_numpy() for m in (here, there)]
    np.testing.assert_allclose(*losses, rtol=1e-3)
    mixed = make(device="cuda").fit(LOG).history_
    np.testing.assert_allclose(mixed.loss, here.history_.loss, rtol=0.02)
    there.save(tmp_path / "model")
    again = daskrec.load(tmp_path / "model")
    on_gpu = there.predict(LOG, 10)
    again.device = "cpu"  # as on a machine without a GPU
    assert_same(again.predict(LOG, 10), on_gpu, 1e-4)


def test_a_training_moves_between_devices(make, tmp_path) -> None:
    path = str(tmp_path / "kept")
    make(device="cuda", epochs=2, precision="single", checkpoint_path=path).fit(LOG)
    model = make(device="cpu", precision="single", checkpoint_path=path).fit(LOG)
    assert_near(weights(model), weights(make(device="cpu", precision="single").fit(LOG)))
