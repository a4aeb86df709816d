"""Binary cross-entropy of NeuroMF over users and their items, with its gradient.

The gradient is made in the forward pass, chunk by chunk, by ``branches``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from daskrec.nn.networks.branches import Gmf, Mlp
from daskrec.nn.networks.pair_ops import add_spread, biased_rows, spread

Weights: TypeAlias = Mapping[str, Tensor]

CHUNK = {"cpu": 1 << 13, "cuda": 1 << 20}  # pairs of a user and an item; a CPU's fit its cache


@dataclass
class Examples:
    """Users, each with items of which the first is the positive one.

    Parameters
    ----------
    users
        int64 (B,).
    items
        int64 (B, S): the positive, then S - 1 negatives.
    valid
        bool (B, S), or None where all are: False is left out of the loss.
    """

    users: Tensor
    items: Tensor
    valid: Tensor | None = None


def distinct(codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the distinct codes, ascending, and the place of each code among them.

    Parameters
    ----------
    codes
        int64, below ``size``, of any shape.
    size
        Time and memory are linear in it: less than those of the gradient of a table.
    """
    seen = torch.zeros(size, dtype=torch.bool, device=codes.device)
    seen[codes.view(-1)] = True
    ids = seen.nonzero()[:, 0]
    if ids.numel() == size:
        return ids, codes
    places = seen.cumsum(0).sub_(1)
    return ids, places[codes]


@dataclass
class _Side:
    """The users, or the items, of a branch: the rows of a batch of its two tables."""

    weights: Weights
    name: str
    ids: Tensor

    def __post_init__(self) -> None:
        self.tables = f"{self.name}_embedding.weight", f"{self.name}_biases.weight"

    def rows(self) -> Tensor:
        """Return the embeddings with their biases added."""
        table, biases = (self.weights[name] for name in self.tables)
        return biased_rows(table, biases, self.ids)


@dataclass
class _Gradients:
    """Gradients of layers by name, and of the rows of tables."""

    layers: dict[str, Tensor]
    rows: list[tuple[_Side, Tensor]]

    def times(self, factor: Tensor) -> dict[str, Tensor]:
        """Return the gradient of every weight times a number; uses these up."""
        found = {name: part.mul_(factor) for name, part in self.layers.items()}
        for side, rows in self.rows:
            count = len(side.weights[side.tables[0]])
            found |= zip(side.tables, spread(rows, side.ids, factor, count), strict=True)
        return found

    def add(self, weights: Weights, factor: float) -> None:
        """Add these times a number to the gradients of the weights, in place."""
        for name, part in self.layers.items():
            _gradient_of(weights[name]).add_(part, alpha=factor)
        for side, rows in self.rows:
            table, biases = (_gradient_of(weights[name]) for name in side.tables)
            add_spread(rows, side.ids, factor, table, biases)


def _gradient_of(weight: Tensor) -> Tensor:
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    return weight.grad


class _Pass:
    """One pass over examples: the loss and, where wanted, the gradient of every weight."""

    def __init__(self, weights: Weights, examples: Examples, mixed: bool, wanted: bool) -> None:
        self.weights, self.mixed, self.wanted = weights, mixed, wanted
        prefix = "gmf" if "gmf.user_embedding.weight" in weights else "mlp"
        sizes = [len(weights[f"{prefix}.{side}_embedding.weight"]) for side in ("user", "item")]
        self.user_ids, self.users = distinct(examples.users, sizes[0])
        self.item_ids, self.items = distinct(examples.items, sizes[1])
        self.valid = examples.valid
        self.gmf: Gmf | None = None
        self.mlp: Mlp | None = None
        last, width = weights["last_layer.weight"][0], 0
        if prefix == "gmf":
            left, right = (side.rows() for side in self._sides("gmf"))
            width = left.shape[1]
            self.gmf = Gmf(left, right, last[:width])
        if "mlp.user_embedding.weight" in weights:
            left, right = (side.rows() for side in self._sides("mlp"))
            self.mlp = Mlp(left, right, self._layers(), last[width:], mixed)

    def _sides(self, branch: str) -> tuple[_Side, _Side]:
        ids = self.user_ids, self.item_ids
        first, second = (
            _Side(self.weights, f"{branch}.{side}", of)
            for side, of in zip(("user", "item"), ids, strict=True)
        )
        return first, second

    def _names(self) -> list[tuple[str, str]]:
        names, count = "mlp.hidden_layers.{}.weight", 0
        while names.format(count) in self.weights:
            count += 1
        return [(names.format(n), f"mlp.hidden_layers.{n}.bias") for n in range(count)]

    def _layers(self) -> list[tuple[Tensor, Tensor]]:
        return [(self.weights[weight], self.weights[bias]) for weight, bias in self._names()]

    def run(self) -> tuple[Tensor, _Gradients | None]:
        """Return the loss and, where wanted, the gradient of every weight."""
        bias = self.weights["last_layer.bias"]
        loss = torch.zeros((), dtype=torch.float64, device=bias.device)
        d_bias, (count, slots) = torch.zeros_like(bias), self.items.shape
        step = max(1, CHUNK.get(bias.device.type, CHUNK["cuda"]) // slots)
        for start in range(0, count, step):
            chunk = slice(start, min(start + step, count))
            users, items = self.users[chunk], self.items[chunk].reshape(-1)
            logits = bias.expand(users.numel(), slots).clone()
            branches = [branch for branch in (self.gmf, self.mlp) if branch is not None]
            for branch in branches:
                branch.add_logits(logits, users, items)
            logits[:, 0].neg_()  # now the loss of every example is softplus
            loss += self._masked(functional.softplus(logits, threshold=40.0), chunk).sum()
            if self.wanted:
                slopes = self._masked(logits.sigmoid_(), chunk)
                slopes[:, 0].neg_()
                d_bias += slopes.sum()
                for branch in branches:
                    branch.add_gradient(slopes, users, items)
        return loss.to(bias.dtype), self._gradients(d_bias) if self.wanted else None

    def _masked(self, values: Tensor, chunk: slice) -> Tensor:
        return values if self.valid is None else values.mul_(self.valid[chunk])

    def _gradients(self, d_bias: Tensor) -> _Gradients:
        layers, last = {"last_layer.bias": d_bias}, []
        rows: list[tuple[_Side, Tensor]] = []
        if self.gmf is not None:
            *parts, weight = self.gmf.finish()
            last.append(weight)
            rows += zip(self._sides("gmf"), parts, strict=True)
        if self.mlp is not None:
            left, right, weight, deep = self.mlp.finish()
            last.append(weight)
            rows += zip(self._sides("mlp"), (left, right), strict=True)
            for names, pair in zip(self._names(), deep, strict=True):
                layers |= zip(names, pair, strict=True)
        layers["last_layer.weight"] = torch.cat(last)[None]
        return _Gradients(layers, rows)


class _PairLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, examples: Examples, mixed: bool, wanted: bool, names: list[str], *weights: Tensor
    ) -> Tensor:
        """Return the loss, and its gradient where ``wanted``."""
        named = dict(zip(names, weights, strict=True))
        ctx.names = names
        loss, ctx.gradients = _Pass(named, examples, mixed, wanted).run()
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient times the upstream number."""
        made, ctx.gradients = ctx.gradients, None
        if made is None:
            raise RuntimeError("the gradient of this loss was used: compute the loss again")
        found = made.times(upstream)
        return (None, None, None, None, *(found[name] for name in ctx.names))


def pair_loss(weights: Weights, examples: Examples, *, mixed: bool = False) -> Tensor:
    """Sum the binary cross-entropy of examples under the weights of a ``NeuroMFNet``.

    Parameters
    ----------
    weights
        By name, as the network's ``named_parameters``.
    examples
        What to sum over.
    mixed
        Products of the hidden layers in bfloat16.

    Returns
    -------
    Tensor
        A number, summed in double precision; differentiable once in the weights.

    Notes
    -----
    ``backward`` multiplies the gradient made in the forward pass by the upstream number, in
    place, and so works once. The first hidden layer costs its product once a distinct user and
    a distinct item; the others once an example. Memory for the rows of the batch, a chunk, and
    the gradient.
    """
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in weights.values())
    options = examples, mixed, wanted, list(weights)
    result: Tensor = _PairLoss.apply(*options, *weights.values())  # type: ignore[no-untyped-call]
    return result


def add_gradient(
    weights: Weights, examples: Examples, factor: float, *, mixed: bool = False
) -> Tensor:
    """Add the gradient of ``factor`` times ``pair_loss`` to ``grad`` of the weights.

    What ``backward`` does, without another table for the gradient of each table: of those only
    the rows of the batch are touched.

    Parameters
    ----------
    weights, examples, mixed
        As for ``pair_loss``; the weights are leaves.
    factor
        What to multiply by.

    Returns
    -------
    Tensor
        The loss itself, which cannot be differentiated.
    """
    with torch.no_grad():
        loss, gradients = _Pass(weights, examples, mixed, True).run()
        assert gradients is not None
        gradients.add(weights, factor)
    return loss
