"""The network of NeuroMF: its loss against the definition pair by pair, and what is drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gradients import check_gradients
from torch import Tensor
from torch.nn import functional

from daskrec.engine import random as keyed
from daskrec.nn.networks import pair_loss, pair_ops
from daskrec.nn.networks.negatives import ATTEMPTS, draw_negatives, is_positive
from daskrec.nn.networks.neuro_mf import NeuroMFNet, Noise, Pairs

NOISE = Noise(seed=5, epoch=3)
# Widths of the branches and of the hidden layers.
SHAPES = [
    (3, 4, [5, 6]),
    (2, 3, [4]),
    (3, None, None),
    (None, 3, [4, 2]),
    (None, 3, None),
    (2, 3, []),
    (1, 1, [1]),
]
quick = settings(max_examples=60, deadline=None)


@st.composite
def logs(draw: st.DrawFn) -> tuple[int, int, Pairs]:
    users, items = draw(st.integers(1, 6)), draw(st.integers(1, 7))
    count, seed = draw(st.integers(1, 12)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    pairs = Pairs(
        torch.from_numpy(rng.permutation(10_000)[:count]),
        torch.from_numpy(rng.integers(0, users, count)),
        torch.from_numpy(rng.integers(0, items, count)),
    )
    return users, items, pairs


def net_for(
    users: int, items: int, shape: tuple[int | None, int | None, list[int] | None]
) -> NeuroMFNet:
    net = NeuroMFNet(users, items, *shape, seed=1).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_(torch.empty_like(weight).normal_(0, 0.8, generator=generator))
    return net


def keys_of(pairs: Pairs, items: int) -> Tensor:
    return torch.unique(pairs.users * items + pairs.items)


def plain_loss(net: NeuroMFNet, pairs: Pairs, negatives: Tensor, valid: Tensor | None) -> Tensor:
    """Return what ``loss`` returns: concatenate, one layer after the other, cross-entropy."""
    state = net.state_dict(keep_vars=True)
    items = torch.cat([pairs.items[:, None], negatives], dim=1)
    users = pairs.users[:, None].expand_as(items)

    def rows(branch: str) -> tuple[Tensor, Tensor]:
        return tuple(  # type: ignore[return-value]
            state[f"{branch}.{side}_embedding.weight"][codes]
            + state[f"{branch}.{side}_biases.weight"][codes]
            for side, codes in (("user", users), ("item", items))
        )

    parts = []
    if net.gmf is not None:
        left, right = rows("gmf")
        parts.append(left * right)
    if net.mlp is not None:
        value = torch.cat(rows("mlp"), dim=2)
        for n in range(len(net.mlp.hidden_layers)):
            name = f"mlp.hidden_layers.{n}"
            value = functional.linear(value, state[f"{name}.weight"], state[f"{name}.bias"])
            value = value.relu()
        parts.append(value)
    value = functional.linear(
        torch.cat(parts, dim=2), state["last_layer.weight"], state["last_layer.bias"]
    )
    labels = torch.zeros(items.shape, dtype=torch.float64)
    labels[:, 0] = 1
    losses = functional.binary_cross_entropy_with_logits(value[..., 0], labels, reduction="none")
    torch.testing.assert_close(net.logits(users, items), value[..., 0])
    if valid is not None:
        losses = torch.cat([losses[:, :1], torch.where(valid, losses[:, 1:], 0.0)], dim=1)
    return losses.sum()


def gradient(net: NeuroMFNet, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(net.parameters())))


def test_shapes_are_those_of_the_original() -> None:
    state = NeuroMFNet(3, 4, 2, 2, [2]).state_dict()
    assert {name: tuple(weight.shape) for name, weight in state.items()} == {
        "gmf.user_embedding.weight": (3, 2),
        "gmf.item_embedding.weight": (4, 2),
        "gmf.item_biases.weight": (4, 1),
        "gmf.user_biases.weight": (3, 1),
        "mlp.user_embedding.weight": (3, 2),
        "mlp.item_embedding.weight": (4, 2),
        "mlp.item_biases.weight": (4, 1),
        "mlp.user_biases.weight": (3, 1),
        "mlp.hidden_layers.0.weight": (2, 4),
        "mlp.hidden_layers.0.bias": (2,),
        "last_layer.weight": (1, 4),
        "last_layer.bias": (1,),
    }
    assert all(weight.dtype == torch.float32 for weight in state.values())


def test_a_branch_without_a_width_is_absent() -> None:
    names = {name.partition(".")[0] for name in NeuroMFNet(3, 4, 2, None).state_dict()}
    assert names == {"gmf", "last_layer"}
    names = {name.partition(".")[0] for name in NeuroMFNet(3, 4, None, 2).state_dict()}
    assert names == {"mlp", "last_layer"}
    with pytest.raises(ValueError, match="embedding_gmf_dim"):
        NeuroMFNet(3, 4, None, None)


@quick
@given(
    logs(),
    st.sampled_from(SHAPES),
    st.integers(0, 3),
    st.booleans(),
    st.integers(1, 9),
    st.booleans(),
)
def test_loss_and_gradient_are_those_of_the_definition(
    log: tuple[int, int, Pairs],
    shape: tuple[int | None, int | None, list[int] | None],
    count: int,
    exclusive: bool,
    chunk: int,
    compiled: bool,
) -> None:
    users, items, pairs = log
    net, exclude = net_for(users, items, shape), keys_of(pairs, items) if exclusive else None
    negatives, valid = draw_negatives(pairs, count, items, NOISE, exclude)
    expected = plain_loss(net, pairs, negatives, valid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(pair_loss.CHUNK, "cpu", chunk)
        if not compiled:  # what other devices run
            patch.setattr(pair_ops, "COMPILED", set())
        found, examples = net.loss(pairs, count, NOISE, exclude)
        parts = gradient(net, found)
    torch.testing.assert_close(found, expected)
    assert examples == len(pairs) + (negatives.numel() if valid is None else int(valid.sum()))
    for part, other in zip(parts, gradient(net, expected), strict=True):
        torch.testing.assert_close(part, other)


@quick
@given(logs(), st.sampled_from(SHAPES), st.data())
def test_a_loss_is_the_sum_over_any_pieces(
    log: tuple[int, int, Pairs],
    shape: tuple[int | None, int | None, list[int] | None],
    data: st.DataObject,
) -> None:
    users, items, pairs = log
    net, cut = net_for(users, items, shape), data.draw(st.integers(0, len(pairs)))
    exclude = keys_of(pairs, items)
    whole, count = net.loss(pairs, 2, NOISE, exclude)
    pieces = pairs.piece(0, cut), pairs.piece(cut, len(pairs))
    parts = [net.loss(piece, 2, NOISE, exclude) for piece in pieces]
    total = parts[0][0] + parts[1][0]
    torch.testing.assert_close(total, whole)
    assert parts[0][1] + parts[1][1] == count
    for part, other in zip(gradient(net, total), gradient(net, whole), strict=True):
        torch.testing.assert_close(part, other)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_are_slopes_of_the_loss(
    shape: tuple[int | None, int | None, list[int] | None],
) -> None:
    pairs = Pairs(torch.arange(4), torch.tensor([0, 2, 2, 0]), torch.tensor([1, 1, 3, 0]))
    net = net_for(4, 5, shape)

    def loss() -> Tensor:
        total, count = net.loss(pairs, 2, NOISE)
        return total / count

    check_gradients(net, loss)


@quick
@given(logs(), st.integers(1, 4))
def test_negatives_are_keyed_by_row_and_number(log: tuple[int, int, Pairs], count: int) -> None:
    _, items, pairs = log
    drawn, valid = draw_negatives(pairs, count, items, NOISE)
    assert valid is None
    stream = NOISE.stream("neuro_mf.negatives")
    words = keyed.hash64(stream, pairs.rows.numpy()[:, None], np.arange(count)).tolist()
    assert drawn.tolist() == [[((word >> 32) * items) >> 32 for word in row] for row in words]
    more, _ = draw_negatives(pairs, count + 1, items, NOISE, keys_of(pairs, items))
    fewer, _ = draw_negatives(pairs, count, items, NOISE, keys_of(pairs, items))
    assert torch.equal(more[:, :count], fewer)


@quick
@given(logs(), st.integers(1, 4))
def test_no_valid_negative_is_a_positive(log: tuple[int, int, Pairs], count: int) -> None:
    _, items, pairs = log
    positives = keys_of(pairs, items)
    drawn, valid = draw_negatives(pairs, count, items, NOISE, positives)
    hit = is_positive(pairs.users[:, None], drawn, items, positives)
    owned = set(positives.tolist())
    codes = (pairs.users[:, None] * items + drawn).tolist()
    assert hit.tolist() == [[code in owned for code in row] for row in codes]
    assert torch.equal(hit, torch.zeros_like(hit) if valid is None else ~valid)
    free, _ = draw_negatives(pairs, count, items, NOISE)
    kept = ~is_positive(pairs.users[:, None], free, items, positives)
    assert torch.equal(drawn[kept], free[kept])
    assert bool((drawn < items).all())


def test_a_user_who_has_everything_is_trained_on_positives_alone() -> None:
    items = torch.arange(6)
    pairs = Pairs(items, torch.zeros_like(items), items)
    net = net_for(1, 6, (2, 2, [3]))
    loss, count = net.loss(pairs, 4, NOISE, keys_of(pairs, 6))
    alone, same = net.loss(pairs, 0, NOISE)
    assert count == same == 6
    torch.testing.assert_close(loss, alone)
    for part, other in zip(gradient(net, loss), gradient(net, alone), strict=True):
        torch.testing.assert_close(part, other)


def test_a_rare_free_item_is_found_in_several_draws() -> None:
    items = torch.arange(4).repeat(2000)
    pairs = Pairs(torch.arange(8000), torch.zeros_like(items), items)
    drawn, valid = draw_negatives(pairs, 1, 5, NOISE, torch.arange(4))
    assert valid is not None
    assert bool((drawn[valid] == 4).all())
    missed, rate = (~valid).sum().item(), 0.8**ATTEMPTS
    assert abs(missed - 8000 * rate) < 5 * (8000 * rate * (1 - rate)) ** 0.5


def test_an_empty_list_of_positives_excludes_nothing() -> None:
    pairs = Pairs(torch.arange(3), torch.zeros(3, dtype=torch.int64), torch.arange(3))
    none = torch.empty(0, dtype=torch.int64)
    drawn, valid = draw_negatives(pairs, 2, 9, NOISE, none)
    assert valid is None
    assert torch.equal(drawn, draw_negatives(pairs, 2, 9, NOISE)[0])


def test_large_logits_keep_loss_and_gradient_finite() -> None:
    net = net_for(1, 2, (1, None, None))
    pairs = Pairs(
        torch.arange(1), torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
    )
    for bias in (-500.0, 500.0):
        with torch.no_grad():
            for weight in net.parameters():
                weight.zero_()
            net.last_layer.bias.fill_(bias)
        loss, _ = net.loss(pairs, 0, NOISE)
        assert loss.item() == pytest.approx(max(0.0, -bias))
        assert all(torch.isfinite(part).all() for part in gradient(net, loss))


def test_a_second_backward_says_what_to_do_and_no_grad_makes_none() -> None:
    pairs = Pairs(torch.arange(2), torch.arange(2), torch.arange(2))
    net = net_for(2, 2, (2, 2, [2]))
    loss, _ = net.loss(pairs, 1, NOISE)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="compute the loss again"):
        loss.backward()
    with torch.no_grad():
        assert not net.loss(pairs, 1, NOISE)[0].requires_grad


def test_weights_are_keyed_by_the_seed_and_leave_the_global_generator() -> None:
    before = torch.get_rng_state()
    nets = [NeuroMFNet(400, 300, 16, 16, [60, 40], seed=seed) for seed in (0, 0, 1)]
    pairs = Pairs(torch.arange(2), torch.arange(2), torch.arange(2))
    nets[0].loss(pairs, 3, NOISE)[0].backward()
    assert torch.equal(before, torch.get_rng_state())
    states = [net.state_dict() for net in nets]
    for name, weight in states[0].items():
        assert torch.equal(weight, states[1][name])
        if "biases" in name:
            assert not weight.any()
            continue
        assert not torch.equal(weight, states[2][name])
        if weight.numel() > 1:
            std = 0.001 if "bias" in name else (2 / sum(weight.shape)) ** 0.5
            spread = 6 * std / (2 * weight.numel()) ** 0.5
            assert weight.std().item() == pytest.approx(std, abs=spread), name


def test_a_loss_and_its_gradient_are_the_same_bits_again() -> None:
    rng = np.random.default_rng(0)
    users, items = (torch.from_numpy(rng.integers(0, 50, 9000)) for _ in range(2))
    pairs = Pairs(torch.arange(9000), users, items)
    net = NeuroMFNet(50, 50, 8, 8, [16, 8], seed=2)
    runs = [net.loss(pairs, 1, NOISE)[0] for _ in range(2)]
    assert torch.equal(*runs)
    for part, other in zip(*(gradient(net, loss) for loss in runs), strict=True):
        assert torch.equal(part, other)


def test_mixed_precision_is_close_to_single() -> None:
    rng = np.random.default_rng(0)
    pairs = Pairs(
        torch.arange(300),
        torch.from_numpy(rng.integers(0, 40, 300)),
        torch.from_numpy(rng.integers(0, 50, 300)),
    )
    losses, gradients = [], []
    for mixed in (False, True):
        net = NeuroMFNet(40, 50, 8, 8, [16, 8], seed=2, mixed=mixed)
        loss, _ = net.loss(pairs, 2, NOISE)
        losses.append(loss.item())
        gradients.append(gradient(net, loss))
        assert all(part.dtype == torch.float32 for part in gradients[-1])
    assert losses[1] == pytest.approx(losses[0], rel=2e-3)
    for exact, rough in zip(*gradients, strict=True):
        assert (exact - rough).norm() < 0.05 * exact.norm()


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("hidden", [[16, 8], None])
def test_learning_adds_the_gradient_to_those_that_are_there(
    monkeypatch, compiled: bool, hidden: list[int] | None
) -> None:
    if not compiled:
        monkeypatch.setattr(pair_ops, "COMPILED", set())
    rng = np.random.default_rng(0)
    users, items = (torch.from_numpy(rng.integers(0, 60, 500)) for _ in range(2))
    pairs, owned = Pairs(torch.arange(500), users, items), torch.unique(users * 70 + items)
    net = NeuroMFNet(80, 70, 8, 4, hidden, seed=2)
    whole, _ = net.loss(pairs, 2, NOISE, owned)
    expected = gradient(net, whole)
    for times in (1, 2):
        lost = [
            net.learn(pairs.piece(start, start + 130), 2, NOISE, owned, 0.5)
            for start in range(0, 500, 130)
        ]
        assert sum(lost).item() == pytest.approx(whole.item(), rel=1e-5)
        for weight, part in zip(net.parameters(), expected, strict=True):
            assert weight.grad is not None
            torch.testing.assert_close(weight.grad, part * 0.5 * times, rtol=1e-4, atol=1e-5)
