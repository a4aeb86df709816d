"""Reading a log: what is accepted, and how faults are told."""

from decimal import Decimal

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from daskrec.data.columns import Names
from daskrec.data.encode import encode_training
from daskrec.data.log import Needs, read_log
from daskrec.data.rows import Faults
from daskrec.errors import LogError

BIG = 2**63 + 5


def frame(users=(1, 2), items=(3, 4), **more):
    """Make a pandas log."""
    return pd.DataFrame({"user_idx": users, "item_idx": items, **more})


def message(source):
    """Return the error that a log gives, whether it is read now or by partitions."""
    with pytest.raises(LogError) as caught:
        encode_training(read_log(source))
    return str(caught.value)


def test_a_log_without_relevance_has_none():
    log = read_log(frame())
    assert log.rows.relevance is None
    assert len(log.rows) == 2
    assert not log.layout.partitioned
    assert log.parts == []


def test_relevance_is_float32_and_can_be_left_unread():
    source = frame(rating=[1, 2])
    assert read_log(source).rows.relevance.dtype == np.float32
    assert read_log(source, needs=Needs(relevance=False)).rows.relevance is None
    assert read_log(source).layout.names == Names(relevance="rating")


def test_a_missing_column_is_an_error_that_names_the_candidates():
    with pytest.raises(LogError, match=r"the log has no item column.*'item_idx'.*'item_id'"):
        read_log(pd.DataFrame({"user_idx": [1]}))


@pytest.mark.parametrize("more", ["user_id", "rating"])
def test_two_spellings_of_a_role_are_an_error(more):
    source = frame(relevance=[1, 1]).assign(**{more: 1})
    with pytest.raises(LogError, match=more):
        read_log(source)


def test_a_column_that_is_there_twice_is_an_error():
    source = pd.DataFrame([[1, 2, 3]], columns=["user_idx", "user_idx", "item_idx"])
    with pytest.raises(LogError, match="user_idx"):
        read_log(source)


@pytest.mark.parametrize(
    "users",
    [
        [-5, 2**53 + 1],
        [-(2**63), 2**63 - 1],
        np.array([2**53 + 1, BIG], dtype=np.uint64),
        pd.array([2**53 + 1, 4], dtype="Int64"),
        pd.array([BIG, 2**53 + 1], dtype="uint64[pyarrow]"),
        pd.array([BIG, 1], dtype="UInt64"),
    ],
)
def test_ids_are_exact(users):
    rows = read_log(frame(users=users)).rows
    assert rows.users.tolist() == [int(user) for user in users]


@pytest.mark.parametrize(
    "make",
    [
        lambda column: pl.DataFrame(
            {"user_idx": column.to_pylist(), "item_idx": [0] * len(column)}
        ),
        lambda column: pa.table({"user_idx": column, "item_idx": pa.array([0] * len(column))}),
    ],
)
def test_ids_are_exact_in_polars_and_arrow(make):
    column = pa.array([2**53 + 1, 2**62], pa.int64())
    assert read_log(make(column)).rows.users.tolist() == column.to_pylist()


def test_unsigned_ids_are_int64_unless_a_value_needs_more():
    small = np.array([1, 2], dtype=np.uint64)
    assert read_log(frame(users=small)).rows.users.dtype == np.int64
    assert read_log(frame(users=small + np.uint64(BIG))).rows.users.dtype == np.uint64


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "Float64", "double[pyarrow]"])
def test_whole_floats_are_integers(dtype):
    rows = read_log(frame(users=pd.array([1.0, -2.0], dtype=dtype))).rows
    assert rows.users.tolist() == [1, -2]
    assert rows.users.dtype == np.int64


def test_decimals_without_a_fraction_are_integers():
    rows = read_log(frame(users=[Decimal(7), Decimal(8)])).rows
    assert rows.users.tolist() == [7, 8]
    assert "fractional" in message(frame(users=[Decimal("7.5"), Decimal("8")]))


MISSING = {
    "object": pd.array(["a", None], dtype=object),
    "str": pd.array(["a", None], dtype="str"),
    "Int64": pd.array([1, None], dtype="Int64"),
    "float": np.array([1, np.nan]),
    "category": pd.Categorical(["a", None]),
    "nothing but None": pd.array([None, None], dtype=object),
}


@pytest.mark.parametrize("role", ["users", "items"])
@pytest.mark.parametrize("kind", MISSING)
def test_missing_ids_are_counted(kind, role):
    text = message(frame(**{role: MISSING[kind]}))
    count = 2 if kind.startswith("nothing") else 1
    column = "user_idx" if role == "users" else "item_idx"
    assert f"missing ids in column '{column}' in {count} row" in text


@pytest.mark.parametrize("value", [0.5, np.inf, -np.inf, 2.0**53 + 2])
def test_fractional_and_inexact_ids_are_counted_with_the_first_of_them(value):
    text = message(frame(users=[1.0, value]))
    assert "ids in column 'user_idx' in 1 row" in text
    assert str(value) in text


@pytest.mark.parametrize(
    "users",
    [
        [True, False],
        [b"a", b"b"],
        pd.array([[1], [2]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
        pd.to_datetime(["2020-01-01", "2020-01-02"]),
    ],
    ids=["bool", "bytes", "lists", "times"],
)
def test_ids_of_other_types_are_an_error_that_names_the_column(users):
    assert "user_idx" in message(frame(users=users))


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ([1.0, np.nan], "missing"),
        (pd.array([1, None], dtype="Int64"), "missing"),
        (pd.array([True, None], dtype="boolean"), "missing"),
        (pd.array([1.0, None], dtype="float[pyarrow]"), "missing"),
        ([1.0, np.inf], "infinite"),
        ([1.0, -np.inf], "infinite"),
        ([1.0, 1e39], "infinite"),
        ([Decimal("0.5"), None], "missing"),
    ],
)
def test_relevance_that_is_no_number_is_counted(values, fault):
    text = message(frame(relevance=values))
    assert f"{fault} relevance in column 'relevance' in 1 row" in text


def test_the_first_rows_of_bad_relevance_are_named_by_their_ids():
    source = frame(users=["a", "b"], items=[7, 8], rating=[np.nan, 1.0])
    assert "user_idx=a item_idx=7" in message(source)


@pytest.mark.parametrize("values", [["1", "2"], [b"1", b"2"], pd.to_datetime([1, 2])])
def test_relevance_of_other_types_is_an_error_that_names_the_column(values):
    assert "'relevance'" in message(frame(relevance=values))


@pytest.mark.parametrize(
    "values",
    [
        [True, False],
        pd.array([True, False], dtype="boolean"),
        np.array([1, 0], dtype=np.uint8),
        [Decimal("1"), Decimal("0")],
        pd.array([1, 0], dtype="Int32"),
        np.array([1, 0], dtype=np.float16),
    ],
)
def test_relevance_of_every_number_type_is_read(values):
    assert read_log(frame(relevance=values)).rows.relevance.tolist() == [1.0, 0.0]


def test_one_error_tells_of_all_faults():
    source = frame([0.5, np.nan, 2.5, 3.5, 4.5], ["a", None, "b", None, "c"]).assign(
        relevance=[1, np.nan, np.inf, 1, np.nan]
    )
    text = message(source)
    assert text.startswith("the log cannot be used: ")
    assert "missing ids in column 'user_idx' in 1 row;" in text
    assert "fractional or inexact ids in column 'user_idx' in 4 rows (first: 0.5, 2.5, 3.5)" in text
    assert "missing ids in column 'item_idx' in 2 rows" in text
    assert "missing relevance in column 'relevance' in 2 rows" in text
    assert "infinite relevance in column 'relevance' in 1 row" in text


@pytest.mark.parametrize("partitions", [1, 3, 7])
def test_faults_are_counted_over_all_partitions(partitions):
    relevance = np.ones(60)
    relevance[[3, 20, 41, 59]] = np.nan
    relevance[30] = np.inf
    source = frame(np.arange(60), np.arange(60) + 0.0, relevance=relevance)
    source.loc[[5, 50], "item_idx"] = [0.5, np.nan]
    text = message(dd.from_pandas(source, npartitions=partitions))
    assert "missing relevance in column 'relevance' in 4 rows" in text
    assert "(first: user_idx=3 item_idx=3.0, user_idx=20" in text
    assert "user_idx=59" not in text
    assert "infinite relevance in column 'relevance' in 1 row (first: user_idx=30" in text
    assert "fractional or inexact ids in column 'item_idx' in 1 row (first: 0.5)" in text
    assert "missing ids in column 'item_idx' in 1 row" in text


def test_an_error_calls_the_log_what_it_is():
    with pytest.raises(LogError, match="the pairs cannot be used"):
        read_log(frame(users=[0.5, 1]), "the pairs")


def test_merged_faults_add_up_and_keep_the_first_three():
    left, right = Faults(), Faults()
    left.add("a", 2, ["1", "2"])
    right.add("a", 5, ["3", "4"])
    right.add("b", 1, [])
    right.add("c", 0, ["x"])
    merged = left.merge(right)
    assert merged.found == {"a": (7, ["1", "2", "3"]), "b": (1, [])}
    assert left.found == {"a": (2, ["1", "2"])}
    Faults().raise_any("nothing")


@pytest.mark.parametrize("dtype", [object, "int64", "str", "category"])
def test_a_log_without_rows_is_read_and_refused_for_training(dtype):
    source = frame(users=pd.Series([], dtype=dtype), items=pd.Series([], dtype=dtype))
    assert len(read_log(source).rows) == 0
    assert "no rows" in message(source)
    assert "no rows" in message(dd.from_pandas(source, npartitions=1))


def test_decimals_beyond_int64_are_exact():
    column = pa.array([Decimal(2**63 + 5), Decimal(1)], pa.decimal128(20, 0))
    source = pa.table({"user_idx": column, "item_idx": pa.array([0, 0])})
    assert read_log(source).rows.users.tolist() == [2**63 + 5, 1]


def test_decimals_beyond_64_bits_are_an_error_that_names_the_column():
    column = pa.array([Decimal(2**70)], pa.decimal128(38, 0))
    assert "'user_idx'" in message(pa.table({"user_idx": column, "item_idx": pa.array([0])}))
