"""Exact top-k of a small network over every pair of a user and an item.

The score of a pair is ``g_u . q_i + c + sum_f w_f h_f``, where h is what layers of rectified
linear units make of ``relu(a_u + b_i)``: the first layer comes as a part of the user and one
of the item, so that a pair costs only an addition there. Rows of ``users`` are ``[g_u, a_u]``,
rows of ``items`` ``[q_i, b_i]``.

T pairs at a time (a SIMD register wide) go through all layers in the first cache: no tile of
outputs is ever written, and how these sums round does not depend on tiles.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.jit import kernel
from daskrec.engine.select import Ranked, empty_ranked
from daskrec.engine.solve.simd import TILE, T
from daskrec.engine.solve.tiles import aligned, combine, product, rectified_sum
from daskrec.engine.topk import TILE_BYTES, rank_tiles, seen_among, tile_shape

Floats: TypeAlias = NDArray[Any]
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]

_PAIRS = 4096  # inner products taken together


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


class _Packed(NamedTuple):
    """Layers as the kernels take them: widths are rounded up to T, by zeros."""

    widths: Vector  # int64: outputs of each layer, the first one too
    weights: Vector  # of the layers after the first, in panels of T outputs, input by input
    biases: Vector  # T times each
    last: Vector
    work: Vector  # outputs of two layers for T pairs, and their scores


def _whole(width: int) -> int:
    return -(-width // T) * T


def _pack(layers: Layers) -> _Packed:
    widths = [_whole(width) for width in layers.widths]
    weights, biases = [np.empty(0, np.float32)], [np.empty(0, np.float32)]
    for (weight, bias), before, after in zip(layers.hidden, widths, widths[1:], strict=False):
        square = np.zeros((after, before), np.float32)
        square[: weight.shape[0], : weight.shape[1]] = weight
        weights.append(square.reshape(-1, T, before).transpose(0, 2, 1).reshape(-1))
        biases.append(np.repeat(_padded(bias, after), T))
    return _Packed(
        np.array(widths, np.int64),
        np.concatenate(weights),
        _aligned(np.concatenate(biases)),
        _padded(layers.last, widths[-1]),
        aligned(2 * max(widths) * T + T),
    )


def _padded(values: Vector, width: int) -> Vector:
    """Return rows with zeros behind them."""
    out = np.zeros((*values.shape[:-1], width), np.float32)
    out[..., : values.shape[-1]] = values
    return out


def _panels(items: Floats, width: int) -> Floats:
    """Return the rows of items in panels of T items, feature by feature."""
    rows = np.zeros((_whole(len(items)), width), np.float32)
    rows[: len(items), : items.shape[1]] = items
    return _aligned(rows.reshape(-1, T, width).transpose(0, 2, 1))


def _aligned(values: Vector) -> Vector:
    """Return numbers in a row that starts on a cache line."""
    out = aligned(values.size)
    out.reshape(values.shape)[...] = values
    return out


@kernel()
def _finish(widths: Int64s, weights: Floats, biases: Floats, last: Floats, work: Floats) -> Any:
    """Take T pairs from the outputs of the first layer to their scores; return where these are."""
    zero = np.float32(0)
    half = (work.size - T) // 2
    here, there = 0, half
    at, shift = 0, 0
    for layer in range(1, widths.size):
        count, outputs = widths[layer - 1], widths[layer]
        for first in range(0, outputs, T):
            product(
                work, there + first * T, biases, shift + first * T,
                weights, at + first * count, work, here, count,
            )  # fmt: skip
        for f in range(there, there + outputs * T, T):
            rectified_sum(work, f, work, f, zero)
        at += outputs * count
        shift += outputs * T
        here, there = there, here
    scores = 2 * half
    for c in range(T):
        work[scores + c] = zero
    combine(work, scores, work, here, TILE, last.size // T, last, 0)
    return scores


@kernel()
def _add_tile(
    users: Floats, panels: Floats, widths: Int64s, weights: Floats, biases: Floats, last: Floats,
    work: Floats, scores: Floats,
) -> None:  # fmt: skip
    """Add what the layers say to a tile of scores."""
    width = widths[0]
    for u in range(scores.shape[0]):
        row = scores[u]
        for first in range(0, row.size, T):
            base = first * width
            for f in range(width):
                rectified_sum(work, f * T, panels, base + f * T, users[u, f])
            found = _finish(widths, weights, biases, last, work)
            for c in range(min(T, row.size - first)):
                row[first + c] += work[found + c]


@kernel()
def _add_pairs(
    users: Floats, items: Floats, rows: Int64s, codes: Int32s, widths: Int64s, weights: Floats,
    biases: Floats, last: Floats, work: Floats, scores: Floats,
) -> None:  # fmt: skip
    """Add what the layers say to the scores of pairs."""
    zero, width = np.float32(0), widths[0]
    work[: width * T] = zero
    for first in range(0, scores.size, T):
        some = min(T, scores.size - first)
        for f in range(users.shape[1]):
            for c in range(some):
                total = users[rows[first + c], f] + items[codes[first + c], f]
                work[f * T + c] = total if total > zero else zero
        found = _finish(widths, weights, biases, last, work)
        for c in range(some):
            scores[first + c] += work[found + c]


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
    and the rows of its items once more.
    """
    inner = users.shape[1] - layers.widths[0]  # numbers of the inner product
    packed = _pack(layers)
    left, entering = users[:, :inner], _padded(users[:, inner:], packed.widths[0])
    seen_rows = np.arange(len(users), dtype=np.int64) if rows is None else rows
    seen = None if indptr is None or indices is None else (indptr, indices, seen_rows)
    if candidates is not None and seen is not None:
        seen = seen_among(*seen, candidates, len(items))

    def fill(part: slice, columns: slice, scores: Floats) -> None:
        chosen = items[columns if candidates is None else candidates[columns]]
        if inner:
            np.matmul(left[part], chosen[:, :inner].T, out=scores)
            scores += layers.bias
        else:
            scores[:] = layers.bias
        _add_tile(entering[part], _panels(chosen[:, inner:], packed.widths[0]), *packed, scores)

    count = len(items) if candidates is None else len(candidates)
    best = empty_ranked(len(users), k, np.float32)
    if k > 0:
        rank_tiles(fill, count, best, seen, tile_shape(len(users), count, 4, tile_bytes))
    if candidates is not None and candidates.size > 0:
        best = (candidates[best[0]], best[1], best[2])
    return best


def layers_pairs(
    users: Floats, items: Floats, layers: Layers, rows: Int64s, codes: Int32s
) -> NDArray[np.float32]:
    """Score pairs of a row of ``users`` and one of ``items`` as ``layers_topk`` does.

    Parameters
    ----------
    users, items, layers
        As for ``layers_topk``.
    rows, codes
        The pairs, in any order.
    """
    inner = users.shape[1] - layers.widths[0]
    packed = _pack(layers)
    scores = np.empty(len(rows), np.float32)
    for first in range(0, len(rows), _PAIRS):
        part = slice(first, first + _PAIRS)
        left, right = users[rows[part], :inner], items[codes[part], :inner]
        scores[part] = np.einsum("ij,ij->i", left, right) + layers.bias
    entering, theirs = (table[:, inner:] for table in (users, items))
    _add_pairs(entering, theirs, rows, codes, *packed, scores)
    return scores
