"""Running a training where it belongs: here, on a worker, or on several of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from daskrec.engine import runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.memory import release_unused
from daskrec.engine.shared import Shared
from daskrec.engine.threads import cores
from daskrec.engine.weights import Weights
from daskrec.nn import device as devices
from daskrec.nn.training.checkpoint import Checkpoints
from daskrec.nn.training.history import as_array
from daskrec.nn.training.loop import Training
from daskrec.nn.training.parallel import joined
from daskrec.nn.training.problem import Problem
from daskrec.nn.training.state import Plan, Tensors

# Multiply-adds of an update below which threads cost more than they give (measured: NeuroMF of
# 64 + 64 and [128, 64, 32] takes 7.0 ms for 1,024 rows on one core and 10.7 on two; the same for
# 8,192).
_FEW = 300_000_000
# Words in the errors of torch.distributed when a process is gone.
_OF_GROUPS = ("connection", "gloo", "nccl", "timed out", "broken pipe", "peer")

Learned = tuple[Shared[Weights], Vector]


@dataclass(frozen=True)
class Job:
    """A training that can travel.

    Parameters
    ----------
    problem, plan
        What is learned, and how.
    device
        Parameter of the model; it is chosen where the work is done.
    checkpoint_path
        Folder of checkpoints; None keeps none.
    about
        What is trained, for the checkpoints.
    """

    problem: Problem
    plan: Plan
    device: str
    checkpoint_path: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


def train(job: Job, processes: int) -> Learned:
    """Train; return a handle on the best weights, and the history.

    Parameters
    ----------
    job
        What is to be done.
    processes
        Processes that share the work, each a worker of the Dask client; 1 trains in this
        process, or on one worker where there is a client.
    """
    label, folder = job.problem.label, runtime.storage()
    if processes == 1:
        return cast(Learned, runtime.alone(_alone, job, folder, label=label))
    return cast(Learned, runtime.together(_joined, processes, job, folder, label=label)[0])


def _alone(job: Job, folder: str | None) -> Learned:
    """Train in one process; a worker gives it all cores of its machine."""
    learned = _run(job, folder, None if folder is None else cores())
    assert learned is not None
    return learned


def _joined(
    rank: int, size: int, address: tuple[str, int], job: Job, folder: str | None
) -> Learned | None:
    """Train as one of several processes; the first one returns what was learned."""
    return _run(job, folder, runtime.own_threads(), rank, size, address)


def _run(
    job: Job,
    folder: str | None,
    threads: int | None,
    rank: int = 0,
    size: int = 1,
    address: tuple[str, int] = ("", 0),
) -> Learned | None:
    torch = devices.require()
    device = devices.choose(job.device)
    count = torch.get_num_threads() if threads is None else threads
    if job.problem.operations() < _FEW:
        count = 1
    with devices.threads(count), joined(rank, size, address, device.type == "cuda") as group:
        keeper = None
        if job.checkpoint_path is not None:
            keeper = Checkpoints(job.checkpoint_path, job.about)
        release_unused()
        with _lost_processes_are_told(size, job.checkpoint_path):
            # The optimiser is let go of before weights are handed over.
            best, history = Training(job.problem, job.plan, device, group, keeper).run()
        if rank > 0:
            return None
        return Shared.stored(_plain(best), folder), as_array(history)


@contextmanager
def _lost_processes_are_told(size: int, checkpoint_path: str | None) -> Iterator[None]:
    """Say what to do when the others of a group do not answer any more."""
    try:
        yield
    except RuntimeError as error:
        if size == 1 or not any(word in str(error).lower() for word in _OF_GROUPS):
            raise
        way = "goes on from its checkpoint" if checkpoint_path else "begins anew"
        raise RuntimeError(
            f"a process of {size} that train together was lost; the same fit, on as many workers, "
            f"{way}"
        ) from error


def _plain(tensors: Tensors) -> Weights:
    """Return tensors as arrays of this process."""
    return Weights({name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()})
