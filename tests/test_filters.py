"""Filters: the original's examples, every kind of frame, and plain references."""

import logging
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.logs import KINDS, as_kind, kind_of, random_log, to_pandas, with_empty_partitions

from daskrec.errors import LogError
from daskrec.filters import (
    ConsecutiveDuplicatesFilter,
    EntityDaysFilter,
    Filter,
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

quick = settings(max_examples=60, deadline=None)

# The frame of the original's examples.
EXAMPLE = pd.DataFrame(
    {
        "user_id": ["u1", "u2", "u2", "u3", "u3", "u3"],
        "item_id": ["i1", "i2", "i3", "i1", "i2", "i3"],
        "rel": [1.0, 0.5, 3, 1, 0, 1],
        "timestamp": pd.to_datetime(
            [
                "2020-01-01 23:59:59",
                "2020-02-01",
                "2020-02-01",
                "2020-01-01 00:04:15",
                "2020-01-02 00:04:14",
                "2020-01-05 23:59:59",
            ],
            format="ISO8601",
        ),
    }
)


def pairs(frame: Any) -> list[str]:
    """Return users and items of the example's rows, in their order."""
    return [f"{user}{item}" for user, item in to_pandas(frame)[["user_id", "item_id"]].to_numpy()]


def times_as(frame: pd.DataFrame, how: str) -> pd.DataFrame:
    """Return the example with its times in another form."""
    times = frame["timestamp"]
    seconds = (times - pd.Timestamp(0)) // pd.Timedelta("1s")
    forms = {
        "dates": times,
        "nanoseconds": times.astype("datetime64[ns]"),
        "zone": times.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"),
        "seconds": seconds,
        "floats": seconds + 0.25,
        "text": times.dt.strftime("%Y-%m-%d %H:%M:%S"),
    }
    return frame.assign(timestamp=forms[how])


FORMS = ["dates", "nanoseconds", "zone", "seconds", "floats", "text"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_examples_of_the_original(kind: str, form: str) -> None:
    log = as_kind(times_as(EXAMPLE, form), kind)
    first = filter_user_interactions(log, 1)
    assert pairs(first) == ["u1i1", "u2i2", "u3i1"]
    assert kind_of(first) == kind
    assert pairs(filter_user_interactions(log, 1, False)) == ["u1i1", "u2i3", "u3i3"]
    assert pairs(filter_user_interactions(log, 1, False, item_col=None)) == ["u1i1", "u2i2", "u3i3"]
    day = filter_by_user_duration(log, 1)
    assert pairs(day) == ["u1i1", "u2i2", "u2i3", "u3i1", "u3i2"]
    assert pairs(filter_by_user_duration(log, 1, False)) == ["u1i1", "u2i2", "u2i3", "u3i3"]
    assert pairs(filter_by_duration(log, 1)) == ["u1i1", "u3i1", "u3i2"]
    assert pairs(filter_by_duration(log, 1, first=False)) == ["u2i2", "u2i3"]
    between = filter_between_dates(log, "2020-01-01 14:00:00", datetime(2020, 1, 3))
    assert pairs(between) == ["u1i1", "u3i2"]
    assert pairs(filter_between_dates(log)) == pairs(EXAMPLE)


@pytest.mark.parametrize("kind", KINDS)
def test_examples_of_counts_and_ratings(kind: str) -> None:
    assert to_pandas(min_entries(as_kind(pd.DataFrame({"user_id": [1, 1, 2]}), kind), 2))[
        "user_id"
    ].tolist() == [1, 1]
    rated = as_kind(pd.DataFrame({"relevance": [1.0, 5, 3.5, 4]}), kind)
    assert to_pandas(min_rating(rated, 3.5))["relevance"].tolist() == [5, 4]
    kept = LowRatingFilter(3.5, "relevance").transform(rated)
    assert to_pandas(kept)["relevance"].tolist() == [5, 3.5, 4]
    log = as_kind(
        pd.DataFrame({"user_id": [0, 0, 1, 2, 2, 2, 2], "item_id": [0, 2, 1, 1, 2, 2, 2]}), kind
    )
    thinned = to_pandas(QuantileItemsFilter().transform(log))
    assert thinned.to_numpy().tolist() == [[0, 0], [0, 2], [1, 1], [2, 1], [2, 2], [2, 2]]


def test_first_days_of_items() -> None:
    kept = EntityDaysFilter(1, False, "item_id").transform(EXAMPLE)
    assert pairs(kept) == ["u1i1", "u2i2", "u2i3", "u3i1"]


def test_the_core_of_the_original_example() -> None:
    log = pd.DataFrame(
        {
            "user_id": [1, 1, 1, 2, 2, 2, 3, 3, 3, 3],
            "item_id": [3, 7, 10, 5, 8, 11, 4, 9, 2, 5],
            "rating": [1, 2, 3, 3, 2, 1, 3, 12, 1, 4],
        }
    )
    kept = InteractionEntriesFilter(min_inter_per_user=4).transform(log)
    pd.testing.assert_frame_equal(kept, log.iloc[6:])


def test_repeated_items_of_the_original_test() -> None:
    log = pd.DataFrame(
        {
            "query_id": ["u3", "u1", "u2", "u1", "u1", "u0"],
            "item_id": ["i2", "i1", "i1", "i1", "i2", "i2"],
            "timestamp": list(range(6)),
        }
    )
    kept = ConsecutiveDuplicatesFilter().transform(log)
    assert kept["timestamp"].tolist() == [0, 1, 2, 4, 5]  # in the order of the log
    assert ConsecutiveDuplicatesFilter(first=False).transform(log)["timestamp"].tolist() == [
        0,
        2,
        3,
        4,
        5,
    ]


def timed_log(rows: int = 400, text: bool = False) -> pd.DataFrame:
    """Return a log with repeated pairs and times, and a column that nobody knows."""
    log = random_log(rows=rows)
    rng = np.random.default_rng(1)
    log = pd.concat([log, log.sample(60, random_state=2)], ignore_index=True)
    log["timestamp"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        rng.integers(0, 40, len(log)) * 21_600, unit="s"
    )
    log["note"] = [f"row {place}" for place in range(len(log))]
    if text:
        log["user_idx"] = "user " + log["user_idx"].astype(str)
        log["item_idx"] = "item " + log["item_idx"].astype(str)
    return log


FILTERS: list[Filter] = [
    MinCountFilter(8),
    MinCountFilter(20, "item_id"),
    LowRatingFilter(3, "relevance"),
    NumInteractionsFilter(3),
    NumInteractionsFilter(3, False),
    NumInteractionsFilter(3, False, item_column="item_id"),
    EntityDaysFilter(2),
    EntityDaysFilter(2, False, "item_id"),
    GlobalDaysFilter(3),
    GlobalDaysFilter(3, False),
    TimePeriodFilter("2024-01-03", date(2024, 1, 6)),
    TimePeriodFilter(),
    InteractionEntriesFilter(min_inter_per_user=5, min_inter_per_item=5),
    InteractionEntriesFilter(
        min_inter_per_user=4, max_inter_per_user=15, min_inter_per_item=3, max_inter_per_item=30
    ),
    QuantileItemsFilter(0.7, 0.6),
    ConsecutiveDuplicatesFilter(),
    ConsecutiveDuplicatesFilter(first=False),
]


def name_of(rule: Filter) -> str:
    return f"{type(rule).__name__}-{'-'.join(str(v) for v in vars(rule).values())}"


@pytest.mark.parametrize("text", [False, True], ids=["numbers", "texts"])
@pytest.mark.parametrize("rule", FILTERS, ids=name_of)
def test_every_kind_and_partitioning_keeps_the_same_rows(rule: Filter, text: bool) -> None:
    log = timed_log(text=text)
    expected = rule.transform(log)
    assert isinstance(expected, pd.DataFrame)
    # Rows are those of the log, with its index and its types.
    pd.testing.assert_frame_equal(expected, log.loc[expected.index])
    assert expected.index.is_monotonic_increasing
    rows = expected["note"].tolist()
    assert 0 < len(rows) < len(log) or vars(rule).get("start_date", 0) is None
    for kind in KINDS[1:3]:
        kept = rule.transform(as_kind(log, kind))
        assert kind_of(kept) == kind
        assert to_pandas(kept)["note"].tolist() == rows
    for npartitions in (1, 7) if text else (7, 40):
        lazy = rule.transform(with_empty_partitions(log, npartitions))
        assert isinstance(lazy, dd.DataFrame)
        assert lazy.npartitions == npartitions
        kept = lazy.compute()
        assert kept.dtypes.equals(lazy.dtypes)
        assert kept["note"].tolist() == rows


def test_a_path_is_a_log(tmp_path) -> None:
    log = timed_log()
    log.to_parquet(tmp_path / "log.parquet")
    kept = NumInteractionsFilter(3).transform(str(tmp_path / "log.parquet"))
    assert (
        kept.compute()["note"].tolist() == NumInteractionsFilter(3).transform(log)["note"].tolist()
    )


@pytest.mark.parametrize("rule", FILTERS, ids=name_of)
def test_a_log_without_rows_stays_so(rule: Filter) -> None:
    log = timed_log().iloc[:0]
    pd.testing.assert_frame_equal(rule.transform(log), log)
    assert len(rule.transform(dd.from_pandas(log, npartitions=1)).compute()) == 0


def test_nothing_is_read_before_it_is_asked_for() -> None:
    reads = []

    def read(piece: pd.DataFrame) -> pd.DataFrame:
        reads.append(len(piece))
        return piece

    log = timed_log()
    lazy = dd.from_map(read, [log.iloc[:200], log.iloc[200:]], meta=log.iloc[:0])
    for rule in FILTERS:
        if not isinstance(rule, InteractionEntriesFilter):
            rule.transform(lazy)
    assert reads == []
    with dask.config.set(scheduler="synchronous"):
        NumInteractionsFilter(3).transform(lazy).compute()
    assert len(reads) == 2


USERS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 9)), max_size=40)


def frame_of(rows: list[tuple[int, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"], dtype=np.int64)


@quick
@given(USERS, st.integers(0, 4), st.booleans(), st.booleans())
def test_first_interactions_against_sorted_lists(rows, count, first, by_item) -> None:
    log = frame_of(rows)
    expected = []
    for user in set(log["user_id"]):
        mine = [place for place, row in enumerate(rows) if row[0] == user]
        sign = 1 if first else -1
        mine.sort(key=lambda p: (sign * rows[p][2], sign * rows[p][1] if by_item else 0, p))
        expected += mine[:count]
    rule = NumInteractionsFilter(count, first, item_column="item_id" if by_item else None)
    assert rule.transform(log).index.tolist() == sorted(expected)


@quick
@given(USERS, st.booleans())
def test_runs_against_a_loop(rows, first) -> None:
    log = frame_of(rows)
    expected = []
    for user in set(log["user_id"]):
        mine = [place for place, row in enumerate(rows) if row[0] == user]
        mine.sort(key=lambda place: rows[place][2])
        beside = -1 if first else 1
        for at, place in enumerate(mine):
            other = at + beside
            alone = not 0 <= other < len(mine)
            if alone or rows[mine[other]][1] != rows[place][1]:
                expected.append(place)
    kept = ConsecutiveDuplicatesFilter(first).transform(log)
    assert kept.index.tolist() == sorted(expected)


bound = st.one_of(st.none(), st.integers(1, 3))
width = st.one_of(st.none(), st.integers(0, 3))


@quick
@given(USERS, bound, width, bound, width)
def test_the_core_against_a_loop(rows, least_user, user_width, least_item, item_width) -> None:
    limits = [
        (least, None if more is None else (least or 1) + more)
        for least, more in ((least_user, user_width), (least_item, item_width))
    ]
    left = list(range(len(rows)))
    while True:
        before = len(left)
        for column, (least, most) in enumerate(limits):
            counts = Counter(rows[place][column] for place in left)
            left = [
                place
                for place in left
                if (least or 0) <= counts[rows[place][column]] <= (most or len(rows))
            ]
        if len(left) == before:
            break
    (user_least, user_most), (item_least, item_most) = limits
    rule = InteractionEntriesFilter(
        "user_id", "item_id", user_least, user_most, item_least, item_most
    )
    assert rule.transform(frame_of(rows)).index.tolist() == left


@quick
@given(USERS.filter(len), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_popular_items_against_a_loop(rows, quantile, share) -> None:
    log = frame_of(rows)
    items, users = Counter(row[1] for row in rows), Counter(row[0] for row in rows)
    limit = pd.Series(list(items.values())).quantile(quantile, interpolation="midpoint")
    longest = max(count for count in items.values() if count <= limit)
    gone: set[int] = set()
    for item, count in items.items():
        if count > limit:
            mine = [place for place, row in enumerate(rows) if row[1] == item]
            mine.sort(key=lambda place: -users[rows[place][0]])
            gone |= set(mine[: int(share * (count - longest))])
    kept = QuantileItemsFilter(quantile, share).transform(log)
    assert kept.index.tolist() == [place for place in range(len(rows)) if place not in gone]


@pytest.mark.parametrize("end", [datetime(2020, 1, 3, tzinfo=UTC), pd.Timestamp("2020-01-03")])
@pytest.mark.parametrize("form", FORMS)
def test_bounds_of_any_kind(form: str, end: Any) -> None:
    log = times_as(EXAMPLE, form)
    start = 1_577_887_200  # 2020-01-01 14:00:00
    expected = ["u1i1", "u3i2"]
    assert pairs(TimePeriodFilter(start, end).transform(log)) == expected
    assert (
        pairs(TimePeriodFilter(float(start), np.datetime64("2020-01-03")).transform(log))
        == expected
    )
    written = TimePeriodFilter("01.01.2020 14", "03.01.2020 00", time_column_format="dd.MM.yyyy HH")
    assert pairs(written.transform(log)) == expected
    strptime = TimePeriodFilter("2020/01/01 14", "2020/01/03 0", time_column_format="%Y/%m/%d %H")
    assert pairs(strptime.transform(log)) == expected
    assert len(TimePeriodFilter(date(1000, 1, 1), datetime(9999, 12, 31)).transform(log)) == 6


def test_the_period_is_closed_before_and_open_after() -> None:
    log = pd.DataFrame({"timestamp": [1, 2, 3]})
    assert TimePeriodFilter(1, 3).transform(log)["timestamp"].tolist() == [1, 2]


def test_days_are_counted_to_the_second() -> None:
    log = pd.DataFrame({"user_id": [1, 1, 1], "timestamp": [0, 86_399, 86_400]})
    assert filter_by_user_duration(log, 1)["timestamp"].tolist() == [0, 86_399]
    assert filter_by_user_duration(log, 1, False)["timestamp"].tolist() == [86_399, 86_400]
    assert filter_by_duration(log, 0.5)["timestamp"].tolist() == [0]


def test_users_may_be_the_items() -> None:
    log = pd.DataFrame({"item_idx": [1, 2, 1, 1], "timestamp": [4, 3, 2, 1]})
    assert filter_user_interactions(log, 1, user_col="item_idx")["timestamp"].tolist() == [3, 1]
    alone = ConsecutiveDuplicatesFilter(query_column="item_id", item_column="item_id")
    assert alone.transform(log)["timestamp"].tolist() == [3, 1]
    assert len(QuantileItemsFilter(query_column="item_id").transform(log)) == 3
    core = InteractionEntriesFilter("item_id", "item_id", min_inter_per_user=2)
    assert core.transform(log)["timestamp"].tolist() == [4, 2, 1]


def test_the_share_that_goes_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = pd.DataFrame({"user_id": [1, 1, 2, 3, 4]})
    with caplog.at_level(logging.INFO, logger="daskrec"):
        min_entries(log, 2)
        min_entries(log.iloc[:3], 2)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "60.0%" in caplog.text


def test_other_spellings_are_found() -> None:
    log = timed_log().rename(columns={"user_idx": "userId", "relevance": "rating"})
    assert len(MinCountFilter(8).transform(log)) == len(MinCountFilter(8).transform(timed_log()))
    assert len(LowRatingFilter(3).transform(timed_log())) == len(LowRatingFilter(3).transform(log))
    with pytest.raises(LogError, match="no column 'who'"):
        MinCountFilter(8, "who").transform(log)
    with pytest.raises(LogError, match="no item column"):
        MinCountFilter(8, "item_id").transform(log.drop(columns="item_idx"))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("column", "values", "text"),
    [
        ("user_id", [1.0, None, 2.0], "missing ids in column 'user_id' in 1 row"),
        ("user_id", ["a", None, "b"], "missing ids in column 'user_id' in 1 row"),
        ("user_id", [1.5, 1.0, 2.0], "fractional or inexact ids in column 'user_id'"),
        ("timestamp", pd.to_datetime(["2020-01-01", None, "2020-01-02"]), "1 rows have no time"),
        # Not the values of a case above: Dask's names of frames whose blocks hold the same do not
        # tell in which columns, and it takes the one for the other as long as that one lives.
        ("timestamp", [1.0, None, 3.0], "1 rows have no time in column 'timestamp'"),
        ("timestamp", ["2020-01-01", None, "2020-01-02"], "1 rows have no time"),
        ("timestamp", ["2020-01-01", "soon", "Now "], "2 texts in column 'timestamp' are no times"),
        ("timestamp", [True, False, True], "not times"),
    ],
)
def test_missing_values_are_one_clear_error(column, values, text, lazy: bool) -> None:
    log = pd.DataFrame({"user_id": [1, 2, 3], "item_id": [1, 2, 3], "timestamp": [1, 2, 3]})
    log[column] = values
    given = dd.from_pandas(log, npartitions=1) if lazy else log
    with pytest.raises(LogError, match=text):
        to_pandas(filter_user_interactions(given, 1))


def test_missing_ratings_are_an_error() -> None:
    for values in ([1.0, None], pd.array([1, None], dtype="Int64")):
        with pytest.raises(LogError, match="1 values are missing in column 'rating'"):
            LowRatingFilter(1).transform(pd.DataFrame({"rating": values}))
    with pytest.raises(LogError, match="not numbers"):
        LowRatingFilter(1).transform(pd.DataFrame({"rating": ["a"]}))


@pytest.mark.parametrize(
    "make",
    [
        lambda: MinCountFilter(0),
        lambda: NumInteractionsFilter(-1),
        lambda: EntityDaysFilter(0),
        lambda: GlobalDaysFilter(-1),
        lambda: TimePeriodFilter("soon"),
        lambda: TimePeriodFilter(None, float("nan")),
        lambda: TimePeriodFilter(end_date=pd.NaT),
        lambda: TimePeriodFilter([1]),
        lambda: TimePeriodFilter("2020", time_column_format="QQ"),
        lambda: QuantileItemsFilter(2, 0.5),
        lambda: QuantileItemsFilter(0.5, -1),
        lambda: InteractionEntriesFilter(min_inter_per_user=0),
        lambda: InteractionEntriesFilter(min_inter_per_item=3, max_inter_per_item=2),
    ],
)
def test_parameters_are_checked_at_once(make) -> None:
    with pytest.raises(LogError):
        make()


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(LogError, match="ndarray"):
        GlobalDaysFilter().transform(np.zeros((2, 2)))


def test_filters_run_on_workers(client) -> None:
    log = timed_log()
    for rule in (
        NumInteractionsFilter(3),
        InteractionEntriesFilter(min_inter_per_user=5, min_inter_per_item=5),
    ):
        lazy = rule.transform(with_empty_partitions(log, 5))
        assert lazy.compute()["note"].tolist() == rule.transform(log)["note"].tolist()


@pytest.mark.data
def test_filters_of_real_data(data) -> None:
    log = pd.read_parquet(data / "ml-1m" / "ratings.parquet")
    # The rows that the notebooks of the original are left with.
    assert len(LowRatingFilter(3).transform(log)) == 836_478
    core = InteractionEntriesFilter(min_inter_per_user=60, min_inter_per_item=200)
    rating = "rating" if "rating" in log else "relevance"
    expected = log
    while True:
        before = len(expected)
        for column, least in (("user_id", 60), ("item_id", 200)):
            size = expected.groupby(column)[rating].transform("size")
            expected = expected[size >= least]
        if len(expected) == before:
            break
    assert 0 < len(expected) < len(log)
    pd.testing.assert_frame_equal(core.transform(log), expected)
    lazy = core.transform(dd.from_pandas(log, npartitions=7, sort=False)).compute()
    pd.testing.assert_frame_equal(lazy, expected, check_dtype=False)
