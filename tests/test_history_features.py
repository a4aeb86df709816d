"""History features: the numbers of the original's tests, in every kind of frame."""

from datetime import datetime
from math import log, sqrt
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from support.logs import KINDS, as_kind, kind_of, random_log, to_pandas, with_empty_partitions

from daskrec.errors import LogError, NotFittedError
from daskrec.history_features import (
    ConditionalPopularityProcessor,
    EmptyFeatureProcessor,
    HistoryBasedFeaturesProcessor,
    LogStatFeaturesProcessor,
)

DAY = datetime(2019, 1, 1)
LOG = pd.DataFrame(
    [
        ("u1", "i1", DAY, 1.0),
        ("u1", "i4", datetime(2019, 1, 5), 3.0),
        ("u2", "i1", DAY, 1.0),
        ("u2", "i3", datetime(2018, 1, 1), 4.0),
        ("u3", "i3", DAY, 3.0),
        ("u3", "i2", DAY, 2.0),
        ("u3", "i4", datetime(2020, 3, 1), 1.0),
    ],
    columns=["user_idx", "item_idx", "timestamp", "relevance"],
)
USERS = pd.DataFrame(
    [("u1", 2.0, 3.0, "M"), ("u2", 1.0, 4.0, "F")],
    columns=["user_idx", "user_feature_1", "user_feature_2", "gender"],
)
ITEMS = pd.DataFrame(
    [("i1", 4.0, "cat"), ("i2", 10.0, "dog"), ("i4", 0.0, "cat")],
    columns=["item_idx", "item_feature_1", "class"],
)
SIMPLE_USER = ["user_idx", "u_log_num_interact", "u_mean_i_log_num_interact"]
SIMPLE_ITEM = ["item_idx", "i_log_num_interact", "i_mean_u_log_num_interact"]
TIMES = [
    "log_interact_days_count",
    "max_interact_date",
    "min_interact_date",
    "history_length_days",
    "last_interaction_gap_days",
]
RELEVANCE = ["std", "mean", "quantile_05", "quantile_5", "quantile_95"]
SOURCES = [*KINDS, 1, 7, 40]


def source(frame: pd.DataFrame, how: Any) -> Any:
    return as_kind(frame, how) if isinstance(how, str) else with_empty_partitions(frame, how)


def by_id(frame: Any) -> pd.DataFrame:
    found = to_pandas(frame)
    return found.sort_values(found.columns[0]).set_index(found.columns[0])


@pytest.mark.parametrize("how", SOURCES)
def test_counts_alone_where_times_and_relevance_are_all_the_same(how: Any) -> None:
    plain = LOG.assign(relevance=1.0, timestamp=DAY)
    fitted = LogStatFeaturesProcessor().fit(source(plain, how))
    users, items = fitted.user_log_features, fitted.item_log_features
    assert kind_of(users) == (how if isinstance(how, str) else "dask")
    assert not fitted.calc_timestamp_based
    assert not fitted.calc_relevance_based
    found = by_id(users)
    assert sorted(found.columns) == sorted(SIMPLE_USER[1:])
    assert found.index.tolist() == ["u1", "u2", "u3"]
    np.testing.assert_allclose(found["u_log_num_interact"], [log(2), log(2), log(3)])
    np.testing.assert_allclose(found["u_mean_i_log_num_interact"], [log(2), log(2), 2 * log(2) / 3])
    found = by_id(items)
    assert sorted(found.columns) == sorted(SIMPLE_ITEM[1:])
    np.testing.assert_allclose(found["i_log_num_interact"], [log(2), 0, log(2), log(2)])
    mixed = (log(3) + log(2)) / 2
    np.testing.assert_allclose(found["i_mean_u_log_num_interact"], [log(2), log(3), mixed, mixed])


@pytest.mark.parametrize("how", SOURCES)
def test_times(how: Any) -> None:
    fitted = LogStatFeaturesProcessor().fit(source(LOG.assign(relevance=1), how))
    users, items = by_id(fitted.user_log_features), by_id(fitted.item_log_features)
    assert sorted(users.columns) == sorted(SIMPLE_USER[1:] + [f"u_{name}" for name in TIMES])
    assert sorted(items.columns) == sorted(SIMPLE_ITEM[1:] + [f"i_{name}" for name in TIMES])
    np.testing.assert_allclose(users["u_log_interact_days_count"], [log(2)] * 3)
    last = [datetime(2019, 1, 5), DAY, datetime(2020, 3, 1)]
    assert users["u_max_interact_date"].tolist() == last
    assert users["u_min_interact_date"].tolist() == [DAY, datetime(2018, 1, 1), DAY]
    assert users["u_history_length_days"].tolist() == [4, 365, 425]
    assert users["u_last_interaction_gap_days"].tolist() == [421, 425, 0]


@pytest.mark.parametrize("how", SOURCES)
def test_relevance(how: Any) -> None:
    fitted = LogStatFeaturesProcessor().fit(source(LOG, how))
    users, items = by_id(fitted.user_log_features), by_id(fitted.item_log_features)
    more = [f"u_{name}" for name in TIMES + RELEVANCE] + ["abnormality", "abnormalityCR"]
    assert sorted(users.columns) == sorted(SIMPLE_USER[1:] + more)
    more = [f"i_{name}" for name in TIMES + RELEVANCE]
    assert sorted(items.columns) == sorted(SIMPLE_ITEM[1:] + more)
    expected = {
        "i1": [0, 1, 1, 1, 1],
        "i2": [0, 2, 2, 2, 2],
        "i3": [sqrt(0.5), 3.5, 3, 3, 4],
        "i4": [sqrt(2), 2, 1, 1, 3],
    }
    for item, values in expected.items():
        np.testing.assert_allclose(items.loc[item, [f"i_{n}" for n in RELEVANCE]].tolist(), values)
    np.testing.assert_allclose(users["abnormality"], [0.5, 0.25, 0.5])
    np.testing.assert_allclose(
        users["abnormalityCR"], [0, 0.03125, 0.020833333333333332], atol=1e-15
    )


def test_every_kind_and_cut_gives_the_same_numbers() -> None:
    frame = random_log(rows=900).assign(timestamp=lambda f: pd.Timestamp("2020-01-01"))
    rng = np.random.default_rng(3)
    frame["timestamp"] += pd.to_timedelta(rng.integers(0, 400 * 24, len(frame)), unit="h")
    expected = LogStatFeaturesProcessor().fit(frame)
    added = expected.transform(frame)
    for how in SOURCES[1:]:
        given = source(frame, how)
        fitted = LogStatFeaturesProcessor().fit(given)
        for name in ("user_log_features", "item_log_features"):
            pd.testing.assert_frame_equal(
                by_id(getattr(fitted, name)), by_id(getattr(expected, name)), check_dtype=False
            )
        result = fitted.transform(given)
        assert kind_of(result) == kind_of(given)
        pd.testing.assert_frame_equal(to_pandas(result), added, check_dtype=False)


def test_rows_keep_their_place_and_newcomers_are_told() -> None:
    fitted = LogStatFeaturesProcessor().fit(LOG)
    rows = pd.DataFrame(
        {"extra": [1, 2, 3], "item_idx": ["i9", "i4", "i3"], "user_idx": ["u3", "u9", "u1"]},
        index=[7, 5, 6],
    )
    found = fitted.transform(rows)
    assert found.index.tolist() == [7, 5, 6]
    assert found["extra"].tolist() == [1, 2, 3]
    assert found["na_u_log_features"].tolist() == [0.0, 1.0, 0.0]
    assert found["na_i_log_features"].tolist() == [1.0, 0.0, 0.0]
    assert found["u_std"].tolist() == [1.0, 0.0, sqrt(2)]
    assert found["u_history_length_days"].tolist() == [425, 0, 4]
    assert found["u_max_interact_date"].isna().tolist() == [False, True, False]
    np.testing.assert_allclose(
        found["u_i_log_num_interact_diff"],
        [log(3), -(log(3) + log(2)) / 2, log(2) - (log(3) + log(2)) / 2],
    )
    np.testing.assert_allclose(
        found["i_u_log_num_interact_diff"], [-2 * log(2) / 3, log(2), log(2) - log(2)], atol=1e-15
    )


def test_a_lazy_frame_is_described_truly_and_read_once() -> None:
    calls = []

    def count(part: pd.DataFrame) -> pd.DataFrame:
        calls.append(len(part))
        return part

    frame = dd.from_map(count, [LOG.iloc[:3], LOG.iloc[3:3], LOG.iloc[3:]], meta=LOG.iloc[:0])
    fitted = LogStatFeaturesProcessor().fit(frame)
    assert sorted(calls) == [0, 3, 4]
    result = fitted.transform(with_empty_partitions(LOG, 5))
    dd.utils.assert_eq(result, result.compute(), check_index=False)
    dd.utils.assert_eq(
        fitted.user_log_features, fitted.user_log_features.compute(), check_index=False
    )


def test_large_ids_keep_their_values_and_types() -> None:
    big = 2**53 + 1
    frame = pd.DataFrame({"user_idx": [big, big + 1], "item_idx": np.array([1, 1], np.int32)})
    fitted = LogStatFeaturesProcessor().fit(frame)
    assert fitted.user_log_features["user_idx"].tolist() == [big, big + 1]
    assert fitted.item_log_features["item_idx"].dtype == np.int32


def test_integer_times_are_no_dates() -> None:
    assert not LogStatFeaturesProcessor().fit(LOG.assign(timestamp=range(7))).calc_timestamp_based


def test_what_cannot_be_used_is_told() -> None:
    with pytest.raises(LogError, match="no rows"):
        LogStatFeaturesProcessor().fit(LOG.iloc[:0])
    with pytest.raises(LogError, match="1 rows of the log have no finite relevance"):
        LogStatFeaturesProcessor().fit(LOG.assign(relevance=[*range(6), np.nan]))
    with pytest.raises(NotFittedError, match="Call fit before running transform"):
        LogStatFeaturesProcessor().transform(LOG)
    assert LogStatFeaturesProcessor().user_log_features is None


@pytest.mark.parametrize("how", SOURCES)
def test_conditional_popularity(how: Any) -> None:
    processor = ConditionalPopularityProcessor(["gender"])
    processor.fit(source(LOG, how), source(USERS, how))
    assert processor.entity_name == "item_idx"
    frame = processor.conditional_pop_dict["gender"]
    assert kind_of(frame) == (how if isinstance(how, str) else "dask")
    found = to_pandas(frame)
    assert list(found.columns) == ["item_idx", "gender", "i_pop_by_gender"]
    rows = {(i, None if pd.isna(g) else g): p for i, g, p in found.itertuples(index=False)}
    assert {key: p for key, p in rows.items() if key[0] in ("i1", "i2")} == {
        ("i1", "M"): 0.5,
        ("i1", "F"): 0.5,
        ("i2", None): 1.0,
    }
    given = source(LOG.merge(USERS[["user_idx", "gender"]], how="left"), how)
    result = to_pandas(processor.transform(given))
    assert result["i_pop_by_gender"].tolist() == [0.5, 0.5, 0.5, 0.5, 0, 0, 0]
    assert result["na_i_pop_by_gender"].tolist() == [False] * 4 + [True] * 3


@pytest.mark.parametrize("how", ["pandas", "dask"])
def test_categories_may_be_numbers_and_lie_beside_missing_ones(how: str) -> None:
    items = pd.DataFrame({"item_idx": ["i1", "i2", "i4"], "group": [1, 2, 1], "flag": [True] * 3})
    processor = ConditionalPopularityProcessor(["group", "flag"])
    processor.fit(as_kind(LOG, how), as_kind(items, how))
    assert processor.entity_name == "user_idx"
    found = to_pandas(processor.conditional_pop_dict["group"])
    shares = found[found["group"] == 1].sort_values("user_idx")["u_pop_by_group"].tolist()
    assert shares == [1.0, 0.5, 1 / 3]
    joined = LOG.merge(items, how="left")  # numbers become floats, where one is missing
    result = to_pandas(
        processor.transform(as_kind(joined[["user_idx", "group"]].assign(flag=True), how))
    )
    assert result["u_pop_by_group"].tolist() == [1, 1, 0.5, 0, 0, 1 / 3, 1 / 3]
    assert result["u_pop_by_flag"].tolist() == [1, 1, 0.5, 0.5, 2 / 3, 2 / 3, 2 / 3]


def test_conditional_popularity_tells_what_is_missing() -> None:
    with pytest.raises(LogError, match="fake_feature"):
        ConditionalPopularityProcessor(["gender", "fake_feature"]).fit(LOG, USERS)
    with pytest.raises(LogError, match="features has 2 rows of ids that have a row already"):
        ConditionalPopularityProcessor(["gender"]).fit(LOG, pd.concat([USERS, USERS]))
    with pytest.raises(LogError, match="no column \\['gender'\\]"):
        ConditionalPopularityProcessor(["gender"]).fit(LOG, USERS).transform(LOG)
    with pytest.raises(NotFittedError):
        ConditionalPopularityProcessor(["gender"]).transform(LOG)
    processor = ConditionalPopularityProcessor(["gender"]).fit(LOG, USERS)
    with pytest.raises(LogError, match="held text at the fit and holds numbers now"):
        processor.transform(LOG.assign(gender=1))


@pytest.mark.parametrize("how", SOURCES)
def test_both_processors_in_one(how: Any) -> None:
    processor = HistoryBasedFeaturesProcessor(
        user_cat_features_list=["gender"], item_cat_features_list=["class"]
    )
    processor.fit(source(LOG, how), source(USERS, how), source(ITEMS, how))
    joined = LOG.merge(USERS).merge(ITEMS)
    result = to_pandas(processor.transform(source(joined, how)))
    assert len(result) == len(joined)
    assert {"gender", "i_pop_by_gender", "na_u_pop_by_class", "u_log_num_interact"} <= set(
        result.columns
    )
    assert result["u_pop_by_class"].tolist() == [1.0, 1.0, 0.5]


def test_item_categories_do_not_need_user_categories() -> None:
    processor = HistoryBasedFeaturesProcessor(
        use_log_features=False, item_cat_features_list=["class"]
    )
    assert isinstance(processor.user_cond_pop_proc, EmptyFeatureProcessor)
    result = processor.fit(LOG, item_features=ITEMS).transform(LOG.merge(ITEMS))
    assert list(result.columns[-2:]) == ["u_pop_by_class", "na_u_pop_by_class"]
    assert "u_log_num_interact" not in result.columns


def test_one_frame_of_features_is_enough() -> None:
    processor = HistoryBasedFeaturesProcessor(user_cat_features_list=["gender"])
    assert isinstance(processor.item_cond_pop_proc, EmptyFeatureProcessor)
    with pytest.raises(NotFittedError, match="Call fit before running transform"):
        processor.transform(LOG.merge(USERS))
    with pytest.raises(LogError, match="there are no user_features"):
        processor.fit(LOG)
    assert "i_pop_by_gender" in processor.fit(LOG, USERS).transform(LOG.merge(USERS)).columns


def test_features_are_made_on_workers(client: Any) -> None:
    expected = LogStatFeaturesProcessor().fit(LOG).transform(LOG)
    given = with_empty_partitions(LOG, 4)
    fitted = LogStatFeaturesProcessor().fit(given)
    pd.testing.assert_frame_equal(to_pandas(fitted.transform(given)), expected, check_dtype=False)
    processor = ConditionalPopularityProcessor(["gender"])
    processor.fit(given, with_empty_partitions(USERS, 3))
    joined = LOG.merge(USERS)
    found = to_pandas(processor.transform(with_empty_partitions(joined, 3)))
    assert found["i_pop_by_gender"].tolist() == [0.5, 0.5, 0.5, 0.5]
