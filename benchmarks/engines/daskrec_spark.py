"""daskrec, from frames of Spark and to them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.engines import ITEM, RELEVANCE, USER, session
from benchmarks.engines.daskrec import given, model_of

LIBRARIES = ("daskrec", "pyspark", "dask", "numba", "numpy", "pandas", "scipy")
_state: dict[str, Any] = {}


def start(folder: Path, threads: int) -> None:
    """Start Spark."""
    _state["spark"] = session.start(folder, threads)


def stop() -> None:
    """End Spark."""
    _state.pop("spark").stop()


def load(folder: Path, job: dict[str, Any]) -> Any:
    """Return the log and features, in memory of Spark."""
    read = _state["spark"].read
    features = users = None
    if job.get("features"):
        features = session.cached(read.parquet(str(folder / "features.parquet")))
    if job.get("users"):
        users = session.cached(read.parquet(str(folder / "users.parquet")))
    log = session.cached(read.parquet(str(folder / f"{job['log']}.parquet")))
    return SimpleNamespace(log=log, features=features, users=users)


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the fitted model of a job."""
    return model_of(job).fit(log.log, **given(log))


def predict(model: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists for the users of the job, in memory of Spark."""
    more = {**given(log), **job.get("options", {})}
    return session.cached(model.predict(log=log.log, k=job["k"], users=log.users, **more))


def frame(lists: Any) -> Any:
    """Return lists as a pandas frame, and let Spark forget them."""
    found = lists.select(USER, ITEM, RELEVANCE).toPandas()
    lists.unpersist()
    return found
