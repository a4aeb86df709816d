"""What a device can do at best, measured, and the least that each kernel asks of it."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import THREADS, machine
from daskrec.data.blocks import Interactions
from daskrec.data.transpose import matrix_of
from daskrec.engine.backend import Backend

_SIDE = 8192  # of the square tables that are multiplied
_COPIED = 2**28  # float32 numbers
_TURNS = 5
_CELL = 4  # bytes of a number


@dataclass(frozen=True)
class Ceiling:
    """Measured ceilings of a device.

    Parameters
    ----------
    flops
        Float32 operations a second of a large matrix product.
    bandwidth
        Bytes a second that a copy reads and writes.
    """

    flops: float
    bandwidth: float

    def seconds(self, need: "Need") -> float:
        """Return the least time that something takes."""
        return max(need.operations / self.flops, need.nbytes / self.bandwidth)


@dataclass(frozen=True)
class Need:
    """Operations and bytes that a job cannot do without."""

    operations: float
    nbytes: float


@dataclass(frozen=True)
class Size:
    """Size of a log, as the formulas take it."""

    users: int
    items: int
    entries: int
    pairs: float  # sum of the squared lengths of the histories

    @classmethod
    def of(cls, data: Interactions) -> "Size":
        """Measure training data that lie in this process."""
        lengths = [np.diff(matrix_of(part).indptr) for part in data.parts]
        pairs = sum(float(np.square(one, dtype=np.float64).sum()) for one in lengths)
        return cls(data.user_count, data.item_count, data.entry_count, pairs)


def ceiling(gpu: Backend) -> Ceiling:
    """Measure a device, the best of some turns."""
    table = gpu.zeros((_SIDE, _SIDE), np.float32) + 1
    flops = 2 * _SIDE**3 / _best(gpu, lambda: gpu.xp.matmul(table, table))
    numbers = gpu.zeros((_COPIED,), np.float32)
    bandwidth = 2 * _CELL * _COPIED / _best(gpu, lambda: numbers + 1)
    return Ceiling(flops, bandwidth)


def host_ceiling() -> Ceiling:
    """Measure this machine on all threads: BLAS, and a copy out of cache."""
    return Ceiling(machine.sgemm_rate(), machine.copy_rate(THREADS))


def _best(gpu: Backend, run: Any) -> float:
    seconds = []
    for _ in range(_TURNS + 1):
        begin = perf_counter()
        found = run()
        gpu.to_host(found.reshape(-1)[:1])  # waits for the device
        seconds.append(perf_counter() - begin)
    return min(seconds[1:])


def encoding(size: Size) -> Need:
    """Count columns of two ids (8 bytes) and relevance (4) read, and the blocks written."""
    return Need(0.0, size.entries * (8 + 8 + 4 + 2 * _CELL))


def als_round(size: Size, rank: int) -> Need:
    """Count Gram matrices of all rows (one triangle), Cholesky solves, every factor read once."""
    rows = size.users + size.items
    operations = 2 * size.entries * rank * (rank + 1) + rows * (rank**3 / 3 + 2 * rank**2)
    return Need(operations, 2 * size.entries * (rank * _CELL + 2 * _CELL))


def gram(size: Size) -> Need:
    """Count products of all pairs that users have, and the table written once."""
    return Need(2 * size.pairs, size.items**2 * _CELL + 2 * size.entries * _CELL)


def inverse(size: Size) -> Need:
    """Count a Cholesky factorisation and the inverse of it, in the place of the table."""
    return Need(float(size.items) ** 3, 2 * size.items**2 * _CELL)


def slim(size: Size, active: Any) -> Need:
    """Count products of all pairs, and for each column what tells that it is an optimum.

    That is its gradient (a row of the table for each weight), and one solution of the equations of
    its weights, by Cholesky, if one knew which they are.

    Parameters
    ----------
    size
        Of the log.
    active
        Array: weights of each column.
    """
    weights = np.asarray(active, np.float64)
    solved = float((2 * size.items * weights + weights**3 / 3).sum())
    return plus(gram(size), Need(solved, float(weights.sum()) * size.items * _CELL))


def plus(first: Need, second: Need) -> Need:
    """Return what two jobs need, one after the other."""
    return Need(first.operations + second.operations, first.nbytes + second.nbytes)


def lists(size: Size, rank: int) -> Need:
    """Count the scores of all users and items; the table of them is never written."""
    return Need(
        2.0 * size.users * size.items * rank,
        (size.users + size.items) * rank * _CELL + size.entries * _CELL,
    )


def mult_vae(size: Size, hidden: int) -> Need:
    """Count the last layer, forward and back, for every user; histories are read sparse."""
    return Need(6.0 * size.users * size.items * hidden, size.entries * hidden * _CELL)


def neuro_mf(size: Size, dim: int, negatives: int) -> Need:
    """Count embeddings read, and written by their gradients, of pairs and what is drawn."""
    pairs = size.entries * (1 + negatives)
    return Need(6.0 * pairs * 2 * dim, pairs * 2 * dim * _CELL * 3)
