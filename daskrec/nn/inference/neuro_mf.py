"""Scores of NeuroMF: every user with every item, without its first layer for each pair.

The network is ``sigmoid(v . [gmf, mlp] + c)``, and what it does to a user and to an item alone
is done once: biases are added, ``v`` goes into the vectors of users, and the first layer of the
perceptron is the sum of a part of the user and one of the item.
"""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.device import chosen_gpu
from daskrec.engine.score import Encoder, Histories, Ragged, Request, VectorScorer
from daskrec.engine.select import Ranked
from daskrec.engine.shared import RowShards, Shared
from daskrec.engine.threads import single_threaded_blas
from daskrec.engine.topk import dot_topk, order_equal
from daskrec.engine.topk_layers import Layers, layers_pairs, layers_topk
from daskrec.engine.weights import Weights, derived


class Split(NamedTuple):
    """A network split into what belongs to users, to items, and to pairs.

    Parameters
    ----------
    users, items
        float32, ids x width. Without hidden layers, the logit is the inner product of two
        rows; with some, rows are those that ``topk_layers`` takes.
    layers
        What follows the first layer; None without hidden layers.
    """

    users: Vector
    items: Vector
    layers: Layers | None


def split_weights(weights: Mapping[str, Vector]) -> Split:
    """Split the weights of NeuroMF.

    Parameters
    ----------
    weights
        float32 arrays by their names in the network (``gmf.user_embedding.weight``, ...); those
        of a branch that is not there are left out.

    Notes
    -----
    ``users + items`` products with the first layer. The tables hold a row for each user and
    item, of the width of the inner product and of the first layer.
    """
    last, bias = weights["last_layer.weight"][0], weights["last_layer.bias"]
    user_parts, item_parts = [], []
    used = 0
    if "gmf.user_embedding.weight" in weights:
        users, items = _embeddings(weights, "gmf")
        used = users.shape[1]
        user_parts.append(users * last[:used])
        item_parts.append(items)
    if "mlp.user_embedding.weight" not in weights:
        user_parts.append(np.broadcast_to(bias, (len(user_parts[0]), 1)))
        item_parts.append(np.ones((len(item_parts[0]), 1), np.float32))
        return Split(_beside(user_parts), _beside(item_parts), None)
    users, items = _embeddings(weights, "mlp")
    half, hidden = users.shape[1], list(_hidden(weights))
    if not hidden:
        own, theirs = users @ last[used : used + half] + bias, items @ last[used + half :]
        user_parts += [own[:, None], np.ones((len(users), 1), np.float32)]
        item_parts += [np.ones((len(items), 1), np.float32), theirs[:, None]]
        return Split(_beside(user_parts), _beside(item_parts), None)
    first, shift = hidden[0]
    user_parts.append(users @ first[:, :half].T + shift)
    item_parts.append(items @ first[:, half:].T)
    layers = Layers(hidden[1:], np.ascontiguousarray(last[used:]), bias)
    return Split(_beside(user_parts), _beside(item_parts), layers)


def _embeddings(weights: Mapping[str, Vector], branch: str) -> tuple[Vector, Vector]:
    """Return the vectors of users and of items in a branch, with their biases."""
    return (
        weights[f"{branch}.user_embedding.weight"] + weights[f"{branch}.user_biases.weight"],
        weights[f"{branch}.item_embedding.weight"] + weights[f"{branch}.item_biases.weight"],
    )


def _hidden(weights: Mapping[str, Vector]) -> Iterator[tuple[Vector, Vector]]:
    for number in count():
        name = f"mlp.hidden_layers.{number}"
        if f"{name}.weight" not in weights:
            return
        yield weights[f"{name}.weight"], weights[f"{name}.bias"]


def _beside(parts: list[Vector]) -> Vector:
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _handles(weights: Weights) -> tuple[RowShards, Shared[Vector], Shared[Layers] | None]:
    split = split_weights(weights)
    layers = None if split.layers is None else Shared(split.layers)
    return RowShards.of(split.users), Shared(split.items), layers


class NeuroMFScorer(VectorScorer):
    """A score is the output of a network for a known user and an item.

    Parameters
    ----------
    users
        The ids of the rows of ``user_vectors``.
    user_vectors, item_vectors, layers
        What ``split_weights`` gives, behind handles.
    device
        As for ``chosen_gpu``. On a GPU all is float32 as on the CPU; sums round otherwise.

    Notes
    -----
    Without hidden layers, an inner product a pair; with some, a multiply-add for each weight of
    the layers after the first and twice the width of the first. Of items whose logits differ
    and whose relevance is equal after rounding, those with larger logits are recommended.
    """

    gpu_library = "torch"

    def __init__(
        self,
        users: Encoder,
        user_vectors: RowShards,
        item_vectors: Shared[Vector],
        layers: Shared[Layers] | None = None,
        device: str = "auto",
    ) -> None:
        super().__init__(users, user_vectors, item_vectors)
        self.layers = layers
        self.device = device

    @classmethod
    def of(cls, users: Encoder, weights: Shared[Weights], device: str = "auto") -> "NeuroMFScorer":
        """Make the scorer of a network; its weights are split once for each handle."""
        return cls(users, *derived(weights, _handles), device)

    def top(self, users: Histories, request: Request) -> Ragged:
        """Walk tiles of users x items; one tile of memory, and the layers' outputs for a part."""
        device = chosen_gpu(self.device)
        if device is None:
            rows, items, logits = super().top(users, request)
        else:
            from daskrec.nn.inference import neuro_mf_device

            known, vectors = self._vectors(users)
            seen = users.matrix.take(known) if request.filter_seen else None
            rows, items, logits = neuro_mf_device.top(
                device, vectors, self.item_vectors, self.layers, request, seen
            )
            rows = known[rows]
        return order_equal(rows, items, _sigmoid(logits))

    def _ranked(self, vectors: Vector, *what: Any, **how: Any) -> Ranked:
        if self.layers is None:
            return dot_topk(vectors, self.item_vectors.get(), *what, **how)
        return layers_topk(vectors, self.item_vectors.get(), self.layers.get(), *what, **how)

    def _scored(self, vectors: Vector, rows: Vector, items: Vector) -> Vector:
        if self.layers is None:
            logits = super()._scored(vectors, rows, items)
        else:
            table, layers = self.item_vectors.get(), self.layers.get()
            with single_threaded_blas():
                logits = layers_pairs(vectors, table, layers, rows, items)
        return _sigmoid(logits.astype(np.float64))


def _sigmoid(logits: Vector) -> Vector:
    """Return 1 / (1 + exp(-logit)), exact for very small ones too."""
    from scipy.special import expit  # slow to import, and the library itself needs none of it

    relevance: Vector = expit(logits)
    return relevance
