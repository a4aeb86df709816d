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
    indptr: Vector, indices: Vector, data: Vector, items: Vector, counts: Vector, begins: Vector,
    gram: Vector,
) -> None:  # fmt: skip
    """Add the products of one block; ``counts`` come and go at 0."""
    for item in items:
        for p in range(indptr[item], indptr[item + 1]):
            counts[indices[p]] += 1
    total = 0
    for item in items:
        for p in range(indptr[item], indptr[item + 1]):
            user = indices[p]
            if counts[user] > 0:  # its first entry: make room for the list, which is empty yet
                begins[user] = total
                total += counts[user]
                counts[user] = 0
    owners = np.empty(total, np.int32)
    values = np.empty(total if data.size > 0 else 0, np.float64)
    for a in range(items.size):
        row = gram[a]
        for p in range(indptr[items[a]], indptr[items[a] + 1]):
            user = indices[p]
            first, end = begins[user], begins[user] + counts[user]
            owners[end] = a
            counts[user] += 1
            if data.size == 0:
                for e in range(first, end + 1):
                    row[owners[e]] += 1.0
            else:
                value = np.float64(data[p])
                values[end] = value
                for e in range(first, end + 1):
                    row[owners[e]] += value * values[e]
    for item in items:
        for p in range(indptr[item], indptr[item + 1]):
            counts[indices[p]] = 0


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
        self._counts, self._begins = np.zeros((2, max(users, default=0)), np.int64)

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
        bytes a pair of items, and 12 an entry of one block; 16 bytes a user of the largest
        block are kept.
        """
        gram = np.zeros((len(items), len(items)), np.float64)
        scratch = self._counts, self._begins
        for block in self.blocks:
            _add_block(block.indptr, block.indices, block.data, items, *scratch, gram)
        table = np.empty(gram.shape, np.float32)
        _mirror(gram, table)
        return table
