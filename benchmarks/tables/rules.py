"""Association rules of two items: against KNN's products of the same log, and against mlxtend."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlxtend.frequent_patterns import fpgrowth

from benchmarks.data import Dataset
from benchmarks.measure import Contender, call, interleave
from benchmarks.report import Goal, SpeedTable, Table
from daskrec.models import KNN, AssociationRulesItemRec

_FILE = "groceries/baskets.parquet"
_NEIGHBOURS = (100, 1000)
_SUPPORTS = (0.001, 0.0005)


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable("rules: association rules of two items")
    for kept in _NEIGHBOURS:
        ours = AssociationRulesItemRec(num_neighbours=kept)
        knn = KNN(kept)
        seconds, _ = interleave(
            [call(ours._fit, dataset.blocks), call(knn._fit, dataset.blocks)], rounds
        )
        table.compare(
            f"sessions by user, {kept} rules an item",
            seconds,
            f"KNN({kept}) on the same blocks",
            goal=Goal(ratio=1 / 1.5),
            equal=_counts_agree(ours, dataset.ones),
        )
    folder = os.environ.get("DASKREC_DATA")
    if folder is None:
        table.notes.append("groceries: DASKREC_DATA is not set, so mlxtend is not run.")
        return table
    baskets = pd.read_parquet(Path(folder) / _FILE).drop_duplicates()
    for support in _SUPPORTS:
        _groceries(table, baskets, support, rounds)
    table.notes += [
        "Both of the first two from blocks, counting and selection included; rules are kept where "
        "5 sessions have the pair, by lift; counts are held against a sparse product.",
        "mlxtend: `fpgrowth(max_len=2)` on a boolean frame made off its clock; ours from the frame "
        "of baskets, reading, checks and string ids included. Equal: the same pairs with the same "
        "numbers of baskets.",
    ]
    return table


def _counts_agree(model: AssociationRulesItemRec, ones: Any) -> bool:
    """Tell whether the support of each kept rule is the number of common users."""
    rules, support = model.rules_.pairs.get(), model.rules_.support.get()
    counts = (ones.T @ ones).tocsr()
    left = np.repeat(np.arange(len(rules)), np.diff(rules.indptr))
    return bool((np.asarray(counts[left, rules.indices]).ravel() == support).all())


def _groceries(table: SpeedTable, baskets: pd.DataFrame, support: float, rounds: int) -> None:
    count = baskets["basket_id"].nunique()
    least = int(np.ceil(support * count))
    log = baskets.rename(columns={"basket_id": "user_idx", "item": "item_idx"})
    model = AssociationRulesItemRec(min_item_count=least, min_pair_count=least, num_neighbours=None)
    wide = pd.crosstab(baskets["basket_id"], baskets["item"]).astype(bool)
    seconds, (_, peer) = interleave(
        [
            call(model.fit, log),
            Contender(lambda _: fpgrowth(wide, least / count, use_colnames=True, max_len=2)),
        ],
        rounds,
    )
    found = model.get_pair_metrics
    ours = {
        frozenset((a, b)): round(s * count)
        for a, b, s in found[["antecedent", "consequent", "support"]].itertuples(index=False)
    }
    theirs = {
        items: round(share * count)
        for share, items in peer.itertuples(index=False)
        if len(items) == 2
    }
    table.compare(
        f"groceries, {least} baskets or more, {len(ours)} pairs",
        seconds,
        "mlxtend fpgrowth",
        goal=Goal(ratio=20),
        equal=ours == theirs,
    )
