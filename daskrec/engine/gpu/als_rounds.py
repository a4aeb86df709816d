"""Half rounds of ALS on a device: one block of a side, or both sides in all rounds.

Where the factors of both sides fit the device, they stay there from the first round to the
last; the log stays too if it fits, else its blocks are copied in each half round, beside the
work.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from daskrec.engine import config
from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray
from daskrec.engine.csr import Csr, stack
from daskrec.engine.gpu.als import exact, gramian
from daskrec.engine.gpu.als_block import Block, Feedback
from daskrec.engine.gpu.als_cg import gradients
from daskrec.engine.gpu.batches import arrays_of, with_zeros
from daskrec.engine.shared import RowShards


class Method(NamedTuple):
    """How rows are solved: exactly, or by three steps of conjugate gradients."""

    feedback: Feedback
    exact: bool

    def solve(
        self, block: Block, table: DeviceArray, gram: Vector, start: DeviceArray
    ) -> DeviceArray:
        """Return the rows of a block; arguments as of ``als_cg.gradients``."""
        return exact(block, table, gram) if self.exact else gradients(block, table, gram, start)


class RowsOfSide(NamedTuple):
    """One side of a log in blocks of rows, and the penalty of each row of a block."""

    matrices: Sequence[Csr]
    penalties: Sequence[Vector]

    @property
    def nbytes(self) -> int:
        """Bytes on a device."""
        return sum(4 * (m.nnz + len(m.data)) + 24 * len(m) for m in self.matrices)

    def joined(self) -> "RowsOfSide":
        """Return the side as one block."""
        return RowsOfSide([stack(self.matrices)], [np.concatenate(self.penalties)])


class _DeviceSide:
    """One side and its factors, which stay on the device; its entries do where they fit."""

    def __init__(
        self, backend: Backend, side: RowsOfSide, first: Vector, method: Method, kept: bool
    ) -> None:
        self._backend = backend
        self._method = method
        self._side = side.joined() if kept else side
        self._blocks = list(self._uploaded()) if kept else None
        self.table = with_zeros(backend, first)

    def _uploaded(self) -> Iterator[Block]:
        """Copy blocks to the device, each while the one before it is solved."""
        groups = (arrays_of(matrix) for matrix in self._side.matrices if matrix.nnz)
        copies = self._backend.ahead(groups)
        for matrix, penalties in zip(*self._side, strict=True):
            arrays = next(copies) if matrix.nnz else None
            yield Block(self._backend, matrix, penalties, self._method.feedback, arrays)

    def solve(self, fixed: DeviceArray, gram: Vector) -> None:
        """Solve all rows, given the table of the other side."""
        first, found = 1, [self.table[:1, :]]
        for block in self._uploaded() if self._blocks is None else self._blocks:
            start = self.table[first : first + block.batches.count, :]
            found.append(self._method.solve(block, fixed, gram, start))
            first += block.batches.count
        self.table = self._backend.xp.concat(found, axis=0)

    def factors(self) -> Vector:
        """Return the factors, on the host."""
        return self._backend.to_host(self.table[1:, :])


def fits(backend: Backend, rows: int, rank: int) -> bool:
    """Tell whether factors of so many rows, old and new, leave a device room for batches."""
    return rows * rank * 20 <= 4 * backend.chunk(1.0)


def run_rounds(
    backend: Backend,
    sides: Sequence[RowsOfSide],
    first: Sequence[Vector],
    method: Method,
    count: int,
    step: Callable[[], None],
) -> list[Vector]:
    """Solve items, then users, so many times.

    Parameters
    ----------
    backend
        Of the device.
    sides
        That of items and that of users.
    first
        The factors of items and of users to begin with, float32.
    method
        Of both sides.
    count
        Number of rounds.
    step
        Called behind each half round.

    Returns
    -------
    list
        The factors of items and of users, float32.

    Notes
    -----
    On the device lie 4 bytes an entry and side, 8 with values, and 20 bytes a factor, beside
    the batches. Sides that would take more than a quarter of what is free are copied block by
    block in each half round, beside the work: 4 or 8 bytes an entry over the bus.
    """
    kept = sum(side.nbytes for side in sides) <= 2 * backend.chunk(1.0)
    items, users = (
        _DeviceSide(backend, side, table, method, kept)
        for side, table in zip(sides, first, strict=True)
    )
    for _ in range(count):
        for solved, fixed in ((items, users), (users, items)):
            solved.solve(fixed.table, _gram(backend, fixed.table, method))
            step()
    return [items.factors(), users.factors()]


def _gram(backend: Backend, table: DeviceArray, method: Method) -> Vector:
    if method.feedback.implicit:
        return gramian(backend, table)
    return np.zeros((table.shape[1], table.shape[1]))


def solve_block(
    backend: Backend,
    matrix: Csr,
    penalties: Vector,
    fixed: RowShards,
    gram: Vector,
    method: Method,
    out: Vector,
) -> Vector:
    """Solve the rows of one block, as ``solve_exact`` or ``solve_cg`` of the CPU; return the Gram.

    Parameters
    ----------
    backend
        Of the device.
    matrix
        n rows.
    penalties
        float32, one a row.
    fixed
        Y, float32.
    gram
        G, float64: ``gramian`` of Y for implicit feedback, zeros for explicit.
    method
        Of the solution.
    out
        Receives the solutions, float32, n x d; holds those that gradients start from.

    Returns
    -------
    ndarray
        Gram matrix of the solutions, float64.

    Notes
    -----
    The entries of the block are copied to the device, 4 bytes each or 8 with values, and the
    solutions back. Y stays there for the next block where it takes less than an eighth of what
    is free, and no more than ``daskrec.share-limit``; else the rows of Y that the block needs
    are copied each time.
    """
    if fixed.nbytes <= min(backend.chunk(1.0), config.get_bytes("share-limit")):
        table = backend.held(fixed, with_zeros)
    else:
        columns, indices = np.unique(matrix.indices, return_inverse=True)
        matrix = Csr(matrix.indptr, indices.astype(np.int32), matrix.data, len(columns))
        table = with_zeros(backend, fixed.take(columns))
    block = Block(backend, matrix, penalties, method.feedback)
    solved = method.solve(block, table, gram, backend.asarray(out))
    out[...] = backend.to_host(solved)
    return gramian(backend, solved)
