"""Splitters: what the original gives, on every kind of frame and however it is partitioned."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.logs import KINDS, as_kind, kind_of, random_log, to_pandas, with_empty_partitions

from daskrec.errors import LogError
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
    k_folds,
)

# The log of the original's tests of splitters.
LOG2 = pd.DataFrame(
    [
        (0, 0, "2019-09-12", 3.0),
        (0, 2, "2019-09-13", 2.0),
        (0, 1, "2019-09-17", 1.0),
        (1, 3, "2019-09-14", 4.0),
        (1, 0, "2019-09-15", 3.0),
        (2, 1, "2019-09-15", 3.0),
    ],
    columns=["user_idx", "item_idx", "timestamp", "relevance"],
)
LOG2["timestamp"] = pd.to_datetime(LOG2["timestamp"])


def timed_log(rows: int = 700, seed: int = 0, days: int = 20) -> pd.DataFrame:
    """Return a log with repeated rows, equal times, and some rows without relevance."""
    rng = np.random.default_rng(seed)
    log = random_log(rows=rows, seed=seed)
    log = pd.concat([log, log.head(15)], ignore_index=True)
    log["timestamp"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(
        rng.integers(0, days, len(log)), "D"
    )
    log["session"] = "s" + pd.Series(rng.integers(0, 3, len(log))).astype(str)
    log.loc[rng.random(len(log)) < 0.1, "relevance"] = 0.0
    log["row"] = np.arange(len(log))
    return log


SPLITTERS: dict[str, Callable[[], Any]] = {
    "date": lambda: DateSplitter("2020-01-15"),
    "date share": lambda: DateSplitter(0.3, drop_cold_items=True, drop_cold_users=True),
    "time": lambda: TimeSplitter(
        datetime(2020, 1, 9), session_id_column="session", session_id_processing_strategy="train"
    ),
    "time share": lambda: TimeSplitter(0.25, drop_cold_users=True),
    "random": lambda: RandomSplitter(0.4, seed=3, drop_cold_items=True),
    "new users": lambda: NewUsersSplitter(0.4),
    "cold users": lambda: ColdUserRandomSplitter(0.25, seed=1),
    "user": lambda: UserSplitter(),
    "user share": lambda: UserSplitter(0.4, user_test_size=0.5, seed=2),
    "user shuffled": lambda: UserSplitter(3, user_test_size=7, shuffle=True, seed=2),
    "last": lambda: LastNSplitter(2, session_id_column="session"),
    "last seconds": lambda: LastNSplitter(86_400 * 3, strategy="timedelta"),
    "last of items": lambda: LastNSplitter(1, divide_column="item_idx"),
    "ratio": lambda: RatioSplitter(0.3, min_interactions_per_group=5),
    "ratio whole": lambda: RatioSplitter(0.3, split_by_fractions=False),
    "next": lambda: RandomNextNSplitter(2, seed=4),
    "next all": lambda: RandomNextNSplitter(None, seed=4, drop_cold_items=True),
    "two stages": lambda: TwoStageSplitter(0.5, 0.5, seed=5),
    "fold": lambda: _Fold(KFolds(3, seed=6)),
}


class _Fold:
    """The second fold of a splitter into folds."""

    def __init__(self, folds: KFolds) -> None:
        self.folds = folds

    def split(self, log: Any) -> tuple[Any, Any]:
        return list(self.folds.split(log))[1]


def rows_of(frame: Any) -> list[int]:
    return to_pandas(frame)["row"].tolist()


@pytest.mark.parametrize("name", SPLITTERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_frame_is_cut_alike(name: str, kind: str) -> None:
    log = timed_log()
    expected = SPLITTERS[name]().split(log)
    found = SPLITTERS[name]().split(as_kind(log, kind))
    for mine, theirs in zip(expected, found, strict=True):
        assert kind_of(theirs) == kind
        pd.testing.assert_frame_equal(
            to_pandas(theirs), mine.reset_index(drop=True), check_dtype=False
        )
    assert expected[0]["row"].is_monotonic_increasing
    assert not set(expected[0]["row"]) & set(expected[1]["row"])
    assert len(expected[0])
    assert len(expected[1])


@pytest.mark.parametrize("name", SPLITTERS)
@pytest.mark.parametrize("partitions", [1, 7, 40])
def test_no_partitioning_changes_a_split(name: str, partitions: int) -> None:
    log = timed_log()
    expected = SPLITTERS[name]().split(log)
    found = SPLITTERS[name]().split(with_empty_partitions(log, partitions))
    for mine, theirs in zip(expected, found, strict=True):
        assert isinstance(theirs, dd.DataFrame)
        dd.utils.assert_eq(theirs, mine, check_divisions=False)


@pytest.mark.parametrize("name", SPLITTERS)
def test_the_order_of_the_rows_changes_no_split(name: str) -> None:
    log = timed_log().drop_duplicates(["user_idx", "item_idx", "timestamp"])
    other = log.sample(frac=1, random_state=1)
    for mine, theirs in zip(
        SPLITTERS[name]().split(log), SPLITTERS[name]().split(other), strict=True
    ):
        assert sorted(rows_of(mine)) == sorted(rows_of(theirs))


@pytest.mark.parametrize("name", ["random", "cold users", "user shuffled", "next", "two stages"])
def test_draws_without_a_seed_are_drawn_once_for_both_parts(name: str) -> None:
    splitter = SPLITTERS[name]()
    splitter.set_params(seed=None)
    log = timed_log()
    train, test = splitter.split(with_empty_partitions(log, 7))
    first = rows_of(train), rows_of(test)
    assert (rows_of(train), rows_of(test)) == first
    assert not set(first[0]) & set(first[1])
    assert rows_of(splitter.split(log)[1]) != first[1]


# ------------------------------------------------------------------ the original's numbers


@pytest.mark.parametrize(
    "start",
    [
        datetime(2019, 9, 15),
        date(2019, 9, 15),
        "2019-09-15",
        int(datetime(2019, 9, 15, tzinfo=UTC).timestamp()),
        np.datetime64("2019-09-15"),
    ],
)
def test_a_date_is_given_in_many_ways(start: Any) -> None:
    train, test = DateSplitter(start).split(LOG2)
    assert (len(train), len(test)) == (3, 3)
    seconds = LOG2.assign(timestamp=LOG2["timestamp"].astype("datetime64[s]").astype("int64"))
    again = DateSplitter(start).split(seconds)
    assert [len(part) for part in again] == [3, 3]


def test_a_share_takes_all_rows_of_the_threshold() -> None:
    train, test = DateSplitter(0.15).split(LOG2)
    assert test["timestamp"].min() == pd.Timestamp("2019-09-17")
    assert len(train) == 5
    train, test = DateSplitter(0.3).split(LOG2)  # row 5 of 6 is one of two of the 15th
    assert test["timestamp"].min() == pd.Timestamp("2019-09-15")
    assert len(test) == 3
    assert [len(part) for part in DateSplitter(0.0).split(LOG2)] == [6, 0]
    assert [len(part) for part in DateSplitter(1.0).split(LOG2)] == [0, 6]


def test_cold_users_and_items_are_dropped_from_the_test() -> None:
    log = timed_log(200, seed=5)
    train, test = DateSplitter("2020-01-04", drop_cold_items=True).split(log)
    assert set(test["item_idx"]) <= set(train["item_idx"])
    both = DateSplitter("2020-01-04", drop_cold_items=True, drop_cold_users=True)
    train, test = both.split(log)
    assert set(test["item_idx"]) <= set(train["item_idx"])
    assert set(test["user_idx"]) <= set(train["user_idx"])
    plain = DateSplitter("2020-01-04").split(log)[1]
    kept = plain["item_idx"].isin(train["item_idx"]) & plain["user_idx"].isin(train["user_idx"])
    pd.testing.assert_frame_equal(test, plain[kept])


def test_rows_without_relevance_leave_the_test_alone() -> None:
    log = timed_log()
    train, test = DateSplitter("2020-01-10").split(log)
    late = log["timestamp"] >= pd.Timestamp("2020-01-10")
    pd.testing.assert_frame_equal(test, log[late & (log["relevance"] > 0)])
    pd.testing.assert_frame_equal(train, log[~late])
    whole = DateSplitter("2020-01-10", drop_zero_rel_in_test=False).split(log)[1]
    pd.testing.assert_frame_equal(whole, log[late])
    without = log.drop(columns="relevance")
    assert len(DateSplitter("2020-01-10").split(without)[1]) == late.sum()


def test_random_rows_lose_nothing() -> None:
    rng = np.random.default_rng(0)
    log = pd.DataFrame(
        {"user_idx": rng.integers(0, 10**6, 5000), "item_idx": np.arange(5000), "relevance": 1.0}
    )
    train, test = RandomSplitter(0.3, seed=7).split(log)
    assert len(train) + len(test) == 5000
    assert abs(len(test) / 5000 - 0.3) < 0.01


def test_rows_that_are_repeated_go_together() -> None:
    log = pd.DataFrame({"user_id": [1] * 8, "item_id": [1, 2, 3, 4] * 2})
    train, test = RandomSplitter(0.5, seed=2).split(log)
    assert not set(train["item_id"]) & set(test["item_id"])


NEW_USERS = pd.DataFrame(
    {
        "user_idx": [1, 1, 2, 2, 3, 4],
        "item_idx": [1, 2, 3, 1, 2, 3],
        "relevance": [1, 2, 3, 4, 5, 6],
        "timestamp": [20, 40, 20, 30, 10, 40],
    }
)


def test_new_users_of_the_original() -> None:
    train, test = NewUsersSplitter(0.1).split(NEW_USERS)
    assert train.index.tolist() == [0, 2, 3, 4]
    assert test.index.tolist() == [5]
    train, test = NewUsersSplitter(0.3).split(NEW_USERS)
    assert train.index.tolist() == [4]
    assert test["user_idx"].tolist() == [1, 1, 2, 2, 4]


def test_cold_users_are_a_share_of_the_users() -> None:
    rng = np.random.default_rng(1)
    log = pd.DataFrame({"user_idx": rng.integers(0, 2000, 9000), "item_idx": 1, "relevance": 1})
    train, test = ColdUserRandomSplitter(0.25, seed=11).split(log)
    users = log["user_idx"].nunique()
    assert test["user_idx"].nunique() == int(users * 0.25)
    assert not set(train["user_idx"]) & set(test["user_idx"])
    assert len(train) + len(test) == len(log)
    assert len(ColdUserRandomSplitter(0.25, drop_cold_users=True, seed=1).split(log)[1]) == 0


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_share_of_rows_is_rounded_down(shuffle: bool) -> None:
    log = pd.DataFrame(
        {"user_idx": np.repeat([0, 1, 2], [4, 5, 3]), "item_idx": range(12), "timestamp": range(12)}
    )
    train, test = UserSplitter(0.4, shuffle=shuffle, seed=1).split(log)
    assert test.groupby("user_idx").size().tolist() == [1, 2, 1]
    assert len(train) == 8
    if not shuffle:
        assert test["timestamp"].tolist() == [3, 7, 8, 11]


def test_users_with_too_few_rows_lose_all() -> None:
    log = pd.DataFrame({"user_idx": [0, 0, 0, 1], "item_idx": range(4), "timestamp": range(4)})
    train, test = UserSplitter(2).split(log)
    assert train["user_idx"].tolist() == [0]
    assert test["item_idx"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("size", [3, 0.6])
def test_some_users_are_drawn(size: float) -> None:
    log = timed_log()
    log = log[log["user_idx"].isin(sorted(log["user_idx"].unique())[:5])]
    train, test = UserSplitter(user_test_size=size, seed=5, drop_zero_rel_in_test=False).split(log)
    assert test["user_idx"].nunique() == 3
    assert len(test) == 3
    assert len(train) + len(test) == len(log)


@pytest.mark.parametrize("size", [5, 1.0, 0, -1, 1.5])
def test_wrong_numbers_of_users_are_told(size: float) -> None:
    log = timed_log()
    log = log[log["user_idx"].isin(sorted(log["user_idx"].unique())[:5])]
    with pytest.raises(ValueError, match="Invalid value for user_test_size"):
        UserSplitter(user_test_size=size).split(log)


@pytest.mark.parametrize("size", [2.0, -1, -50, 2.1, -0.01, 1.0])
def test_wrong_numbers_of_rows_are_told(size: float) -> None:
    with pytest.raises(ValueError, match="item_test_size must be"):
        UserSplitter(item_test_size=size).split(timed_log())


def test_folds_put_the_log_together() -> None:
    log = timed_log()
    folds = list(k_folds(log, n_folds=3, seed=1))
    assert len(folds) == 3
    tests = pd.concat([test for _, test in folds])
    pd.testing.assert_frame_equal(tests.sort_values("row"), log)
    for train, test in folds:
        assert sorted([*train["row"], *test["row"]]) == log["row"].tolist()
        assert (test.groupby("user_idx").size() - log.groupby("user_idx").size() / 3).max() < 1
    with pytest.raises(ValueError, match="splitter parameter"):
        next(k_folds(log, splitter="items"))


# Histories of three users, five days each: the example of today's splitters.
DAYS = pd.DataFrame(
    {
        "query_id": np.repeat([1, 2, 3], 5),
        "item_id": [1, 2, 3, 4, 5, 1, 2, 3, 9, 10, 1, 5, 3, 1, 2],
        "timestamp": pd.to_datetime(
            [f"2020-01-{day:02d}" for day in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5]]
        ),
    }
)


@pytest.mark.parametrize(
    ("splitter", "rows"),
    [
        (LastNSplitter(2), [3, 4, 8, 9, 13, 14]),
        (LastNSplitter(86_400 * 2, strategy="timedelta"), [3, 4, 8, 9, 13, 14]),
        (LastNSplitter(0), []),
        (RatioSplitter(0.5, divide_column="query_id"), [2, 3, 4, 7, 8, 9, 12, 13, 14]),
        (RatioSplitter(0.5, split_by_fractions=False), [3, 4, 8, 9, 13, 14]),
        (RatioSplitter(0.1, split_by_fractions=False), [4, 9, 14]),
        (RatioSplitter(0.5, min_interactions_per_group=6), []),
        (TimeSplitter("2020-01-04"), [3, 4, 5, 6, 7, 8, 9, 13, 14]),
        (TimeSplitter("04.01.2020", time_column_format="%d.%m.%Y"), [3, 4, 5, 6, 7, 8, 9, 13, 14]),
    ],
)
def test_examples_of_todays_splitters(splitter: Any, rows: list[int]) -> None:
    train, test = splitter.split(DAYS)
    assert test.index.tolist() == rows
    assert train.index.tolist() == [row for row in range(15) if row not in rows]


def test_equal_times_are_in_order_of_their_items() -> None:
    log = pd.DataFrame({"user_id": 1, "item_id": [7, 9, 8, 1], "timestamp": [5, 5, 5, 4]})
    assert LastNSplitter(1).split(log)[1]["item_id"].tolist() == [9]
    assert UserSplitter(2).split(log)[1]["item_id"].tolist() == [9, 8]
    words = log.assign(item_id=["b", "d", "c", "a"])
    assert LastNSplitter(1).split(words)[1]["item_id"].tolist() == ["d"]


def test_the_window_of_next_rows() -> None:
    log = timed_log(seed=3)
    train, test = RandomNextNSplitter(2, seed=1).split(log)
    whole_train, whole_test = RandomNextNSplitter(None, seed=1).split(log)
    assert sorted([*rows_of(whole_train), *rows_of(whole_test)]) == log["row"].tolist()
    assert rows_of(train) == rows_of(whole_train)
    sizes = whole_test.groupby("user_idx").size().clip(upper=2)
    pd.testing.assert_series_equal(test.groupby("user_idx").size(), sizes)
    ends = whole_train.groupby("user_idx")["timestamp"].max()
    starts = test.groupby("user_idx")["timestamp"].min()
    assert (ends.reindex(starts.index).dropna() <= starts.loc[ends.index]).all()


@pytest.mark.parametrize(("strategy", "rows"), [("test", [0, 1, 2, 3]), ("train", [3])])
def test_sessions_are_not_split(strategy: str, rows: list[int]) -> None:
    log = pd.DataFrame(
        {
            "user_id": [1, 1, 1, 1, 2],
            "item_id": range(5),
            "timestamp": [1, 2, 3, 4, 1],
            "session": ["a", "a", "a", "b", "a"],
        }
    )
    splitter = TimeSplitter(3, session_id_column="session", session_id_processing_strategy=strategy)
    assert splitter.split(log)[1].index.tolist() == rows


# ------------------------------------------------------------------ against plain references


@st.composite
def logs(draw: st.DrawFn) -> pd.DataFrame:
    size = draw(st.integers(1, 40))
    column = lambda high: draw(st.lists(st.integers(0, high), min_size=size, max_size=size))  # noqa: E731
    log = pd.DataFrame({"user_idx": column(5), "item_idx": column(6), "timestamp": column(8)})
    return log.assign(row=range(size))


def _last(history: pd.DataFrame) -> pd.DataFrame:
    return history.sort_values(["timestamp", "item_idx"], kind="stable")


@settings(max_examples=60, deadline=None)
@given(logs(), st.integers(1, 4), st.floats(0, 1), st.booleans())
def test_against_plain_loops(log: pd.DataFrame, rows: int, share: float, lazy: bool) -> None:
    frame = with_empty_partitions(log, 7) if lazy else log
    share = round(share, 2)
    by = [_last(history) for _, history in log.groupby("user_idx")]
    wanted = [row for history in by for row in history["row"].tail(rows)]
    assert sorted(rows_of(UserSplitter(rows).split(frame)[1])) == sorted(wanted)
    wanted = [row for h in by for row in h["row"].tail(len(h) - int(len(h) * (1 - share) + 1e-9))]
    assert sorted(rows_of(RatioSplitter(share).split(frame)[1])) == sorted(wanted)
    times = np.sort(log["timestamp"])
    place = int(len(log) * (1 - share))
    start = times[place] if place < len(log) else np.inf
    wanted = log["row"][log["timestamp"] >= start].tolist()
    assert rows_of(DateSplitter(share).split(frame)[1]) == wanted
    starts = log.groupby("user_idx")["timestamp"].min()
    enough = [day for day in starts if (starts >= day).sum() >= share * len(starts)]
    late = starts[starts >= max(enough)].index
    train, test = NewUsersSplitter(share).split(frame)
    assert rows_of(test) == log["row"][log["user_idx"].isin(late)].tolist()
    assert rows_of(train) == log["row"][log["timestamp"] < max(enough)].tolist()


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    "make",
    [
        lambda: DateSplitter(1.5),
        lambda: DateSplitter("yesterday"),
        lambda: DateSplitter(None),
        lambda: TimeSplitter(-0.1),
        lambda: RandomSplitter(1.1),
        lambda: RandomSplitter(-0.1),
        lambda: NewUsersSplitter(2),
        lambda: ColdUserRandomSplitter("half"),
        lambda: LastNSplitter(-1),
        lambda: LastNSplitter(1, strategy="days"),
        lambda: RatioSplitter(1.2),
        lambda: RandomNextNSplitter(0),
        lambda: KFolds(1),
        lambda: KFolds(strategy="item"),
        lambda: TimeSplitter(0.2, session_id_processing_strategy="drop"),
    ],
)
def test_wrong_parameters_are_told_at_once(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"must|no point of time"):
        make()


def test_missing_columns_and_times_are_told() -> None:
    log = timed_log()
    with pytest.raises(LogError, match="no timestamp column"):
        UserSplitter().split(log.drop(columns="timestamp"))
    with pytest.raises(LogError, match="no column 'when'"):
        TimeSplitter(0.2, timestamp_column="when").split(log)
    with pytest.raises(LogError, match="no item column"):
        RandomSplitter(0.2).split(log.drop(columns="item_idx"))
    with pytest.raises(LogError, match="rows have no time"):
        DateSplitter(0.2).split(log.assign(timestamp=log["timestamp"].where(log["row"] > 3)))
    with pytest.raises(LogError, match="missing ids"):
        UserSplitter().split(log.assign(user_idx=log["user_idx"].where(log["row"] > 3)))


def test_a_splitter_shows_and_changes_its_parameters() -> None:
    splitter = UserSplitter(2, shuffle=True)
    assert repr(splitter) == "UserSplitter(item_test_size=2, shuffle=True)"
    assert splitter.set_params(shuffle=False).get_params()["shuffle"] is False


def test_empty_logs_are_cut_into_empty_ones() -> None:
    log = timed_log().head(0)
    for splitter in (DateSplitter(0.2), UserSplitter(), RandomSplitter(0.5), NewUsersSplitter(0.5)):
        assert [len(part) for part in splitter.split(log)] == [0, 0]


@pytest.mark.parametrize("name", ["date share", "new users", "user share", "two stages", "fold"])
def test_workers_cut_alike(name: str, client: Any) -> None:
    log = timed_log()
    expected = SPLITTERS[name]().split(log)
    found = SPLITTERS[name]().split(with_empty_partitions(log, 7))
    for mine, theirs in zip(expected, found, strict=True):
        assert rows_of(theirs) == rows_of(mine)
