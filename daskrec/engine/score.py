"""Scorers: how a model turns users and items into scores, and all of them into a top-k.

A model hands over one scorer; every recommendation of the library is made by its ``top``
and every score of a pair by its ``pairs``. Here are those of three shapes of models: one list
for everybody, sums over the neighbours of a history, and inner products of vectors. The files
``score_*`` and ``fold_in`` hold more. All keep the one order: score descending, then item
ascending.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np

from daskrec.engine import config
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.backend import borrow
from daskrec.engine.csr import Csr
from daskrec.engine.gpu import topk as on_gpu
from daskrec.engine.select import Ranked
from daskrec.engine.shared import RowShards, Shared
from daskrec.engine.threads import single_threaded_blas
from daskrec.engine.topk import dot_topk, flatten
from daskrec.engine.topk_sparse import sparse_pairs, sparse_topk, take_unseen

Ragged: TypeAlias = tuple[Vector, Vector, Vector]


@dataclass(frozen=True)
class Request:
    """What is asked of a scorer.

    Parameters
    ----------
    k
        Length of a list.
    candidates
        Sorted int32 codes of the items that may be recommended; None for all.
    filter_seen
        Leave out what is in the history of the user.
    """

    k: int
    candidates: Vector | None = None
    filter_seen: bool = True

    def length(self, item_count: int) -> int:
        """Return the length that lists can reach."""
        return min(self.k, item_count if self.candidates is None else len(self.candidates))


class Histories(Protocol):
    """Users with their histories: what a user block is to a scorer."""

    user_ids: Any
    matrix: Csr
    repeats: Vector


class Scorer(ABC):
    """Scores of items for users. Scorers travel in graphs: they hold handles, not arrays."""

    unserved_because: ClassVar[str] = "users have no features"  # behind their number
    gpu_library: ClassVar[str | None] = None  # of its kernels for a GPU, where it has some

    @abstractmethod
    def top(self, users: Histories, request: Request) -> Ragged:
        """Return the best items of each user.

        Returns
        -------
        tuple
            Row numbers int64 (positions in ``users``, ascending), item codes int32, and
            scores float64; a user who cannot be served has no entry.
        """

    @abstractmethod
    def pairs(self, users: Histories, rows: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Score pairs of a row of ``users`` and an item code.

        Returns
        -------
        tuple
            Scores float64, and a mask of the pairs that could be scored.
        """

    def unserved(self, users: Histories) -> int:
        """Count users whom this scorer knows nothing of, whatever they had."""
        return 0


class ListScorer(Scorer):
    """Everybody gets the same scores.

    Parameters
    ----------
    scores
        Handle on float64 scores, one an item; NaN keeps an item out of all lists.
    """

    def __init__(self, scores: Shared[Vector]) -> None:
        self.scores = scores

    def top(self, users: Histories, request: Request) -> Ragged:
        """Take the first unseen items of one ranking: O(k + history) a user."""
        return list_top(self.scores.get(), users.matrix, request)

    def pairs(self, users: Histories, rows: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Look the scores up."""
        scores = self.scores.get()[items]
        return scores, ~np.isnan(scores)


def list_top(scores: Vector, matrix: Csr, request: Request) -> Ragged:
    """Return for each history the first items of one ranking that are not in it.

    Parameters
    ----------
    scores
        float64, one an item; NaN keeps an item out.
    matrix
        Histories, one a row.
    request
        What is asked.
    """
    if request.candidates is None:
        allowed = np.arange(len(scores), dtype=np.int32)
    else:
        allowed = request.candidates
    allowed = allowed[~np.isnan(scores[allowed])]
    order = allowed[np.lexsort((allowed, -scores[allowed]))]
    indptr = matrix.indptr if request.filter_seen else np.zeros_like(matrix.indptr)
    length = min(request.length(len(scores)), len(order))
    found = take_unseen(order, scores[order], indptr, matrix.indices, length, len(scores))
    return flatten(*found)


class NeighbourScorer(Scorer):
    """A score is the sum of the similarities of the items of the history.

    It works on the host: few items are reached, and a GPU would go through all cells of users x
    items for them.

    Parameters
    ----------
    similarity
        Handle on the items x items matrix; row i holds the neighbours of item i.
    weighted
        Multiply each similarity by the relevance of the item in the history.
    """

    def __init__(self, similarity: Shared[Csr], weighted: bool = False) -> None:
        self.similarity = similarity
        self.weighted = weighted

    def top(self, users: Histories, request: Request) -> Ragged:
        """Add up sparse rows: O(history x neighbours) a user."""
        similarity, history = self.similarity.get(), users.matrix
        allowed = None
        if request.candidates is not None:
            allowed = np.zeros(similarity.width, dtype=np.bool_)
            allowed[request.candidates] = True
        found = sparse_topk(
            history.indptr,
            history.indices,
            similarity.indptr,
            similarity.indices,
            similarity.data,
            request.length(similarity.width),
            allowed=allowed,
            filter_seen=request.filter_seen,
            weights=self._weights(history),
        )
        return flatten(*found)

    def pairs(self, users: Histories, rows: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Score pairs; those that no neighbour reaches have no score."""
        similarity, history = self.similarity.get(), users.matrix
        scores = sparse_pairs(
            history.indptr,
            history.indices,
            similarity.indptr,
            similarity.indices,
            similarity.data,
            rows,
            items,
            weights=self._weights(history),
        )
        return scores, ~np.isnan(scores)

    def _weights(self, history: Csr) -> Vector | None:
        return history.data if self.weighted and len(history.data) else None


class Encoder(Protocol):
    """Turns ids into codes, -1 where an id is not known."""

    def encode(self, ids: Array, /) -> Vector:
        """Return the codes of ids."""


class DotScorer(Scorer):
    """A score is the inner product of a vector of the user and one of the item.

    Parameters
    ----------
    item_vectors
        Handle on float32, items x rank; an item whose vector holds NaN has no score.
    """

    gpu_library = "cupy"

    def __init__(self, item_vectors: Shared[Vector]) -> None:
        self.item_vectors = item_vectors

    @abstractmethod
    def _vectors(self, users: Histories) -> tuple[Vector, Vector]:
        """Return the rows of users who can be served, ascending, and their vectors."""

    def top(self, users: Histories, request: Request) -> Ragged:
        """Walk tiles of users x items: 2 x rank operations a score, one tile of memory."""
        known, vectors = self._vectors(users)
        seen = (users.matrix.indptr, users.matrix.indices) if request.filter_seen else (None, None)
        with single_threaded_blas():
            found = self._ranked(
                vectors,
                request.length(len(self.item_vectors.get())),
                *seen,
                rows=known,
                candidates=request.candidates,
                tile_bytes=config.get_bytes("tile-bytes"),
            )
        rows, best, scores = flatten(*found)
        return known[rows], best, scores

    def _ranked(self, vectors: Vector, *what: Any, **how: Any) -> Ranked:
        """Rank items for vectors of users; arguments as of ``dot_topk``."""
        table, candidates = self.item_vectors.get(), how.get("candidates")
        ranked = len(table) if candidates is None else len(candidates)
        with borrow(float(vectors.size) * ranked) as gpu:
            if gpu is None:
                return dot_topk(vectors, table, *what, **how)
            how.pop("tile_bytes")  # for tiles that stay in the cache of a CPU
            return on_gpu.dot_topk(gpu, vectors, self.item_vectors, *what, **how)

    def pairs(self, users: Histories, rows: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Score pairs of known users."""
        known, vectors = self._vectors(users)
        place = np.full(len(users.matrix), -1, dtype=np.int64)
        place[known] = np.arange(len(known))
        mine = place[rows]
        held = mine >= 0
        scores = np.full(len(rows), np.nan)
        scores[held] = self._scored(vectors, mine[held], items[held])
        return scores, ~np.isnan(scores)

    def _scored(self, vectors: Vector, rows: Vector, items: Vector) -> Vector:
        """Score pairs of a row of ``vectors`` and an item."""
        left, right = vectors[rows], self.item_vectors.get()[items]
        found: Vector = np.einsum("ij,ij->i", left, right)
        return found


class VectorScorer(DotScorer):
    """Inner products with vectors of known users.

    Parameters
    ----------
    users
        The ids of the rows of ``user_vectors``.
    user_vectors
        float32, users x rank, in shards.
    item_vectors
        As for ``DotScorer``.
    """

    def __init__(
        self, users: Encoder, user_vectors: RowShards, item_vectors: Shared[Vector]
    ) -> None:
        super().__init__(item_vectors)
        self.users = users
        self.user_vectors = user_vectors

    def _vectors(self, users: Histories) -> tuple[Vector, Vector]:
        codes = self.users.encode(users.user_ids.values)
        known = np.flatnonzero(codes >= 0)
        return known, self.user_vectors.take(codes[known])
