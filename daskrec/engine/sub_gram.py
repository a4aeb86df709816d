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
from daskrec.engine.solve.descent import row_at
from daskrec.engine.solve.elastic_net import RowTable


class ItemSide(NamedTuple):
    """The items x users matrix of a block of users: CSR, users ascending.

    ``data`` is empty where every entry is 1.
    """

    indptr: Vector
    indices: Vector
    data: Vector


@kernel()
def _add_block(
    indptr: Vector, indices: Vector, data: Vector, items: Vector, popular: Vector,
    counts: Vector, begins: Vector, gram: Vector,
) -> None:  # fmt: skip
    """Add the products of one block but those of two popular items.

    ``counts`` come and go at 0. Of a pair one cell is filled: that of the popular item, or of
    the later one.
    """
    for a in range(items.size):
        if popular[a] < 0:
            for p in range(indptr[items[a]], indptr[items[a] + 1]):
                counts[indices[p]] += 1
    total = 0
    for a in range(items.size):
        if popular[a] < 0:
            for p in range(indptr[items[a]], indptr[items[a] + 1]):
                user = indices[p]
                if counts[user] > 0:  # its first entry: make room for its list, empty so far
                    begins[user] = total
                    total += counts[user]
                    counts[user] = 0
    owners = np.empty(total, np.int32)
    values = np.empty(total if data.size > 0 else 0, np.float64)
    for turn in range(2):  # popular items last, when the lists of the others are whole
        for a in range(items.size):
            if (popular[a] >= 0) != (turn == 1):
                continue
            row = gram[a]
            for p in range(indptr[items[a]], indptr[items[a] + 1]):
                user = indices[p]
                first, end = begins[user], begins[user] + counts[user]
                value = np.float64(data[p]) if data.size > 0 else 1.0
                if turn == 0:
                    owners[end] = a
                    if data.size > 0:
                        values[end] = value
                    end += 1
                    counts[user] += 1
                elif counts[user] == 0:
                    continue
                if data.size == 0:
                    for e in range(first, end):
                        row[owners[e]] += 1.0
                else:
                    for e in range(first, end):
                        row[owners[e]] += value * values[e]
    for a in range(items.size):
        if popular[a] < 0:
            for p in range(indptr[items[a]], indptr[items[a] + 1]):
                counts[indices[p]] = 0


@kernel()
def _complete(gram: Vector, popular: Vector, rows: Vector, table: Vector) -> None:
    """Round a table of which one cell of each pair is filled; two popular items are known."""
    for a in range(gram.shape[0]):
        if popular[a] < 0:
            for b in range(a + 1):
                table[a, b] = table[b, a] = gram[a, b] + (gram[b, a] if b < a else 0.0)
        else:
            known = row_at(rows, popular[a], rows.size)
            for b in range(a + 1):
                value = known[popular[b]] if popular[b] >= 0 else gram[a, b]
                table[a, b] = table[b, a] = value


class Head(NamedTuple):
    """Popular items, and the products of all pairs of them.

    Parameters
    ----------
    places
        int64 row of each item in the table, -1 for an item that is not popular.
    table
        Their products.
    """

    places: Vector
    table: RowTable


class SubGram:
    """Counts products of pairs of a few items, again and again; for one thread.

    Parameters
    ----------
    blocks
        The ratings by item, in user order; all with empty data (ones), or none.
    head
        Popular items, whose products need not be counted each time.
    """

    def __init__(self, blocks: Sequence[ItemSide], head: Head) -> None:
        self.blocks, self.head = blocks, head
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
        Time: the entries of these items, and the pairs of them that users have, but those of
        two popular items. Memory: 12
        bytes a pair of items, and 12 an entry of one block; 16 bytes a user of the largest
        block are kept.
        """
        gram = np.zeros((len(items), len(items)), np.float64)
        popular = self.head.places[items]
        scratch = popular, self._counts, self._begins
        for block in self.blocks:
            _add_block(block.indptr, block.indices, block.data, items, *scratch, gram)
        table = np.empty(gram.shape, np.float32)
        _complete(gram, popular, self.head.table.rows, table)
        return table
