"""Several processes that train one network: each takes a part of every batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from daskrec.nn.device import require

if TYPE_CHECKING:
    import torch

_TIMEOUT = timedelta(minutes=5)


class Group:
    """One process by itself; see ``Joined`` for several.

    Attributes
    ----------
    rank, size
        The number of this process, and how many there are.
    """

    rank = 0
    size = 1

    def part(self, count: int) -> tuple[int, int]:
        """Return the first and the last place of this process's part of a batch."""
        return count * self.rank // self.size, count * (self.rank + 1) // self.size

    def add(self, tensors: "Sequence[torch.Tensor]") -> None:
        """Add tensors up over the processes, in place."""


class Joined(Group):
    """Processes that ``joined`` brought together."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank = rank
        self.size = size

    def add(self, tensors: "Sequence[torch.Tensor]") -> None:
        """Add tensors up over the processes, in place."""
        distributed = require("torch.distributed")
        work = [distributed.all_reduce(tensor, async_op=True) for tensor in tensors]
        for one in work:
            one.wait()


@contextmanager
def joined(rank: int, size: int, address: tuple[str, int], on_gpu: bool) -> Iterator[Group]:
    """Join this process with others, and leave them at the end.

    Parameters
    ----------
    rank, size
        The number of this process, and how many there are.
    address
        Host and free port of the first process.
    on_gpu
        Whether tensors lie on GPUs (NCCL) or on CPUs (gloo).
    """
    if size == 1:
        yield Group()
        return
    distributed = require("torch.distributed")
    if distributed.is_initialized():
        raise RuntimeError(
            "this process is in a torch.distributed group already; training in parallel takes "
            "workers that are processes of their own"
        )
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=f"tcp://{address[0]}:{address[1]}",
        rank=rank,
        world_size=size,
        timeout=_TIMEOUT,
    )
    try:
        yield Joined(rank, size)
    finally:
        distributed.destroy_process_group()
