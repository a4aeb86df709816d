"""The original, RePlay on Spark: its models and its experimental ones."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.engines import ITEM, RELEVANCE, TIME, USER, session, wrapped

LIBRARIES = ("replay-rec", "pyspark", "numpy", "pandas", "torch", "implicit", "lightfm-next")
_EXPERIMENTAL = "replay.experimental.models"
_PLACES = {"LightFMWrap": f"{_EXPERIMENTAL}.lightfm_wrap"}
_state: dict[str, Any] = {}


def start(folder: Path, threads: int) -> None:
    """Start Spark, and make it the session that the original takes."""
    spark = session.start(folder, threads)
    for module in ("replay.utils.session_handler", "replay.experimental.utils.session_handler"):
        importlib.import_module(module).State(spark)
    importlib.import_module("replay.models")
    importlib.import_module("replay.experimental.models")
    _state["spark"] = spark


def stop() -> None:
    """End Spark."""
    _state.pop("spark").stop()


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the log, the users to serve and features, in memory of Spark."""
    read = _state["spark"].read
    log = session.cached(read.parquet(str(folder / f"{job['log']}.parquet")))
    features = None
    if job.get("features"):
        features = session.cached(read.parquet(str(folder / "features.parquet")))
    users = read.parquet(str(folder / "users.parquet")) if job.get("users") else log.select(USER)
    return SimpleNamespace(log=log, users=session.cached(users.distinct()), features=features)


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the fitted model of a job."""
    model = _model(job)
    if _is_experimental(model):
        model.fit(log.log)
    else:
        model.fit(dataset(log.log, log.features))
    return model


def predict(model: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists for the users of the job, in memory of Spark."""
    options = job.get("options", {})
    if _is_experimental(model):
        return session.cached(model.predict(log.log, job["k"], users=log.users, **options))
    return session.cached(
        model.predict(dataset(log.log, log.features), job["k"], queries=log.users, **options)
    )


def frame(lists: Any) -> Any:
    """Return lists as a pandas frame, and let Spark forget them."""
    found = lists.select(USER, ITEM, RELEVANCE).toPandas()
    lists.unpersist()
    return found


def tune(job: dict[str, Any]) -> dict[str, Any]:
    """Search for parameters by ``optimize``; see ``_search`` for the models where it fails."""
    folder, model = Path(job["tune"]["data"]), _model(job)
    if getattr(model, "_search_space", None) is None:
        return {}
    log = load(folder, job)
    test = session.cached(_state["spark"].read.parquet(str(folder / "test.parquet")))
    if _is_experimental(model):
        return _search(model, log, test, job)
    both = (dataset(part, log.features) for part in (log.log, test))
    best = model.optimize(*both, k=job["k"], budget=job["tune"]["budget"])
    return dict(best or {})


def _search(model: Any, log: Any, test: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Search as ``optimize`` does: it hands experimental models a dataset, which they refuse."""
    optuna = importlib.import_module("optuna")
    objective = importlib.import_module("replay.models.optimization.optuna_objective")
    metric = importlib.import_module("replay.metrics").NDCG(
        job["k"], query_column=USER, item_column=ITEM, rating_column=RELEVANCE
    )

    def value(trial: Any) -> float:
        model.set_params(**objective.suggest_params(trial, model._search_space))
        model.fit(log.log)
        lists = predict(model, log, job)
        (found,) = metric(lists, test).values()
        lists.unpersist()
        return float(found)

    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=job["tune"]["seed"])
    )
    study.optimize(value, job["tune"]["budget"], catch=(ValueError, RuntimeError))
    return dict(study.best_params)


def _model(job: dict[str, Any]) -> Any:
    name, params = job["class"], job["params"]
    core = importlib.import_module("replay.models")
    if name == "ImplicitWrap":
        return importlib.import_module(_EXPERIMENTAL).ImplicitWrap(wrapped.implicit_model(params))
    if hasattr(core, name):
        return getattr(core, name)(**params)
    return getattr(importlib.import_module(_PLACES.get(name, _EXPERIMENTAL)), name)(**params)


def _is_experimental(model: Any) -> bool:
    return type(model).__module__.startswith("replay.experimental")


def dataset(
    log: Any, features: Any = None, columns: Sequence[str] = (USER, ITEM, RELEVANCE, TIME)
) -> Any:
    """Return a log as the original's dataset.

    Parameters
    ----------
    log
        A frame of Spark.
    features
        Numbers of users, a frame of Spark too.
    columns
        Of users, items, relevance and times.
    """
    data = importlib.import_module("replay.data")
    hints, kinds = data.FeatureHint, data.FeatureType
    users, items, relevance, times = columns
    infos = [
        data.FeatureInfo(users, kinds.CATEGORICAL, hints.QUERY_ID),
        data.FeatureInfo(items, kinds.CATEGORICAL, hints.ITEM_ID),
        data.FeatureInfo(relevance, kinds.NUMERICAL, hints.RATING),
        data.FeatureInfo(times, kinds.NUMERICAL, hints.TIMESTAMP),
    ]
    if features is None:
        return data.Dataset(data.FeatureSchema(infos), log)
    infos += [data.FeatureInfo(n, kinds.NUMERICAL) for n in features.columns if n != users]
    return data.Dataset(
        data.FeatureSchema(infos), log, query_features=features, check_consistency=False
    )
