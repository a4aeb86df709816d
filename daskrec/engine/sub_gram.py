"""Inner products of all pairs of some items, counted from the users of just these.

A table of all pairs of a large catalogue does not fit anywhere; that of a few hundred items
does, and needs only the entries of these items. Each user has a list of those of them that
were met already, so that every pair is found once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel


class ItemSide(NamedTuple):
    """The items x users matrix of a block of users: CSR, users ascending.

    ``data`` is empty where every entry is 1.
    """

    indptr: Vector
    indices: Vector
    data: Vector


@kernel()
def _add_block(
    indptr: Vector, indices: Vector, data: Vector, items: Vector, last: Vector, gram: Vector
) -> None:
    """Add the products of one block; ``last`` comes and goes at -1."""
    total = 0
    for item in items:
        total += indptr[item + 1] - indptr[item]
    before, owner = np.empty(total, np.int32), np.empty(total, np.int32)
    values = np.empty(total if data.size > 0 else 0, np.float64)
    entry = 0
    for a in range(items.size):
        for p in range(indptr[items[a]], indptr[items[a] + 1]):
            user = indices[p]
            value = np.float64(data[p]) if data.size > 0 else 1.0
            gram[a, a] += value * value
            other = last[user]
            while other >= 0:
                gram[a, owner[other]] += value * values[other] if data.size > 0 else 1.0
                other = before[other]
            before[entry], owner[entry], last[user] = last[user], a, entry
            if data.size > 0:
                values[entry] = value
            entry += 1
    for item in items:
        for p in range(indptr[item], indptr[item + 1]):
            last[indices[p]] = -1


@kernel()
def _mirror(lower: Vector, table: Vector) -> None:
    """Round a symmetric table of which the lower half is known."""
    for a in range(lower.shape[0]):
        for b in range(a + 1):
            table[a, b] = table[b, a] = lower[a, b]


class SubGram:
    """Counts products of pairs of a few items, again and again; for one thread.

    Parameters
    ----------
    blocks
        The ratings by item, in user order; all with empty data (ones), or none.
    """

    def __init__(self, blocks: Sequence[ItemSide]) -> None:
        self.blocks = blocks
        users = [int(block.indices.max(initial=-1)) + 1 for block in blocks]
        self._last = np.full(max(users, default=0), -1, np.int32)

    def table(self, items: Vector) -> Vector:
        """Return the table of inner products of some distinct items.

        Parameters
        ----------
        items
            Codes, m of them.

        Returns
        -------
        ndarray
            (m, m) float32, symmetric; sums are taken in float64 in user order, so that
            cutting users into other blocks changes nothing.

        Notes
        -----
        Time: the entries of these items, and the pairs of them that users have. Memory: 12
        bytes a pair of items, and 16 an entry of one block; 4 bytes a user of the largest
        block are kept.
        """
        gram = np.zeros((len(items), len(items)), np.float64)
        for block in self.blocks:
            _add_block(block.indptr, block.indices, block.data, items, self._last, gram)
        table = np.empty(gram.shape, np.float32)
        _mirror(gram, table)
        return table
