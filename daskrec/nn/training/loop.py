"""The training loop: epochs of batches, one optimiser, the best weights.

The loop knows nothing of a model. What is learned is a ``Problem``: it makes the network, cuts
examples into batches, and says what the loss of some of them is. Everything that is drawn is
drawn by key, so that the state of a training is its weights, those of the optimiser, and how
far it came.
"""

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from daskrec import progress
from daskrec.engine import runtime
from daskrec.nn.device import require
from daskrec.nn.training.parallel import Group
from daskrec.nn.training.problem import Batch, Problem
from daskrec.nn.training.source import prefetched
from daskrec.nn.training.state import Keeper, Plan, State, Tensors

if TYPE_CHECKING:
    import torch


class Training:
    """One training of one network.

    Parameters
    ----------
    problem, plan
        What is learned, and how.
    device
        Where.
    group
        The processes that take part.
    keeper
        Keeps checkpoints; None keeps none.
    """

    def __init__(
        self,
        problem: Problem,
        plan: Plan,
        device: "torch.device",
        group: Group,
        keeper: Keeper | None = None,
    ) -> None:
        torch = require()
        self.problem, self.plan, self.device, self.group = problem, plan, device, group
        self.keeper = keeper
        self.network = problem.start(device)
        self.parameters = list(self.network.parameters())
        self.optimiser = torch.optim.Adam(
            self.parameters, lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True
        )
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, factor=plan.factor, patience=plan.patience
        )
        self.state = State()
        self.best: Tensors | None = None
        self._resume()

    def run(self) -> tuple[Tensors, list[list[float]]]:
        """Train to the end; return the best weights, and a row an epoch (``state.COLUMNS``).

        Raises
        ------
        ArithmeticError
            The loss is no finite number any more.
        """
        state, plan = self.state, self.plan
        total = max(plan.epochs - state.epoch, 0) * self.problem.steps()
        with progress.bar(self.problem.label, total) as step:
            while state.epoch < plan.epochs and not state.finished:
                self._epoch(step)
                self._close_epoch(self._validate(), step)
        if self.best is None or state.best_epoch == state.epoch - 1:
            self.best = dict(self.network.state_dict())
        return self.best, state.history

    def _epoch(self, step: Callable[..., None]) -> None:
        """Train on the batches of the epoch that are left."""
        torch, state = require(), self.state
        sums = torch.tensor([state.total, 0.0], dtype=torch.float64, device=self.device)
        began, skipped = time.perf_counter() - state.seconds, state.step
        batches = prefetched(self.problem.batches(state.epoch, self.group))
        for number, batch in enumerate(batches):
            if number < skipped:
                continue
            self._update(batch, sums)
            state.terms += self.problem.terms(batch.count)
            state.step, state.updates = number + 1, state.updates + 1
            step()
            often = self.plan.checkpoint_steps
            if often and state.updates % often == 0:
                state.total, state.seconds = self._total(sums), time.perf_counter() - began
                self._keep()
        state.total, state.seconds = self._total(sums), time.perf_counter() - began

    def _update(self, batch: Batch, sums: "torch.Tensor") -> None:
        """Go one step down the gradient of a batch."""
        torch, state = require(), self.state
        self.optimiser.zero_grad(set_to_none=not self.problem.keeps_gradients)
        scale = 1.0 / self.problem.terms(batch.count)
        for piece in batch.pieces(self.device):
            args = self.network, piece, state.epoch, state.updates, scale
            sums[1] += self.problem.learn(*args)
        if self.group.size > 1:
            for parameter in self.parameters:
                if parameter.grad is None:  # no examples came to this process
                    parameter.grad = torch.zeros_like(parameter)
            self.group.add([p.grad for p in self.parameters if p.grad is not None])
        self.optimiser.step()

    def _total(self, sums: "torch.Tensor") -> float:
        """Return the sum of losses so far: what was there, and those of all processes since."""
        self.group.add([sums[1:]])
        sums[0] += sums[1]
        sums[1] = 0.0
        return float(sums[0])

    def _validate(self) -> float | None:
        """Return the mean loss of the validation; None where there is none."""
        torch = require()
        total = torch.zeros(1, dtype=torch.float64, device=self.device)
        terms = 0
        with torch.no_grad():
            for batch in prefetched(self.problem.batches(None, self.group)):
                for piece in batch.pieces(self.device):
                    total += self.problem.loss(self.network, piece)
                terms += self.problem.terms(batch.count)
        self.group.add([total])
        return float(total) / terms if terms else None

    def _close_epoch(self, validated: float | None, step: Callable[..., None]) -> None:
        """Note how an epoch went, and decide what follows."""
        state, plan = self.state, self.plan
        loss = state.total / max(state.terms, 1)
        value = loss if validated is None else validated
        if not (math.isfinite(loss) and math.isfinite(value)):
            raise ArithmeticError(
                f"{self.problem.label}: the loss of epoch {state.epoch + 1} is {loss}, and "
                f"{value} after it: take a smaller learning_rate"
            )
        rate = self.optimiser.param_groups[0]["lr"]
        speed = state.terms / max(state.seconds, 1e-9)
        held = math.nan if validated is None else validated
        row = [state.epoch + 1, loss, held, rate, state.seconds, speed]
        state.history.append([float(number) for number in row])
        self.scheduler.step(value)
        state.epoch, state.step = state.epoch + 1, 0
        state.total, state.terms, state.seconds = 0.0, 0, 0.0
        if value < state.best_value:
            state.best_epoch, state.best_value = state.epoch - 1, value
        waited = state.epoch - 1 - state.best_epoch
        stops = plan.early_stopping is not None and waited >= plan.early_stopping
        state.finished = stops or state.epoch >= plan.epochs
        if waited == 0 and not state.finished:
            self.best = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        said = f"loss {loss:.4g}, validation {held:.4g}, {speed:,.0f}/s"
        step(0, f"{self.problem.label}: {said}")
        if self.group.rank == 0:  # on a worker there is no bar
            epoch = f"epoch {state.epoch} of {plan.epochs}"
            runtime.logger.info("%s, %s: %s", self.problem.label, epoch, said)
        self._keep()

    # ------------------------------------------------------------ checkpoints

    def _keep(self) -> None:
        if self.keeper is None or self.group.rank > 0:
            return
        state = self.state
        state.scheduler = dict(self.scheduler.state_dict())
        weights = dict(self.network.state_dict())
        here = state.best_epoch == state.epoch - 1 and state.step == 0
        best = weights if here or self.best is None else self.best
        self.keeper.save(state, weights, self._optimiser_tensors(), best)

    def _optimiser_tensors(self) -> Tensors:
        held = self.optimiser.state
        return {
            f"{number}.{name}": held[parameter][name]
            for number, parameter in enumerate(self.parameters)
            for name in held.get(parameter, {})
        }

    def _resume(self) -> None:
        kept = None if self.keeper is None else self.keeper.load()
        if kept is None:
            return
        self.state, weights, tensors, best = kept
        if self.state.epoch > self.plan.epochs:
            raise ValueError(
                f"the checkpoint has run {self.state.epoch} epochs, more than epochs="
                f"{self.plan.epochs}: name another checkpoint_path, or more epochs"
            )
        self.network.load_state_dict(weights)
        self.network.to(self.device)
        state = self.optimiser.state_dict()
        for key, tensor in tensors.items():
            number, _, name = key.partition(".")
            state["state"].setdefault(int(number), {})[name] = tensor
        self.optimiser.load_state_dict(state)
        self.scheduler.load_state_dict(self.state.scheduler)
        for group, rate in zip(
            self.optimiser.param_groups, self.state.scheduler["_last_lr"], strict=True
        ):
            group["lr"] = rate
        if best is not None:  # in the order of the network
            self.best = {name: best[name] for name in self.network.state_dict()}
        if self.state.epoch < self.plan.epochs and not _stopped(self.state, self.plan):
            self.state.finished = False  # more epochs than the last time


def _stopped(state: State, plan: Plan) -> bool:
    """Tell whether a training ended because it got no better."""
    if plan.early_stopping is None:
        return False
    return state.epoch - 1 - state.best_epoch >= plan.early_stopping
