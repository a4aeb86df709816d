"""What the training loop has to know of a model: a ``Problem``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from daskrec.nn.training.parallel import Group

if TYPE_CHECKING:
    import torch


class Batch(Protocol):
    """Some examples, as tensors."""

    count: int  # of the batch in all processes together

    def pieces(self, device: "torch.device") -> "Iterator[Any]":
        """Yield the examples of this process on the device, as many as are learned at once."""


class Problem(Protocol):
    """What is learned."""

    label: str
    keeps_gradients: bool  # their memory, from step to step

    def start(self, device: "torch.device") -> "torch.nn.Module":
        """Return the network with its first weights on the device.

        What losses need besides batches is put there too.
        """

    def batches(self, epoch: int | None, group: Group) -> "Iterator[Batch]":
        """Return the batches of an epoch, or (None) those of the validation."""

    def steps(self) -> int:
        """Return about how many batches an epoch has."""

    def operations(self) -> int:
        """Return about how many multiply-adds an update takes."""

    def loss(self, network: Any, piece: Any) -> "torch.Tensor":
        """Return the loss of a piece of the validation, summed over what ``terms`` counts."""

    def learn(
        self, network: Any, piece: Any, epoch: int, update: int, scale: float
    ) -> "torch.Tensor":
        """Add the gradient of ``scale`` times the loss to those of the weights; return the loss.

        Gradients are zero or None before the first piece of a batch, as ``keeps_gradients``
        says.

        Parameters
        ----------
        network, piece
            The network, and some examples.
        epoch
            Of the draws.
        update
            How many updates were made before.
        scale
            What the gradient is multiplied by.
        """

    def terms(self, count: int) -> int:
        """Return how many terms the loss of so many examples is the sum of."""
