"""Bounding long rows: pairs of items of one user grow with the square of the history.

A user with 200,000 items has 2e10 pairs, and says next to nothing about any of them.
"""

import numpy as np

from daskrec.engine.arrays import Array, Vector
from daskrec.engine.csr import Csr
from daskrec.engine.keys import hash_ids
from daskrec.engine.random import hash64, stream


def cap_rows(matrix: Csr, ids: Array, limit: int | None) -> Csr:
    """Return the matrix with at most ``limit`` entries in a row.

    Parameters
    ----------
    matrix
        Sparse rows.
    ids
        The ids of the rows.
    limit
        Entries of a row that stay: those of the least hashes of (id, column), which is a
        random sample that no partitioning changes. None keeps all.

    Notes
    -----
    A row within the limit costs nothing; a longer one is selected from in linear time.
    """
    lengths = np.diff(matrix.indptr)
    long = np.flatnonzero(lengths > (len(matrix.indices) if limit is None else limit))
    if limit is None or not len(long):
        return matrix
    keys = hash_ids(ids.take(long))
    kept, seed = np.ones(matrix.nnz, dtype=bool), stream(0, "cap")
    for row, key in zip(long, keys, strict=True):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        kept[part] = _least(hash64(seed, key, matrix.indices[part]), limit)
    indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, limit))]).astype(np.int64)
    data = matrix.data[kept] if len(matrix.data) else matrix.data
    return Csr(indptr, matrix.indices[kept], data, matrix.width)


def _least(words: Vector, count: int) -> Vector:
    """Mark the least of some words; of equal ones the first."""
    chosen = np.zeros(len(words), dtype=bool)
    chosen[np.argsort(words, kind="stable")[:count]] = True
    return chosen
