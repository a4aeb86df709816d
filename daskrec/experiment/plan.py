"""What an experiment measures: the two forms of its arguments, read into one plan."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daskrec.data import frames
from daskrec.errors import LogError
from daskrec.metrics import Evaluation, Unexpectedness
from daskrec.metrics.base import Metric
from daskrec.metrics.depths import read_depths
from daskrec.metrics.modes import ConfidenceInterval, Mean, PerUser, check_alpha


@dataclass(frozen=True)
class Measured:
    """A metric of an experiment, at its lengths.

    Parameters
    ----------
    metric
        The metric.
    ks
        The lengths.
    label
        What its columns are named after.
    base
        Recommendations of another model, where the metric is of those.
    """

    metric: Metric
    ks: Sequence[int]
    label: str
    base: Any = None


@dataclass(frozen=True)
class Plan:
    """What an experiment measures, and how its columns are called.

    Parameters
    ----------
    truth, train
        The frames that metrics are given.
    measured
        The metrics.
    columns
        Returns the cells of a metric at a length.
    halves
        For columns of means, those of the halves of their intervals.
    means
        The columns of means.
    """

    truth: Any
    train: Any
    measured: list[Measured]
    columns: Callable[[Measured, Evaluation, int], dict[str, float]]
    halves: dict[str, str] = field(default_factory=dict)
    means: list[str] = field(default_factory=list)


def are_metrics(given: Any) -> bool:
    """Tell whether something is a metric, or a list of them, and not a frame."""
    if isinstance(given, Metric):
        return True
    return isinstance(given, list | tuple | set) and all(isinstance(one, Metric) for one in given)


def plan_by_test(
    test: Any,
    metrics: Mapping[Metric, Any],
    calc_median: bool = False,
    calc_conf_interval: float | None = None,
) -> Plan:
    """Read the arguments of the original's form; see ``Experiment``."""
    if not isinstance(metrics, Mapping):
        raise LogError(
            "metrics must be a mapping of metrics to lengths, such as {NDCG(): 10}; a list of "
            "metrics comes first: Experiment([NDCG(10)], ground_truth)"
        )
    if calc_conf_interval is not None:
        check_alpha(calc_conf_interval)
    _check_metrics(metrics)
    ordered = sorted(metrics.items(), key=lambda one: str(one[0]))
    measured = [Measured(metric, sorted(read_depths(k)), str(metric)) for metric, k in ordered]

    def columns(one: Measured, found: Evaluation, k: int) -> dict[str, float]:
        name = str(one.metric)
        cells = {f"{name}@{k}": found.mean(name, k)}
        if calc_median:
            cells[f"{name}@{k}_median"] = found.median(name, k)
        if calc_conf_interval is not None:
            half = found.conf_interval(name, k, calc_conf_interval)
            cells[f"{name}@{k}_{calc_conf_interval}_conf_interval"] = half
        return cells

    means = [f"{one.label}@{k}" for one in measured for k in one.ks]
    halves = {column: f"{column}_{calc_conf_interval}_conf_interval" for column in means}
    return Plan(test, None, measured, columns, halves, means)


def plan_by_truth(
    metrics: Iterable[Metric],
    ground_truth: Any,
    train: Any = None,
    base_recommendations: Any = None,
    query_column: str | None = None,
    item_column: str | None = None,
    rating_column: str | None = None,
    category_column: str | None = None,
) -> Plan:
    """Read the arguments of today's form; see ``Experiment``."""
    names = {
        "query_column": query_column,
        "item_column": item_column,
        "rating_column": rating_column,
        "category_column": category_column,
    }
    chosen = [metrics] if isinstance(metrics, Metric) else list(metrics)
    _check_metrics(chosen)
    measured: list[Measured] = []
    means: list[str] = []
    halves: dict[str, str] = {}
    for given in chosen:
        if given.topk is None:
            raise LogError(f"{given} has no lengths of lists: make it with some, {given}([5, 10])")
        if isinstance(given.mode, PerUser):
            raise LogError(f"{given} has the mode PerUser, and a table has room for one number")
        metric = given._with_columns(names)
        for suffix, base in _bases(metric, base_recommendations):
            label = f"{metric}{metric.mode.suffix}{suffix}"
            measured.append(Measured(metric, list(given.topk), label, base))
            if isinstance(metric.mode, Mean):
                means += [f"{label}@{k}" for k in given.topk]
            if isinstance(metric.mode, ConfidenceInterval):
                halves |= {f"{metric}{suffix}@{k}": f"{label}@{k}" for k in given.topk}

    def columns(one: Measured, found: Evaluation, k: int) -> dict[str, float]:
        return {f"{one.label}@{k}": one.metric.mode.of(found, str(one.metric), k)}

    return Plan(ground_truth, train, measured, columns, halves, means)


def _check_metrics(given: Iterable[Any]) -> None:
    wrong = [one for one in given if not isinstance(one, Metric)]
    if wrong or not given:
        raise LogError(f"metrics must be metrics, such as NDCG(), not {wrong or given!r}")


def _bases(metric: Metric, given: Any) -> list[tuple[str, Any]]:
    """Return the recommendations that a metric is relative to, and what tells them apart."""
    if not isinstance(metric, Unexpectedness):
        return [("", None)]
    if isinstance(given, Mapping) and frames.find_kind(given) is None:
        return [(f"_{name}", one) for name, one in given.items()]
    return [("", given)]


def batches(measured: Sequence[Measured]) -> list[list[Measured]]:
    """Put metrics together that one pass can measure: each name once, and one frame each."""
    batches: list[list[Measured]] = []
    for one in measured:
        for batch in batches:
            if all(_agree(one, other) for other in batch):
                batch.append(one)
                break
        else:
            batches.append([one])
    return batches


def _agree(one: Measured, other: Measured) -> bool:
    """Tell whether one pass can measure both."""
    logs = [getattr(each.metric, "log", None) for each in (one, other)]
    return str(one.metric) != str(other.metric) and _same(*logs) and _same(one.base, other.base)


def _same(frame: Any, other: Any) -> bool:
    """Tell whether two frames are one, or one of them is none."""
    return frame is None or other is None or frame is other
