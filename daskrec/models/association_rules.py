"""AssociationRulesItemRec: rules between two items that the same sessions hold."""

from contextlib import nullcontext
from functools import partial
from typing import Any, ClassVar

import numpy as np

from daskrec.data import encode, output, ranges
from daskrec.data.blocks import Features, Interactions, UserBlock
from daskrec.data.ids import ShardedIds
from daskrec.data.log import Layout, Log, Needs
from daskrec.data.output import Form
from daskrec.engine import config, runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.backend import borrow
from daskrec.engine.cap import cap_rows
from daskrec.engine.csr import Csr, column_work
from daskrec.engine.gpu import rules as on_gpu
from daskrec.engine.gram_bits import Head
from daskrec.engine.rules import rule_range
from daskrec.engine.score import NeighbourScorer, Scorer
from daskrec.engine.shared import Shared
from daskrec.engine.tiles import pair_work
from daskrec.models.asked import Catalogue
from daskrec.models.item_pairs import (
    Counted,
    PairedBlock,
    by_ranges,
    plan_popular,
    warn_of_long_rows,
)
from daskrec.models.neighbour import NeighbourRec
from daskrec.models.rule_metrics import METRICS, RuleTable, nearest_rules, rule_columns
from daskrec.models.updates import Updatable
from daskrec.params import check_choice, check_whole


class AssociationRulesItemRec(Updatable, NeighbourRec):
    """Recommend what sessions with the same items hold besides, by association rules.

    Of S sessions, R(a) hold item a and P(a, b) hold both a and b. A rule a -> b has::

        confidence(a, b) = P(a, b) / R(a)
        lift(a, b) = S confidence(a, b) / R(b)
        confidence_gain(a, b) = confidence(a, b) / confidence(not a, b)
                              = confidence(a, b) (S - R(a)) / (R(b) - P(a, b))

    the last of them infinite where b is in no session without a. An item that a session
    holds several times counts once.

    Parameters
    ----------
    session_col
        The column that says which rows are a session (ids, whole numbers, dates or words);
        None takes all rows of a user. In a log without a column of users, sessions are the
        users.
    min_item_count
        Items in fewer sessions have no rules.
    min_pair_count
        Pairs in fewer sessions are no rules.
    num_neighbours
        Rules kept for each item on the left, by lift, equal ones by ascending id; None
        keeps all.
    use_relevance
        Sum relevance instead of counting: R(a) is the sum of the relevance of a, P(a, b)
        the sum over sessions of the smaller relevance of both. Items whose relevance adds
        up to 0 or less have no rules.
    similarity_metric
        What ``predict`` adds up over the items of a history: ``"confidence"``, ``"lift"`` or
        ``"confidence_gain"`` (an infinite gain is taken as if b had half a session without
        a, so that scores are finite).
    max_session_items
        Items of one session that count; of a longer one a random sample does, drawn by the
        ids, and one warning counts what is left out. None sets no limit.

    Notes
    -----
    Fit: time in the sum of squared session lengths, spread over ranges of items; memory one
    tile of sums a task (``daskrec.tile-bytes``) and 12 bytes a rule, never the table of all
    pairs; 4 bytes an interaction (8 with relevance) are kept for ``update``. Predict: history
    x rules of an item a user; users are served by the history in the log of ``predict``.
    On a GPU: counts and rules of them. ``optimize`` searches ``min_pair_count`` from 1 to 100,
    ``num_neighbours`` from 10 to 1000 and ``similarity_metric``, and ``min_item_count`` and
    ``use_relevance`` on request.

    References
    ----------
    R. Agrawal, T. Imielinski and A. Swami, Mining association rules between sets of items in
    large databases, SIGMOD (1993). S. Brin, R. Motwani, J. Ullman and S. Tsur, Dynamic
    itemset counting and implication rules for market basket data, SIGMOD (1997).

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame(
    ...     {"user_idx": [1, 1, 2, 2, 3], "item_idx": ["tea", "milk", "tea", "milk", "tea"]}
    ... )
    >>> model = AssociationRulesItemRec(min_item_count=1, min_pair_count=1).fit(log)
    >>> model.get_nearest_items(["milk"], k=1)
      item_idx neighbour_item_idx  confidence  lift  confidence_gain
    0     milk                tea         1.0   1.0              1.0
    """

    _gpu_library: ClassVar[str | None] = "cupy"

    item_to_item_metrics: ClassVar[tuple[str, ...]] = METRICS
    _late_params: ClassVar[frozenset[str]] = frozenset({"similarity_metric"})
    _search_space: ClassVar[dict[str, Any]] = {
        "min_pair_count": {"type": "loguniform_int", "args": [1, 100]},
        "num_neighbours": {"type": "loguniform_int", "args": [10, 1000]},
        "similarity_metric": {"type": "categorical", "args": list(METRICS)},
    }
    _search_on_request: ClassVar[dict[str, str]] = {
        "min_item_count": "loguniform_int",
        "use_relevance": "categorical",
    }
    rules_: RuleTable

    def __init__(
        self,
        session_col: str | None = None,
        min_item_count: int = 5,
        min_pair_count: int = 5,
        num_neighbours: int | None = 1000,
        use_relevance: bool = False,
        similarity_metric: str = "confidence",
        max_session_items: int | None = 10_000,
    ) -> None:
        self.session_col = session_col
        self.min_item_count = min_item_count
        self.min_pair_count = min_pair_count
        self.num_neighbours = num_neighbours
        self.use_relevance = use_relevance
        self.similarity_metric = similarity_metric
        self.max_session_items = max_session_items
        self._check_params()

    def _check_params(self) -> None:
        check_whole("min_item_count", self.min_item_count, 0)
        check_whole("min_pair_count", self.min_pair_count, 0)
        for name in ("num_neighbours", "max_session_items"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1)
        check_choice("similarity_metric", self.similarity_metric, METRICS)

    # ------------------------------------------------------------ fit and update

    def _log_needs(self) -> Needs:
        return Needs(session=self.session_col, user=self.session_col)

    def _encode(self, log: Log, features: Features) -> tuple[Interactions, ShardedIds, Array]:
        if self.session_col is None:
            return super()._encode(log, features)
        log = log.held()
        data = encode.encode_training(log.by_session())
        users = encode.distinct_users(log)
        return data, users, users.bounds

    def _update(self, log: Log, layout: Layout) -> None:
        if self.session_col is None:
            super()._update(log, layout)
            return
        log = log.held()
        data = self._extended(log.by_session())
        users = ranges.merge_ids(self._fitted.user_ids, encode.distinct_users(log))
        self._learn(data, Catalogue(users, Shared(data.item_ids), users.bounds, layout))

    @property
    def _keeps_relevance(self) -> bool:
        return self.use_relevance

    def _fit(self, data: Interactions) -> None:
        limit, graded, folder = self.max_session_items, self.use_relevance, runtime.storage()
        tasks = data.tasks(_count, limit, graded, data.item_count)
        counted = runtime.reduce(tasks, Counted.merge, "counting items")
        sessions_of, weights, work = counted.counts
        who = "users" if self.session_col is None else "sessions"
        warn_of_long_rows(counted, who, "max_session_items", limit)
        allowed = (sessions_of >= self.min_item_count) & (weights > 0)
        blocks = data.map(_pair_up, limit, graded, allowed, folder, label="turning items over")
        head = None if graded else plan_popular(blocks, data.item_count, work)
        rows = by_ranges(
            _mine,
            work * allowed,
            blocks,
            head,
            weights,
            allowed,
            (self.num_neighbours, self.min_pair_count),
            folder,
            label="rules",
            on_gpu=not graded,
        )
        self._set_rules(
            Csr(rows.indptr, rows.indices, np.empty(0, dtype=np.float32), rows.width),
            rows.data.astype(np.float64, copy=False),
            weights,
            data.user_count,
        )
        for handle in blocks:
            handle.release()

    def _set_rules(self, pairs: Csr, support: Vector, weights: Vector, sessions: int) -> None:
        self.rules_ = RuleTable(Shared(pairs), Shared(support), Shared(weights), int(sessions))
        self._similarities: dict[str, Shared[Csr]] = {}

    # ------------------------------------------------------------ what users see

    @property
    def get_pair_metrics(self) -> Any:
        """The rules as a frame.

        Columns ``antecedent, consequent, confidence, lift, confidence_gain`` and ``support``,
        the share of sessions with both; by antecedent, lift descending, consequent
        ascending.
        """
        codes = np.arange(self.items_count)
        names = ("antecedent", "consequent", *METRICS, "support")
        return self._rule_frame(codes, None, None, "lift", names)

    def get_nearest_items(
        self, items: Any, k: int, metric: str | None = "lift", candidates: Any = None
    ) -> Any:
        """Return the k best rules of each of some items.

        Parameters
        ----------
        items
            Items: a single id, any iterable, array, series or frame.
        k
            Rules of an item; never more than the model keeps.
        metric
            What they are ordered by: ``"lift"``, ``"confidence"`` or ``"confidence_gain"``.
        candidates
            Items that may stand on the right; None allows all.

        Returns
        -------
        frame
            Columns item, neighbour, ``confidence``, ``lift`` and ``confidence_gain``; by item,
            the metric descending, neighbour ascending.

        Raises
        ------
        ValueError
            The metric is none of these.
        """
        if metric not in METRICS:
            raise ValueError(f"Select one of the valid distance metrics: {list(METRICS)}")
        codes, allowed = self._nearest_request(items, k, candidates)
        names = self._fitted.layout.names
        columns = (names.item, names.neighbour, *METRICS)
        return self._rule_frame(codes, allowed, int(k), metric, columns)

    def _rule_frame(
        self,
        codes: Vector,
        allowed: Vector | None,
        k: int | None,
        metric: str,
        names: tuple[str, ...],
    ) -> Any:
        fitted = self._fitted
        ids = fitted.item_ids.get().values[:0]
        columns: Arrays = {name: ids if n < 2 else np.empty(0) for n, name in enumerate(names)}
        dtypes = dict.fromkeys(names[:2], fitted.layout.item)
        form = Form(fitted.layout.kind, fitted.layout.part, columns, dtypes)
        job = runtime.task(
            nearest_rules, self.rules_, fitted.item_ids, codes, allowed, k, metric, names
        )
        return output.finish([job], form, label="rules")

    # ------------------------------------------------------------ scores and state

    def _neighbour_lists(self) -> Shared[Csr]:
        """Return the rules as similarities, by the metric of ``predict``."""
        metric = self.similarity_metric
        if metric not in self._similarities:
            table = self.rules_
            pairs = table.pairs.get()
            values = rule_columns(table, pairs, table.support.get(), finite=True)[metric]
            self._similarities[metric] = Shared(
                Csr(pairs.indptr, pairs.indices, values.astype(np.float32), pairs.width)
            )
        return self._similarities[metric]

    def _scorer(self, features: Features) -> Scorer:
        return NeighbourScorer(self._neighbour_lists())

    def _get_state(self) -> dict[str, Any]:
        table = self.rules_
        return {
            "pairs": table.pairs,
            "support": table.support,
            "weights": table.weights,
            "sessions": Shared(np.array([table.sessions])),
        }

    def _set_state(self, state: dict[str, Any]) -> None:
        pairs, support, weights, sessions = (
            state[name].get() for name in ("pairs", "support", "weights", "sessions")
        )
        self._set_rules(pairs, support, weights, sessions[0])


def _count(block: UserBlock, limit: int | None, graded: bool, item_count: int) -> Counted:
    """Return for each item its sessions, its weight, and the work that its rules need."""
    matrix = cap_rows(block.matrix, block.user_ids.values, limit)
    sessions, work = np.zeros((2, item_count), dtype=np.int64)
    column_work(matrix.indptr, matrix.indices, sessions, work)
    weights: Vector = sessions.astype(np.float64)
    if graded:
        weights = np.bincount(matrix.indices, matrix.values(), minlength=item_count)
    return Counted((sessions, weights, work), block.matrix, limit)


def _pair_up(
    block: UserBlock, limit: int | None, graded: bool, allowed: Vector, folder: str | None
) -> Shared[PairedBlock]:
    """Return the allowed items of a block, by session and by item."""
    matrix = cap_rows(block.matrix, block.user_ids.values, limit)
    kept = allowed[matrix.indices]
    before = np.concatenate([[0], np.cumsum(kept)])
    data = matrix.values()[kept] if graded else np.empty(0, dtype=np.float32)
    rows = Csr(before[matrix.indptr], matrix.indices[kept], data, matrix.width)
    return Shared.stored(PairedBlock(rows, rows.transposed()), folder)


def _mine(
    items: tuple[int, int],
    blocks: list[Shared[PairedBlock]],
    head: Head | None,
    weights: Vector,
    allowed: Vector,
    limits: tuple[int | None, int],
    folder: str | None,
) -> Shared[Csr]:
    """Return the rules of a range of items, best first, with their support."""
    pairs = [handle.get().pair for handle in blocks]
    problem = weights, allowed, *limits, *items
    graded = any(pair.x_data.size for pair in pairs)  # its sums are no products
    with nullcontext() if graded else borrow(partial(pair_work, pairs, *items)) as gpu:
        if gpu is None:
            tile_bytes = config.get_bytes("tile-bytes")
            found = rule_range(pairs, *problem, head=head, tile_bytes=tile_bytes)
        else:
            found = on_gpu.rule_range(gpu, blocks, *problem)
    return Shared.stored(Csr(*found, len(weights)), folder)
