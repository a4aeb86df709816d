"""A frame of Spark is evaluated once a call, and nothing of it stays behind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from support.logs import random_log

from daskrec import compare
from daskrec.data import Dataset, FeatureHint, FeatureInfo, FeatureSchema, FeatureType
from daskrec.distributions import item_distribution
from daskrec.experiment import Experiment
from daskrec.history_features import HistoryBasedFeaturesProcessor
from daskrec.metrics import NDCG, Coverage, OfflineMetrics, Surprisal, evaluate
from daskrec.models import KNN, ALSWrap, ClusterRec, LightFMWrap, PopRec
from daskrec.preparation import DataPreparator, Indexer
from daskrec.scenarios import Fallback, TwoStagesScenario
from daskrec.splitters import KFolds, LastNSplitter, TimeSplitter, UserSplitter
from daskrec.utils import get_log_info, to_csr

LOG = random_log(users=30, items=15, rows=250).assign(timestamp=lambda f: np.arange(len(f)))
USERS = pd.DataFrame({"user_idx": LOG["user_idx"].unique()}).assign(age=lambda f: f["user_idx"] % 7)


ITEMS = pd.DataFrame({"item_idx": LOG["item_idx"].unique()}).assign(
    size=lambda f: f["item_idx"] % 5
)
RENAMED = LOG.rename(columns={"user_idx": "user_id", "item_idx": "item_id"})


def _twice(log: Any) -> Any:
    return Indexer("user_idx", "item_idx").fit(log, log)


def _dataset(frame: Callable[..., Any]) -> Any:
    """Fit on a dataset whose features have columns that the schema does not mention."""
    schema = FeatureSchema(
        [
            FeatureInfo("user_idx", FeatureType.CATEGORICAL, FeatureHint.QUERY_ID),
            FeatureInfo("item_idx", FeatureType.CATEGORICAL, FeatureHint.ITEM_ID),
            FeatureInfo("age", FeatureType.NUMERICAL),
        ]
    )
    users = frame(USERS.assign(other=1))
    dataset = Dataset(schema, frame(LOG), users, check_consistency=False)
    return LightFMWrap(no_components=4, random_state=1, epochs=1).fit(dataset)


class Counted:
    """Frames of Spark that count how often each is evaluated."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.made: list[tuple[Any, int]] = []

    def frame(self, rows: pd.DataFrame) -> Any:
        context = self.session.sparkContext
        count = context.accumulator(0)

        def seen(row: Any) -> Any:
            count.add(1)
            return row

        kinds = {"int64": "bigint", "float64": "double"}
        schema = ", ".join(f"{name} {kinds[str(kind)]}" for name, kind in rows.dtypes.items())
        records = list(rows.itertuples(index=False, name=None))
        self.made.append((count, len(records)))
        return self.session.createDataFrame(context.parallelize(records, 2).map(seen), schema)

    def times(self) -> list[float]:
        return [count.value / rows for count, rows in self.made]


@pytest.fixture(params=["rows", "files"])
def counted(request: Any, spark: Any, tmp_path: Path) -> Iterator[Counted]:
    limit = "512 MiB" if request.param == "rows" else 0
    folder = tmp_path / "staging"
    folder.mkdir()
    with dask.config.set({"daskrec.collect-limit": limit, "daskrec.storage-path": str(folder)}):
        yield Counted(spark)
    assert [path.name for path in folder.glob("daskrec-spark*")] == []


def _two_stages(frame: Callable[..., Any]) -> None:
    splitter = UserSplitter(item_test_size=2, shuffle=True, seed=1)
    scenario = TwoStagesScenario(splitter, [PopRec(), KNN(3)], num_negatives=5, seed=1)
    scenario.fit(frame(LOG))


def _two_stages_predict(frame: Callable[..., Any]) -> None:
    splitter = UserSplitter(item_test_size=2, shuffle=True, seed=1)
    scenario = TwoStagesScenario(splitter, [PopRec(), KNN(3)], num_negatives=5, seed=1).fit(LOG)
    scenario.predict(frame(LOG), 3)


def _lists() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    train, test = LastNSplitter(2, drop_cold_items=True).split(LOG)
    return train, test, PopRec().fit(train).predict(train, 5)


def _experiment(frame: Callable[..., Any]) -> None:
    train, test, recs = _lists()
    found = Experiment(frame(test), {NDCG(): [2], Coverage(frame(train)): 2})
    found.add_result("pop", frame(recs))


def _offline(frame: Callable[..., Any]) -> None:
    train, test, recs = _lists()
    metrics = OfflineMetrics([NDCG([2]), Coverage([2]), Surprisal([2])])
    metrics(frame(recs), frame(test), frame(train))


def _one_log_of_several(frame: Callable[..., Any]) -> None:
    train, test, recs = _lists()
    log = frame(train)
    evaluate([NDCG(), Coverage(log), Surprisal(log)], frame(recs), frame(test), 3)


def _many_results(frame: Callable[..., Any]) -> None:
    train, test, recs = _lists()
    log = frame(train)
    found = Experiment(frame(test), {NDCG(): [2], Coverage(log): 2, Surprisal(log): 2})
    for name in ("one", "two"):
        found.add_result(name, frame(recs))


def _histories(frame: Callable[..., Any]) -> None:
    made = HistoryBasedFeaturesProcessor(item_cat_features_list=["kind"])
    kinds = ITEMS.assign(kind=ITEMS["size"] % 3)
    made.fit(frame(LOG), item_features=frame(kinds)).transform(frame(LOG.merge(kinds)))


def _optimize(frame: Callable[..., Any]) -> None:
    train, test, _ = _lists()
    KNN().optimize(frame(train), frame(test), budget=2)


def _compare(frame: Callable[..., Any]) -> None:
    train, test, _ = _lists()
    compare([PopRec(), KNN(3)], frame(train), frame(test))


CALLS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "fit": lambda frame: ALSWrap(4, seed=1).fit(frame(LOG)),
    "fit_predict": lambda frame: KNN(3).fit_predict(frame(LOG), 4),
    "predict": lambda frame: KNN(3).fit(LOG).predict(frame(LOG), 4),
    "predict_pairs": lambda frame: (
        KNN(3).fit(LOG).predict_pairs(frame(LOG[["user_idx", "item_idx"]]), frame(LOG))
    ),
    "features": lambda frame: ClusterRec(3).fit(frame(LOG), frame(USERS)),
    "features at predict": lambda frame: ClusterRec(3).fit(LOG, USERS).predict(frame(USERS), 3),
    "update": lambda frame: PopRec().fit(LOG.iloc[:90]).update(frame(LOG.iloc[90:])),
    "features of both sides": lambda frame: (
        LightFMWrap(no_components=4, random_state=1, epochs=1)
        .fit(LOG, USERS, ITEMS)
        .predict(frame(LOG), 3, user_features=frame(USERS), item_features=frame(ITEMS))
    ),
    "LastNSplitter": lambda frame: LastNSplitter(2).split(frame(LOG)),
    "TimeSplitter": lambda frame: TimeSplitter(0.2, drop_cold_items=True).split(frame(LOG)),
    "KFolds": lambda frame: list(KFolds(3, seed=1).split(frame(LOG))),
    "Indexer": lambda frame: Indexer("user_idx", "item_idx").fit(frame(LOG), frame(LOG)),
    "a dataset": _dataset,
    "the same frame twice": lambda frame: _twice(frame(LOG)),
    "DataPreparator": lambda frame: DataPreparator()(frame(LOG), frame(USERS)),
    "DataPreparator without renaming": lambda frame: DataPreparator()(frame(RENAMED)),
    "history features": _histories,
    "to_csr": lambda frame: to_csr(frame(LOG.abs())),
    "statistics": lambda frame: get_log_info(frame(LOG), "user_idx", "item_idx"),
    "item_distribution": lambda frame: item_distribution(frame(LOG), frame(_lists()[2]), 3),
    "one log of several metrics": _one_log_of_several,
    "results": _many_results,
    "fallback": lambda frame: Fallback(KNN(3), PopRec(), threshold=2).fit(frame(LOG)),
    "fallback predict": lambda frame: Fallback(KNN(3), PopRec()).fit(LOG).predict(frame(LOG), 4),
    "two stages": _two_stages,
    "two stages predict": _two_stages_predict,
    "experiment": _experiment,
    "OfflineMetrics": _offline,
    "optimize": _optimize,
    "compare": _compare,
}


@pytest.mark.parametrize("name", CALLS)
def test_evaluated_once(name: str, counted: Counted) -> None:
    CALLS[name](counted.frame)
    assert counted.times() == [1.0] * len(counted.made)
