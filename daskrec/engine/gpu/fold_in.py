"""Users solved from their histories on a device: the twin of ``engine.fold_in.fold_in``."""

from collections.abc import Callable
from typing import Any

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray
from daskrec.engine.csr import Csr
from daskrec.engine.gpu.batches import Batch, Batches, in_place

_ROWS = 64  # systems that are solved together on the host


def fold_in(
    backend: Backend,
    history: Csr,
    table: DeviceArray,
    gram: Vector,
    regularization: float,
    alpha: float,
    singular: Callable[[Vector, Vector], Vector],
) -> Vector:
    """Return the factors of users, given those of the items.

    Parameters
    ----------
    backend
        Of the device.
    history
        One row a user.
    table
        Y on the device, float32, behind a row of zeros.
    gram, regularization, alpha
        As of the twin.
    singular
        What solves systems of a batch on the host where one of them is singular: (n, d, d) and
        (n, d, 1) give (n, d, 1).

    Returns
    -------
    ndarray
        float32, users x rank; solved in float64.

    Notes
    -----
    The histories are copied to the device, 8 bytes an entry; memory there beside these and Y is
    that of a batch: ``20 n d + 32 d^2`` bytes a user of n items.
    """
    xp, width = backend.xp, table.shape[1]
    batches = Batches(backend, history, np.ones(len(history), dtype=np.bool_))
    base = backend.asarray(gram + regularization * np.eye(width))
    solved = backend.zeros((len(batches), width), np.float32)
    for batch in batches.walk(20 * width, 32 * width * width):
        left, right = _normal(batches, batch, table, base, alpha)
        try:
            found = backend.solve(left, right)
        except ArithmeticError:  # no penalty, and fewer items than factors
            found = _on_host(backend, left, right, singular)
        solved[batch.rows, :] = xp.astype(found, solved.dtype)
    return backend.to_host(in_place(backend, len(history), width, [(batches.order, solved)]))


def _normal(
    batches: Batches, batch: Batch, table: DeviceArray, base: DeviceArray, alpha: float
) -> tuple[DeviceArray, DeviceArray]:
    """Return the matrices and right-hand sides of the users of a batch, float64."""
    xp: Any = batches.backend.xp
    left, right = base[None, :, :], 0.0
    for piece in batch.pieces:
        columns, values = batches.entries(batch, piece)
        gathered = batches.gather(table, columns, base.dtype)
        confidence = xp.astype(values, base.dtype) * alpha
        positive = confidence * xp.astype(confidence > 0, base.dtype)
        right = right + xp.matmul(positive[:, None, :], gathered)[:, 0, :]
        # Padding has the weight -1, and rows of zeros that it weighs.
        weighed = gathered * (xp.abs(confidence) - 1.0)[:, :, None]
        across = xp.matrix_transpose(gathered)
        left = batches.backend.products(across, weighed) + left
    return left, right


def _on_host(
    backend: Backend,
    left: DeviceArray,
    right: DeviceArray,
    singular: Callable[[Vector, Vector], Vector],
) -> DeviceArray:
    """Solve the systems of a batch on the host, some at a time."""
    count, found = left.shape[0], []
    for first in range(0, count, _ROWS):
        part = slice(first, min(first + _ROWS, count))
        systems = backend.to_host(left[part, :, :]), backend.to_host(right[part, :])[:, :, None]
        found.append(singular(*systems)[:, :, 0])
    return backend.asarray(np.concatenate(found))
