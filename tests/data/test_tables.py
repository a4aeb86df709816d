"""Tables: rows are chosen and columns added in any kind of frame."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.logs import KINDS, as_kind, kind_of, random_log, to_pandas, with_empty_partitions

from daskrec.data.tables import Table, timestamps
from daskrec.errors import LogError


def _even(arrays: dict) -> np.ndarray:
    return arrays["item_idx"] % 2 == 0


def _doubled(arrays: dict) -> dict:
    return {
        "relevance": arrays["relevance"] * 2,
        "word": pa.array(["a"] * len(arrays["relevance"])),
    }


@pytest.fixture
def log() -> pd.DataFrame:
    frame = random_log()
    frame["note"] = frame["item_idx"].astype(str)
    return frame


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_chosen_and_keep_all_columns(kind: str, log: pd.DataFrame) -> None:
    frame = as_kind(log, kind)
    table = Table.of(frame)
    masks = _over(table, _even, ["item_idx"])
    chosen = table.filter(masks)
    assert kind_of(chosen) == kind
    expected = log[log["item_idx"] % 2 == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(to_pandas(chosen), expected, check_dtype=False)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_added_replaced_and_dropped(kind: str, log: pd.DataFrame) -> None:
    table = Table.of(as_kind(log, kind))
    empty = {"relevance": np.empty(0), "word": pa.array([], pa.large_string())}
    wide = table.assign(_over(table, _doubled, ["relevance"]), empty, drop=["note"])
    assert kind_of(wide) == kind
    expected = log.drop(columns="note").assign(relevance=log["relevance"] * 2, word="a")
    pd.testing.assert_frame_equal(to_pandas(wide), expected, check_dtype=False)
    if kind == "dask":
        dd.utils.assert_eq(wide, wide, check_divisions=False)


def test_pandas_keeps_its_index_and_lazy_frames_their_declared_form(log: pd.DataFrame) -> None:
    log = log.set_index(np.arange(len(log)) * 3)
    table = Table.of(log)
    chosen = table.filter(_over(table, _even, ["item_idx"]))
    pd.testing.assert_frame_equal(chosen, log[log["item_idx"] % 2 == 0])
    lazy = Table.of(with_empty_partitions(log, 7))
    result = lazy.filter(_over(lazy, _even, ["item_idx"]))
    assert result.npartitions == 7
    assert list(result.columns) == list(log.columns)
    dd.utils.assert_eq(result, chosen, check_divisions=False)


def test_a_missing_column_is_told() -> None:
    frame = random_log()
    with pytest.raises(LogError, match="the log has no column \\['time'\\]"):
        Table.of(frame, only=["time"])
    with pytest.raises(LogError, match="no timestamp column"):
        Table.of(frame).role("timestamp")


def _over(table: Table, function: object, names: list[str]) -> list:
    from daskrec.data.tables import call

    return [call(table.lazy, function, arrays) for arrays in table.arrays(names)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series([3, 1]), [3, 1]),
        (pd.Series([3.0, 1.0]), [3, 1]),
        (pd.Series([2.5, 1.0]), [2.5, 1.0]),
        (
            pd.to_datetime(pd.Series(["1970-01-01 00:00:01", "1970-01-02 00:00:00"])),
            [10**9, 86_400 * 10**9],
        ),
        (
            pd.Series(pd.to_datetime(["1970-01-01 01:00"]).tz_localize("Europe/Paris")),
            [0],
        ),
    ],
)
def test_times_are_numbers(values: pd.Series, expected: list) -> None:
    array = Table.of(pd.DataFrame({"timestamp": values})).arrays(["timestamp"])[0]["timestamp"]
    assert timestamps(array, "timestamp").tolist() == expected


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pd.Series([1.0, None]), "1 rows have no time"),
        (pd.Series(pd.to_datetime(["2020-01-01", None])), "1 rows have no time"),
        (pd.Series(["2020-01-01"]), "not times: convert it"),
        (pd.Series([True]), "holds bool, not times"),
        (pd.Series(np.array(["9999-01-01"], "datetime64[s]")), "nanoseconds do not reach"),
    ],
)
def test_what_is_no_time_is_told(values: pd.Series, text: str) -> None:
    array = Table.of(pd.DataFrame({"timestamp": values})).arrays(["timestamp"])[0]["timestamp"]
    with pytest.raises(LogError, match=text):
        timestamps(array, "timestamp")
