"""What SLIM solves its columns from: a table of all products, or those of candidates."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from daskrec.data.blocks import Interactions, UserBlock
from daskrec.engine import config, runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.backend import borrow
from daskrec.engine.cap import cap_rows
from daskrec.engine.csr import Csr, stack
from daskrec.engine.gpu import slim
from daskrec.engine.gram import similarity_range
from daskrec.engine.shared import RowShards, Shared
from daskrec.engine.solve.elastic_net import Choice, ColumnSolver, Penalty, RowTable
from daskrec.engine.sub_gram import Head, ItemSide, SubGram
from daskrec.models.item_gram import count_products, item_gram
from daskrec.models.item_pairs import PairedBlock

_RANGES_PER_THREAD = 32  # columns take very different times
_LEAST_COLUMNS = 16  # of a range
_LONGEST = 10_000  # items of one user that candidates are found by
_POPULAR = 4096  # items whose products are counted once where columns have candidates: 64 MiB
_PARTS = 16  # that these are counted in
_CELL = 4  # bytes of a product
_SPARSE = 100  # items that have no weight, for one that has, about
_MARGIN = 1 - 1e-5  # for the rounding of similarities

Columns = Iterator[tuple[Vector, Vector, bool]]


def fits_dense(item_count: int, candidates: int | None) -> bool:
    """Tell whether a table of all products is made.

    All products of an item take ``daskrec.dense-limit`` bytes at most. Those of a few
    candidates can do without, and do where the table is above ``daskrec.share-limit``.
    """
    limit = config.get_bytes("dense-limit")
    if candidates is not None:
        limit = min(limit, config.get_bytes("share-limit"))
    return _CELL * item_count**2 <= limit


class Products(ABC):
    """Products of items, shared by all columns and by all fits of a search.

    Parameters
    ----------
    item_count
        Number of items.
    folder
        Where tasks leave large results; None by reference.
    """

    def __init__(self, item_count: int, folder: str | None) -> None:
        self.item_count, self.folder = item_count, folder

    @abstractmethod
    def columns(self, penalty: Penalty, choice: Choice) -> tuple[Csr, int]:
        """Solve all columns.

        Returns
        -------
        weights
            items x items: row j holds the weights that explain item j.
        unsolved
            How many columns did not reach the tolerance.
        """

    @abstractmethod
    def release(self) -> None:
        """Remove what lies in storage."""

    def _solve(self, function: Callable[..., Any], *args: Any) -> tuple[Csr, int]:
        """Call ``function((start, stop), *args)`` on ranges of columns, and join them."""
        count = self.item_count
        most = _RANGES_PER_THREAD * runtime.parallelism()
        pieces = max(1, min(most, count // _LEAST_COLUMNS))
        cuts = itertools.pairwise(np.linspace(0, count, pieces + 1).astype(int).tolist())
        tasks = [runtime.task(function, cut, *args, self.folder) for cut in cuts]
        found = runtime.compute(tasks, "weights")
        weights = stack([part.get() for part, _ in found])
        for part, _ in found:
            part.release()
        return weights, sum(unsolved for _, unsolved in found)


class DenseProducts(Products):
    """The products of all pairs of items, float32."""

    def __init__(self, data: Interactions) -> None:
        super().__init__(data.item_count, runtime.storage())
        self.gram = item_gram(data, np.float32)
        self.diagonal = Shared(self.gram.diagonal)

    def columns(self, penalty: Penalty, choice: Choice) -> tuple[Csr, int]:
        """Solve all columns, see ``Products``."""
        table = self.gram.parts, self.diagonal, self.gram.nonnegative
        return self._solve(_dense_columns, table, penalty, choice)

    def release(self) -> None:
        """Remove the table."""
        self.gram.release()
        self.diagonal.release()


class CandidateProducts(Products):
    """The log by item, to count products of candidates from, and those of popular items."""

    def __init__(self, data: Interactions) -> None:
        super().__init__(data.item_count, runtime.storage())
        self.blocks = data.map(_pair, _LONGEST, self.folder, label="turning items over")
        tasks = [runtime.task(_squares, block) for block in self.blocks]
        found = runtime.reduce(tasks, _add_squares, "turning items over")
        self.diagonal, self.screened, entries = found
        self._count_head(entries)

    def _count_head(self, entries: Vector) -> None:
        """Count the products of all pairs of the items with most entries."""
        popular = np.sort(np.argsort(-entries, kind="stable")[:_POPULAR])
        self.places = Shared(np.full(self.item_count, -1, np.int64))
        self.places.get()[popular] = np.arange(len(popular))
        tasks = [runtime.task(_popular, one, self.places, self.folder) for one in self.blocks]
        heads = runtime.compute(tasks, "popular items")
        pieces = min(len(popular), _PARTS)
        cuts = itertools.pairwise(np.linspace(0, len(popular), pieces + 1).astype(int).tolist())
        self.head = count_products(heads, list(cuts), len(popular), np.float32)
        for head in heads:
            head.release()

    def columns(self, penalty: Penalty, choice: Choice) -> tuple[Csr, int]:
        """Solve all columns, see ``Products``; candidates must be told."""
        most = min(choice.candidates, max(self.item_count - 1, 1))
        choice = Choice(most, choice.top)
        norms = Shared(np.sqrt(self.diagonal + penalty.ridge))
        log = self.blocks, norms, self.screened
        head = self.places, self.head.parts
        try:
            return self._solve(_candidate_columns, log, head, penalty, choice)
        finally:
            norms.release()

    def release(self) -> None:
        """Remove the blocks, and what is known of popular items."""
        for held in [*self.blocks, self.head, self.places]:
            held.release()


def _pair(block: UserBlock, limit: int, folder: str | None) -> Shared[PairedBlock]:
    """Return the rows of a block, long ones shortened, and the whole of it by item."""
    rows = cap_rows(block.matrix, block.user_ids.values, limit)
    return Shared.stored(PairedBlock(rows, block.matrix.transposed()), folder)


def _popular(
    block: Shared[PairedBlock], places: Shared[Vector], folder: str | None
) -> Shared[PairedBlock]:
    """Return the columns of popular items of a block."""
    by_item, place = block.get().by_item, places.get()
    part = by_item.take(np.flatnonzero(place >= 0))
    return Shared.stored(PairedBlock(part.transposed(), part), folder)


def _squares(block: Shared[PairedBlock]) -> tuple[Vector, bool, Vector]:
    """Return the squares of each item, whether no value is negative, and entries of items."""
    side = block.get().by_item
    entries = np.diff(side.indptr)
    owners = np.repeat(np.arange(len(side)), entries)
    squares = np.bincount(owners, side.values().astype(np.float64) ** 2, minlength=len(side))
    return squares.astype(np.float64), bool(side.data.min(initial=0) >= 0), entries


def _add_squares(
    one: tuple[Vector, bool, Vector], other: tuple[Vector, bool, Vector]
) -> tuple[Vector, bool, Vector]:
    return one[0] + other[0], one[1] and other[1], one[2] + other[2]


def _dense_columns(
    cut: tuple[int, int],
    table: tuple[list[Shared[Vector]], Shared[Vector], bool],
    penalty: Penalty,
    choice: Choice,
    folder: str | None,
) -> tuple[Shared[Csr], int]:
    """Solve a range of columns by the table of all products."""
    parts, diagonal, screened = table
    rows = RowTable([part.get() for part in parts], diagonal.get(), screened)
    solver = ColumnSolver(len(rows), penalty, choice)
    solved = _on_gpu(cut, parts, diagonal.get(), penalty, choice)

    def columns() -> Columns:
        for j in range(*cut):
            yield (*solved[j], True) if j in solved else solver.solve(rows, j)

    return _collect(columns(), len(rows), folder)


def _on_gpu(
    cut: tuple[int, int],
    parts: list[Shared[Vector]],
    diagonal: Vector,
    penalty: Penalty,
    choice: Choice,
) -> dict[int, tuple[Vector, Vector]]:
    """Return the columns that a GPU has solved, where one is lent and has room for the table."""
    count = len(diagonal)
    with borrow(float(cut[1] - cut[0]) * count**2 / _SPARSE, slim.BYTES_A_PAIR * count**2) as gpu:
        if gpu is None:
            return {}
        table = parts[0] if len(parts) == 1 else RowShards(parts, np.array([0, count]))
        found = slim.solve_columns(gpu, table, diagonal, cut, penalty, choice)
    if found.left:
        runtime.logger.debug("%d columns are left to the host", len(found.left))
    return found.weights


def _candidate_columns(
    cut: tuple[int, int],
    log: tuple[list[Shared[PairedBlock]], Shared[Vector], bool],
    popular: tuple[Shared[Vector], list[Shared[Vector]]],
    penalty: Penalty,
    choice: Choice,
    folder: str | None,
) -> tuple[Shared[Csr], int]:
    """Solve a range of columns, each by the products of its candidates."""
    blocks, norms, screened = log
    paired = [block.get() for block in blocks]
    sizes = norms.get()
    near, neighbours, similar = similarity_range(
        [one.pair for one in paired],
        sizes,
        0.0,
        choice.candidates,
        *cut,
        tile_bytes=config.get_bytes("tile-bytes"),
    )
    sides = [ItemSide(s.indptr, s.indices, s.data) for s in (one.by_item for one in paired)]
    places, parts = popular
    known = RowTable([part.get() for part in parts], np.empty(0), screened)
    counter = SubGram(sides, Head(places.get(), known))
    solver = ColumnSolver(choice.candidates + 1, penalty, choice)

    def columns() -> Columns:
        for number, j in enumerate(range(*cut)):
            part = slice(near[number], near[number + 1])
            some = neighbours[part]
            if screened and not penalty.signed:  # others have no weight
                products = similar[part] * sizes[some] * sizes[j]
                some = some[products > _MARGIN * penalty.weight]
            some = np.sort(some)
            gram = counter.table(np.append(some, np.int32(j)))
            table = RowTable([gram], gram.diagonal().astype(np.float64), screened)
            items, values, solved = solver.solve(table, len(some))
            yield some[items], values, solved

    return _collect(columns(), len(sizes), folder)


def _collect(columns: Columns, width: int, folder: str | None) -> tuple[Shared[Csr], int]:
    """Put columns after each other, as the rows of a matrix; count the unsolved."""
    items, values, solved = zip(*columns, strict=True)
    indptr = np.cumsum([0, *map(len, items)]).astype(np.int64)
    matrix = Csr(indptr, np.concatenate(items), np.concatenate(values), width)
    return Shared.stored(matrix, folder), solved.count(False)
