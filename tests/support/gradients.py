"""Gradients against finite differences, for losses whose backward pass works once."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

STEP = 1e-6


def check_gradients(net: nn.Module, loss: Callable[[], Tensor], rtol: float = 1e-5) -> None:
    """Raise unless each weight's gradient is the slope of the loss; float64 weights."""
    net.zero_grad(set_to_none=True)
    total = loss()
    total.backward()  # type: ignore[no-untyped-call]
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        slopes = torch.empty_like(weight.data)
        flat, out = weight.data.view(-1), slopes.view(-1)
        for k in range(flat.numel()):
            kept, ends = flat[k].item(), []
            for side in (STEP, -STEP):
                flat[k] = kept + side
                with torch.no_grad():
                    ends.append(loss().item())
            flat[k] = kept
            out[k] = (ends[0] - ends[1]) / (2 * STEP)
        torch.testing.assert_close(
            weight.grad, slopes, rtol=rtol, atol=1e-6 * max(1.0, abs(total.item())), msg=name
        )
