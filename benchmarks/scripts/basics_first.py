"""The first steps of ``basics.py`` in the first generation.

::

    python basics_first.py RATINGS.parquet OUT
"""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from daskrec.data_preparator import DataPreparator
from daskrec.metrics import MAP, NDCG, HitRate
from daskrec.models import KNN
from daskrec.session_handler import State
from daskrec.splitters import UserSplitter

K = 10


def main(source: str, out: Path) -> None:
    """Give ids numbers, split, fit, recommend, measure."""
    spark = State(session()).session
    ratings = spark.read.parquet(source)
    preparator = DataPreparator()
    log, _, _ = preparator(ratings, mapping={"relevance": "rating"})
    splitter = UserSplitter(
        item_test_size=0.25, drop_cold_items=True, drop_cold_users=True, shuffle=False
    )
    train, test = splitter.split(log)
    model = KNN(num_neighbours=50)
    model.fit(train)
    recs = model.predict(log=train, k=K, filter_seen_items=True)
    preparator.back(recs).write.mode("overwrite").parquet(str(out / "ItemKNN"))
    figures = {f"{metric}@{K}": metric(recs, test, K) for metric in (NDCG(), MAP(), HitRate())}
    sizes = {"train": train.count(), "test": test.count()}
    (out / "figures.json").write_text(json.dumps({"ItemKNN": figures, "sizes": sizes}))


def session() -> SparkSession:
    """Start Spark."""
    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "2g")
    builder = builder.config("spark.sql.shuffle.partitions", "4")
    return builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
