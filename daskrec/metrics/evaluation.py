"""All metrics at all depths in one pass."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from daskrec.data import ids
from daskrec.data.once import reading_once
from daskrec.engine import ranking_values
from daskrec.errors import LogError, warn_caller
from daskrec.metrics import passes
from daskrec.metrics.depths import read_depths
from daskrec.metrics.measured import Best
from daskrec.metrics.outcome import Evaluation
from daskrec.metrics.plan import WHAT, Ask, Given, make_work, merge_names, open_sides
from daskrec.metrics.scene import check_types

if TYPE_CHECKING:
    from daskrec.metrics.base import Metric


def evaluate(
    metrics: "Metric | Iterable[Metric]",
    recs: Any,
    truth: Any = None,
    k: Any = None,
    *,
    train: Any = None,
    base: Any = None,
) -> Evaluation:
    """Evaluate recommendations by several metrics at several depths, in one pass.

    Parameters
    ----------
    metrics
        Metrics; their ``mode`` plays no part, because all can be asked of the outcome.
    recs
        Recommendations: a frame of any kind, or a path, with users, items and relevance.
        Without a column of relevance, rows are taken as best first.
    truth
        What users had: a frame of any kind, or a path, with users and items. It may be left
        out where no metric needs it.
    k
        One depth or several; by default those that the metrics were made with.
    train
        The log of the training, for metrics that need one and were made without.
    base
        Recommendations of another model, for ``Unexpectedness``.

    Returns
    -------
    Evaluation
        Means, medians, intervals and values of users.

    Raises
    ------
    LogError
        A frame or a column is missing, values cannot be used, or the frame whose users are
        averaged over has no rows.
    ValueError
        ``k`` is no positive integer.

    Notes
    -----
    In memory about 0.3 s for a million rows, five depths and all metrics; nothing of Dask is
    used. Where any frame is lazy, rows travel to buckets of users and each bucket is a task;
    the driver holds sums alone (and one number an item for ``Coverage``). See
    ``daskrec.metrics.passes``.

    Examples
    --------
    >>> import pandas as pd
    >>> from daskrec.metrics import NDCG, Recall
    >>> recs = pd.DataFrame({"user_idx": [1, 1, 2], "item_idx": [4, 5, 6], "relevance": [3, 2, 1]})
    >>> truth = pd.DataFrame({"user_idx": [1, 2], "item_idx": [5, 7]})
    >>> found = evaluate([NDCG(), Recall()], recs, truth, [1, 2])
    >>> found.mean("Recall", 2)
    0.5
    """
    from daskrec.metrics.base import Metric

    chosen = [metrics] if isinstance(metrics, Metric) else list(metrics)
    depths = read_depths(k) if k is not None else _own_depths(chosen)
    return run_metrics(chosen, recs, Given(truth, train, base), depths)


def _own_depths(metrics: Sequence["Metric"]) -> list[int]:
    found = [depth for metric in metrics for depth in metric.topk or ()]
    if not found:
        raise ValueError("k is missing: say at which depths lists are cut")
    return list(dict.fromkeys(found))


@reading_once()
def run_metrics(
    metrics: Sequence["Metric"],
    recs: Any,
    given: Given,
    depths: list[int],
    more: Sequence[Ask] = (),
) -> Evaluation:
    """Plan the pass, run it, and check its outcome."""
    if not metrics:
        raise ValueError("metrics is empty: give at least one")
    asks = _asks(metrics, given)
    names = merge_names([metric._names for metric in metrics])
    every = [*asks.values(), *more]
    sides = open_sides(recs, every, names)
    covered = {n: ask.coverage(names) for n, ask in asks.items() if ask.coverage is not None}
    work = make_work(every, names, ranking_values.ascending(depths))
    outcome = passes.run(sides, work)
    for measure, count in zip(work.measures, outcome.summary.counts, strict=True):
        if count == 0 and measure.over != "recs":
            raise LogError(
                f"{WHAT[measure.over]} has no rows, so that {measure.name} has no users to be "
                "averaged over"
            )
    if outcome.summary.strangers:
        warn_caller(
            f"{outcome.summary.strangers} users have recommendations but are not in the truth: "
            "they are left out of metrics that need it"
        )
    fixed = {}
    for name, catalogue in covered.items():
        assert outcome.summary.best is not None
        only = asks[name].known_only
        fixed[name] = _coverage(outcome.summary.best, catalogue.items, only, depths)
    index = {measure.name: at for at, measure in enumerate(work.measures)}
    return Evaluation(list(asks), depths, outcome, index, fixed, sides["recs"])


def _asks(metrics: Sequence["Metric"], given: Given) -> dict[str, Ask]:
    asks: dict[str, Ask] = {}
    for metric in metrics:
        name, ask = str(metric), metric._ask(given)
        if not asks.setdefault(name, ask).same(ask):
            raise LogError(f"two metrics are called {name}: evaluate them apart")
    return asks


def _coverage(
    best: Best, known: ids.Ids, known_only: bool, depths: Sequence[int]
) -> dict[int, float]:
    """Return the share of the known items that are in anyone's first k."""
    check_types([known.values, best.items.values])
    inside = known.encode(best.items.values) >= 0
    places = best.places[inside] if known_only else best.places
    unknown = int((~inside).sum())
    if unknown and not known_only:
        warn_caller(
            f"{unknown} recommended items are not in the log of Coverage: they count all the "
            "same, so that its value may be above 1"
        )
    return {k: float((places < k).sum() / len(known)) for k in depths}
