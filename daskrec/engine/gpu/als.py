"""Rows of ALS solved exactly on a device, in batches of rows of about one length.

The systems of all rows of a batch are built by one batched product of gathered factors, and
solved by one batched Cholesky factorisation. A row whose matrix may be singular as far as
float32 can tell is solved again in float64, as ``engine.solve`` does.
"""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray
from daskrec.engine.gpu.als_block import Block
from daskrec.engine.gpu.als_dual import Dual, suits
from daskrec.engine.gpu.als_primal import Primal, add_to_diagonals, diagonals
from daskrec.engine.gpu.batches import in_place

# Rows whose products are summed in float32 before they join the float64 sum.
_CHUNK = 4096
# Of the largest diagonal element: a least eigenvalue below may be rounding error of float32.
_TINY = 2e-6
# Part of the mean diagonal element that is added to the diagonal of a singular matrix.
_JITTER = 1e-9


def gramian(backend: Backend, table: DeviceArray) -> Vector:
    """Return Y^T Y of a table on the device, float64 on the host, as ``solve.gramian`` sums it."""
    xp, width = backend.xp, table.shape[1]
    total = backend.zeros((1, width, width), np.float64)
    step = _CHUNK * backend.chunk(12.0 * width * width)
    whole = table.shape[0] // _CHUNK * _CHUNK
    parts = [
        xp.reshape(table[first : min(first + step, whole), :], (-1, _CHUNK, width))
        for first in range(0, whole, step)
    ]
    for part in [*parts, table[whole:, :][None, :, :]]:
        found = backend.products(xp.matrix_transpose(part), part)
        total += xp.sum(xp.astype(found, total.dtype), axis=0, keepdims=True)
    return backend.to_host(total[0, :, :])


def exact(block: Block, table: DeviceArray, gram: Vector) -> DeviceArray:
    """Solve the rows of a block by Cholesky factorisations.

    Parameters
    ----------
    block
        n rows.
    table
        Y behind a row of zeros, float32.
    gram
        G, float64 on the host; zeros for explicit feedback.

    Returns
    -------
    DeviceArray
        float32, n x d.

    Notes
    -----
    ``n d^2 + d^3 / 3`` multiply-adds a row of n entries, or ``n^2 d + n^3 / 3`` where n < d and,
    in batches of an eighth of the free memory, ``4 n d + 12 d^2`` bytes.
    """
    backend, (count, width) = block.backend, (block.batches.count, table.shape[1])
    short = int(np.searchsorted(block.batches.lengths, width))  # of fewer entries than factors
    spectrum, vectors = _spectrum(gram, bool(short))
    found = []
    if short and suits(block, spectrum):
        part = block.some(slice(0, short))
        found += _solve(Dual(part, table, spectrum, vectors), table, gram)
    else:
        short = 0
    if short < len(block.batches):
        part = block.some(slice(short, len(block.batches)))
        # Sums in float32 make eigenvalues near zero by rounding.
        least = max(0.0, float(spectrum[0] - 1e-6 * spectrum[-1]))
        shared = backend.asarray(gram.astype(np.float32))
        found += _solve(Primal(part, table, shared, least), table, gram)
    return in_place(backend, count, width, found)


def _spectrum(gram: Vector, with_vectors: bool) -> tuple[Vector, Vector | None]:
    """Return the eigenvalues of G, ascending, and the vectors if asked and if G is not zero."""
    if not gram.any():
        return np.zeros(len(gram)), None
    if not with_vectors:
        return np.linalg.eigvalsh(gram), None
    values, vectors = np.linalg.eigh(gram)
    return values, vectors


def _solve(
    systems: Dual | Primal, table: DeviceArray, gram: Vector
) -> list[tuple[Vector, DeviceArray]]:
    """Return numbers of rows and their solutions: all in float32, then those not sure of it."""
    block, backend = systems.block, systems.block.backend
    solved = backend.zeros((len(block.batches), table.shape[1]), np.float32)
    sizes = systems.entry_bytes, systems.row_bytes
    sure = []
    for batch in block.batches.walk(*sizes, whole=systems.whole):
        left, right, least = systems.systems(batch)
        sure.append(least > _TINY * backend.xp.max(diagonals(backend.xp, left), axis=1))
        try:
            solved[batch.rows, :] = systems.finish(backend.solve(left, right))
        except ArithmeticError:
            sure[-1] = sure[-1] & False
    found = [(block.batches.order, solved)]
    places = np.flatnonzero(~backend.to_host(backend.xp.concat(sure)))
    if len(places):
        part = block.some(places)
        again = _solve_double(Primal(part, table, backend.asarray(gram), 0.0), table.shape[1])
        found.append((part.batches.order, again))
    return found


def _solve_double(systems: Primal, width: int) -> DeviceArray:
    """Solve in float64 with a jitter on the diagonal."""
    block, backend, xp = systems.block, systems.block.backend, systems.block.backend.xp
    solved = backend.zeros((len(block.batches), width), np.float32)
    for batch in block.batches.walk(systems.entry_bytes, systems.row_bytes):
        left, right, _ = systems.systems(batch)
        mean = xp.mean(diagonals(xp, left), axis=1, keepdims=True)
        # Where all is zero, so is the solution, whatever the matrix.
        jitter = xp.where(mean > 0, _JITTER * mean, xp.ones_like(mean))
        found = backend.solve(add_to_diagonals(xp, left, jitter), right)
        solved[batch.rows, :] = xp.astype(found, solved.dtype)
    return solved
