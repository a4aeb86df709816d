"""What NeuroMF learns: rows of the log against pairs that are drawn."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from daskrec.engine.random import stream
from daskrec.nn.device import is_mixed, require
from daskrec.nn.training.examples import Course, RowBatch
from daskrec.nn.training.parallel import Group
from daskrec.nn.training.source import Source

if TYPE_CHECKING:
    import torch

    from daskrec.nn.networks.neuro_mf import NeuroMFNet, Pairs

PIECE = {"cpu": 1 << 15, "cuda": 1 << 17}  # rows whose activations are held at once


@dataclass(frozen=True)
class Shape:
    """The network of NeuroMF; see its parameters."""

    embedding_gmf_dim: int | None
    embedding_mlp_dim: int | None
    hidden_mlp_dims: tuple[int, ...]


@dataclass
class NeuroMFProblem:
    """Pairs to be told apart; see ``daskrec.nn.training.problem.Problem``.

    Parameters
    ----------
    course
        Histories, and how they are cut into batches of log rows.
    shape
        The network.
    negatives
        Pairs drawn for each row.
    exclude_positives
        Draw no pair that is in the log.
    precision
        Parameter of the model.
    """

    course: Course
    shape: Shape
    negatives: int
    exclude_positives: bool
    precision: str
    label = "NeuroMF"
    keeps_gradients = True
    _known: Any = field(default=None, init=False, repr=False)

    def start(self, device: "torch.device") -> "NeuroMFNet":
        """Return the network on the device, and put the known pairs there too."""
        from daskrec.nn.networks.neuro_mf import NeuroMFNet

        torch, shape = require(), self.shape
        if self.exclude_positives:
            self._known = torch.from_numpy(_keys(self.course.source)).to(device)
        network = NeuroMFNet(
            self.course.source.user_count,
            self.course.source.item_count,
            shape.embedding_gmf_dim,
            shape.embedding_mlp_dim,
            shape.hidden_mlp_dims,
            seed=self.course.seed,
            mixed=is_mixed(self.precision, device),
        )
        return network.to(device)

    def batches(self, epoch: int | None, group: Group) -> "Iterator[RowPairs]":
        """Return the batches of an epoch, or (None) those of the validation."""
        return map(RowPairs, self.course.rows(epoch, group))

    def steps(self) -> int:
        """Return about how many batches an epoch has."""
        return self.course.steps(self.course.source.row_count)

    def operations(self) -> int:
        """Return about how many multiply-adds an update takes."""
        rows = min(self.course.batch_size, self.course.source.row_count) * (1 + self.negatives)
        gmf, mlp = self.shape.embedding_gmf_dim or 0, self.shape.embedding_mlp_dim or 0
        hidden = self.shape.hidden_mlp_dims
        pairs = sum(a * b for a, b in itertools.pairwise(hidden)) + sum(hidden[:1])
        tables = (self.course.source.user_count + self.course.source.item_count) * (gmf + mlp)
        return 3 * rows * (gmf + mlp + pairs) + 8 * tables

    def loss(self, network: "NeuroMFNet", piece: "Pairs") -> "torch.Tensor":
        """Return the cross-entropy of some rows and of what is drawn, the same every time."""
        from daskrec.nn.networks.neuro_mf import Noise

        noise = Noise(stream(self.course.seed, "neuro_mf.held"), 0)
        return network.loss(piece, self.negatives, noise, self._known)[0]

    def learn(
        self, network: "NeuroMFNet", piece: "Pairs", epoch: int, update: int, scale: float
    ) -> "torch.Tensor":
        """Add the gradient of ``scale`` times the loss to those of the weights, in place."""
        from daskrec.nn.networks.neuro_mf import Noise

        noise = Noise(self.course.seed, epoch)
        return network.learn(piece, self.negatives, noise, self._known, scale)

    def terms(self, count: int) -> int:
        """Return how many terms the loss of so many examples is the sum of."""
        return count * (1 + self.negatives)


def _keys(source: Source) -> np.ndarray[Any, Any]:
    """Return the pairs of the log as sorted int64 words: user x items + item."""
    parts = []
    for shard, first in zip(source.shards, source.offsets[:-1], strict=True):
        matrix = shard.get()
        users = np.repeat(np.arange(first, first + len(matrix)), np.diff(matrix.indptr))
        parts.append(users * source.item_count + matrix.indices)
    return np.concatenate(parts)


class RowPairs:
    """A batch of log rows as tensors."""

    def __init__(self, batch: RowBatch) -> None:
        from daskrec.nn.networks.neuro_mf import Pairs

        torch = require()
        self.count = batch.count
        self.pairs = Pairs(*map(torch.from_numpy, (batch.places, batch.users, batch.items)))

    def pieces(self, device: "torch.device") -> Iterator[Any]:
        """Yield the rows on the device, as many at a time as ``PIECE`` allows."""
        size = PIECE[device.type]
        for start in range(0, len(self.pairs), size):
            yield self.pairs.piece(start, start + size).to(device)
