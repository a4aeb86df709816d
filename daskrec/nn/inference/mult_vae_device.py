"""MultVAE's scores on a device, by torch: the definition of ``mult_vae``, in float32."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr
from daskrec.engine.score import Ragged, Request
from daskrec.engine.shared import Shared
from daskrec.engine.topk import order_equal
from daskrec.nn.inference.device_arrays import on_device, to_device
from daskrec.nn.inference.ranking import rank_tiles, tile_shape


class _LogSums:
    """The logarithm of the sum of exp over the entries of rows, which come tile by tile."""

    def __init__(self, rows: int, device: str) -> None:
        self._peak = torch.full((rows,), -torch.inf, device=device)
        self._total = torch.zeros(rows, dtype=torch.float64, device=device)

    def add(self, rows: slice, logits: Tensor) -> None:
        """Add a tile of some rows. Nothing overflows: the largest term so far counts 1."""
        before = self._peak[rows]
        peak = torch.maximum(before, logits.amax(dim=1))
        terms = (logits - peak[:, None]).exp_().sum(dim=1, dtype=torch.float64)
        faded = (before.double() - peak).exp_()
        self._total[rows] = self._total[rows] * faded + terms
        self._peak[rows] = peak

    def result(self) -> Vector:
        """Return the logarithms, float64, as a numpy array."""
        sums: Vector = (self._peak + self._total.log()).cpu().numpy()
        return sums


class _Network:
    """The network with histories that go into it."""

    def __init__(
        self,
        device: str,
        entry: Shared[Vector],
        weights: Shared[Any],
        activation: str,
        histories: Csr,
    ) -> None:
        self.entry = on_device(entry, device)["value"]
        self.weights = on_device(weights, device, without=("encoder.0.weight",))
        self.activate = torch.tanh if activation == "tanh" else torch.relu
        self.histories = histories
        self.device = device
        self.items = self.weights["decoder.1.weight"]
        self.sums = _LogSums(len(histories), device)
        self.tile = tile_shape(len(histories), len(self.items))
        self._rows = slice(0, 0)
        self._hidden = self.entry[:0]

    def logits(self, rows: slice, columns: slice) -> Tensor:
        """Return a tile of logits; it counts in the sums."""
        if rows != self._rows:  # the first tile of its rows
            self._rows, self._hidden = rows, self._decode(self._encode(rows))
        bias = self.weights["decoder.1.bias"]
        found = functional.linear(self._hidden, self.items[columns], bias[columns])
        self.sums.add(rows, found)
        return found

    def _encode(self, rows: slice) -> Tensor:
        part, weights = self.histories.rows(rows.start, rows.stop), self.weights
        lengths = to_device(np.diff(part.indptr), self.device)
        starts = to_device(part.indptr[:-1], self.device)
        indices = to_device(part.indices.astype(np.int64), self.device)
        sums = functional.embedding_bag(indices, self.entry, starts, mode="sum")
        hidden = self.activate(sums * lengths[:, None].rsqrt() + weights["encoder.0.bias"])
        latent = weights["decoder.0.weight"].shape[1]
        return functional.linear(
            hidden, weights["encoder.1.weight"][:latent], weights["encoder.1.bias"][:latent]
        )

    def _decode(self, means: Tensor) -> Tensor:
        weight, bias = self.weights["decoder.0.weight"], self.weights["decoder.0.bias"]
        return self.activate(functional.linear(means, weight, bias))


@torch.inference_mode()
def top(
    device: str,
    entry: Shared[Vector],
    weights: Shared[Any],
    activation: str,
    histories: Csr,
    request: Request,
) -> Ragged:
    """Return the best items of each history; arguments as of ``MultVAEScorer``.

    Parameters
    ----------
    histories
        One a row, none of them empty.
    request
        What is asked.

    Returns
    -------
    tuple
        As of ``Scorer.top``.
    """
    network = _Network(device, entry, weights, activation, histories)
    allowed = None
    if request.candidates is not None:
        allowed = torch.zeros(len(network.items), dtype=torch.bool, device=device)
        allowed[to_device(request.candidates.astype(np.int64), device)] = True

    def fill(rows: slice, columns: slice) -> Tensor:
        logits = network.logits(rows, columns)
        return logits if allowed is None else logits.masked_fill_(~allowed[columns], -torch.inf)

    shape = (len(histories), len(network.items))
    seen = histories if request.filter_seen else None
    k = request.length(len(network.items))
    rows, items, logits = rank_tiles(fill, shape, k, seen, device, network.tile)
    return order_equal(rows, items, np.exp(logits - network.sums.result()[rows]))


@torch.inference_mode()
def pairs(
    device: str,
    entry: Shared[Vector],
    weights: Shared[Any],
    activation: str,
    histories: Csr,
    rows: Vector,
    items: Vector,
) -> Vector:
    """Return the relevance, float64, of pairs of a row of ``histories`` and an item.

    Arguments as of ``top``; each user costs as much as there.
    """
    network = _Network(device, entry, weights, activation, histories)
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows, np.arange(len(histories) + 1), sorter=order)
    picked = np.empty(len(rows), np.float32)
    height, width = network.tile
    for first in range(0, len(histories), height):
        part = slice(first, min(first + height, len(histories)))
        mine = order[starts[part.start] : starts[part.stop]]
        for left in range(0, len(network.items), width):
            tile = network.logits(part, slice(left, min(left + width, len(network.items))))
            inside = mine[(items[mine] >= left) & (items[mine] < left + tile.shape[1])]
            at = to_device(rows[inside] - first, device), to_device(items[inside] - left, device)
            picked[inside] = tile[at[0].long(), at[1].long()].cpu().numpy()
    found: Vector = np.exp(picked - network.sums.result()[rows])
    return found
