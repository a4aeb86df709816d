"""What models of pairs of items share: blocks by both sides, ranges of items, long histories."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from daskrec.engine import runtime
from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.backend import lends
from daskrec.engine.csr import Csr, stack
from daskrec.engine.gram_bits import Block, Head, plan_head
from daskrec.engine.shared import Shared
from daskrec.errors import warn_caller

_RANGES_PER_THREAD = 4
_WORTH_A_RANGE = 250_000  # products that take as long as a task costs


class PairedBlock:
    """Rows of a block and their transpose, as products of pairs of items need them."""

    __slots__ = ("by_item", "by_user")

    def __init__(self, by_user: Csr, by_item: Csr) -> None:
        self.by_user = by_user
        self.by_item = by_item

    @property
    def pair(self) -> Block:
        """The two sides as kernels take them."""
        sides = (self.by_user, self.by_item)
        return Block(*(array for side in sides for array in (side.indptr, side.indices, side.data)))

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        sides = {"user": self.by_user.to_arrays(), "item": self.by_item.to_arrays()}
        return {
            f"{side}_{name}": array
            for side, arrays in sides.items()
            for name, array in arrays.items()
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "PairedBlock":
        """Make the object of its arrays."""
        sides = (
            {name.removeprefix(side): array for name, array in arrays.items() if side in name}
            for side in ("user_", "item_")
        )
        return cls(*(Csr.from_arrays(side) for side in sides))


class Counted:
    """What a block counts before its pairs do, and what a limit on rows leaves out of it.

    Parameters
    ----------
    counts
        Arrays by item.
    matrix
        The rows of the block.
    limit
        Entries of a row that count; None for all.
    """

    __slots__ = ("counts", "dropped", "long_rows")

    def __init__(self, counts: tuple[Vector, ...], matrix: Csr, limit: int | None) -> None:
        self.counts = counts
        beyond = np.diff(matrix.indptr) - (matrix.nnz if limit is None else limit)
        self.long_rows = int((beyond > 0).sum())
        self.dropped = int(beyond[beyond > 0].sum())

    def merge(self, other: "Counted") -> "Counted":
        """Return the counts of both."""
        merged = Counted.__new__(Counted)
        merged.counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        merged.long_rows = self.long_rows + other.long_rows
        merged.dropped = self.dropped + other.dropped
        return merged


def warn_of_long_rows(counted: Counted, who: str, name: str, limit: int | None) -> None:
    """Warn once of the rows that a limit has shortened."""
    if counted.long_rows:
        warn_caller(
            f"{counted.long_rows} {who} have more than {limit} items: {counted.dropped} of their "
            f"interactions do not count for pairs of items ({name}={limit}; None sets no limit)"
        )


def plan_popular(
    blocks: Sequence[Shared[PairedBlock]], item_count: int, work: Vector
) -> Head | None:
    """Plan bit rows for popular items of blocks of ones; in this process alone.

    They are as large as the blocks, and worth no way to a worker. A GPU does not read them.
    """
    if not runtime.in_process() or lends(float(work.sum())):
        return None
    return plan_head([block.get().pair for block in blocks], item_count)


def by_ranges(
    function: Callable[..., Shared[Csr]], work: Vector, *args: Any, label: str, on_gpu: bool
) -> Csr:
    """Call ``function((start, stop), *args)`` on ranges of items, and join their rows.

    Parameters
    ----------
    function
        Returns a handle on the rows of a range.
    work
        Products that each item needs: ranges have about equal sums of them.
    on_gpu
        Whether the function takes a GPU where one is lent.
    """
    cuts = itertools.pairwise(even_ranges(work, on_gpu).tolist())
    found = runtime.compute([runtime.task(function, cut, *args) for cut in cuts], label)
    rows = stack([part.get() for part in found])
    for part in found:
        part.release()
    return rows


def even_ranges(work: Vector, on_gpu: bool) -> Vector:
    """Cut items into ranges that need about equal numbers of products."""
    load = np.concatenate([[0.0], np.cumsum(work + 1.0)])
    count = min(_RANGES_PER_THREAD * runtime.parallelism(), 1 + int(load[-1] // _WORTH_A_RANGE))
    if on_gpu and runtime.in_process() and lends(float(load[-1])):
        count = 1  # tasks would take turns on the GPU, and each go through all blocks
    inner = np.searchsorted(load, np.linspace(0, load[-1], count + 1)[1:-1])
    return np.unique(np.concatenate([[0], inner, [len(work)]])).astype(np.int64)
