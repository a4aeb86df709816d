"""The ids that a call names, in every form that people have them in."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from daskrec.data.ids import Ids
from daskrec.data.selection import read_selection
from daskrec.errors import LogError

NUMBERS = Ids(np.arange(10))
WORDS = Ids(pa.array(["a", "b", "c"], pa.large_string()))
ONE_TWO = pd.DataFrame({"user_idx": [2, 1, 2], "other": [7.5, 8, 9]})

SAME = {
    "list": [1, 2],
    "repeated": [2, 1, 1, 2],
    "tuple": (1, 2),
    "set": {1, 2},
    "frozenset": frozenset({2, 1}),
    "range": range(1, 3),
    "generator": (n for n in (2, 1)),
    "dict keys": {1: "x", 2: "y"}.keys(),
    "array": np.array([2, 1]),
    "uint8 array": np.array([2, 1], dtype=np.uint8),
    "whole floats": np.array([1.0, 2.0]),
    "array of objects": np.array([1, 2], dtype=object),
    "list of numpy numbers": [np.int32(1), np.int64(2)],
    "series": pd.Series([2, 1]),
    "nullable series": pd.Series([2, 1], dtype="Int64"),
    "categorical": pd.Categorical([2, 1]),
    "index": pd.Index([2, 1]),
    "range index": pd.RangeIndex(1, 3),
    "arrow array": pa.array([1, 2], pa.int32()),
    "chunked array": pa.chunked_array([[1], [2, 1]]),
    "polars series": pl.Series([2, 1]),
    "dask array": da.from_array(np.array([1, 2]), chunks=1),
    "dask series": dd.from_pandas(pd.Series([1, 2]), npartitions=2),
    "dask index": dd.from_pandas(pd.DataFrame({"x": [0, 0]}, index=[1, 2]), npartitions=1).index,
    "frame of one column": pd.DataFrame({"x": [1, 2]}),
    "frame with the role": ONE_TWO,
    "polars frame": pl.from_pandas(ONE_TWO),
    "arrow table": pa.Table.from_pandas(ONE_TWO),
    "dask frame": dd.from_pandas(ONE_TWO, npartitions=2),
    "narrow dask frame": dd.from_pandas(ONE_TWO[["user_idx"]], npartitions=2),
}
EMPTY = {
    "list": [],
    "array": np.array([]),
    "array of objects": np.array([], dtype=object),
    "set": set(),
    "series": pd.Series([], dtype=object),
    "frame": ONE_TWO[:0],
    "frame without types": pd.DataFrame({"user_idx": []}),
    "polars frame": pl.DataFrame({"user_idx": []}),
    "arrow array": pa.array([]),
}


@pytest.mark.parametrize("form", SAME)
def test_every_form_of_ids_gives_sorted_distinct_ones(form):
    found = read_selection(SAME[form], "user", NUMBERS)
    assert found.values.tolist() == [1, 2]
    assert found.values.dtype == np.int64


@pytest.mark.parametrize(
    "chosen",
    [
        ["b", "a", "b"],
        {"a", "b"},
        np.array(["a", "b"]),
        np.array(["a", "b"], dtype=object),
        pd.Series(["b", "a"]),
        pd.Series(["b", "a"], dtype="category"),
        pd.Index(["a", "b"]),
        pl.Series(["b", "a"]),
        pl.Series(["b", "a"], dtype=pl.Categorical),
        pa.array(["b", "a"]),
        pd.DataFrame({"user_id": ["a", "b"], "more": 1}),
    ],
    ids=lambda chosen: type(chosen).__name__,
)
def test_strings_are_ids_too(chosen):
    assert read_selection(chosen, "user", WORDS).values.tolist() == ["a", "b"]


@pytest.mark.parametrize("one", [3, np.int16(3), 3.0, np.float32(3)])
def test_one_id_stands_for_itself(one):
    assert read_selection(one, "item", NUMBERS).values.tolist() == [3]


@pytest.mark.parametrize("one", ["bc", np.str_("bc")])
def test_one_string_is_one_id_and_not_its_letters(one):
    assert read_selection(one, "item", WORDS).values.tolist() == ["bc"]


def test_none_is_the_default():
    assert read_selection(None, "user", NUMBERS) is None


@pytest.mark.parametrize("like", [NUMBERS, WORDS], ids=["integers", "strings"])
@pytest.mark.parametrize("form", EMPTY)
def test_an_empty_selection_is_empty_and_of_the_kind_of_the_log(form, like):
    found = read_selection(EMPTY[form], "user", like)
    assert found is not None
    assert len(found) == 0
    assert type(found.values) is type(like.values)


@pytest.mark.parametrize("chosen", [[-1, 2**63 + 5], [2**63 + 5], [2**53 + 1, -(2**62)], [2**70]])
def test_ids_of_any_size_are_exact_or_refused_as_a_log_is(chosen):
    try:
        found = read_selection(chosen, "user", NUMBERS).values.tolist()
    except LogError:
        assert min(chosen) < 0 or max(chosen) >= 2**64
    else:
        assert found == sorted(chosen)


@pytest.mark.parametrize(
    ("chosen", "fault"),
    [
        ([1, None], "missing"),
        ([1.0, np.nan], "missing"),
        (pd.Series([1, None], dtype="Int64"), "missing"),
        ([1.5], "fractional"),
        (np.array([0.5, 2]), "fractional"),
        ([1, "a"], "mixes"),
        ([True], "ids of type"),
        ([[1], [2]], "ids of type"),
        ([b"a"], "ids of type"),
        (["a"], "strings"),
        (pd.Series(["1", "2"]), "strings"),
    ],
    ids=repr,
)
def test_ids_that_cannot_be_ids_are_an_error_that_names_the_selection(chosen, fault):
    with pytest.raises(LogError, match=fault):
        read_selection(chosen, "user", NUMBERS)


@pytest.mark.parametrize("role", ["user", "item"])
def test_integers_are_refused_where_the_log_has_strings(role):
    with pytest.raises(LogError, match="integers"):
        read_selection([1], role, WORDS)


@pytest.mark.parametrize("thing", [object(), len, pl.LazyFrame({"user_idx": [1]})])
def test_what_holds_no_ids_is_an_error_that_names_its_type(thing):
    with pytest.raises(LogError, match=type(thing).__name__):
        read_selection(thing, "user", NUMBERS)


def test_a_frame_without_the_role_is_an_error_with_the_candidates():
    with pytest.raises(LogError, match=r"selection of items.*'item_idx'"):
        read_selection(ONE_TWO, "item", NUMBERS)


def test_a_frame_with_two_spellings_is_an_error():
    with pytest.raises(LogError, match=r"user_idx.*user_id"):
        read_selection(ONE_TWO.assign(user_id=1), "user", NUMBERS)
