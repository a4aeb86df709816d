"""KNN: items that the same users had."""

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from daskrec.data.blocks import Interactions, UserBlock
from daskrec.engine import config, device, runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.backend import borrow
from daskrec.engine.cap import cap_rows
from daskrec.engine.csr import Csr, column_work
from daskrec.engine.dense import Weights
from daskrec.engine.gpu import neighbours as on_gpu
from daskrec.engine.gram import similarity_range
from daskrec.engine.gram_bits import Head
from daskrec.engine.shared import Shared
from daskrec.engine.tiles import pair_work
from daskrec.models.item_pairs import (
    Counted,
    PairedBlock,
    by_ranges,
    plan_popular,
    warn_of_long_rows,
)
from daskrec.models.knn_pairs import PairTable, Weighted
from daskrec.models.neighbour import NeighbourRec
from daskrec.models.updates import Updatable
from daskrec.params import check_choice, check_number, check_whole

if TYPE_CHECKING:
    from daskrec.tuning.common import Common


class KNN(Updatable, NeighbourRec):
    """Item-based nearest neighbours with a shrunk cosine similarity.

    With ``r(u, i)`` 1 for every interaction (or its relevance), weighted as asked::

        similarity(i, j) = sum_u r(u, i) r(u, j) / (|r(., i)| |r(., j)| + shrink)

    Parameters
    ----------
    num_neighbours
        Most similar items kept for each item; equally similar ones by ascending id.
    use_relevance
        Take relevance as it is, instead of 1.
    shrink
        Added to the denominator; it draws similarities that rest on few users to zero.
    weighting
        ``None``; ``"tf_idf"`` multiplies the row of user u by ``ln(1 + I / n_u)``, with I
        items and n_u of them in the history of u; ``"bm25"`` multiplies by
        ``ln(1 + (I - n_u + .5) / (n_u + .5))`` and replaces r by ``r (k1 + 1) / (r + k1 (1 - b +
        b n_i / mean n))``, k1 = 1.2, b = 0.75, n_i the users of the item.
    user_length_power
        Divide the row of user u by ``n_u ** user_length_power``: users with long histories
        say less about each pair. 0 leaves rows as they are, 0.5 is a good value.
    neighbours_of
        Whose ``num_neighbours`` count in a score: ``"history"`` takes the neighbours of
        each item that the user had, as the original does; ``"candidate"`` takes, for each
        item that may be recommended, its own neighbours among what the user had, as most
        textbooks do. It keeps popular items from being everybody's neighbours.
    max_user_items
        Items of one user that count; of a longer history a random sample does, drawn by the
        ids, and one warning counts what is left out. None sets no limit.

    Notes
    -----
    Fit: time in the sum of squared history lengths, spread over ranges of items; memory
    one tile of sums a task (``daskrec.tile-bytes``) and 8 bytes a kept neighbour, never the
    table of all pairs; 4 bytes an interaction (8 with relevance) are kept for ``update``.
    Predict: history x neighbours a user. An interaction that the log repeats counts once.
    On a GPU: the products of pairs and the choice of neighbours; lists stay on the host.
    ``optimize`` searches ``num_neighbours`` from 1 to 100 and ``shrink`` from 0 to 100, the
    other parameters on request. Its trials share the counting of pairs, which takes up to
    ``daskrec.share-limit`` bytes, unless ``user_length_power`` is searched or ``daskrec.device``
    is a GPU.

    References
    ----------
    M. Deshpande and G. Karypis, Item-based top-N recommendation algorithms, ACM TOIS 22
    (2004). The weightings are those of the original's later versions.
    """

    _gpu_library: ClassVar[str | None] = "cupy"

    bm25_k1: ClassVar[float] = 1.2
    bm25_b: ClassVar[float] = 0.75
    _search_space: ClassVar[dict[str, Any]] = {
        "num_neighbours": {"type": "int", "args": [1, 100]},
        "shrink": {"type": "int", "args": [0, 100]},
    }
    _search_on_request: ClassVar[dict[str, str]] = {
        "use_relevance": "categorical",
        "weighting": "categorical",
        "user_length_power": "uniform",
        "neighbours_of": "categorical",
    }

    def __init__(
        self,
        num_neighbours: int = 10,
        use_relevance: bool = False,
        shrink: float = 0.0,
        weighting: str | None = None,
        user_length_power: float = 0.0,
        neighbours_of: str = "history",
        max_user_items: int | None = 10_000,
    ) -> None:
        self.num_neighbours = num_neighbours
        self.use_relevance = use_relevance
        self.shrink = shrink
        self.weighting = weighting
        self.user_length_power = user_length_power
        self.neighbours_of = neighbours_of
        self.max_user_items = max_user_items
        self._check_params()

    def _check_params(self) -> None:
        check_whole("num_neighbours", self.num_neighbours, 1)
        if self.max_user_items is not None:
            check_whole("max_user_items", self.max_user_items, 1)
        check_number("shrink", self.shrink, 0.0)
        check_number("user_length_power", self.user_length_power, 0.0)
        check_choice("weighting", self.weighting, (None, "tf_idf", "bm25"))
        check_choice("neighbours_of", self.neighbours_of, ("history", "candidate"))

    @property
    def _keeps_relevance(self) -> bool:
        return self.use_relevance

    def _neighbour_lists(self) -> Shared[Weights]:
        if self.neighbours_of == "history":
            return self.similarity_
        lists = self.similarity_.get()
        assert isinstance(lists, Csr)
        return Shared(lists.transposed())

    def _fit(self, data: Interactions) -> None:
        weighted = self._weighted(data)
        lists = by_ranges(
            _similar,
            weighted.work,
            weighted.blocks,
            weighted.head,
            weighted.norms,
            (self.shrink, self.num_neighbours),
            weighted.folder,
            label="similarities",
            on_gpu=True,
        )
        self._take_lists(lists)
        weighted.release()

    def _fit_beside(self, data: Interactions, common: "Common") -> None:
        # With this power free hardly two fits have the same sums; a GPU sums them up anew.
        if "user_length_power" in common.free or device.asked().startswith("cuda"):
            self._fit(data)
            return
        key = ("pairs", self.use_relevance, self.weighting)
        table = common.once(key, lambda: self._count_pairs(data, common))
        if table is None:
            self._fit(data)
        else:
            self._take_lists(table.neighbours(self.shrink, self.num_neighbours))

    def _count_pairs(self, data: Interactions, common: "Common") -> PairTable | None:
        """Count the pairs that fits with these weights have in common."""
        weighted = self._weighted(data)
        shrinks = common.reach("shrink", self.shrink)
        _, longest = common.reach("num_neighbours", self.num_neighbours)
        table = PairTable.count(weighted, shrinks, longest)
        weighted.release()
        return table

    def _weighted(self, data: Interactions) -> Weighted:
        """Return the weighted log, its norms, and the work that its items are."""
        limit = self.max_user_items
        tasks = data.tasks(_count, limit, data.item_count)
        counted = runtime.reduce(tasks, Counted.merge, "counting items")
        users_of, work = counted.counts
        warn_of_long_rows(counted, "users", "max_user_items", limit)
        weights = _Weights(self, users_of)
        folder = runtime.storage()
        blocks = data.map(_weigh, weights, limit, folder, label="weighting")
        squares = [runtime.task(_squares, block) for block in blocks]
        norms = np.sqrt(runtime.reduce(squares, np.add, "weighting"))
        head = plan_popular(blocks, data.item_count, work) if weights.plain else None
        return Weighted(blocks, head, norms, work, folder)

    def _take_lists(self, lists: Csr) -> None:
        # Similarity is symmetric: an item's own list, turned over, says whom it serves.
        by_candidate = self.neighbours_of == "candidate"
        self.similarity_ = Shared(lists.transposed() if by_candidate else lists)


class _Weights:
    """How the entries of a block are weighted; small enough to travel with each task."""

    def __init__(self, model: KNN, users_of: Vector) -> None:
        self.use_relevance = model.use_relevance
        self.weighting = model.weighting
        self.power = model.user_length_power
        self.item_count = len(users_of)
        mean = users_of.sum() / max(np.count_nonzero(users_of), 1)
        self.k1 = model.bm25_k1
        length = 1 - model.bm25_b + model.bm25_b * users_of / mean
        self.item_factor = self.k1 * length if model.weighting == "bm25" else None

    @property
    def plain(self) -> bool:
        """Whether every entry weighs 1."""
        return not self.use_relevance and self.weighting is None and self.power == 0

    def of(self, matrix: Csr) -> Vector:
        """Return the float32 weight of each entry."""
        if self.plain:
            return np.empty(0, dtype=np.float32)
        lengths = np.diff(matrix.indptr).astype(np.float64)
        values = np.ones(matrix.nnz)
        if self.use_relevance:
            values = matrix.values().astype(np.float64)
        if self.item_factor is not None:
            values = values * (self.k1 + 1) / (values + self.item_factor[matrix.indices])
        lengths = np.maximum(lengths, 1)
        factor = lengths**-self.power
        if self.weighting == "tf_idf":
            factor = factor * np.log1p(self.item_count / lengths)
        elif self.weighting == "bm25":
            factor = factor * np.log1p((self.item_count - lengths + 0.5) / (lengths + 0.5))
        return (values * np.repeat(factor, np.diff(matrix.indptr))).astype(np.float32)


def _count(block: UserBlock, limit: int | None, item_count: int) -> Counted:
    """Return for each item its users, and the products that its row of sums needs."""
    matrix = cap_rows(block.matrix, block.user_ids.values, limit)
    users_of, work = np.zeros((2, item_count), dtype=np.int64)
    column_work(matrix.indptr, matrix.indices, users_of, work)
    return Counted((users_of, work), block.matrix, limit)


def _weigh(
    block: UserBlock, weights: _Weights, limit: int | None, folder: str | None
) -> Shared[PairedBlock]:
    """Return the weighted rows of a block, by user and by item."""
    matrix = cap_rows(block.matrix, block.user_ids.values, limit)
    weighted = Csr(matrix.indptr, matrix.indices, weights.of(matrix), matrix.width)
    return Shared.stored(PairedBlock(weighted, weighted.transposed()), folder)


def _squares(block: Shared[PairedBlock]) -> Vector:
    """Return the sum of the squares of each item in a weighted block."""
    rows = block.get().by_user
    squares = rows.data.astype(np.float64) ** 2 if len(rows.data) else None
    return np.bincount(rows.indices, squares, minlength=rows.width).astype(np.float64)


def _similar(
    items: tuple[int, int],
    blocks: list[Shared[PairedBlock]],
    head: Head | None,
    norms: Vector,
    limits: tuple[float, int],
    folder: str | None,
) -> Shared[Csr]:
    """Return the neighbours of a range of items, by shrinkage and number of them."""
    pairs = [handle.get().pair for handle in blocks]
    problem = norms, float(limits[0]), min(limits[1], len(norms)), *items
    with borrow(partial(pair_work, pairs, *items)) as gpu:
        if gpu is None:
            tile_bytes = config.get_bytes("tile-bytes")
            found = similarity_range(pairs, *problem, head=head, tile_bytes=tile_bytes)
        else:
            found = on_gpu.similarity_range(gpu, blocks, *problem)
    return Shared.stored(Csr(*found, len(norms)), folder)
