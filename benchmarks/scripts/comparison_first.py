"""The comparison of ``comparison.py`` in the first generation: logs, and ids that are numbered.

::

    python comparison_first.py RATINGS.parquet OUT
"""

import json
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from daskrec.data_preparator import DataPreparator
from daskrec.experiment import Experiment
from daskrec.metrics import MRR, NDCG, Coverage, HitRate
from daskrec.models import KNN, SLIM, ALSWrap, PopRec, Wilson
from daskrec.session_handler import State
from daskrec.splitters import UserSplitter
from daskrec.utils import get_log_info

K = 10


def main(source: str, out: Path) -> None:
    """Fit every model, recommend, and tell how good it is."""
    spark = State(session()).session
    ratings = spark.read.parquet(source)
    mapping = {"relevance": "rating"}
    preparator = DataPreparator()
    log, _, _ = preparator(ratings, mapping=mapping)
    print(get_log_info(log, user_col="user_idx", item_col="item_idx"))
    splitter = UserSplitter(
        item_test_size=5, drop_cold_items=True, drop_cold_users=True, shuffle=False
    )
    train, test = splitter.split(log)
    train, test = train.cache(), test.cache()
    liked = "IF(relevance >= 4, 1.0, 0.0) AS relevance"
    binary = train.selectExpr("user_idx", "item_idx", liked, "timestamp")
    experiment = Experiment(test, {NDCG(): [5, K], MRR(): K, HitRate(): K, Coverage(train): K})
    models: dict[str, tuple[Any, Any]] = {
        "PopRec": (PopRec(), train),
        "Wilson": (Wilson(), binary),
        "ItemKNN": (KNN(num_neighbours=50), train),
        "ALSWrap": (ALSWrap(rank=32, implicit_prefs=True, seed=42), train),
        "SLIM": (SLIM(beta=0.5, lambda_=0.01, seed=42), train),
    }
    for name, (model, given) in models.items():
        recs = model.fit_predict(log=given, k=K)
        preparator.back(recs).write.mode("overwrite").parquet(str(out / name))
        experiment.add_result(name, recs)
    figures = {name: row.to_dict() for name, row in experiment.results.iterrows()}
    sizes = {"train": train.count(), "test": test.count()}
    (out / "figures.json").write_text(json.dumps(figures | {"sizes": sizes}))


def session() -> SparkSession:
    """Start Spark."""
    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "2g")
    builder = builder.config("spark.sql.shuffle.partitions", "4")
    return builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
