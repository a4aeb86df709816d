"""One model on its way through a comparison: fitted, asked, measured, and watched meanwhile."""

import gc
import inspect
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daskrec.data import frames
from daskrec.data.ids import Ids
from daskrec.data.tables import Table
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.footprint import Footprint
from daskrec.errors import LogError
from daskrec.metrics import Evaluation, evaluate
from daskrec.metrics.base import Metric


@dataclass(frozen=True)
class Task:
    """What every model of a comparison is given.

    Parameters
    ----------
    train, test
        Frames of any kind.
    metrics, ks
        What is measured, and at which lengths.
    users
        The users to serve.
    items
        Ids of the items that may be recommended; None where the fit decides.
    user_features, item_features
        For models that take them.
    filter_seen_items
        Leave out what users had in the training.
    """

    train: Any
    test: Any
    metrics: Sequence[Metric]
    ks: Sequence[int]
    users: Ids
    items: Array | None = None
    user_features: Any = None
    item_features: Any = None
    filter_seen_items: bool = True


@dataclass
class Trial:
    """What came of one model.

    Attributes
    ----------
    name, model
        The model; None where recommendations were given.
    recommendations
        A frame, in memory or held by workers; None where the model failed.
    means
        Mean of each column, such as ``"NDCG@10"``.
    values
        For columns that have a value a user: places among the users, and values.
    fit_seconds, predict_seconds, metric_seconds
        NaN for what was not done.
    peak, start
        Resident bytes: the most while fitting and predicting, and before; 0 where nothing was
        fitted or predicted.
    error
        Why it failed, and in which step.
    """

    name: str
    model: Any = None
    recommendations: Any = None
    means: dict[str, float] = field(default_factory=dict)
    values: dict[str, tuple[Vector, Vector]] = field(default_factory=dict)
    fit_seconds: float = math.nan
    predict_seconds: float = math.nan
    metric_seconds: float = math.nan
    peak: int = 0
    start: int = 0
    error: Exception | None = None
    step: str = ""

    @property
    def failure(self) -> str:
        """What went wrong, in a line; empty where nothing did."""
        if self.error is None:
            return ""
        return f"{type(self.error).__name__} in {self.step}: {self.error}"


def run_trial(name: str, model: Any, task: Task) -> Trial:
    """Fit a model that is not fitted, let it recommend, and measure what it recommends.

    Whatever goes wrong in it is kept in ``error``, and never raised.
    """
    trial = Trial(name, model)
    try:
        if is_frame(model):
            trial.model, trial.step = None, "reading"
            trial.recommendations = hold(model)
        else:
            gc.collect()  # what earlier models left behind is not this one's
            with Footprint() as memory:
                _work(trial, task)
            trial.start, trial.peak = memory.start, memory.peak
        trial.step = "metrics"
        start = time.perf_counter()
        found = evaluate(
            task.metrics, trial.recommendations, task.test, list(task.ks), train=task.train
        )
        trial.means, trial.values = _read(found, task.users)
        trial.metric_seconds = time.perf_counter() - start
    except Exception as error:
        trial.error = error
        runtime.logger.warning("%s failed: %s", name, trial.failure)
    return trial


def is_frame(given: Any) -> bool:
    """Tell whether something is recommendations, not a model: a frame or a path."""
    return isinstance(given, str) or frames.find_kind(given) is not None


def is_fitted(model: Any) -> bool:
    """Tell whether a model can be asked: one that is not fitted has no ``users_count``."""
    return hasattr(model, "users_count")  # NotFittedError is an AttributeError


def _work(trial: Trial, task: Task) -> None:
    """Fit and predict."""
    features = {"user_features": task.user_features, "item_features": task.item_features}
    if not is_fitted(trial.model):
        trial.step = "fit"
        start = time.perf_counter()
        _call(trial.model.fit, log=task.train, **features)
        trial.fit_seconds = time.perf_counter() - start
    trial.step = "predict"
    start = time.perf_counter()
    recommendations = _call(
        trial.model.predict,
        log=task.train,
        k=max(task.ks),
        users=task.users.values,
        items=task.items,
        filter_seen_items=task.filter_seen_items,
        **features,
    )
    trial.recommendations = hold(recommendations)
    trial.predict_seconds = time.perf_counter() - start


def _call(function: Callable[..., Any], **arguments: Any) -> Any:
    """Call a function with those of the arguments that it takes and that are given."""
    takes = inspect.signature(function).parameters
    return function(
        **{
            name: value
            for name, value in arguments.items()
            if name in takes and (value is not None or takes[name].default is inspect._empty)
        }
    )


def hold(frame: Any) -> Any:
    """Return a lazy frame worked out: in memory, or in that of the workers."""
    table = Table.of(frame, "recommendations")
    if not table.lazy:
        return frame
    held = runtime.persist(table.parts, "predicting")
    parts = [runtime.task(_given, part) for part in held]
    return frames.kind_named(table.kind).assemble(parts, table.empty)


def _given(part: Any) -> Any:
    return part


def _read(
    found: Evaluation, users: Ids
) -> tuple[dict[str, float], dict[str, tuple[Vector, Vector]]]:
    """Return means and values of the users of the comparison, as places among them."""
    means, values = {}, {}
    for name in sorted(found.names):
        for k in sorted(found.ks):
            column = f"{name}@{k}"
            means[column] = found.mean(name, k)
            try:
                known, measured = found.per_user(name, k)
            except LogError:  # one number for all users
                continue
            places = users.encode(known)
            inside = places >= 0
            if not inside.all():  # a metric of the users of another frame
                places, measured = places[inside], measured[inside]
                means[column] = float(measured.mean()) if len(measured) else math.nan
            values[column] = places.astype(np.int64), measured
    return means, values


def name_models(models: Any) -> dict[str, Any]:
    """Return models by their names.

    Parameters
    ----------
    models
        A mapping of names, or models: a list of them, or one. Those of a list are called by
        their class and, where several have one class, by the parameters in which they differ.

    Raises
    ------
    LogError
        There is none, or one is neither a model nor a frame of recommendations.
    """
    if isinstance(models, Mapping):
        named = {str(name): model for name, model in models.items()}
    else:
        single = is_frame(models) or not isinstance(models, Iterable)
        named = _named([models] if single else list(models))
    if not named:
        raise LogError("there is no model to compare")
    for name, model in named.items():
        if not is_frame(model) and not hasattr(model, "predict"):
            raise LogError(
                f"{name} is a {type(model).__name__}, neither a model nor a frame of "
                "recommendations"
            )
    return named


def _named(models: Sequence[Any]) -> dict[str, Any]:
    kinds = ["recommendations" if is_frame(one) else str(one) for one in models]
    named: dict[str, Any] = {}
    for kind, model in zip(kinds, models, strict=True):
        alike = [other for other, name in zip(models, kinds, strict=True) if name == kind]
        name = kind + (_differing(model, alike) if len(alike) > 1 else "")
        number, free = 1, name
        while free in named:
            number += 1
            free = f"{name} #{number}"
        named[free] = model
    return named


def _differing(model: Any, alike: Sequence[Any]) -> str:
    """Return the parameters of a model in which it differs from others of its class."""
    if not all(hasattr(one, "get_params") for one in alike):
        return ""
    params = [one.get_params() for one in alike]
    mine = model.get_params()
    told = [
        f"{name}={_short(value)}"
        for name, value in mine.items()
        if any(repr(other.get(name)) != repr(value) for other in params)
    ]
    return f"({', '.join(told)})" if told else ""


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float | np.floating) else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
