"""NeuroMF's logits on a device, by torch: the same definition as ``topk_layers``, in float32."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr
from daskrec.engine.score import Ragged, Request
from daskrec.engine.shared import Shared
from daskrec.engine.topk import seen_among
from daskrec.engine.topk_layers import Layers
from daskrec.nn.inference.device_arrays import on_device, to_device
from daskrec.nn.inference.ranking import TILE_BYTES, rank_tiles, tile_shape


class _Tower:
    """The layers on a device."""

    def __init__(self, layers: Layers, moved: dict[str, Tensor]) -> None:
        numbers = range(len(layers.hidden))
        self._hidden = [(moved[f"weight{n}"], moved[f"bias{n}"]) for n in numbers]
        self._last = moved["last"]
        self.bias = moved["bias"]
        self.width = layers.widths[0]
        # The outputs of two layers, and one of them before its rectification.
        self._cells = max(1, TILE_BYTES // (12 * max(layers.widths)))

    def add(self, users: Tensor, items: Tensor, scores: Tensor) -> None:
        """Add to a tile of scores, some users and some items at a time."""
        width = min(len(items), self._cells)
        height = max(1, self._cells // max(1, width))
        for top in range(0, len(users), height):
            for first in range(0, len(items), width):
                left, right = users[top : top + height], items[first : first + width]
                values = torch.relu_(left[:, None, :] + right[None, :, :])
                for weight, bias in self._hidden:
                    values = torch.relu_(functional.linear(values, weight, bias))
                scores[top : top + height, first : first + width] += values @ self._last


@torch.inference_mode()
def top(
    device: str,
    users: Vector,
    items: Shared[Vector],
    layers: Shared[Layers] | None,
    request: Request,
    seen: Csr | None,
) -> Ragged:
    """Return the best items of each user and their logits.

    Parameters
    ----------
    device
        Where to compute.
    users
        float32 rows of the users.
    items, layers
        As for ``NeuroMFScorer``; they stay on the device.
    request
        What is asked.
    seen
        A row of items to leave out for each user; None leaves out nothing.

    Returns
    -------
    tuple
        Rows of ``users`` int64, item codes int32, logits float64: the logit descending.
    """
    left, right = to_device(users, device), on_device(items, device)["value"]
    tower = None if layers is None else _Tower(layers.get(), on_device(layers, device))
    product = users.shape[1] - (0 if tower is None else tower.width)
    candidates = request.candidates
    if candidates is not None:
        if seen is not None:
            numbers = np.arange(len(users), dtype=np.int64)
            kept = seen_among(seen.indptr, seen.indices, numbers, candidates, len(right))
            seen = Csr(kept[0], kept[1], np.empty(0, np.float32), len(candidates))
        right = right[to_device(candidates.astype(np.int64), device)]

    def fill(rows: slice, columns: slice) -> Tensor:
        own, theirs = left[rows], right[columns]
        scores = own[:, :product] @ theirs[:, :product].T
        if tower is not None:
            scores += tower.bias
            tower.add(own[:, product:], theirs[:, product:], scores)
        return scores

    shape = (len(left), len(right))
    k, tile = request.length(len(right)), tile_shape(*shape)
    found, best, logits = rank_tiles(fill, shape, k, seen, device, tile)
    if candidates is not None and len(best):
        best = candidates[best]
    return found, best, logits.astype(np.float64)
