"""Times of numbers and of texts."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.logs import KINDS, as_kind, kind_of, to_pandas, with_empty_partitions

from daskrec.data.moments import patterns
from daskrec.errors import LogError
from daskrec.utils import add_to_date, process_timestamp_column

SECONDS = ["1970-01-01 00:00:01", "1970-01-04 11:20:03"]


def times(frame) -> list[str]:
    if isinstance(frame, pa.Table):
        frame = frame.replace_schema_metadata()  # the types of the pandas frame that it was
    return to_pandas(frame)["ts"].dt.strftime("%Y-%m-%d %H:%M:%S").tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [[1.0, 300_003.0], [1, 300_003]])
def test_numbers_are_seconds(kind: str, values: list[float]) -> None:
    frame = as_kind(pd.DataFrame({"x": [1, 2], "ts": values}), kind)
    found = process_timestamp_column(frame, "ts")
    assert kind_of(found) == kind
    assert times(found) == SECONDS
    assert list(to_pandas(found)) == ["x", "ts"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["1970-01-01 00:00:01", "1970-01-04T11:20:03"], None),
        (["1970-01-01T03:00:01+03:00", "1970-01-04 11:20:03Z"], None),
        (["01.01.1970 00-00-01", "04.01.1970 11-20-03"], "dd.MM.yyyy HH-mm-ss"),
        (["1/1/70 12:00:01 AM", "4/1/70 11:20:03 AM"], "d/M/yy hh:mm:ss a"),
        (["19700101000001", "19700104112003"], "%Y%m%d%H%M%S"),
        (["1970 at 00:00:01 1.1", "1970 at 11:20:03 4.1"], "yyyy 'at' HH:mm:ss d.M"),
    ],
)
def test_texts_of_a_format(kind: str, texts: list[str], form: str | None) -> None:
    frame = as_kind(pd.DataFrame({"ts": texts}), kind)
    assert times(process_timestamp_column(frame, "ts", form)) == SECONDS


def test_the_optional_part_of_the_original() -> None:
    frame = pd.DataFrame({"ts": ["2019$01$01", "1995$11$01 00:00:00", "2000$03$30 13:00:00"]})
    found = process_timestamp_column(frame, "ts", "yyyy$MM$dd[ HH:mm:ss]")
    expected = [datetime(2019, 1, 1), datetime(1995, 11, 1), datetime(2000, 3, 30, 13)]
    assert found["ts"].tolist() == expected


def test_patterns_of_the_two_kinds() -> None:
    assert patterns("%d.%m.%Y") == ["%d.%m.%Y"]
    assert patterns("yyyy-MM-dd") == ["%Y-%m-%d"]
    assert patterns("yyyy[-MM[-dd]]") == ["%Y-%m-%d", "%Y-%m", "%Y"]
    assert patterns("HH:mm:ss.SSS") == ["%H:%M:%S.%f"]
    with pytest.raises(LogError, match="'QQ'"):
        patterns("yyyy QQ")


@settings(max_examples=40, deadline=None)
@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))
def test_any_moment_comes_through(moment: datetime) -> None:
    if not datetime(1678, 1, 1) < moment < datetime(2262, 1, 1):
        moment = moment.replace(year=1900, day=min(moment.day, 28))
    form = "yyyy-MM-dd HH:mm:ss.SSSSSS"
    written = pd.DataFrame({"ts": [moment.strftime("%Y-%m-%d %H:%M:%S.%f")]})
    for found in (
        process_timestamp_column(written, "ts"),
        process_timestamp_column(written, "ts", form),
    ):
        assert found["ts"].tolist() == [moment]


def test_times_stay_as_they_are() -> None:
    frame = pd.DataFrame({"ts": pd.to_datetime(SECONDS)})
    assert process_timestamp_column(frame, "ts") is frame


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_partitions_give_the_same(npartitions: int) -> None:
    seconds = np.arange(50) * 86_400 + 0.5
    frame = pd.DataFrame({"ts": seconds})
    text = pd.DataFrame({"ts": pd.to_datetime(seconds, unit="s").strftime("%Y-%m-%d %H:%M:%S.%f")})
    expected = process_timestamp_column(frame, "ts")
    for given_frame in (frame, text):
        lazy = process_timestamp_column(with_empty_partitions(given_frame, npartitions), "ts")
        found = lazy.compute()
        assert found.dtypes.equals(lazy.dtypes)
        pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_days_after_a_date(kind: str) -> None:
    frame = as_kind(pd.DataFrame({"ts": [5, 6]}), kind)
    expected = ["2021-09-06 00:00:00", "2021-09-07 00:00:00"]
    for base, form in (
        ("2021/09/01", "yyyy/MM/dd"),
        ("2021-09-01", None),
        (date(2021, 9, 1), None),
        (pd.Timestamp("2021-09-01"), None),
        (1_630_454_400, None),
    ):
        found = add_to_date(frame, "ts", base, form)
        assert kind_of(found) == kind
        assert pd.to_datetime(to_pandas(found)["ts"]).dt.strftime("%F %T").tolist() == expected


def test_faults_are_one_clear_error() -> None:
    frame = pd.DataFrame({"ts": [1.0, None]})
    with pytest.raises(ValueError, match="no column 'when'"):
        process_timestamp_column(frame, "when")
    with pytest.raises(LogError, match="1 values are missing in column 'ts'"):
        process_timestamp_column(frame, "ts")
    with pytest.raises(LogError, match="1 values are missing in column 'ts'"):
        add_to_date(frame, "ts", "2021-09-01")
    with pytest.raises(LogError, match=r"1 texts in column 'ts' .*'01.02.2020'"):
        process_timestamp_column(pd.DataFrame({"ts": ["2020-02-01", "01.02.2020"]}), "ts")
    with pytest.raises(LogError, match="1 rows have no time"):
        process_timestamp_column(pd.DataFrame({"ts": ["2020-02-01", None]}), "ts")
    with pytest.raises(LogError, match="not times"):
        process_timestamp_column(pd.DataFrame({"ts": [True]}), "ts")
    with pytest.raises(LogError, match="no times"):
        process_timestamp_column(pd.DataFrame({"ts": [1e300]}), "ts")
    with pytest.raises(LogError, match="base_date is a list"):
        add_to_date(frame, "ts", [])
