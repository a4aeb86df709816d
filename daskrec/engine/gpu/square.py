"""Square tables of items on a device: inverse, EASE."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray
from daskrec.engine.dense import Weights, by_source, dense_weights, strongest
from daskrec.engine.solve.square import not_definite

TABLES = 5  # that a factorisation and the solution by it hold at once
_ROWS = 256  # of weights, ranked together


def inverted(backend: Backend, table: Vector, added: float, ridge: str) -> DeviceArray:
    """Return the inverse of a symmetric positive definite table, on the device.

    Parameters
    ----------
    backend
        Of the device.
    table
        float32 or float64, square, on the host.
    added
        To its diagonal.
    ridge
        The parameter that an error says to raise.

    Raises
    ------
    ArithmeticError
        The table is not positive definite in its precision.

    Notes
    -----
    About n^3 operations for the factorisation and 2 n^3 for the inverse by it; five tables.
    """
    there, diagonal = backend.asarray(table), backend.arange(0, len(table))
    raised = np.diagonal(table) + table.dtype.type(added)
    backend.scatter(there, diagonal, diagonal, backend.asarray(raised))
    try:
        return backend.inverse(there)
    except ArithmeticError:
        raise not_definite(table, ridge) from None


def ease_weights(
    backend: Backend, gram: Vector, ridge: float, name: str, top: int | None
) -> Weights:
    """Return the weights of EASE; see ``engine.solve.ease.weights``, which this agrees with."""
    xp, diagonal = backend.xp, backend.arange(0, len(gram))
    inverse = inverted(backend, gram, ridge, name)
    own = xp.take_along_axis(inverse, diagonal[:, None], axis=1)
    into = inverse / -own
    backend.scatter(into, diagonal, diagonal, 0.0)
    table = backend.to_host(into)
    if top is None:
        return dense_weights(table)
    rows = (table[at : at + _ROWS] for at in range(0, len(table), _ROWS))
    return by_source([strongest(part, top) for part in rows])
