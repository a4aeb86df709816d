"""How a network is trained, how far that came, and who keeps it."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

COLUMNS = ("epoch", "loss", "val_loss", "learning_rate", "seconds", "rate")
Tensors = dict[str, "torch.Tensor"]


@dataclass(frozen=True)
class Plan:
    """How it is learned; see the parameters of ``TorchRecommender``."""

    learning_rate: float
    epochs: int
    weight_decay: float
    factor: float
    patience: int
    early_stopping: int | None
    checkpoint_steps: int | None = None


@dataclass
class State:
    """How far a training came.

    Attributes
    ----------
    epoch, step
        The next batch: of which epoch, and its number there.
    updates
        Updates made.
    total, terms, seconds
        Sum of the losses of the unfinished epoch, what it is a sum of, time that it took.
    history
        A row an epoch, with ``COLUMNS``.
    best_epoch, best_value
        The best epoch so far.
    finished
        Whether training is over.
    scheduler
        State of the schedule of the learning rate.
    """

    epoch: int = 0
    step: int = 0
    updates: int = 0
    total: float = 0.0
    terms: int = 0
    seconds: float = 0.0
    history: list[list[float]] = field(default_factory=list)
    best_epoch: int = -1
    best_value: float = math.inf
    finished: bool = False
    scheduler: dict[str, Any] = field(default_factory=dict)


class Keeper(Protocol):
    """Keeps states of a training."""

    def load(self) -> tuple[State, Tensors, Tensors, Tensors | None] | None:
        """Return state, weights, tensors of the optimiser and best weights, or None."""

    def save(self, state: State, weights: Tensors, optimiser: Tensors, best: Tensors) -> None:
        """Keep them."""
