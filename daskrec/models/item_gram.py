"""The whole items x items table of inner products, for models that need all of it at once."""

import itertools
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from daskrec.data.blocks import Interactions, UserBlock
from daskrec.engine import config, runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, borrow
from daskrec.engine.csr import Csr, column_work
from daskrec.engine.dense import Weights
from daskrec.engine.gpu import gram as on_gpu
from daskrec.engine.gpu import square
from daskrec.engine.gram_dense import gram_rows
from daskrec.engine.shared import Shared
from daskrec.engine.solve import ease
from daskrec.engine.solve.square import invert
from daskrec.engine.tiles import pair_work
from daskrec.models.item_pairs import PairedBlock, even_ranges

_LABEL = "products of items"
# What models with a table of products call the types that it may have.
PRECISIONS: dict[str, Any] = {"single": np.float32, "double": np.float64}


def check_dense(item_count: int, itemsize: int, tables: float, who: str) -> None:
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
            f"{who} holds {tables:g} tables of {item_count} x {item_count} items, "
            f"{needed / 2**30:.1f} GiB; daskrec.dense-limit allows {limit / 2**30:.1f} GiB: raise "
            "it on a machine with more memory, leave rare items out "
            "(daskrec.filters.MinCountFilter), or use KNN, which keeps short lists"
        )


class ItemGram:
    """The table of inner products of all items, ``A.T @ A`` of a users x items table A.

    Parameters
    ----------
    parts
        Handles on ranges of rows, in order; one in this process.
    diagonal
        float64.
    nonnegative
        Whether no product is below 0.
    """

    PARTS = 0.25  # of a table: ranges on their way into it

    def __init__(self, parts: list[Shared[Vector]], diagonal: Vector, nonnegative: bool) -> None:
        self.parts, self.diagonal, self.nonnegative = parts, diagonal, nonnegative

    def table(self, keep: bool = False) -> Vector:
        """Return the table for the caller to write over.

        Parameters
        ----------
        keep
            Whether it is asked for again.
        """
        rows = [part.get() for part in self.parts]
        if len(rows) == 1 and not keep and rows[0].flags.writeable:
            return rows[0]
        return np.concatenate(rows)

    def release(self) -> None:
        """Let go of the table."""
        for part in self.parts:
            part.release()
        self.parts = []


def item_gram(data: Interactions, dtype: Any, use_relevance: bool = True) -> ItemGram:
    """Return the inner products of all pairs of items.

    Parameters
    ----------
    data
        The training data; repeated pairs are added up in it.
    dtype
        float32 or float64.
    use_relevance
        Take relevance as it is, instead of 1.

    Raises
    ------
    ValueError
        Products are beyond the range of the type.

    Notes
    -----
    Ranges of items are tasks over all blocks; exact where every interaction counts 1, else to
    the rounding of sums in float64. 8 or 12 bytes an interaction for both sides of blocks, and
    the table: in this process, or where tasks run elsewhere in storage.
    """
    count = data.item_count
    work = runtime.reduce(data.tasks(_work, count), np.add, _LABEL)
    blocks = data.map(_pair, use_relevance, runtime.storage(), label=_LABEL)
    try:
        cuts = list(itertools.pairwise(even_ranges(work, on_gpu=True).tolist()))
        return count_products(blocks, cuts, count, dtype)
    finally:
        for block in blocks:
            block.release()


def count_products(
    blocks: list[Shared[PairedBlock]], cuts: list[tuple[int, int]], count: int, dtype: Any
) -> ItemGram:
    """Return the inner products of all pairs of the columns of blocks; see ``item_gram``.

    Parameters
    ----------
    blocks
        The rows of A and their transpose.
    cuts
        Ranges of columns, which are tasks.
    count
        Number of columns.
    dtype
        float32 or float64.
    """
    folder = runtime.storage()
    tasks = [runtime.task(_rows, cut, blocks, count, dtype, folder) for cut in cuts]
    found = runtime.compute(tasks, _LABEL) if folder else _gathered(tasks, count, dtype)
    diagonal = np.concatenate([part.diagonal for part in found])
    gram = ItemGram([part.rows for part in found], diagonal, min(p.least for p in found) >= 0)
    if not np.isfinite(diagonal).all():
        gram.release()
        raise ValueError(
            "the squares of the relevance of an item add up to more than "
            f"{np.dtype(dtype)} holds: divide relevance by a constant"
        )
    return gram


class _Range(NamedTuple):
    """Some rows of the table, their part of the diagonal, and the least product in them."""

    rows: Shared[Vector]
    diagonal: Vector
    least: float


def _gathered(tasks: list[Any], count: int, dtype: Any) -> list[_Range]:
    """Run tasks in this process, and gather their rows in one table.

    As many run at a time as do side by side, so that no second table piles up.
    """
    table: Vector = np.empty((count, count), dtype)
    step, start, found = runtime.parallelism(), 0, []
    for at in range(0, len(tasks), step):
        for part in runtime.compute(tasks[at : at + step], _LABEL):
            rows = part.rows.get()
            table[start : start + len(rows)] = rows
            start += len(rows)
            found.append((part.diagonal, part.least))
    diagonal = np.concatenate([diagonal for diagonal, _ in found])
    return [_Range(Shared(table), diagonal, min(least for _, least in found))]


def _work(block: UserBlock, item_count: int) -> Vector:
    """Return the products that the row of each item needs."""
    users_of, work = np.zeros((2, item_count), dtype=np.int64)
    column_work(block.matrix.indptr, block.matrix.indices, users_of, work)
    return work


def _pair(block: UserBlock, use_relevance: bool, folder: str | None) -> Shared[PairedBlock]:
    rows = block.matrix
    if not use_relevance:
        rows = Csr(rows.indptr, rows.indices, rows.data[:0], rows.width)
    return Shared.stored(PairedBlock(rows, rows.transposed()), folder)


def _rows(
    cut: tuple[int, int],
    blocks: list[Shared[PairedBlock]],
    item_count: int,
    dtype: Any,
    folder: str | None,
) -> _Range:
    pairs = [handle.get().pair for handle in blocks]
    work = partial(pair_work, pairs, *cut)
    with np.errstate(over="ignore"), borrow(work) as gpu:  # told by the diagonal
        if gpu is None:
            rows = gram_rows(pairs, item_count, *cut, dtype)
        else:
            rows = on_gpu.gram_rows(gpu, blocks, item_count, *cut, dtype)
    diagonal = rows[np.arange(len(rows)), np.arange(*cut)].astype(np.float64)
    return _Range(Shared.stored(rows, folder), diagonal, float(rows.min(initial=0)))


def closed_form(table: Vector, ridge: float, name: str, top: int | None) -> Weights:
    """Return the weights of EASE, by a GPU where one is lent; see ``engine.solve.ease.weights``."""
    with _borrowed(table) as gpu:
        if gpu is not None:
            return square.ease_weights(gpu, table, ridge, name, top)
        return ease.weights(table, ridge, name, top)


def inverse_of(table: Vector, added: float, ridge: str) -> Vector:
    """Return the inverse of a table with a number added to its diagonal.

    Parameters
    ----------
    table
        Symmetric; it may be written over.
    added
        The number.
    ridge
        The parameter that an error says to raise.

    Raises
    ------
    ArithmeticError
        It is not positive definite.
    """
    with _borrowed(table) as gpu:
        if gpu is not None:
            return gpu.to_host(square.inverted(gpu, table, added, ridge))
    diagonal = np.arange(len(table))
    table[diagonal, diagonal] += table.dtype.type(added)
    invert(table, ridge)
    return table


def _borrowed(table: Vector) -> AbstractContextManager[Backend | None]:
    """Borrow a GPU to invert a table."""
    return borrow(float(len(table)) ** 3, square.TABLES * table.nbytes)
