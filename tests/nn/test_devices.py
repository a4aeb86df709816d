"""The networks on a GPU: the draws, losses and gradients of the CPU, and the same bits twice."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from daskrec.nn.networks import draws
from daskrec.nn.networks.draws import Noise
from daskrec.nn.networks.mult_vae import MultVAENet, Rows
from daskrec.nn.networks.neuro_mf import NeuroMFNet, Pairs

pytestmark = pytest.mark.gpu
NOISE = Noise(seed=5, epoch=3)
KEYS = torch.from_numpy(np.random.default_rng(0).integers(-(2**63), 2**63, 5000))


def on_both(net: nn.Module, loss: Callable[[str], Tensor], tolerance: float) -> None:
    """Compare the loss and gradient on both devices, and two runs on the GPU."""
    found = {}
    for name, device in (("cpu", "cpu"), ("first", "cuda"), ("second", "cuda")):
        net.to(device).zero_grad(set_to_none=True)
        total = loss(device)
        total.backward()  # type: ignore[no-untyped-call]
        # Copies: moving a network moves its gradients in place.
        found[name] = [total.detach().cpu().clone()]
        found[name] += [weight.grad.cpu().clone() for weight in net.parameters()]
    for here, there, again in zip(*found.values(), strict=True):
        assert torch.equal(there, again)
        assert (here - there).norm() <= tolerance * here.norm()


def test_draws_are_those_of_the_cpu() -> None:
    there = KEYS.cuda()
    assert torch.equal(draws.hash64(7, there, 3).cpu(), draws.hash64(7, KEYS, 3))
    assert torch.equal(draws.uniform(7, there).cpu(), draws.uniform(7, KEYS))
    words = draws.hash64(7, KEYS)
    assert torch.equal(draws.below(words.cuda(), 1000).cpu(), draws.below(words, 1000))
    rows = draws.normal_rows(7, there, 9).cpu()
    torch.testing.assert_close(rows, draws.normal_rows(7, KEYS, 9), rtol=0, atol=2e-6)


@pytest.mark.parametrize(("mixed", "tolerance"), [(False, 1e-4), (True, 0.03)])
def test_mult_vae(mixed: bool, tolerance: float) -> None:
    taken = np.random.default_rng(0).random((700, 900)) < 0.1
    indptr = np.concatenate([[0], taken.sum(1).cumsum()])
    rows = Rows(
        torch.arange(700), torch.from_numpy(indptr), torch.from_numpy(taken.nonzero()[1]), None
    )
    net = MultVAENet(900, 64, 16, seed=1, mixed=mixed)
    on_both(net, lambda device: net.loss(rows.to(device), 0.2, NOISE)[0], tolerance)


@pytest.mark.parametrize(("mixed", "tolerance"), [(False, 1e-4), (True, 0.03)])
@pytest.mark.parametrize("hidden", [[32, 16], None])
def test_neuro_mf(hidden: list[int] | None, mixed: bool, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    users, items = (torch.from_numpy(rng.integers(0, 300, 4000)) for _ in range(2))
    pairs, owned = Pairs(torch.arange(4000), users, items), torch.unique(users * 300 + items)
    net = NeuroMFNet(400, 300, 16, 16, hidden, seed=1, mixed=mixed)

    def loss(device: str) -> Tensor:
        total, count = net.loss(pairs.to(device), 3, NOISE, owned.to(device))
        return total / count

    on_both(net, loss, tolerance)
