"""What MultVAE learns: users as examples, with their whole histories."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from daskrec.nn.device import is_mixed, require
from daskrec.nn.training.examples import Course, UserBatch
from daskrec.nn.training.parallel import Group

if TYPE_CHECKING:
    import torch

    from daskrec.nn.networks.mult_vae import MultVAENet, Rows


@dataclass(frozen=True)
class Shape:
    """The network of MultVAE; see its parameters."""

    hidden_dim: int
    latent_dim: int
    dropout: float
    activation: Literal["relu", "tanh"]


@dataclass(frozen=True)
class MultVAEProblem:
    """Histories to be rebuilt; see ``daskrec.nn.training.problem.Problem``.

    Parameters
    ----------
    course
        Histories, and how they are cut into batches of users.
    shape
        The network.
    anneal, anneal_steps
        Weight of the divergence, and the number of updates in which it rises to that.
    precision
        Parameter of the model.
    """

    course: Course
    shape: Shape
    anneal: float
    anneal_steps: int
    precision: str
    label = "MultVAE"
    keeps_gradients = False

    def start(self, device: "torch.device") -> "MultVAENet":
        """Return the network with its first weights on the device."""
        from daskrec.nn.networks.mult_vae import MultVAENet

        shape = self.shape
        network = MultVAENet(
            self.course.source.item_count,
            shape.hidden_dim,
            shape.latent_dim,
            dropout=shape.dropout,
            activation=shape.activation,
            seed=self.course.seed,
            mixed=is_mixed(self.precision, device),
        )
        return network.to(device)

    def batches(self, epoch: int | None, group: Group) -> "Iterator[UserRows]":
        """Return the batches of an epoch, or (None) those of the validation."""
        return map(UserRows, self.course.users(epoch, group))

    def steps(self) -> int:
        """Return about how many batches an epoch has."""
        return self.course.steps(self.course.source.user_count)

    def operations(self) -> int:
        """Return about how many multiply-adds an update takes."""
        users = min(self.course.batch_size, self.course.source.user_count)
        return 3 * users * self.course.source.item_count * self.shape.hidden_dim

    def loss(self, network: "MultVAENet", piece: "Rows") -> "torch.Tensor":
        """Return the negative evidence bound of some users, summed, without noise."""
        return network.loss(piece, self.anneal, None)[0]

    def learn(
        self, network: "MultVAENet", piece: "Rows", epoch: int, update: int, scale: float
    ) -> "torch.Tensor":
        """Add the gradient of ``scale`` times the loss to those of the weights."""
        from daskrec.nn.networks.mult_vae import Noise

        risen = min(1.0, update / self.anneal_steps) if self.anneal_steps else 1.0
        loss = network.loss(piece, self.anneal * risen, Noise(self.course.seed, epoch))[0]
        (loss * scale).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def terms(self, count: int) -> int:
        """Return how many terms the loss of so many examples is the sum of."""
        return count


class UserRows:
    """A batch of users as tensors."""

    def __init__(self, batch: UserBatch) -> None:
        from daskrec.nn.networks.mult_vae import Rows

        torch, matrix = require(), batch.matrix
        self.count = batch.count
        self.rows = Rows(
            torch.from_numpy(batch.users),
            torch.from_numpy(matrix.indptr),
            torch.from_numpy(matrix.indices.astype("int64")),
            torch.from_numpy(matrix.data) if len(matrix.data) else None,
        )

    def pieces(self, device: "torch.device") -> Iterator[Any]:
        """Yield the users on the device, all at once: the network goes by tiles itself."""
        if len(self.rows.users):
            yield self.rows.to(device)
