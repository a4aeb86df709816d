"""Statistics of a log and the best rows of each user, against pandas."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.logs import (
    KINDS,
    ORIGINAL,
    as_kind,
    kind_of,
    random_log,
    to_pandas,
    with_empty_partitions,
)

from daskrec.errors import LogError
from daskrec.time import get_item_recency, smoothe_time
from daskrec.utils import get_log_info, get_stats, get_top_k, get_top_k_recs, to_csr

EXAMPLE = pd.DataFrame(
    [(1, 2, 1), (1, 3, 3), (1, 1, 2), (2, 3, 2)], columns=["user_id", "item_id", "rel"]
)


@pytest.mark.parametrize("kind", KINDS)
def test_counts_of_the_original(kind: str) -> None:
    log = pd.DataFrame([(1, 2), (3, 4), (5, 2)], columns=["user_idx", "item_idx"])
    expected = "total lines: 3, total users: 3, total items: 2"
    assert get_log_info(as_kind(log, kind)) == expected
    renamed = as_kind(log.rename(columns={"user_idx": "who", "item_idx": "what"}), kind)
    assert get_log_info(renamed, "who", "what") == expected
    text = as_kind("id " + log.astype(str), kind)
    assert get_log_info(text) == expected


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_counts_of_partitions(npartitions: int, tmp_path) -> None:
    log = random_log()
    users, items = log["user_idx"].nunique(), log["item_idx"].nunique()
    expected = f"total lines: {len(log)}, total users: {users}, total items: {items}"
    assert get_log_info(with_empty_partitions(log, npartitions)) == expected
    log.to_parquet(tmp_path / "log.parquet")
    assert get_log_info(tmp_path / "log.parquet") == expected
    assert get_log_info(log.iloc[:0]) == "total lines: 0, total users: 0, total items: 0"


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_of_the_original(kind: str) -> None:
    log = as_kind(EXAMPLE, kind)
    found = get_stats(log, target_column="rel")
    assert kind_of(found) == kind
    found = to_pandas(found)
    columns = ["user_id", "mean_rel", "max_rel", "min_rel", "count_rel", "median_rel"]
    assert list(found) == columns
    assert found.sort_values("user_id").to_numpy().tolist() == [
        [1, 2.0, 3, 1, 3, 2],
        [2, 2.0, 2, 2, 1, 2],
    ]
    found = to_pandas(get_stats(log, "item_id", "rel")).sort_values("item_id")
    assert found.to_numpy().tolist() == [
        [1, 2.0, 2, 2, 1, 2],
        [2, 1.0, 1, 1, 1, 1],
        [3, 2.5, 3, 2, 2, 2],
    ]


@pytest.mark.parametrize("text", [False, True], ids=["numbers", "texts"])
def test_statistics_against_pandas(text: bool) -> None:
    log = random_log()
    log["relevance"] = np.random.default_rng(0).random(len(log))
    if text:
        log["user_idx"] = "user " + log["user_idx"].astype(str)
    groups = log.groupby("user_idx")["relevance"]
    expected = groups.agg(["mean", "max", "min", "count"]).add_suffix("_relevance")
    expected["median_relevance"] = groups.quantile(0.5, interpolation="lower")
    expected.columns = [f"{name.split('_')[0]}_relevance" for name in expected.columns]
    found = get_stats(log)
    pd.testing.assert_frame_equal(found.set_index("user_idx"), expected)
    assert found["median_relevance"].isin(log["relevance"]).all()
    for npartitions in (1, 7, 40):
        lazy = get_stats(with_empty_partitions(log, npartitions))
        parts = lazy.compute()
        assert parts.dtypes.equals(lazy.dtypes)
        pd.testing.assert_frame_equal(
            parts.sort_values("user_idx", ignore_index=True), found, check_dtype=False
        )


def test_statistics_keep_the_types() -> None:
    log = EXAMPLE.assign(
        user_id=EXAMPLE["user_id"].astype("int16"), rel=EXAMPLE["rel"].astype("int8")
    )
    found = get_stats(log, target_column="rel")
    assert found.dtypes.astype(str).tolist() == [
        "int16",
        "float64",
        "int8",
        "int8",
        "int64",
        "int8",
    ]
    empty = get_stats(log.iloc[:0], target_column="rel")
    assert len(empty) == 0
    assert empty.dtypes.equals(found.dtypes)


def test_faults_are_one_clear_error() -> None:
    with pytest.raises(LogError, match="2 values are missing in column 'rel'"):
        get_stats(EXAMPLE.assign(rel=[None, 1.0, None, 2.0]), target_column="rel")
    with pytest.raises(LogError, match="missing ids in column 'user_id' in 1 row"):
        get_stats(EXAMPLE.assign(user_id=[None, 1, 1, 2]), target_column="rel")
    with pytest.raises(LogError, match="not numbers"):
        get_stats(EXAMPLE.assign(rel="good"), target_column="rel")
    with pytest.raises(LogError, match="no column 'wrong'"):
        get_stats(EXAMPLE, "wrong", "rel")
    with pytest.raises(LogError, match="no item column"):
        get_log_info(EXAMPLE.drop(columns="item_id"))


@pytest.mark.parametrize("kind", KINDS)
def test_top_k_of_the_original(kind: str) -> None:
    rows = [(1, 2, 1.0), (1, 3, 1.0), (1, 4, 0.5), (2, 1, 1.0)]
    recs = as_kind(pd.DataFrame(rows, columns=["user_id", "item_id", "relevance"]), kind)
    best = get_top_k(recs, "user_id", ["relevance", "item_id"], 1)
    assert kind_of(best) == kind
    assert to_pandas(best).to_numpy().tolist() == [[1, 3, 1], [2, 1, 1]]
    lowest = get_top_k(recs, "user_id", ["relevance", "item_id"], 1, ascending=[False, True])
    assert to_pandas(lowest).to_numpy().tolist() == [[1, 2, 1], [2, 1, 1]]
    # Among equal relevance those that come first stay.
    assert to_pandas(get_top_k_recs(recs, 1)).to_numpy().tolist() == [[1, 2, 1], [2, 1, 1]]
    assert to_pandas(get_top_k_recs(recs, 1, "id")).equals(to_pandas(get_top_k_recs(recs, 1)))
    assert len(to_pandas(get_top_k_recs(recs, 0))) == 0


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.text("abé", max_size=2))),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)
def test_top_k_against_sorted_lists(rows, k, first_up, second_up) -> None:
    frame = pd.DataFrame(rows, columns=["user_idx", "number", "word"])
    frame = frame.astype({"user_idx": "int64", "number": "int64", "word": "str"})
    kept = []
    for user in {row[0] for row in rows}:
        mine = [place for place, row in enumerate(rows) if row[0] == user]
        # Sorts are stable: the second key first; reversing keeps the order of equals.
        mine.sort(key=lambda place: rows[place][2], reverse=not second_up)
        mine.sort(key=lambda place: rows[place][1], reverse=not first_up)
        kept += mine[:k]
    ways = [first_up, second_up]
    found = get_top_k(frame, "user_idx", ["number", "word"], k, ways)
    assert found.index.tolist() == sorted(kept)
    lazy = with_empty_partitions(frame, 4)
    lazily = get_top_k(lazy, "user_idx", ["number", "word"], k, ways).compute()
    assert lazily.index.tolist() == sorted(kept)


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_top_k_of_partitions(npartitions: int) -> None:
    log = random_log()
    log["moment"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(log["relevance"], unit="D")
    expected = get_top_k(log, "user_idx", ["moment", "item_idx"], 3)
    lazy = get_top_k(with_empty_partitions(log, npartitions), "user_idx", ["moment", "item_idx"], 3)
    assert isinstance(lazy, dd.DataFrame)
    pd.testing.assert_frame_equal(lazy.compute(), expected, check_dtype=False)
    by_itself = get_top_k(log, "user_idx", "user_idx", 2)
    assert by_itself.groupby("user_idx").size().max() == 2


def test_top_k_refuses_what_has_no_order() -> None:
    with pytest.raises(LogError, match="k is -1"):
        get_top_k_recs(ORIGINAL, -1)
    with pytest.raises(LogError, match="2 directions"):
        get_top_k(ORIGINAL, "user_idx", ["relevance"], 1, [True, False])
    with pytest.raises(LogError, match="1 values are missing in column 'relevance'"):
        get_top_k_recs(ORIGINAL.assign(relevance=[None, *[1.0] * 10]), 1)
    with pytest.raises(LogError, match="1 values are missing in column 'word'"):
        get_top_k(ORIGINAL.assign(word=[None, *["a"] * 10]), "user_idx", "word", 1)


def test_it_all_runs_on_workers(client) -> None:
    log = random_log().assign(timestamp=pd.Timestamp("2020-01-01"))
    lazy = with_empty_partitions(log, 5)
    assert get_log_info(lazy) == get_log_info(log)
    assert (
        to_csr(lazy.assign(item_idx=lazy["user_idx"]))
        != to_csr(log.assign(item_idx=log["user_idx"]))
    ).nnz == 0
    for work in (get_top_k_recs, lambda frame, _: smoothe_time(frame)):
        pd.testing.assert_frame_equal(work(lazy, 3).compute(), work(log, 3), check_dtype=False)
    stats = get_stats(lazy).compute().sort_values("user_idx", ignore_index=True)
    pd.testing.assert_frame_equal(stats, get_stats(log), check_dtype=False)
    recency = get_item_recency(lazy).compute()
    pd.testing.assert_frame_equal(recency, get_item_recency(log), check_dtype=False)
