"""A problem of the training loop that needs no model: the line behind noisy points."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from daskrec.nn.training.parallel import Group

POINTS = 64


@dataclass
class Points:
    """A batch of points."""

    count: int
    places: torch.Tensor

    def pieces(self, device: torch.device) -> Iterator[torch.Tensor]:
        """Yield three points at a time."""
        for piece in self.places.split(3):
            yield piece.to(device)


@dataclass(frozen=True)
class Line:
    """Learn the slope of y = 3 x + 1; every update is counted in a file, if one is named."""

    batch_size: int = 10
    held: int = 8  # every one of so many; 0 holds nothing out
    trace: str | None = None
    broken: float = 1.0
    label = "line"
    keeps_gradients = False

    def start(self, device: torch.device) -> torch.nn.Module:
        network = torch.nn.Linear(1, 1)
        with torch.no_grad():
            network.weight.fill_(-1.0)
            network.bias.zero_()
        return network.to(device)

    def batches(self, epoch: int | None, group: Group) -> Iterator[Points]:
        places = torch.arange(POINTS)
        held = places % self.held == 0 if self.held else places < 0
        places = places[held] if epoch is None else places[~held]
        if epoch is not None:
            places = places[torch.argsort((places * 7 + epoch * 13) % 61)]
        for batch in places.split(self.batch_size):
            start, stop = group.part(len(batch))
            yield Points(len(batch), batch[start:stop])

    def steps(self) -> int:
        return -(-POINTS // self.batch_size)

    def operations(self) -> int:
        return 2 * self.batch_size

    def loss(self, network: Any, piece: torch.Tensor) -> Any:
        x = (piece.float() / POINTS).unsqueeze(1)
        return ((network(x) - 3 * x - 1) ** 2).sum() * self.broken

    def learn(
        self, network: Any, piece: torch.Tensor, epoch: int, update: int, scale: float
    ) -> Any:
        if self.trace is not None:
            with open(self.trace, "a") as sink:
                print(epoch, update, *piece.tolist(), file=sink)
        loss = self.loss(network, piece)
        (loss * scale).backward()
        return loss.detach()

    def terms(self, count: int) -> int:
        return count
