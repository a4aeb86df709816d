"""What stands around the models takes frames of Spark and returns them: the rows of pandas."""

from collections.abc import Iterator
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from support.logs import as_kind, kind_of, random_log, to_pandas

from daskrec import compare
from daskrec.distributions import item_distribution
from daskrec.experiment import Experiment
from daskrec.filters import (
    ConsecutiveDuplicatesFilter,
    EntityDaysFilter,
    GlobalDaysFilter,
    InteractionEntriesFilter,
    LowRatingFilter,
    MinCountFilter,
    NumInteractionsFilter,
    QuantileItemsFilter,
    TimePeriodFilter,
    filter_between_dates,
    filter_by_duration,
    filter_by_user_duration,
    filter_user_interactions,
    min_entries,
    min_rating,
)
from daskrec.history_features import (
    ConditionalPopularityProcessor,
    HistoryBasedFeaturesProcessor,
    LogStatFeaturesProcessor,
)
from daskrec.metrics import (
    MAP,
    MRR,
    NDCG,
    CategoricalDiversity,
    Coverage,
    HitRate,
    Novelty,
    OfflineMetrics,
    PerUser,
    Precision,
    Recall,
    RocAuc,
    Surprisal,
    Unexpectedness,
    evaluate,
)
from daskrec.models import KNN, ALSWrap, AssociationRulesItemRec, PopRec
from daskrec.preparation import (
    CatFeaturesTransformer,
    DataPreparator,
    Indexer,
    ToNumericFeatureTransformer,
)
from daskrec.scenarios import Fallback, TwoStagesScenario, fallback
from daskrec.splitters import (
    ColdUserRandomSplitter,
    DateSplitter,
    KFolds,
    LastNSplitter,
    NewUsersSplitter,
    RandomNextNSplitter,
    RandomSplitter,
    RatioSplitter,
    TimeSplitter,
    TwoStageSplitter,
    UserSplitter,
)
from daskrec.time import get_item_recency, smoothe_time
from daskrec.utils import (
    get_log_info,
    get_stats,
    get_top_k,
    get_top_k_recs,
    process_timestamp_column,
    to_csr,
)

LOG = random_log(users=30, items=15, rows=250).assign(timestamp=lambda f: np.arange(len(f)))
LOG["item_idx"] += 20
ITEMS = np.sort(LOG["item_idx"].unique())
FEATURES = pd.DataFrame({"item_idx": ITEMS, "kind": [f"k{n % 3}" for n in range(len(ITEMS))]})


@pytest.fixture(autouse=True, params=["rows", "files"])
def crossing(request: Any, spark: Any) -> Iterator[str]:
    """Read rows into this process, or files part by part."""
    with dask.config.set({"daskrec.collect-limit": "512 MiB" if request.param == "rows" else 0}):
        yield request.param


def _statistics(log: Any) -> Any:
    processor = LogStatFeaturesProcessor()
    processor.fit(log, log)
    return processor.transform(log)


SPLITTERS = {
    "TimeSplitter": TimeSplitter(0.3, drop_cold_users=True),
    "DateSplitter": DateSplitter(0.2),
    "LastN": LastNSplitter(2),
    "Ratio": RatioSplitter(0.2),
    "Random": RandomSplitter(0.3, seed=1),
    "ColdUserRandom": ColdUserRandomSplitter(0.3, seed=1),
    "NewUsers": NewUsersSplitter(0.2),
    "RandomNextN": RandomNextNSplitter(2, seed=1),
    "TwoStage": TwoStageSplitter(first_divide_size=4, second_divide_size=2, seed=1),
    "User": UserSplitter(item_test_size=2, user_test_size=7, seed=1),
}
FRAMES = {
    "MinCountFilter": lambda log: MinCountFilter(5).transform(log),
    "NumInteractionsFilter": lambda log: NumInteractionsFilter(3).transform(log),
    "LowRatingFilter": lambda log: LowRatingFilter(3).transform(log),
    "QuantileItemsFilter": lambda log: QuantileItemsFilter().transform(log),
    "ConsecutiveDuplicatesFilter": lambda log: ConsecutiveDuplicatesFilter().transform(log),
    "EntityDaysFilter": lambda log: EntityDaysFilter(0.001, entity_column="user_idx").transform(
        log
    ),
    "GlobalDaysFilter": lambda log: GlobalDaysFilter(0.001).transform(log),
    "TimePeriodFilter": lambda log: TimePeriodFilter(20, 190).transform(log),
    "InteractionEntriesFilter": lambda log: InteractionEntriesFilter(
        "user_idx", "item_idx", min_inter_per_user=4, min_inter_per_item=3
    ).transform(log),
    "min_entries": lambda log: min_entries(log, 6),
    "min_rating": lambda log: min_rating(log, 3),
    "filter_user_interactions": lambda log: filter_user_interactions(log, 3),
    "filter_by_user_duration": lambda log: filter_by_user_duration(log, 0.001),
    "filter_between_dates": lambda log: filter_between_dates(log, 20, 190),
    "filter_by_duration": lambda log: filter_by_duration(log, 0.001),
    "smoothe_time": lambda log: smoothe_time(log, decay=30),
    "get_item_recency": lambda log: get_item_recency(log),
    "process_timestamp_column": lambda log: process_timestamp_column(log, "timestamp"),
    "Indexer": lambda log: Indexer("user_idx", "item_idx").fit(log, log).transform(log),
    "LogStatFeaturesProcessor": _statistics,
    "get_top_k": lambda log: get_top_k(log, "user_idx", ["relevance", "item_idx"], 2),
    "get_top_k_recs": lambda log: get_top_k_recs(log, 2),
    "get_stats": lambda log: get_stats(log, "user_idx"),
}


def same_rows(found: Any, expected: pd.DataFrame) -> None:
    assert kind_of(found) == "spark"
    expected = expected.assign(
        **{
            n: expected[n].astype("datetime64[us]")
            for n in expected
            if expected[n].dtype.kind == "M"
        }
    )
    rows, columns = to_pandas(found), list(expected.columns)
    assert list(rows.columns) == columns
    pd.testing.assert_frame_equal(
        rows.sort_values(columns, ignore_index=True),
        expected.sort_values(columns, ignore_index=True),
        check_dtype=False,
    )


@pytest.mark.parametrize("name", SPLITTERS)
def test_splitters(name: str) -> None:
    splitter, log = SPLITTERS[name], as_kind(LOG, "spark")
    for found, expected in zip(splitter.split(log), splitter.split(LOG), strict=True):
        same_rows(found, expected)


def test_folds() -> None:
    log = as_kind(LOG, "spark")
    folds = zip(KFolds(2, seed=3).split(log), KFolds(2, seed=3).split(LOG), strict=True)
    for found, expected in folds:
        for some, rows in zip(found, expected, strict=True):
            same_rows(some, rows)


@pytest.mark.parametrize("name", FRAMES)
def test_filters_and_preparation(name: str) -> None:
    same_rows(FRAMES[name](as_kind(LOG, "spark")), FRAMES[name](LOG))


def test_features_of_histories() -> None:
    def of(log: Any, items: Any) -> Any:
        made = HistoryBasedFeaturesProcessor(item_cat_features_list=["kind"])
        made.fit(log, item_features=items)
        return made.transform(log)

    joined = LOG.merge(FEATURES, on="item_idx")
    same_rows(of(as_kind(joined, "spark"), as_kind(FEATURES, "spark")), of(joined, FEATURES))
    conditional = ConditionalPopularityProcessor(["kind"])
    conditional.fit(as_kind(LOG, "spark"), as_kind(FEATURES, "spark"))
    same_rows(conditional.transform(as_kind(joined, "spark")), conditional.transform(joined))


def test_a_column_of_dates() -> None:
    days = LOG.assign(timestamp=pd.to_datetime(LOG["timestamp"] * 86400, unit="s"))
    dated = days["timestamp"].dt.strftime("%Y-%m-%d")
    there = as_kind(days.assign(timestamp=dated), "spark")
    there = there.withColumn("timestamp", there["timestamp"].cast("date"))
    for found, expected in zip(
        TimeSplitter(0.3).split(there), TimeSplitter(0.3).split(days), strict=True
    ):
        assert dict(found.dtypes)["timestamp"] == "date"
        rows = sorted((row["user_idx"], row["item_idx"]) for row in found.collect())
        assert rows == sorted(zip(expected["user_idx"], expected["item_idx"], strict=True))


def test_features_of_categories() -> None:
    for make in (lambda: CatFeaturesTransformer(["kind"]), ToNumericFeatureTransformer):
        given, made = as_kind(FEATURES, "spark"), make()
        made.fit(given)
        plain = make()
        plain.fit(FEATURES)
        expected = plain.transform(FEATURES)
        same_rows(made.transform(given), expected)


def test_data_preparator() -> None:
    found = DataPreparator()(as_kind(LOG, "spark"), item_features=as_kind(FEATURES, "spark"))
    expected = DataPreparator()(LOG, item_features=FEATURES)
    for some, rows in zip(found, expected, strict=True):
        if rows is None:
            assert some is None
        else:
            same_rows(some, rows)


@pytest.fixture
def lists() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    train, test = LastNSplitter(2, drop_cold_items=True).split(LOG)
    return train, test, PopRec().fit(train).predict(train, 5, users=test)


def test_metrics(lists: Any) -> None:
    train, test, recs = lists
    sparks = [as_kind(frame, "spark") for frame in (train, test, recs)]
    for metric in (NDCG(), MAP(), HitRate()):
        assert metric(sparks[2], sparks[1], [2, 5]) == metric(recs, test, [2, 5])
    for kind in (Coverage, Surprisal):
        assert kind(sparks[0])(sparks[2], 5) == kind(train)(recs, 5)
    found = NDCG([3], mode=PerUser())(sparks[2], sparks[1])["NDCG-PerUser@3"]
    expected = NDCG([3], mode=PerUser())(recs, test)["NDCG-PerUser@3"]
    same_rows(found, expected)
    whole = OfflineMetrics([NDCG([2]), Coverage([2])])
    assert whole(sparks[2], sparks[1], sparks[0]) == whole(recs, test, train)


def test_every_metric(lists: Any) -> None:
    train, test, recs = lists
    base = KNN(3).fit(train).predict(train, 5, users=test)
    recs = recs.assign(category=recs["item_idx"] % 3)
    sparks = [as_kind(frame, "spark") for frame in (train, test, recs, base)]

    def values(train: Any, test: Any, recs: Any, base: Any) -> dict[str, float]:
        metrics = [MAP(), MRR(), NDCG(), HitRate(), Precision(), Recall(), RocAuc()]
        metrics += [Coverage(train), Surprisal(train), Novelty(train), Unexpectedness(base)]
        found = evaluate([*metrics, CategoricalDiversity()], recs, test, 4)
        return {str(one): found.mean(str(one), 4) for one in [*metrics, CategoricalDiversity()]}

    assert values(*sparks) == pytest.approx(values(train, test, recs, base), rel=1e-12)
    told = NDCG().user_distribution(sparks[0], sparks[2], sparks[1], 4)
    pd.testing.assert_frame_equal(told, NDCG().user_distribution(train, recs, test, 4))


def test_experiment(lists: Any) -> None:
    train, test, recs = lists
    found = Experiment(
        as_kind(test, "spark"), {NDCG(): [2, 5], Coverage(as_kind(train, "spark")): 3}
    )
    expected = Experiment(test, {NDCG(): [2, 5], Coverage(train): 3})
    found.add_result("pop", as_kind(recs, "spark"))
    expected.add_result("pop", recs)
    pd.testing.assert_frame_equal(found.results, expected.results)


def test_what_is_not_a_frame() -> None:
    log = as_kind(LOG, "spark")
    assert get_log_info(log, "user_idx", "item_idx") == get_log_info(LOG, "user_idx", "item_idx")
    assert (to_csr(log) != to_csr(LOG)).nnz == 0


def test_fallback() -> None:
    def run(log: Any) -> Any:
        return Fallback(KNN(2), PopRec(), threshold=3).fit(log).predict(log, 6)

    same_rows(run(as_kind(LOG, "spark")), run(LOG))


def test_what_models_tell_beside_lists(tmp_path: Any) -> None:
    log = as_kind(LOG, "spark")
    users, items = LOG[["user_idx"]].iloc[:9], LOG[["item_idx"]].iloc[:9]
    model, plain = (ALSWrap(4, seed=1).fit(one) for one in (log, LOG))
    found, length = model.get_features(as_kind(users, "spark"))
    expected, _ = plain.get_features(users)
    assert length == 4
    assert found.dtypes == [("user_idx", "bigint"), ("user_factors", "array<float>")]
    for one, two in zip(found.collect(), expected.itertuples(index=False), strict=True):
        assert one["user_idx"] == two[0]
        np.testing.assert_allclose(one["user_factors"], two[1], atol=1e-5)
    nearest = model.get_nearest_items(as_kind(items, "spark"), 3, candidates=as_kind(LOG, "spark"))
    assert kind_of(nearest) == "spark"
    pairs = to_pandas(nearest)[["item_idx", "neighbour_item_idx"]]
    wanted = plain.get_nearest_items(items["item_idx"], 3)[["item_idx", "neighbour_item_idx"]]
    pd.testing.assert_frame_equal(pairs, wanted, check_dtype=False)
    rules = AssociationRulesItemRec(min_item_count=1, min_pair_count=1)
    told = rules.fit(log).get_pair_metrics
    assert kind_of(told) == "spark"
    same_rows(told, rules.fit(LOG).get_pair_metrics)
    assert model.predict(log, 3, recs_file_path=str(tmp_path / "recs")) is None
    recs = pd.read_parquet(tmp_path / "recs")
    assert list(recs.columns) == ["user_idx", "item_idx", "relevance"]
    assert len(recs) == len(plain.predict(LOG, 3))


def test_two_stages() -> None:
    def run(log: Any) -> Any:
        splitter = LastNSplitter(2)
        scenario = TwoStagesScenario(splitter, [PopRec(), KNN(3)], num_negatives=5, seed=1)
        return scenario.fit(log).predict(log, 3)

    same_rows(run(as_kind(LOG, "spark")), run(LOG))


def test_merged_lists(lists: Any) -> None:
    train, test, recs = lists
    other = KNN(3).fit(train).predict(train, 5, users=test)
    found = fallback(as_kind(recs, "spark"), as_kind(other, "spark"), 5)
    same_rows(found, fallback(recs, other, 5))


def test_comparison(lists: Any) -> None:
    train, test, _ = lists
    there = as_kind(train, "spark"), as_kind(test, "spark")
    found = compare([PopRec(), KNN(3)], *there, [NDCG()], k=3)
    expected = compare([PopRec(), KNN(3)], train, test, [NDCG()], k=3)
    pd.testing.assert_series_equal(found.results["NDCG@3"], expected.results["NDCG@3"])
    assert kind_of(found.recommendations["KNN"]) == "spark"
    told = item_distribution(there[0], as_kind(lists[2], "spark"), 3)
    pd.testing.assert_frame_equal(told, item_distribution(train, lists[2], 3), check_dtype=False)


def test_optimize() -> None:
    train, test = RandomSplitter(0.3, seed=1, drop_cold_items=True).split(LOG)
    made = [KNN(), KNN()]
    there = as_kind(train, "spark"), as_kind(test, "spark")
    options = {"budget": 2, "param_borders": {"num_neighbours": [1, 5]}, "seed": 1}
    found = made[0].optimize(*there, **options)
    expected = made[1].optimize(train, test, **options)
    assert found == expected
