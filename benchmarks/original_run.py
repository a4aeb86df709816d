"""What runs in the original's own environment: ``python -m benchmarks.original_run JOB``.

Splits, fits, predicts and measures with the original alone; nothing of daskrec is imported. The
job is a JSON file that ``benchmarks.original`` wrote. Beside it come ``result.json``, the split
(``train.parquet``, ``test.parquet``) and the lists of each model (``<key>.parquet``).
"""

import importlib
import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd

from benchmarks import THREADS
from benchmarks.engines import session
from benchmarks.engines.replay import dataset

USER, ITEM, RATING, TIME = "user_id", "item_id", "rating", "timestamp"


def main(path: str) -> None:
    """Do a job."""
    folder = Path(path).parent
    job = json.loads(Path(path).read_text())
    spark = _session(folder)
    logs, test = _split(spark, job, folder)
    bench = _Bench(spark, job, logs, test)
    figures: dict[str, Any] = {}
    for entry in job["models"]:
        try:
            recs, figures[entry["key"]] = bench.run(entry)
        except Exception as error:  # one that fails must not cost the figures of the others
            figures[entry["key"]] = {"error": f"{type(error).__name__}: {error}"[:500]}
        else:
            recs.to_parquet(folder / f"{entry['key']}.parquet")
        print(entry["key"], figures[entry["key"]], file=sys.stderr, flush=True)
        # After each: a run that is cut short keeps what it has.
        result = {"versions": _versions(), "models": figures}
        (folder / "result.json").write_text(json.dumps(result))
    spark.stop()


def _session(folder: Path) -> Any:
    """Start Spark, and make it the session that the original takes."""
    spark = session.start(folder, THREADS)
    importlib.import_module("replay.utils.session_handler").State(spark)
    return spark


def _split(spark: Any, job: dict[str, Any], folder: Path) -> tuple[dict[str, Any], Any]:
    """Split as the original's comparison does; return the logs to learn from and the test."""
    splitters = importlib.import_module("replay.splitters")
    # Read by Spark: a frame of pandas would travel with every plan.
    ratings = spark.read.parquet(job["ratings"]).select(USER, ITEM, RATING, TIME).cache()
    positive = ratings.filter(f"{RATING} >= {job['least']}").withColumn(RATING, _constant(1.0))
    splitter = splitters.TimeSplitter(
        job["share"], drop_cold_items=True, drop_cold_users=True, query_column=USER
    )
    train, test = (part.cache() for part in splitter.split(positive))
    start = test.agg({TIME: "min"}).first()[0]
    negative = ratings.filter(f"{RATING} < {job['least']} and {TIME} < {start}")
    outcomes = train.union(negative.withColumn(RATING, _constant(0.0))).cache()
    outcomes.count()
    for name, part in (("train", train), ("test", test)):
        part.toPandas().to_parquet(folder / f"{name}.parquet")
    return {"train": train, "outcomes": outcomes}, test


def _constant(value: float) -> Any:
    return importlib.import_module("pyspark.sql.functions").lit(value)


class _Bench:
    """Runs models on one split."""

    def __init__(self, spark: Any, job: dict[str, Any], logs: dict[str, Any], test: Any) -> None:
        self.k = job["k"]
        self.logs = logs
        self.train, self.test = logs["train"].toPandas(), test.toPandas()
        self.users = test.select(USER).distinct().cache()
        self.users.count()
        features = pd.read_parquet(job["features"])
        features.columns = features.columns.str.replace("-", "_")
        self.features = spark.createDataFrame(features)

    def run(self, entry: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, float]]:
        """Return the lists of a model and its figures."""
        models = importlib.import_module("replay.models")
        model = getattr(models, entry["class"])(**entry["params"])
        features = self.features if entry["features"] else None
        data = dataset(self.logs[entry["log"]], features, (USER, ITEM, RATING, TIME))
        begin = perf_counter()
        model.fit(data)
        fitted = perf_counter()
        lists = model.predict(data, self.k, queries=self.users, **entry["options"]).cache()
        lists.count()
        seconds = {"fit": fitted - begin, "predict": perf_counter() - fitted}
        recs = lists.toPandas()
        lists.unpersist()
        return recs, {**self._measure(recs), **seconds}

    def _measure(self, recs: pd.DataFrame) -> dict[str, float]:
        metrics = importlib.import_module("replay.metrics")
        found = {}
        for beside, names in (
            (self.test, ("HitRate", "MAP", "MRR", "NDCG")),
            (self.train, ("Coverage", "Surprisal", "Novelty")),
        ):
            for name in names:
                metric = getattr(metrics, name)(
                    self.k, query_column=USER, item_column=ITEM, rating_column=RATING
                )
                (found[name],) = metric(recs, beside).values()
        return found


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("replay-rec", "pyspark", "pandas", "numpy")}


if __name__ == "__main__":
    main(sys.argv[1])
