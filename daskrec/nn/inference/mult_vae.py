"""Scores of MultVAE: a history goes through the encoder and the decoder to all items."""

from collections.abc import Iterator

import numpy as np

from daskrec.engine import config
from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr
from daskrec.engine.device import chosen_gpu
from daskrec.engine.score import Histories, Ragged, Request, Scorer
from daskrec.engine.shared import Shared
from daskrec.engine.threads import single_threaded_blas
from daskrec.engine.topk_softmax import softmax_pairs, softmax_topk
from daskrec.engine.unit_rows import unit_product
from daskrec.engine.weights import Weights, derived

_USERS = 2048  # users who go through the network together


def _entry(weights: Weights) -> Shared[Vector]:
    """Return the first layer by item, so that a history reads whole rows of it."""
    return Shared(np.ascontiguousarray(weights["encoder.0.weight"].T))


class MultVAEScorer(Scorer):
    """A score is the softmax, over all items, of what the decoder makes of a history.

    ``x`` is 1 / sqrt(n) at each of the n items of the history, ``h = f(W1 x + b1)``, ``mu`` the
    first half of ``W2 h + b2``, and the logits ``W4 f(W3 mu + b3) + b4``. The softmax runs over
    seen items and those that are not candidates too.

    Parameters
    ----------
    weights
        Handle on the weights by their names in the network (``encoder.0.weight``, ...).
    activation
        f: ``"relu"`` or ``"tanh"``.
    device
        As for ``chosen_gpu``. On a GPU all is float32 as on the CPU; sums round otherwise.

    Notes
    -----
    ``history x hidden`` additions and ``items x hidden`` multiply-adds a user. Only users with
    a history are served.
    """

    gpu_library = "torch"

    def __init__(
        self, weights: Shared[Weights], activation: str = "relu", device: str = "auto"
    ) -> None:
        self.weights = weights
        self.entry = derived(weights, _entry)
        self.activation = activation
        self.device = device

    def top(self, users: Histories, request: Request) -> Ragged:
        """Walk tiles of users x items: two tiles of memory."""
        device = chosen_gpu(self.device)
        known = _with_history(users.matrix)
        if device is not None:
            from daskrec.nn.inference import mult_vae_device

            found = mult_vae_device.top(
                device, self.entry, self.weights, self.activation, users.matrix.take(known), request
            )
            return known[found[0]], found[1], found[2]
        with single_threaded_blas():
            parts = [self._top(part, users.matrix, request) for part in _parts(known)]
        rows, items, scores = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return rows, items, scores

    def _top(self, rows: Vector, matrix: Csr, request: Request) -> Ragged:
        weights = self.weights.get()
        items, bias = weights["decoder.1.weight"], weights["decoder.1.bias"]
        seen = (matrix.indptr, matrix.indices) if request.filter_seen else (None, None)
        found, best, scores = softmax_topk(
            self._decode(self._encode(matrix, rows)),
            items,
            bias,
            request.length(len(items)),
            *seen,
            rows=rows,
            candidates=request.candidates,
            tile_bytes=config.get_bytes("tile-bytes"),
        )
        return rows[found], best, scores

    def pairs(self, users: Histories, rows: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Score pairs of users with a history; each user costs as much as in ``top``."""
        scored = np.diff(users.matrix.indptr)[rows] > 0
        scores = np.full(len(rows), np.nan)
        wanted, place = np.unique(rows[scored], return_inverse=True)
        device = chosen_gpu(self.device)
        if device is not None:
            from daskrec.nn.inference import mult_vae_device

            taken = users.matrix.take(wanted)
            scores[scored] = mult_vae_device.pairs(
                device, self.entry, self.weights, self.activation, taken, place, items[scored]
            )
            return scores, scored
        order = np.flatnonzero(scored)
        order = order[np.argsort(place, kind="stable")]
        mine = np.sort(place)
        with single_threaded_blas():
            for first, part in enumerate(_parts(wanted)):
                edges = np.array([first * _USERS, first * _USERS + len(part)])
                start, stop = np.searchsorted(mine, edges)
                inside = order[start:stop]
                of_part = mine[start:stop] - first * _USERS
                scores[inside] = self._pairs(part, users.matrix, of_part, items[inside])
        return scores, scored

    def _pairs(self, users: Vector, matrix: Csr, rows: Vector, items: Vector) -> Vector:
        weights = self.weights.get()
        return softmax_pairs(
            self._decode(self._encode(matrix, users)),
            weights["decoder.1.weight"],
            weights["decoder.1.bias"],
            rows,
            items,
            config.get_bytes("tile-bytes"),
        )

    def latent_means(self, matrix: Csr) -> tuple[Vector, Vector]:
        """Return the rows of histories that are not empty, and their ``mu``, float32."""
        rows = _with_history(matrix)
        with single_threaded_blas():
            parts = [self._encode(matrix, part) for part in _parts(rows)]
        return rows, np.concatenate(parts)

    def _encode(self, matrix: Csr, rows: Vector) -> Vector:
        weights = self.weights.get()
        hidden = unit_product(matrix, rows, self.entry.get(), weights["encoder.0.bias"])
        latent = weights["decoder.0.weight"].shape[1]
        means: Vector = self._activate(hidden) @ weights["encoder.1.weight"][:latent].T
        means += weights["encoder.1.bias"][:latent]
        return means

    def _decode(self, means: Vector) -> Vector:
        weights = self.weights.get()
        hidden: Vector = means @ weights["decoder.0.weight"].T
        hidden += weights["decoder.0.bias"]
        return self._activate(hidden)

    def _activate(self, values: Vector) -> Vector:
        if self.activation == "tanh":
            return np.tanh(values, out=values)
        return np.maximum(values, 0, out=values)


def _with_history(matrix: Csr) -> Vector:
    return np.flatnonzero(np.diff(matrix.indptr) > 0)


def _parts(rows: Vector) -> Iterator[Vector]:
    """Cut row numbers; there is one part at least."""
    for first in range(0, max(1, len(rows)), _USERS):
        yield rows[first : first + _USERS]
