"""Exact top-k of a small network over every pair of a user and an item.

The score of a pair is ``g_u . q_i + c + sum_f w_f h_f``, where h is what layers of rectified
linear units make of ``relu(a_u + b_i)``: the first layer comes as a part of the user and one
of the item, so that a pair costs only an addition there. Rows of ``users`` are ``[g_u, a_u]``,
rows of ``items`` ``[q_i, b_i]``.

Cells of a tile lie side by side, one row a feature: every step runs over long rows, and the
layers after the first are matrix products.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.jit import kernel
from daskrec.engine.select import Ranked, empty_ranked
from daskrec.engine.topk import TILE_BYTES, rank_tiles, seen_among

Floats: TypeAlias = NDArray[Any]
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]

_STRIP = 512  # cells summed at a time: sums stay in the first cache


class Layers:
    """What follows the first layer.

    Parameters
    ----------
    hidden
        Weights (float32, outputs x inputs) and biases of the layers after the first.
    last
        float32 weights of the outputs of the last hidden layer in the score.
    bias
        float32 array of one number: c.
    """

    __slots__ = ("bias", "hidden", "last")

    def __init__(self, hidden: list[tuple[Vector, Vector]], last: Vector, bias: Vector) -> None:
        self.hidden = hidden
        self.last = last
        self.bias = bias

    @property
    def widths(self) -> list[int]:
        """Outputs of each layer, the first one too."""
        return [*(weight.shape[1] for weight, _ in self.hidden), len(self.last)]

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        arrays: Arrays = {"last": self.last, "bias": self.bias}
        for number, (weight, bias) in enumerate(self.hidden):
            arrays |= {f"weight{number}": weight, f"bias{number}": bias}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Layers":
        """Make the object of its arrays."""
        held = {name: np.asarray(array) for name, array in arrays.items()}
        numbers = range((len(held) - 2) // 2)
        hidden = [(held[f"weight{number}"], held[f"bias{number}"]) for number in numbers]
        return cls(hidden, held["last"], held["bias"])


@kernel()
def _relu_sums(users: Floats, items: Floats, out: Floats) -> None:
    """Write ``out[f, u, i] = relu(users[u, f] + items[f, i])``."""
    zero = np.float32(0)
    for f in range(out.shape[0]):
        right = items[f]
        for u in range(out.shape[1]):
            left, row = users[u, f], out[f, u]
            for i in range(row.size):
                total = left + right[i]
                row[i] = total if total > zero else zero


@kernel()
def _relu_bias(values: Floats, bias: Floats) -> None:
    """Write ``values = relu(values + bias)``, row by row."""
    zero = np.float32(0)
    for f in range(values.shape[0]):
        shift, row = bias[f], values[f]
        for c in range(row.size):
            total = row[c] + shift
            row[c] = total if total > zero else zero


@kernel()
def _weighted_relu(values: Floats, bias: Floats, weights: Floats, out: Floats) -> None:
    """Add ``sum over f of weights[f] relu(values[f] + bias[f])`` to ``out``."""
    zero = np.float32(0)
    for first in range(0, out.size, _STRIP):
        stop = min(first + _STRIP, out.size)
        acc = out[first:stop]
        for f in range(values.shape[0]):
            shift, weight, row = bias[f], weights[f], values[f, first:stop]
            for c in range(acc.size):
                total = row[c] + shift
                acc[c] += weight * (total if total > zero else zero)


class _Tower:
    """The part of the layers in the scores of a tile, for one pass over tiles."""

    def __init__(self, layers: Layers, cells: int) -> None:
        self._layers = layers
        self._cells = cells
        self._none = np.zeros(1, np.float32)
        widths = layers.widths
        self._buffers = [np.empty(width * cells, np.float32) for width in widths]
        if len(widths) == 1:  # one user's row at a time is added to the items, and used at once
            self._buffers = []

    def add(self, users: Floats, items: Floats, scores: Floats) -> None:
        """Add to a tile of scores.

        Parameters
        ----------
        users
            rows x width.
        items
            width x columns, one feature after the other.
        scores
            rows x columns, C-contiguous.
        """
        together = max(1, self._cells // max(1, items.shape[1]))
        for first in range(0, len(users), together):
            part = scores[first : first + together]
            self._add_part(users[first : first + together], items, part)

    def _add_part(self, users: Floats, items: Floats, scores: Floats) -> None:
        layers, out = self._layers, scores.reshape(-1)
        if not layers.hidden:
            for row in range(len(users)):
                _weighted_relu(items, users[row], layers.last, scores[row])
            return
        values = self._take(0, scores.size)
        _relu_sums(users, items, values.reshape(-1, *scores.shape))
        for number, (weight, bias) in enumerate(layers.hidden, 1):
            result = self._take(number, scores.size)
            np.matmul(weight, values, out=result)
            values = result
            if number < len(layers.hidden):
                _relu_bias(values, bias)
        _weighted_relu(values, layers.hidden[-1][1], layers.last, out)

    def _take(self, number: int, cells: int) -> Floats:
        width = self._layers.widths[number]
        return self._buffers[number][: width * cells].reshape(width, cells)


def _cells_of(layers: Layers, tile_bytes: int) -> int:
    """Return how many pairs go through the layers at a time."""
    return max(1, tile_bytes // 2 // (4 * (sum(layers.widths) + layers.widths[0])))


def layers_topk(
    users: Floats, items: Floats, layers: Layers, k: int,
    indptr: Int64s | None = None, indices: Int32s | None = None, *,
    rows: Int64s | None = None, candidates: Int32s | None = None, tile_bytes: int = TILE_BYTES,
) -> Ranked:  # fmt: skip
    """Rank the items of each user by the output of a network.

    Parameters
    ----------
    users, items
        float32, ``[g_u, a_u]`` and ``[q_i, b_i]`` as rows.
    layers
        The network behind its first layer.
    k, indptr, indices, rows, candidates, tile_bytes
        As for ``topk.dot_topk``.

    Returns
    -------
    tuple
        As of ``topk.dot_topk``.

    Notes
    -----
    A multiply-add a pair and weight of the layers after the first. Memory: a tile of scores,
    and the outputs of all layers for some pairs, within ``tile_bytes``.
    """
    product = users.shape[1] - layers.widths[0]  # numbers of the inner product
    tower = _Tower(layers, _cells_of(layers, tile_bytes))
    seen_rows = np.arange(len(users), dtype=np.int64) if rows is None else rows
    seen = None if indptr is None or indices is None else (indptr, indices, seen_rows)
    if candidates is not None and seen is not None:
        seen = seen_among(*seen, candidates, len(items))
    left, entering = users[:, :product], np.ascontiguousarray(users[:, product:])

    def fill(part: slice, columns: slice, scores: Floats) -> None:
        chosen = items[columns if candidates is None else candidates[columns]]
        if product:
            np.matmul(left[part], chosen[:, :product].T, out=scores)
        else:
            scores[:] = 0
        scores += layers.bias
        tower.add(entering[part], np.ascontiguousarray(chosen[:, product:].T), scores)

    count = len(items) if candidates is None else len(candidates)
    width = max(1, min(count, _cells_of(layers, tile_bytes)))
    best = empty_ranked(len(users), k, np.float32)
    if k > 0:
        height = max(1, min(len(users), tile_bytes // 4 // width))
        rank_tiles(fill, count, best, seen, (height, width))
    if candidates is not None and candidates.size > 0:
        best = (candidates[best[0]], best[1], best[2])
    return best


def layers_pairs(
    users: Floats, items: Floats, layers: Layers, rows: Int64s, codes: Int32s,
    tile_bytes: int = TILE_BYTES,
) -> NDArray[np.float32]:  # fmt: skip
    """Score pairs of a row of ``users`` and one of ``items`` as ``layers_topk`` does.

    Parameters
    ----------
    users, items, layers, tile_bytes
        As for ``layers_topk``.
    rows, codes
        The pairs, in any order.
    """
    product, cells = users.shape[1] - layers.widths[0], _cells_of(layers, tile_bytes)
    scores = np.empty(len(rows), np.float32)
    for first in range(0, len(rows), cells):
        part = slice(first, first + cells)
        left, right = users[rows[part]], items[codes[part]]
        values = np.maximum(left[:, product:] + right[:, product:], 0)
        for weight, bias in layers.hidden:
            values = np.maximum(values @ weight.T + bias, 0)
        products = np.einsum("ij,ij->i", left[:, :product], right[:, :product])
        scores[part] = products + values @ layers.last + layers.bias
    return scores
