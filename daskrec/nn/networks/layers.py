"""Layers whose initial weights come from a generator of their own, never the global one."""

import torch
from torch import Tensor, nn
from torch.nn import functional

BIAS_STD = 0.001


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Make a linear layer: Xavier-normal weights, biases N(0, 0.001).

    Parameters
    ----------
    inputs, outputs
        Widths.
    generator
        Source of the weights, on the CPU.
    """
    # On the meta device torch's own initialisation draws nothing.
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    nn.init.xavier_normal_(layer.weight, generator=generator)
    nn.init.normal_(layer.bias, std=BIAS_STD, generator=generator)
    return layer


def table(rows: int, width: int, generator: torch.Generator) -> nn.Embedding:
    """Make a table of embeddings with Xavier-normal rows."""
    weight = torch.empty(rows, width)
    nn.init.xavier_normal_(weight, generator=generator)
    return nn.Embedding(rows, width, _weight=weight)


def bias_table(rows: int) -> nn.Embedding:
    """Make a table of scalar biases, all 0."""
    return nn.Embedding(rows, 1, _weight=torch.zeros(rows, 1))


def product(left: Tensor, right: Tensor, mixed: bool) -> Tensor:
    """Multiply matrices, in bfloat16 where ``mixed``; the result has the type of ``left``."""
    if not mixed:
        return left @ right
    return (left.to(torch.bfloat16) @ right.to(torch.bfloat16)).to(left.dtype)


def dense(values: Tensor, weight: Tensor, bias: Tensor | None, mixed: bool) -> Tensor:
    """Apply a linear layer; the product is in bfloat16 where ``mixed``."""
    if not mixed:
        return functional.linear(values, weight, bias)
    result = product(values, weight.t(), True)
    return result if bias is None else result + bias
