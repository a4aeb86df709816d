"""A comparison of models in the later generation.

::

    python comparison.py RATINGS.parquet OUT
"""

import json
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from daskrec.data import Dataset, FeatureHint, FeatureInfo, FeatureSchema, FeatureType
from daskrec.metrics import MRR, NDCG, Coverage, Experiment, HitRate
from daskrec.models import SLIM, ALSWrap, ItemKNN, PopRec, Wilson
from daskrec.splitters import LastNSplitter
from daskrec.utils.session_handler import State

K = 10
COLUMNS = {"query_column": "user_id", "item_column": "item_id"}


def main(source: str, out: Path) -> None:
    """Fit every model, recommend, and tell how good it is."""
    spark = State(session()).session
    ratings = spark.read.parquet(source)
    splitter = LastNSplitter(
        N=5,
        divide_column="user_id",
        time_column_format="yyyy-MM-dd HH:mm:ss",
        strategy="interactions",
        drop_cold_users=True,
        drop_cold_items=True,
        **COLUMNS,
    )
    train, test = splitter.split(ratings)
    train, test = train.cache(), test.cache()
    liked = "IF(rating >= 4, 1.0, 0.0) AS rating"
    binary = dataset_of(train.selectExpr("user_id", "item_id", liked, "timestamp"))
    whole = dataset_of(train)
    models: dict[str, tuple[Any, Dataset]] = {
        "PopRec": (PopRec(), whole),
        "Wilson": (Wilson(), binary),
        "ItemKNN": (ItemKNN(num_neighbours=50), whole),
        "ALSWrap": (ALSWrap(rank=32, implicit_prefs=True, seed=42), whole),
        "SLIM": (SLIM(beta=0.5, lambda_=0.01, seed=42), whole),
    }
    experiment = Experiment(
        [NDCG([5, K]), MRR(K), HitRate(K), Coverage(K)],
        test,
        train,
        rating_column="rating",
        **COLUMNS,
    )
    for name, (model, dataset) in models.items():
        recs = model.fit_predict(dataset, k=K)
        recs.write.mode("overwrite").parquet(str(out / name))
        experiment.add_result(name, recs)
    figures = {name: row.to_dict() for name, row in experiment.results.iterrows()}
    sizes = {"train": train.count(), "test": test.count()}
    (out / "figures.json").write_text(json.dumps(figures | {"sizes": sizes}))


def dataset_of(log: object) -> Dataset:
    """Return interactions with what their columns are."""
    schema = FeatureSchema(
        [
            FeatureInfo("user_id", FeatureType.CATEGORICAL, FeatureHint.QUERY_ID),
            FeatureInfo("item_id", FeatureType.CATEGORICAL, FeatureHint.ITEM_ID),
            FeatureInfo("rating", FeatureType.NUMERICAL, FeatureHint.RATING),
            FeatureInfo("timestamp", FeatureType.NUMERICAL, FeatureHint.TIMESTAMP),
        ]
    )
    return Dataset(feature_schema=schema, interactions=log)


def session() -> SparkSession:
    """Start Spark: the original's own ``get_spark_session`` fetches a library first."""
    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "2g")
    builder = builder.config("spark.sql.shuffle.partitions", "4")
    return builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
