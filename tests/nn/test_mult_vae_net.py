"""The network of MultVAE: its loss against the dense definition, and its gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gradients import check_gradients
from torch import Tensor
from torch.nn import functional

from daskrec.engine import random as keyed
from daskrec.nn.networks import softmax_loss
from daskrec.nn.networks.mult_vae import Activation, MultVAENet, Noise, Rows

NOISE = Noise(seed=5, epoch=3)
quick = settings(max_examples=40, deadline=None)


def make_rows(dense: np.ndarray, *, ones: bool = False, first: int = 0) -> Rows:
    taken = dense > 0
    counts = np.concatenate([[0], taken.sum(1).cumsum()])
    values = None if ones else torch.from_numpy(dense[taken].astype(np.float32))
    users = torch.arange(first, first + len(dense))
    return Rows(users, torch.from_numpy(counts), torch.from_numpy(taken.nonzero()[1]), values)


@st.composite
def tables(draw: st.DrawFn) -> np.ndarray:
    users, items = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    seed = draw(st.integers(0, 2**32 - 1))
    numbers = np.random.default_rng(seed).integers(-3, 4, (users, items))
    return np.maximum(numbers, 0).astype(float)


def net_for(
    items: int, *, activation: Activation = "relu", dropout: float = 0.4, seed: int = 1
) -> MultVAENet:
    net = MultVAENet(items, 5, 3, dropout=dropout, activation=activation, seed=seed).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # biases that matter
        for weight in net.parameters():
            weight.add_(torch.empty_like(weight).normal_(0, 0.3, generator=generator))
    return net


def dense_loss(
    net: MultVAENet, dense: np.ndarray, anneal: float, noise: Noise | None, first: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what ``loss`` returns, as the paper has it: dense rows, one formula a line."""
    state, x = net.state_dict(keep_vars=True), torch.from_numpy(dense)
    users, items = np.arange(first, first + len(dense)), np.arange(dense.shape[1])
    act = torch.relu if net.activation == "relu" else torch.tanh

    def layer(name: str, value: Tensor) -> Tensor:
        return functional.linear(value, state[f"{name}.weight"], state[f"{name}.bias"])

    value = functional.normalize(x)
    if noise is not None:
        draws = keyed.uniform(noise.stream("mult_vae.dropout"), users[:, None], items)
        value = value * torch.from_numpy(draws >= net.dropout) / (1 - net.dropout)
    mean, log_variance = layer("encoder.1", act(layer("encoder.0", value))).chunk(2, dim=1)
    latent = mean
    if noise is not None:
        axes = np.arange(net.latent_dim)
        eps = keyed.normal(noise.stream("mult_vae.latent"), users[:, None], axes)
        latent = mean + torch.exp(log_variance / 2) * torch.from_numpy(eps)
    logits = layer("decoder.1", act(layer("decoder.0", latent)))
    likelihood = -(x * functional.log_softmax(logits, dim=1)).sum()
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
    return likelihood + anneal * divergence, likelihood, divergence


def gradient(net: MultVAENet, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(net.parameters())))


def test_shapes_are_those_of_the_original() -> None:
    state = MultVAENet(4, 1, 1).state_dict()
    assert {name: tuple(weight.shape) for name, weight in state.items()} == {
        "encoder.0.weight": (1, 4),
        "encoder.0.bias": (1,),
        "encoder.1.weight": (2, 1),
        "encoder.1.bias": (2,),
        "decoder.0.weight": (1, 1),
        "decoder.0.bias": (1,),
        "decoder.1.weight": (4, 1),
        "decoder.1.bias": (4,),
    }
    assert all(weight.dtype == torch.float32 for weight in state.values())


@quick
@given(tables(), st.sampled_from(["relu", "tanh"]), st.booleans(), st.floats(0, 2))
def test_loss_and_gradient_are_those_of_the_dense_definition(
    dense: np.ndarray, activation: Activation, noisy: bool, anneal: float
) -> None:
    net, noise = net_for(dense.shape[1], activation=activation), NOISE if noisy else None
    expected = dense_loss(net, dense, anneal, noise)
    found = net.loss(make_rows(dense), anneal, noise)
    # Noise has single precision, also here.
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert not found[1].requires_grad
    assert not found[2].requires_grad
    pairs = zip(gradient(net, found[0]), gradient(net, expected[0]), strict=True)
    for part, other in pairs:
        torch.testing.assert_close(part, other, rtol=1e-4, atol=1e-5)


@quick
@given(tables(), st.data())
def test_a_loss_is_the_sum_over_any_pieces(dense: np.ndarray, data: st.DataObject) -> None:
    net, rows = net_for(dense.shape[1]), make_rows(dense, first=1000)
    cut = data.draw(st.integers(0, len(rows)))
    whole = net.loss(rows, 0.3, NOISE)[0]
    parts = [
        net.loss(piece, 0.3, NOISE)[0] for piece in (rows.piece(0, cut), rows.piece(cut, len(rows)))
    ]
    torch.testing.assert_close(sum(parts), whole)
    for part, other in zip(gradient(net, sum(parts)), gradient(net, whole), strict=True):
        torch.testing.assert_close(part, other)


@quick
@given(tables(), st.integers(1, 3))
def test_the_height_of_a_tile_changes_nothing(dense: np.ndarray, height: int) -> None:
    net, rows = net_for(dense.shape[1]), make_rows(dense)
    whole = net.loss(rows, 0.3, NOISE)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(softmax_loss, "tile_rows", lambda *_: height)
        tiled = net.loss(rows, 0.3, NOISE)[0]
    torch.testing.assert_close(tiled, whole)
    for part, other in zip(gradient(net, tiled), gradient(net, whole), strict=True):
        torch.testing.assert_close(part, other)


@pytest.mark.parametrize("noise", [None, NOISE])
def test_gradients_are_slopes_of_the_loss(noise: Noise | None) -> None:
    dense = np.array([[0.0, 2, 1, 0, 3], [0, 0, 0, 0, 0], [1, 1, 0, 0, 0]])
    net, rows = net_for(5, activation="tanh"), make_rows(dense)
    check_gradients(net, lambda: net.loss(rows, 0.7, noise)[0] / len(rows))


def test_one_user_one_item_and_a_user_without_entries() -> None:
    for dense in (np.ones((1, 1)), np.zeros((1, 1)), np.zeros((2, 3)), np.ones((1, 3))):
        net = net_for(dense.shape[1])
        loss, likelihood, _ = net.loss(make_rows(dense), 0.1, NOISE)
        assert torch.isfinite(loss)
        assert all(torch.isfinite(part).all() for part in gradient(net, loss))
        if dense.shape[1] == 1 or not dense.any():  # nothing to choose
            assert likelihood.abs() < 1e-12


def test_entries_of_zero_count_for_nothing() -> None:
    net, rows = net_for(3), make_rows(np.ones((2, 3)))
    rows.values = torch.tensor([0.0, 0, 0, 1, 0, 2])
    found = net.loss(rows, 0.1, None)
    torch.testing.assert_close(
        found, net.loss(make_rows(np.array([[0.0, 0, 0], [1, 0, 2]])), 0.1, None)
    )
    assert all(torch.isfinite(part).all() for part in gradient(net, found[0]))


def test_ones_need_no_values() -> None:
    dense = np.array([[1.0, 0, 1], [0, 1, 0]])
    net = net_for(3)
    found = net.loss(make_rows(dense, ones=True), 0.1, NOISE)
    torch.testing.assert_close(found, net.loss(make_rows(dense), 0.1, NOISE))


def test_large_logits_neither_overflow_nor_lose_the_loss() -> None:
    net = net_for(3)
    with torch.no_grad():
        net.float().decoder[1].bias.copy_(torch.tensor([0.0, 300.0, -300.0]))
    loss = net.loss(make_rows(np.array([[0.0, 0, 1]])), 0.0, None)[0]
    assert loss.item() == pytest.approx(600, rel=0.02)


def test_noise_is_keyed_and_differs_by_epoch() -> None:
    dense = np.ones((4, 30))
    net, rows = net_for(30), make_rows(dense)
    losses = [
        net.loss(rows, 0.1, Noise(seed, epoch))[0].item()
        for seed, epoch in ((5, 3), (5, 4), (6, 3))
    ]
    assert len(set(losses)) == 3
    assert losses[0] == net.loss(rows, 0.1, NOISE)[0].item()
    moved = Rows(rows.users + 1, rows.indptr, rows.indices, rows.values)
    assert losses[0] != net.loss(moved, 0.1, NOISE)[0].item()


def test_means_are_the_latent_points_of_validation() -> None:
    dense = np.array([[1.0, 0, 2], [0, 1, 0]])
    net = net_for(3)
    state = net.state_dict()
    hidden = functional.linear(
        functional.normalize(torch.from_numpy(dense)),
        state["encoder.0.weight"],
        state["encoder.0.bias"],
    ).relu()
    both = functional.linear(hidden, state["encoder.1.weight"], state["encoder.1.bias"])
    torch.testing.assert_close(net.means(make_rows(dense)), both[:, :3])


def test_a_second_backward_says_what_to_do_and_no_grad_makes_none() -> None:
    net, rows = net_for(3), make_rows(np.ones((2, 3)))
    loss = net.loss(rows, 0.1, None)[0]
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="compute the loss again"):
        loss.backward()
    with torch.no_grad():
        assert not net.loss(rows, 0.1, None)[0].requires_grad


def test_state_goes_to_another_network_and_through_an_optimiser() -> None:
    first, second = (MultVAENet(6, 4, 2, seed=seed) for seed in (1, 2))
    second.load_state_dict(first.state_dict())
    rows = make_rows(np.eye(6))
    adams = [
        torch.optim.Adam(first.parameters(), fused=True),
        torch.optim.Adam(second.parameters()),
    ]
    for _ in range(3):
        for net, adam in zip((first, second), adams, strict=True):
            adam.zero_grad()
            net.loss(rows, 0.1, NOISE)[0].backward()
            adam.step()
    for name, weight in first.state_dict().items():
        torch.testing.assert_close(weight, second.state_dict()[name])
    with pytest.raises(RuntimeError, match=r"encoder\.0"):
        MultVAENet(7, 4, 2).load_state_dict(first.state_dict())


def test_weights_are_keyed_by_the_seed_and_leave_the_global_generator() -> None:
    before = torch.get_rng_state()
    nets = [MultVAENet(300, 40, 20, seed=seed) for seed in (0, 0, 1)]
    nets[0].loss(make_rows(np.ones((2, 300))), 0.1, NOISE)[0].backward()
    assert torch.equal(before, torch.get_rng_state())
    states = [net.state_dict() for net in nets]
    for name, weight in states[0].items():
        assert torch.equal(weight, states[1][name])
        assert not torch.equal(weight, states[2][name])
        std = 0.001 if "bias" in name else (2 / sum(weight.shape)) ** 0.5
        spread = 6 * std / (2 * weight.numel()) ** 0.5
        assert weight.std().item() == pytest.approx(std, abs=spread), name


def test_mixed_precision_is_close_to_single() -> None:
    dense = np.random.default_rng(0).integers(0, 2, (40, 60)).astype(float)
    rows, losses, gradients = make_rows(dense), [], []
    for mixed in (False, True):
        net = MultVAENet(60, 32, 8, seed=2, mixed=mixed)
        loss = net.loss(rows, 0.2, NOISE)[0]
        losses.append(loss.item())
        gradients.append(gradient(net, loss))
        assert all(part.dtype == torch.float32 for part in gradients[-1])
    assert losses[1] == pytest.approx(losses[0], rel=2e-3)
    for exact, rough in zip(*gradients, strict=True):
        assert (exact - rough).norm() < 0.03 * exact.norm()
