"""A linear layer over sparse rows: sums of weighted rows of its table, and their gradient."""

from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from daskrec.nn.networks.layers import BIAS_STD


def _bags(table: Tensor, indptr: Tensor, indices: Tensor, values: Tensor) -> Tensor:
    return functional.embedding_bag(
        indices, table, indptr, mode="sum", per_sample_weights=values, include_last_offset=True
    )


class _Bags(torch.autograd.Function):
    """``embedding_bag`` whose gradient is again one, over the transposed matrix.

    Torch sorts the entries to make the gradient; to count them is several times as fast.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, indptr: Tensor, indices: Tensor, values: Tensor) -> Tensor:
        """Return the sums of rows."""
        ctx.save_for_backward(indptr, indices, values)
        ctx.rows = table.shape[0]
        return _bags(table, indptr, indices, values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of the table."""
        indptr, indices, values = (part.numpy() for part in ctx.saved_tensors)
        shape = indptr.size - 1, ctx.rows
        turned = sparse.csr_array((values, indices, indptr), shape=shape, copy=False).tocsc()
        gradient = _bags(
            upstream.contiguous(),
            torch.from_numpy(turned.indptr.astype(np.int64, copy=False)),
            torch.from_numpy(turned.indices.astype(np.int64, copy=False)),
            torch.from_numpy(turned.data),
        )
        return gradient, None, None, None


class SparseLinear(nn.Module):
    """A linear layer whose input is sparse: ``x @ table + bias``.

    Parameters
    ----------
    inputs, outputs
        Widths.
    generator
        Source of the weights, on the CPU: Xavier-normal, biases N(0, 0.001).

    Attributes
    ----------
    table : Parameter of shape (inputs, outputs)
        The transpose of the weights of ``torch.nn.Linear``, so that an entry gathers a row.
        ``state_dict`` and ``load_state_dict`` have it as ``weight`` of (outputs, inputs), as
        any linear layer's.
    bias : Parameter of shape (outputs,)
    """

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        nn.init.xavier_normal_(self.table, generator=generator)
        nn.init.normal_(self.bias, std=BIAS_STD, generator=generator)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        table, bias = self.table, self.bias
        destination[prefix + "weight"] = (table if keep_vars else table.detach()).t()
        destination[prefix + "bias"] = bias if keep_vars else bias.detach()

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *rest: Any, **more: Any
    ) -> None:
        if prefix + "weight" in state_dict:  # a copy of the caller's
            state_dict[prefix + "table"] = state_dict.pop(prefix + "weight").t()
        super()._load_from_state_dict(state_dict, prefix, *rest, **more)

    def forward(self, indptr: Tensor, indices: Tensor, values: Tensor) -> Tensor:
        """Return the output for sparse rows.

        Parameters
        ----------
        indptr, indices, values
            CSR: int64 (rows + 1,), int64 and the type of the weights.

        Returns
        -------
        Tensor of shape (rows, outputs)
            Differentiable once in the weights; an empty row gives the bias.

        Notes
        -----
        Time ``outputs`` an entry, forwards and backwards, besides the dense gradient. Sums
        have a fixed order on every device: on CUDA the gradient of ``embedding_bag`` sorts.
        """
        bags = _Bags.apply if self.table.device.type == "cpu" else _bags
        result: Tensor = bags(self.table, indptr, indices, values) + self.bias
        return result
