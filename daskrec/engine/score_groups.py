"""A scorer of groups: each user has the list of the group that the user belongs to."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.score import Encoder, Histories, Ragged, Request, Scorer, list_top
from daskrec.engine.shared import RowShards, Shared


class GroupScorer(Scorer):
    """Everybody in a group gets the same scores.

    Parameters
    ----------
    users
        The ids of users who belong to a group.
    labels
        int32 group of each of them.
    scores
        Handle on float64, groups x items; NaN keeps an item out of the lists of a group.
    """

    def __init__(self, users: Encoder, labels: RowShards, scores: Shared[Vector]) -> None:
        self.users = users
        self.labels = labels
        self.scores = scores

    def top(self, users: Histories, request: Request) -> Ragged:
        """Take the first unseen items of one ranking a group: O(k + history) a user."""
        known, labels = self._groups(users)
        found = []
        for label in np.unique(labels):
            rows = known[labels == label]
            mine, items, scores = list_top(
                self.scores.get()[label], users.matrix.take(rows), request
            )
            found.append((rows[mine], items, scores))
        if not found:
            return list_top(np.empty(0), users.matrix.rows(0, 0), request)
        rows, items, scores = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.argsort(rows, kind="stable")
        return rows[order], items[order], scores[order]

    def pairs(self, users: Histories, rows: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Look the scores up."""
        known, labels = self._groups(users)
        group = np.full(len(users.matrix), -1, dtype=np.int64)
        group[known] = labels
        mine = group[rows]
        scores = np.where(mine >= 0, self.scores.get()[mine, items], np.nan)
        return scores, ~np.isnan(scores)

    def unserved(self, users: Histories) -> int:
        """Count users without a group."""
        return len(users.matrix) - len(self._groups(users)[0])

    def _groups(self, users: Histories) -> tuple[Vector, Vector]:
        """Return the rows of users who have a group, and their groups."""
        codes = self.users.encode(users.user_ids.values)
        known = np.flatnonzero(codes >= 0)
        return known, self.labels.take(codes[known])
