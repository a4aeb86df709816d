"""UserPopRec: to each user the items that this user had most of."""

from typing import Any, ClassVar, Protocol

import numpy as np

from daskrec.data.blocks import Features, Interactions
from daskrec.data.history import History
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.csr import Csr
from daskrec.engine.score import Histories, Ragged, Request, Scorer
from daskrec.engine.topk import rank_in_row
from daskrec.errors import warn_caller
from daskrec.models.recommender import Recommender
from daskrec.models.updates import Updatable


class UserPopRec(Updatable, Recommender):
    """Recommend to each user again what this user had, most relevant first.

    The relevance of an item is its share of the relevance of the user's interactions::

        relevance(u, i) = sum of relevance(u, i) / sum of relevance(u, .)

    (0 where the latter is 0). It is a baseline where people repeat themselves, as in shops.
    Only users of the training are served, with items that they had there: seen items are
    never left out, whatever is asked.

    Notes
    -----
    Fit: one pass; the encoded interactions are the state (8 bytes each). Predict: the length
    of the user's history.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame(
    ...     {"user_idx": [1, 1, 3], "item_idx": [1, 2, 3], "relevance": [2, 1, 1]}
    ... )
    >>> UserPopRec().fit_predict(log, k=1)
       user_idx  item_idx  relevance
    0         1         1   0.666667
    1         3         3   1.000000
    """

    _serves_history: ClassVar[bool] = True

    def __init__(self) -> None:
        pass

    def predict(
        self,
        log: Any,
        k: int,
        users: Any = None,
        items: Any = None,
        filter_seen_items: bool = False,
        recs_file_path: Any = None,
    ) -> Any:
        """Recommend to each user the k best items that the user had in the training.

        Arguments are those of ``Recommender.predict``; ``log`` only says which users are
        served, and ``filter_seen_items`` is told off with a warning.
        """
        if filter_seen_items:
            warn_caller("UserPopRec recommends what users had: filter_seen_items is not followed")
        return self._predict_wrap(log, k, users, items, False, recs_file_path)

    def fit_predict(
        self,
        log: Any,
        k: int,
        users: Any = None,
        items: Any = None,
        filter_seen_items: bool = False,
        recs_file_path: Any = None,
    ) -> Any:
        """Fit on a log and recommend to its users; arguments as for ``predict``."""
        read = self._read_log(log)
        self._fit_wrap(read)
        return self.predict(read, k, users, items, filter_seen_items, recs_file_path)

    def _fit(self, data: Interactions) -> None:
        """Learn nothing: the interactions that are kept are the state."""

    def _keep(self, data: Interactions) -> History:
        return History.of(data, relevance=True, repeats=False)

    def _scorer(self, features: Features) -> Scorer:
        assert self._history is not None
        return ShareScorer(self._history)

    def _get_state(self) -> dict[str, Any]:
        return {}

    def _set_state(self, state: dict[str, Any]) -> None:
        """Take nothing: the kept interactions, which are the state, come with the model."""


class Table(Protocol):
    """Rows of users: what ``History`` is to this scorer."""

    def rows(self, users: Array) -> Csr:
        """Return what users had, one row a user."""


class ShareScorer(Scorer):
    """A score is an item's share of the relevance of its user's interactions.

    Parameters
    ----------
    table
        The interactions of the training.
    """

    def __init__(self, table: Table) -> None:
        self.table = table

    def top(self, users: Histories, request: Request) -> Ragged:
        """Rank what each user had in the training."""
        had, shares = self._shares(users)
        rows = np.repeat(np.arange(len(had)), np.diff(had.indptr))
        items = had.indices
        if request.candidates is not None:
            kept = np.isin(items, request.candidates)
            rows, items, shares = rows[kept], items[kept], shares[kept]
        order = np.lexsort((items, -shares, rows))
        rows, items, shares = rows[order], items[order], shares[order]
        kept = rank_in_row(rows) < request.k
        return rows[kept], items[kept], shares[kept]

    def pairs(self, users: Histories, rows: Vector, items: Vector) -> tuple[Vector, Vector]:
        """Look shares up: pairs that are not in the training have none."""
        had, shares = self._shares(users)
        owners = np.repeat(np.arange(len(had), dtype=np.int64), np.diff(had.indptr))
        places = owners * had.width + had.indices
        wanted = rows.astype(np.int64) * had.width + items
        found = np.searchsorted(places, wanted)
        inside = found < len(places)
        inside[inside] = places[found[inside]] == wanted[inside]
        scores = np.full(len(rows), np.nan)
        scores[inside] = shares[found[inside]]
        return scores, inside

    def _shares(self, users: Histories) -> tuple[Csr, Vector]:
        """Return what users had, and the float64 share of each entry."""
        had = self.table.rows(users.user_ids.values)
        values = had.values().astype(np.float64)
        lengths = np.diff(had.indptr)
        owners = np.repeat(np.arange(len(had)), lengths)
        totals = np.bincount(owners, values, minlength=len(had))[owners]
        return had, np.divide(values, totals, out=np.zeros_like(values), where=totals != 0)
