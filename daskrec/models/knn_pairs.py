"""What the fits of KNN in one search share: the sums of pairs, whatever shrinks and cuts them."""

import itertools

import numpy as np

from daskrec.engine import config, runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr, stack
from daskrec.engine.gram_bits import Head
from daskrec.engine.gram_pairs import choose_neighbours, pair_range
from daskrec.engine.shared import Shared
from daskrec.models.item_pairs import PairedBlock, even_ranges


class Weighted:
    """A log as the products of pairs of items need it.

    Parameters
    ----------
    blocks
        Handles on the weighted rows, by user and by item.
    head
        Bit rows of popular items, where there are some.
    norms
        float64, by item.
    work
        Products that each item needs.
    folder
        Where tasks leave large results; None by reference.
    """

    def __init__(
        self,
        blocks: list[Shared[PairedBlock]],
        head: Head | None,
        norms: Vector,
        work: Vector,
        folder: str | None,
    ) -> None:
        self.blocks, self.head, self.norms = blocks, head, norms
        self.work, self.folder = work, folder

    def release(self) -> None:
        """Remove what the blocks left in storage."""
        for handle in self.blocks:
            handle.release()


class PairTable:
    """The pairs of all items, by ranges of them.

    Parameters
    ----------
    parts
        Handles on the pairs of consecutive ranges.
    starts
        The first item of each range.
    norms
        float64, by item.
    folder
        Where tasks leave large results.
    """

    def __init__(
        self, parts: list[Shared[Csr]], starts: list[int], norms: Vector, folder: str | None
    ) -> None:
        self.parts, self.starts = parts, starts
        self.norms, self.folder = Shared(norms), folder

    @classmethod
    def count(
        cls, data: Weighted, shrinks: tuple[float, float], longest: int
    ) -> "PairTable | None":
        """Count pairs once for all shrinkages and lengths of lists within limits.

        Returns
        -------
        PairTable or None
            None where the pairs take more than ``daskrec.share-limit`` bytes.
        """
        limit = config.get_bytes("share-limit")
        cuts = list(itertools.pairwise(even_ranges(data.work, on_gpu=False).tolist()))
        most = 12.0 * float(np.minimum(data.work, len(data.norms)).sum())
        step = len(cuts) if most <= limit else runtime.parallelism()
        options = data.blocks, data.head, data.norms, shrinks, longest, data.folder
        parts: list[Shared[Csr]] = []
        size = 0
        for at in range(0, len(cuts), step):
            tasks = [runtime.task(_pairs, cut, *options) for cut in cuts[at : at + step]]
            found = runtime.compute(tasks, "counting pairs")
            parts += [part for part, _ in found]
            size += sum(nbytes for _, nbytes in found)
            if size > limit:
                for part in parts:
                    part.release()
                return None
        return cls(parts, [start for start, _ in cuts], data.norms, data.folder)

    def neighbours(self, shrink: float, longest: int) -> Csr:
        """Return the most similar items of each item, as a fit of its own would."""
        options = self.norms, float(shrink), int(longest), self.folder
        # Ranges were cut for counting; choosing is so little work that fewer tasks do.
        count = min(len(self.parts), runtime.parallelism())
        cuts = itertools.pairwise(np.linspace(0, len(self.parts), count + 1).astype(int))
        some = [slice(a, b) for a, b in cuts]
        tasks = [runtime.task(_choose, self.parts[s], self.starts[s], *options) for s in some]
        found = runtime.compute(tasks, "similarities")
        rows = stack([part.get() for part in found])
        for part in found:
            part.release()
        return rows

    def release(self) -> None:
        """Remove the pairs."""
        for part in self.parts:
            part.release()
        self.norms.release()


def _pairs(
    items: tuple[int, int],
    blocks: list[Shared[PairedBlock]],
    head: Head | None,
    norms: Vector,
    shrinks: tuple[float, float],
    longest: int,
    folder: str | None,
) -> tuple[Shared[Csr], int]:
    """Return the pairs of a range of items, and the bytes that they take."""
    indptr, indices, sums = pair_range(
        [handle.get().pair for handle in blocks],
        norms,
        shrinks,
        longest,
        *items,
        head=head,
        tile_bytes=config.get_bytes("tile-bytes"),
    )
    kept = Shared.stored(Csr(indptr, indices, sums, len(norms)), folder)
    return kept, indices.nbytes + sums.nbytes


def _choose(
    pairs: list[Shared[Csr]],
    starts: list[int],
    norms: Shared[Vector],
    shrink: float,
    longest: int,
    folder: str | None,
) -> Shared[Csr]:
    """Return the neighbours of ranges of items that follow each other."""
    rows = []
    for handle, start in zip(pairs, starts, strict=True):
        kept = handle.get()
        sums = kept.indptr, kept.indices, kept.data
        found = choose_neighbours(sums, norms.get(), shrink, longest, start)
        rows.append(Csr(*found, kept.width))
    return Shared.stored(stack(rows), folder)
