"""The whole items x items table of inner products, for models that need all of it at once."""

import itertools
from typing import Any

import numpy as np

from daskrec.data.blocks import Interactions, UserBlock
from daskrec.engine import config, runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.csr import column_work
from daskrec.engine.gram_dense import gram_rows
from daskrec.engine.shared import Shared
from daskrec.models.item_pairs import PairedBlock, even_ranges


def check_dense(item_count: int, itemsize: int, tables: int, who: str) -> None:
    """Refuse tables of all pairs of items that take more than ``daskrec.dense-limit`` bytes.

    Parameters
    ----------
    item_count
        Number of items.
    itemsize
        Bytes of a cell.
    tables
        How many tables are held at once.
    who
        The model, for the error.

    Raises
    ------
    MemoryError
        They take more; the error says how many bytes and what to do.
    """
    needed, limit = tables * itemsize * item_count**2, config.get_bytes("dense-limit")
    if needed > limit:
        raise MemoryError(
            f"{who} holds {tables} tables of {item_count} x {item_count} items, "
            f"{needed / 2**30:.1f} GiB; daskrec.dense-limit allows {limit / 2**30:.1f} GiB: raise "
            "it on a machine with more memory, leave rare items out "
            "(daskrec.filters.MinCountFilter), or use KNN, which keeps short lists"
        )


def item_gram(data: Interactions, dtype: Any, label: str = "products of items") -> Vector:
    """Return the table of inner products of all items, ``A.T @ A`` of the relevance A.

    Parameters
    ----------
    data
        The training data; repeated pairs are added up in it.
    dtype
        float32 or float64.
    label
        Of the progress bar.

    Returns
    -------
    ndarray
        items x items in this process, symmetric up to the rounding of ``dtype``.

    Notes
    -----
    Ranges of items are tasks over all blocks; exact where every interaction counts 1, else to
    the rounding of sums in float64. 8 or 12 bytes an interaction for both sides of blocks,
    which lie in storage on a cluster, besides the table.
    """
    count, folder = data.item_count, runtime.storage()
    work = item_work(data, label)
    blocks = data.map(_pair, folder, label=label)
    cuts = list(itertools.pairwise(even_ranges(work).tolist()))
    table: Vector = np.empty((count, count), dtype)
    # As many ranges at a time as run side by side, so that no second table piles up.
    step = runtime.parallelism()
    for at in range(0, len(cuts), step):
        some = cuts[at : at + step]
        tasks = [runtime.task(_rows, cut, blocks, count, dtype, folder) for cut in some]
        for (start, stop), rows in zip(some, runtime.compute(tasks, label), strict=True):
            table[start:stop] = rows.get()
            rows.release()
    for block in blocks:
        block.release()
    return table


def item_work(data: Interactions, label: str) -> Vector:
    """Return the products that the row of each item needs, int64."""
    work: Vector = runtime.reduce(data.tasks(_work, data.item_count), np.add, label)
    return work


def _work(block: UserBlock, item_count: int) -> Vector:
    users_of, work = np.zeros((2, item_count), dtype=np.int64)
    column_work(block.matrix.indptr, block.matrix.indices, users_of, work)
    return work


def _pair(block: UserBlock, folder: str | None) -> Shared[PairedBlock]:
    return Shared.stored(PairedBlock(block.matrix, block.matrix.transposed()), folder)


def _rows(
    cut: tuple[int, int],
    blocks: list[Shared[PairedBlock]],
    item_count: int,
    dtype: Any,
    folder: str | None,
) -> Shared[Vector]:
    pairs = [handle.get().pair for handle in blocks]
    return Shared.stored(gram_rows(pairs, item_count, *cut, dtype), folder)
