"""The measures of association rules, computed from counts when they are asked for."""

from dataclasses import dataclass

import numpy as np

from daskrec.data.ids import Ids
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.csr import Csr
from daskrec.engine.shared import Shared
from daskrec.engine.topk import rank_in_row

METRICS = ("confidence", "lift", "confidence_gain")


@dataclass(frozen=True)
class RuleTable:
    """Rules by the item on the left.

    Parameters
    ----------
    pairs
        Handle on items x items: row a holds the items b of its rules, best lift first.
    support
        Handle on the float64 weight P(a, b) of each rule.
    weights
        Handle on the float64 weight R of each item.
    sessions
        Number of sessions.
    """

    pairs: Shared[Csr]
    support: Shared[Vector]
    weights: Shared[Vector]
    sessions: int


def rule_columns(
    table: RuleTable,
    rows: Csr,
    support: Vector,
    *,
    finite: bool = False,
    left: Vector | None = None,
) -> dict[str, Vector]:
    """Return the measures of rules.

    Parameters
    ----------
    table
        All rules, for the weights of items.
    rows
        The rules to measure.
    support
        Their weights P.
    finite
        Measure an infinite gain as if the right item had half a session without the left.
    left
        The items of ``rows``; by default all items.
    """
    weights, sessions = table.weights.get(), table.sessions
    owners = np.arange(len(rows)) if left is None else left
    of_left = np.repeat(weights[owners], np.diff(rows.indptr))
    of_right = weights[rows.indices]
    confidence = support / of_left
    without = of_right - support
    # Equal shares of the right item are equal lifts, to the last bit.
    lift = (support / of_right) * (sessions / of_left)
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(without == 0, 0.5 if finite else 0.0, without)
        gain = confidence * (sessions - of_left) / floor
    if not finite:
        gain[without == 0] = np.inf
    return {
        "confidence": confidence,
        "lift": lift,
        "confidence_gain": gain,
        "support": support / sessions,
    }


def nearest_rules(
    table: RuleTable,
    item_ids: Shared[Ids],
    codes: Vector,
    allowed: Vector | None,
    k: int | None,
    metric: str,
    names: tuple[str, ...],
) -> dict[str, Array]:
    """Return the best rules of some items as columns.

    Parameters
    ----------
    table, item_ids
        The rules and the items.
    codes
        The items on the left, ascending.
    allowed
        The items that may stand on the right; None for all.
    k
        Rules of an item; None for all.
    metric
        What they are ordered by.
    names
        Of the columns: left, right, then names of measures.
    """
    pairs, known = table.pairs.get(), item_ids.get()
    lengths = np.diff(pairs.indptr)[codes]
    places = np.repeat(pairs.indptr[codes], lengths) + rank_in_row(np.repeat(codes, lengths))
    rows = pairs.take(codes)
    columns = rule_columns(table, rows, table.support.get()[places], left=codes)
    left, right = np.repeat(codes, lengths), rows.indices
    if allowed is not None:
        kept = np.isin(right, allowed)
        left, right = left[kept], right[kept]
        columns = {name: values[kept] for name, values in columns.items()}
    order = np.lexsort((right, -columns[metric], left))
    if k is not None:
        order = order[rank_in_row(left[order]) < k]
    made: dict[str, Array] = {name: columns[name][order] for name in names[2:]}
    return {names[0]: known.decode(left[order]), names[1]: known.decode(right[order]), **made}
