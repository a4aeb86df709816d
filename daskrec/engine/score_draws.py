"""A scorer that draws: each user's list is a random order of the items, by weight."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.draws import Draw, draw_positions, draw_unseen, plan_draw
from daskrec.engine.keys import hash_ids
from daskrec.engine.score import Histories, Ragged, Request, Scorer
from daskrec.engine.shared import Shared
from daskrec.engine.topk import flatten

LEAST_WEIGHT = 1e-6  # of an item whose score is zero: it can be drawn, after the others


class DrawScorer(Scorer):
    """Items are drawn without replacement, each with a chance in proportion to its weight.

    Draws are keyed by the seed and the id of the user. A list is a walk along the order of
    the draws that leaves seen items out.

    Parameters
    ----------
    weights
        Handle on float64 weights, one an item; NaN and what is not above 0 is never drawn.
    seed
        Any integer.
    """

    def __init__(self, weights: Shared[Vector], seed: int) -> None:
        self.weights = weights
        self.seed = seed

    def top(self, users: Histories, request: Request) -> Ragged:
        """Draw a list for each user; a score is 1 over the place in the order of draws."""
        rows, items, places = self._draw(users, request)
        return rows, items, 1.0 / places

    def pairs(self, users: Histories, rows: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Return 1 over the place of each item among all; O(items) a user."""
        weights = self.weights.get()
        plan = self._plan(np.arange(len(weights), dtype=np.int32))
        keys = hash_ids(users.user_ids.values)
        places = draw_positions(self.seed, keys, plan, rows, items, len(weights))
        drawn = places > 0
        return np.where(drawn, 1.0 / np.maximum(places, 1), np.nan), drawn

    def _plan(self, items: Vector) -> Draw:
        return plan_draw(items, np.nan_to_num(self.weights.get()[items]))

    def _draw(self, users: Histories, request: Request) -> Ragged:
        """Return rows, items and places in the order of draws, by user and place."""
        size = len(self.weights.get())
        plan = self._plan(
            np.arange(size, dtype=np.int32) if request.candidates is None else request.candidates
        )
        matrix = users.matrix
        indptr = matrix.indptr if request.filter_seen else np.zeros_like(matrix.indptr)
        keys = hash_ids(users.user_ids.values)
        length = min(request.k, len(plan.items))
        found = draw_unseen(self.seed, keys, plan, indptr, matrix.indices, length, size)
        return flatten(*found)


class SampleScorer(DrawScorer):
    """Items are drawn by their scores, and keep them.

    Parameters
    ----------
    scores
        Handle on float64 scores, one an item; NaN keeps an item out of all lists.
    seed
        Any integer.
    """

    def __init__(self, scores: Shared[Vector], seed: int) -> None:
        super().__init__(scores, seed)

    def _plan(self, items: Vector) -> Draw:
        scores = self.weights.get()[items]
        weights = np.where(np.isnan(scores), 0.0, np.maximum(scores, LEAST_WEIGHT))
        return plan_draw(items, weights)

    def top(self, users: Histories, request: Request) -> Ragged:
        """Draw a list for each user, and order it by score."""
        rows, items, _ = self._draw(users, request)
        scores = self.weights.get()[items]
        order = np.lexsort((items, -scores, rows))
        return rows[order], items[order], scores[order]

    def pairs(self, users: Histories, rows: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Look the scores up."""
        scores = self.weights.get()[items]
        return scores, ~np.isnan(scores)
