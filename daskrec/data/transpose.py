"""The two sides of a log: rows of users, and rows of items for the models that need them."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.data.blocks import Interactions, UserBlock
from daskrec.engine import runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr, fill_transpose
from daskrec.engine.shared import Shared


class Side:
    """A sparse matrix in blocks of rows.

    Parameters
    ----------
    parts
        Handles on ``Csr`` or ``UserBlock`` objects, or tasks that give them.
    offsets
        int64 array, one longer than ``parts``: the first row of each block, then the
        number of rows.
    """

    def __init__(self, parts: Sequence[Any], offsets: Vector) -> None:
        self.parts = list(parts)
        self.offsets = offsets


def matrix_of(part: Any) -> Csr:
    """Return the matrix of a block, in a task."""
    value = part.get() if isinstance(part, Shared) else part
    return value.matrix if isinstance(value, UserBlock) else value


def user_side(data: Interactions) -> Side:
    """Return the log by users, as it lies."""
    return Side(data.parts, data.offsets)


def item_side(data: Interactions, count: int | None = None) -> Side:
    """Return the log by items: blocks of rows of items, of about equal numbers of entries.

    Parameters
    ----------
    data
        The log.
    count
        Number of blocks; by default as many as there are blocks of users.

    Notes
    -----
    Every entry is held a second time (8 bytes). In this process the transpose is filled
    block by block; with workers, each block of users is split by ranges of items and each
    range picks its pieces.
    """
    counts = sum(data.map(_count_items, data.item_count, label="turning the log over"))
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    goals = np.linspace(0, indptr[-1], (count or len(data)) + 1)[1:-1]
    inner = np.searchsorted(indptr, goals)
    cuts = np.unique(np.concatenate([[0], inner, [data.item_count]])).astype(np.int64)
    ranges = list(itertools.pairwise(cuts))
    if runtime.in_process():
        whole = _fill(data, indptr)
        return Side([Shared(whole.rows(int(a), int(b))) for a, b in ranges], cuts)
    split = data.tasks(_split_by_items, cuts)
    joined = [
        runtime.task(_join, mine, data.offsets) for mine in runtime.pieces(split, len(ranges))
    ]
    return Side(runtime.persist(joined, "turning the log over"), cuts)


def _count_items(block: UserBlock, item_count: int) -> Vector:
    return np.bincount(block.matrix.indices, minlength=item_count)


def _fill(data: Interactions, indptr: Vector) -> Csr:
    blocks = [matrix_of(part) for part in data.parts]
    graded = any(len(block.data) for block in blocks)
    indices = np.empty(indptr[-1], dtype=np.int32)
    values = np.empty(indptr[-1] if graded else 0, dtype=np.float32)
    cursor = indptr[:-1].copy()
    for block, first in zip(blocks, data.offsets[:-1], strict=True):
        part = block.values() if graded else block.data
        fill_transpose(block.indptr, block.indices, part, int(first), cursor, indices, values)
    return Csr(indptr, indices, values, data.user_count)


def _split_by_items(block: UserBlock, cuts: Vector) -> list[Csr]:
    by_item = block.matrix.transposed()
    return [by_item.rows(int(a), int(b)) for a, b in itertools.pairwise(cuts)]


def _join(pieces: Sequence[Csr], offsets: Vector) -> Csr:
    """Put pieces of the same items side by side; users ascend from piece to piece."""
    graded = any(len(piece.data) for piece in pieces)
    counts = sum(np.diff(piece.indptr) for piece in pieces)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    indices = np.empty(indptr[-1], dtype=np.int32)
    values = np.empty(indptr[-1] if graded else 0, dtype=np.float32)
    cursor = indptr[:-1].copy()
    for piece, first in zip(pieces, offsets[:-1], strict=True):
        lengths = np.diff(piece.indptr)
        place = np.repeat(cursor - piece.indptr[:-1], lengths) + np.arange(piece.nnz)
        indices[place] = piece.indices + int(first)
        if graded:
            values[place] = piece.values()
        cursor += lengths
    return Csr(indptr, indices, values, int(offsets[-1]))
