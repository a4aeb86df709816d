"""From a request to a result: the one path that every recommendation takes.

Each block of histories becomes one task: score, mask, rank, turn codes back into ids. The
tasks are run at once for a log in memory, and become the partitions of a lazy frame for a
log of partitions.
"""

from typing import Any, TypeAlias

import numpy as np

from daskrec.data.blocks import UserBlock, UserBlocks
from daskrec.data.ids import Ids
from daskrec.data.log import Layout
from daskrec.data.output import Form
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.score import Request, Scorer
from daskrec.engine.shared import Shared
from daskrec.engine.topk import rank_in_row

Columns: TypeAlias = tuple[str, str, str]


def result_form(layout: Layout, users: Array, items: Array) -> Form:
    """Return the form of recommendations: user, item, relevance as the log spells them."""
    names = layout.names
    return Form(
        layout.kind,
        layout.part,
        {names.user: users[:0], names.item: items[:0], names.relevance: np.empty(0)},
        {names.user: layout.user, names.item: layout.item},
    )


def recommend(
    histories: UserBlocks, scorer: Scorer, request: Request, item_ids: Shared[Ids], form: Form
) -> list[Any]:
    """Return one task a block that gives the columns of its recommendations."""
    return histories.tasks(_recommend_block, scorer, request, item_ids, tuple(form.empty))


def _recommend_block(
    block: UserBlock, scorer: Scorer, request: Request, item_ids: Shared[Ids], names: Columns
) -> Arrays:
    rows, items, scores = scorer.top(block, request)
    return _columns(block.user_ids, rows, item_ids.get(), items, scores, names)


def _columns(
    users: Ids, rows: Vector, item_ids: Ids, items: Vector, scores: Vector, names: Columns
) -> Arrays:
    user, item, relevance = names
    return {
        user: users.decode(rows),
        item: item_ids.decode(items),
        relevance: np.asarray(scores, dtype=np.float64),
    }


def score_pairs(
    pairs: UserBlocks,
    histories: UserBlocks | None,
    scorer: Scorer,
    k: int | None,
    item_ids: Shared[Ids],
    form: Form,
) -> list[Any]:
    """Return one task a block that gives the scores of its pairs.

    Parameters
    ----------
    pairs
        The pairs, as blocks: the items of a row are those to score.
    histories
        Histories cut at the same bounds; None for models that need none.
    k
        Keep the best k pairs of each user; None keeps all.
    """
    past = histories.parts if histories is not None else [None] * len(pairs)
    return [
        runtime.task(_score_block, mine, theirs, scorer, k, item_ids, tuple(form.empty))
        for mine, theirs in zip(pairs.parts, past, strict=True)
    ]


def _score_block(
    pairs: Any, histories: Any, scorer: Scorer, k: int | None, item_ids: Shared[Ids], names: Columns
) -> Arrays:
    block: UserBlock = pairs.get() if isinstance(pairs, Shared) else pairs
    past: UserBlock | None = histories.get() if isinstance(histories, Shared) else histories
    wanted = block.matrix
    rows = np.repeat(np.arange(len(wanted)), np.diff(wanted.indptr))
    aligned = block if past is None else align(block.user_ids, past)
    scores, scored = scorer.pairs(aligned, rows, wanted.indices)
    rows, items, scores = rows[scored], wanted.indices[scored], scores[scored]
    order = np.lexsort((items, -scores, rows))
    rows, items, scores = rows[order], items[order], scores[order]
    if k is not None:
        kept = rank_in_row(rows) < k
        rows, items, scores = rows[kept], items[kept], scores[kept]
    return _columns(block.user_ids, rows, item_ids.get(), items, scores, names)


def align(users: Ids, past: UserBlock) -> UserBlock:
    """Return the histories of exactly these users; of a user without one, an empty one."""
    return past.take(users, past.user_ids.encode(users.values))
