"""EASE: the dense linear model of all items at once, in closed form.

Minimises ``|A - A B|^2 + ridge |B|^2`` over matrices B with a zero diagonal, given ``A.T @ A``:
with ``P = inv(A.T @ A + ridge I)``, ``B[i, j] = -P[i, j] / P[j, j]`` (H. Steck, "Embarrassingly
shallow autoencoders for sparse data", WWW 2019).
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daskrec.engine.dense import Weights, by_source, dense_weights, strongest
from daskrec.engine.jit import kernel
from daskrec.engine.solve.square import invert

Table: TypeAlias = NDArray[Any]


_ROWS = 256  # of weights, ranked together


def weights(gram: Table, ridge: float, name: str, top: int | None) -> Weights:
    """Return B, by rows.

    Parameters
    ----------
    gram
        items x items, float32 or float64; it is written over.
    ridge
        Weight of the squares.
    name
        The parameter that an error says to raise.
    top
        The largest weights, by absolute value, that are kept for each column; None for all.

    Notes
    -----
    items^3 operations; no second table, but for the sparse result.
    """
    diagonal = np.arange(len(gram))
    gram[diagonal, diagonal] += gram.dtype.type(ridge)
    invert(gram, name)
    _scale(gram)  # row j now holds the weights into item j
    if top is None:
        return dense_weights(gram)
    rows = (gram[at : at + _ROWS] for at in range(0, len(gram), _ROWS))
    return by_source([strongest(part, top) for part in rows])


@kernel()
def _scale(inverse: Table) -> None:
    """Divide each row by minus its diagonal, which becomes zero."""
    for j in range(inverse.shape[0]):
        row = inverse[j]
        own = -row[j]
        for i in range(row.size):
            row[i] /= own
        row[j] = 0
