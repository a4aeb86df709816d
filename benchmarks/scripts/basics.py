"""The first steps of the later generation: one model on one split.

::

    python basics.py RATINGS.parquet OUT
"""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from daskrec.data import Dataset, FeatureHint, FeatureInfo, FeatureSchema, FeatureType
from daskrec.metrics import MAP, NDCG, HitRate, OfflineMetrics
from daskrec.models import ItemKNN
from daskrec.splitters import RatioSplitter
from daskrec.utils.session_handler import State

K = 10


def main(source: str, out: Path) -> None:
    """Split, fit, recommend, measure."""
    spark = State(session()).session
    ratings = spark.read.parquet(source)
    splitter = RatioSplitter(
        test_size=0.25,
        divide_column="user_id",
        query_column="user_id",
        item_column="item_id",
        drop_cold_users=True,
        drop_cold_items=True,
    )
    train, test = splitter.split(ratings)
    schema = FeatureSchema(
        [
            FeatureInfo("user_id", FeatureType.CATEGORICAL, FeatureHint.QUERY_ID),
            FeatureInfo("item_id", FeatureType.CATEGORICAL, FeatureHint.ITEM_ID),
            FeatureInfo("rating", FeatureType.NUMERICAL, FeatureHint.RATING),
            FeatureInfo("timestamp", FeatureType.NUMERICAL, FeatureHint.TIMESTAMP),
        ]
    )
    dataset = Dataset(feature_schema=schema, interactions=train)
    model = ItemKNN(num_neighbours=50)
    model.fit(dataset)
    recs = model.predict(dataset, k=K, filter_seen_items=True)
    recs.write.mode("overwrite").parquet(str(out / "ItemKNN"))
    columns = {"query_column": "user_id", "item_column": "item_id", "rating_column": "rating"}
    metrics = OfflineMetrics([NDCG(K), MAP(K), HitRate(K)], **columns)
    figures = metrics(recs, test)
    sizes = {"train": train.count(), "test": test.count()}
    (out / "figures.json").write_text(json.dumps({"ItemKNN": figures, "sizes": sizes}))


def session() -> SparkSession:
    """Start Spark: the original's own ``get_spark_session`` fetches a library first."""
    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "2g")
    builder = builder.config("spark.sql.shuffle.partitions", "4")
    return builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
