"""Every kind of frame: columns as arrays, and frames of arrays."""

from decimal import Decimal

import dask.array
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from daskrec.data import frames
from daskrec.data.log import read_log
from daskrec.data.output import Form, finish
from daskrec.data.paths import open_frame
from daskrec.data.values import pandas_array, plain_array
from daskrec.engine import runtime
from daskrec.errors import LogError

NUMBERS = [3, 1, 3, 0]
WORDS = ["b", "é", "b", ""]

PANDAS = {
    "int8": pd.Series(NUMBERS, dtype="int8"),
    "int32": pd.Series(NUMBERS, dtype="int32"),
    "int64": pd.Series(NUMBERS, dtype="int64"),
    "uint64": pd.Series(NUMBERS, dtype="uint64"),
    "Int64": pd.Series(NUMBERS, dtype="Int64"),
    "UInt32": pd.Series(NUMBERS, dtype="UInt32"),
    "int32[pyarrow]": pd.Series(NUMBERS, dtype="int32[pyarrow]"),
    "float64": pd.Series(NUMBERS, dtype="float64"),
    "float32": pd.Series(NUMBERS, dtype="float32"),
    "object of integers": pd.Series(NUMBERS, dtype=object),
    "category of integers": pd.Series(NUMBERS, dtype="category"),
    "object": pd.Series(WORDS, dtype=object),
    "str": pd.Series(WORDS, dtype="str"),
    "string[python]": pd.Series(WORDS, dtype="string[python]"),
    "string[pyarrow]": pd.Series(WORDS, dtype="string[pyarrow]"),
    "large_string": pd.Series(WORDS, dtype=pd.ArrowDtype(pa.large_string())),
    "category": pd.Series(WORDS, dtype="category"),
    "ordered category": pd.Series(pd.Categorical(WORDS, ["é", "", "b", "unused"], ordered=True)),
}
POLARS = {
    "Int16": pl.Series(NUMBERS, dtype=pl.Int16),
    "Int64": pl.Series(NUMBERS, dtype=pl.Int64),
    "UInt64": pl.Series(NUMBERS, dtype=pl.UInt64),
    "Float64": pl.Series(NUMBERS, dtype=pl.Float64),
    "Decimal": pl.Series(NUMBERS).cast(pl.Decimal(20, 0)),
    "String": pl.Series(WORDS, dtype=pl.String),
    "Categorical": pl.Series(WORDS, dtype=pl.Categorical),
    "Enum": pl.Series(WORDS, dtype=pl.Enum(["é", "b", "", "unused"])),
}
ARROW = {
    "int32": pa.array(NUMBERS, pa.int32()),
    "uint64": pa.array(NUMBERS, pa.uint64()),
    "double": pa.array(NUMBERS, pa.float64()),
    "decimal": pa.array([Decimal(n) for n in NUMBERS], pa.decimal128(20, 0)),
    "string": pa.array(WORDS, pa.string()),
    "large_string": pa.array(WORDS, pa.large_string()),
    "string_view": pa.array(WORDS, pa.string_view()),
    "dictionary": pa.array(WORDS).dictionary_encode(),
    "dictionary of int8": pa.array(WORDS).cast(pa.dictionary(pa.int8(), pa.large_string())),
    "dictionary of integers": pa.array(NUMBERS, pa.int64()).dictionary_encode(),
}
FRAMES = {
    **{f"pandas {name}": pd.DataFrame({"a": column}) for name, column in PANDAS.items()},
    **{f"polars {name}": pl.DataFrame({"a": column}) for name, column in POLARS.items()},
    **{f"arrow {name}": pa.table({"a": column}) for name, column in ARROW.items()},
}


def values_of(frame):
    """Return the column of a frame as a list."""
    column = frame["a"]
    return column.to_pylist() if isinstance(frame, pa.Table) else column.to_list()


def type_of(frame):
    """Return the type of the column as the library of the frame spells it."""
    if isinstance(frame, pa.Table):
        return frame.schema.field("a").type
    return frame["a"].dtype


def rebuild(frame, rows):
    """Send rows of the column of a frame through arrays and back."""
    kind = frames.kind_of(frame)
    array = kind.arrays(frame, ["a"])["a"].take(np.array(rows, dtype=np.int64))
    return kind.build({"a": array}, kind.dtypes(frame, ["a"]))


def read_back(frame, rows):
    """Send rows of the column through a log and a form, as a result goes."""
    name = frames.kind_of(frame).name
    log = read_log(as_log(frame))
    users = log.rows.users.take(np.array(rows, dtype=np.int64))
    return Form(name, name, {"a": users[:0]}, {"a": log.layout.user}).build({"a": users})


def as_log(frame):
    """Make a log of which the column is the user."""
    if isinstance(frame, pd.DataFrame):
        return pd.DataFrame({"user_idx": frame["a"], "item_idx": 1})
    if isinstance(frame, pl.DataFrame):
        return frame.select(pl.col("a").alias("user_idx"), pl.lit(1).alias("item_idx"))
    return pa.table({"user_idx": frame["a"], "item_idx": pa.array([1] * len(frame))})


@pytest.mark.parametrize("name", FRAMES)
def test_a_column_becomes_one_of_the_plain_arrays(name):
    frame = FRAMES[name]
    array = frames.kind_of(frame).arrays(frame, ["a"])["a"]
    if isinstance(values_of(frame)[0], str):
        assert array.type == pa.large_string()
    else:
        assert array.dtype.kind in "iuf"
    assert array.tolist() == values_of(frame)


@pytest.mark.parametrize("rows", [[2, 1, 3], []], ids=["rows", "no rows"])
@pytest.mark.parametrize("name", FRAMES)
def test_ids_come_back_with_their_type(name, rows):
    frame = FRAMES[name]
    made = read_back(frame, rows)
    assert type(made) is type(frame)
    assert type_of(made) == type_of(frame)
    assert values_of(made) == [values_of(frame)[row] for row in rows]


def test_a_pandas_result_has_a_fresh_index_and_the_categories_of_the_log():
    made = rebuild(FRAMES["pandas ordered category"], [0])
    assert made.index.equals(pd.RangeIndex(1))
    assert made["a"].cat.categories.tolist() == ["é", "", "b", "unused"]
    assert made["a"].cat.ordered


def test_an_id_that_is_no_category_of_the_log_does_not_become_missing():
    array = plain_array(pa.array(["a", "z"]))
    made = frames.PandasKind().build({"a": array}, {"a": pd.CategoricalDtype(["a", "b"])})
    assert made["a"].tolist() == ["a", "z"]


def test_an_id_beyond_the_enum_of_a_polars_log_is_no_error():
    kind, array = frames.kind_named("polars"), plain_array(pa.array(["a", "z"]))
    dtypes = kind.dtypes(pl.DataFrame({"a": pl.Series(["a"], dtype=pl.Enum(["a"]))}), ["a"])
    assert kind.build({"a": array}, dtypes)["a"].to_list() == ["a", "z"]


def test_unknown_categories_of_dask_do_not_become_missing():
    log = dd.from_pandas(pd.DataFrame({"user_idx": WORDS, "item_idx": WORDS}), npartitions=1)
    log = log.astype({"user_idx": "category"})
    assert not log["user_idx"].cat.known
    form = Form("dask", "pandas", {"a": pa.array([], pa.large_string())}, {})
    form.dtypes["a"] = read_log(log).layout.user
    array = plain_array(pa.array(WORDS))
    assert finish([runtime.task(_column, array)], form)["a"].compute().tolist() == WORDS


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.chunked_array([[1], [], [2, 3]]), [1, 2, 3]),
        (pa.chunked_array([], pa.int32()), []),
        (pa.chunked_array([], pa.string()), []),
        (pa.chunked_array([], pa.dictionary(pa.int32(), pa.string())), []),
        (pa.chunked_array([["a"], ["b", "a"]]).dictionary_encode(), ["a", "b", "a"]),
        (
            pa.chunked_array(
                [pa.array(["x"]).dictionary_encode(), pa.array(["y"]).dictionary_encode()]
            ),
            ["x", "y"],
        ),
        (pa.array([True, False]), [True, False]),
    ],
)
def test_chunks_are_joined(array, expected):
    assert plain_array(array).tolist() == expected


def test_missing_floats_are_nan_and_missing_integers_stay_missing():
    assert np.isnan(plain_array(pa.array([1.5, None]))[1])
    assert plain_array(pa.array([1, None])).null_count == 1
    assert pandas_array(pd.Series([1, None], dtype="Int64")).null_count == 1
    assert pandas_array(pd.Series(["a", None])).null_count == 1
    assert plain_array(pa.array([None, None])).null_count == 2


@pytest.mark.parametrize("values", [[1, "a"], ["a", 2.5]])
def test_a_column_of_mixed_types_is_an_error_that_names_it(values):
    with pytest.raises(LogError, match=r"'a'.*mixes"):
        pandas_array(pd.Series(values, dtype=object, name="a"))


def test_integers_beyond_int64_in_an_object_column_are_exact():
    values = [2**63 + 5, 1]
    assert pandas_array(pd.Series(values, dtype=object)).tolist() == values


# ------------------------------------------------------------------------------ Dask


@pytest.mark.parametrize("convert", [True, False])
@pytest.mark.parametrize("name", PANDAS)
def test_a_lazy_frame_declares_the_dtypes_that_it_has(name, convert):
    import dask

    with dask.config.set({"dataframe.convert-string": convert, "scheduler": "synchronous"}):
        frame = dd.from_pandas(pd.DataFrame({"a": PANDAS[name]}), npartitions=2)
        kind = frames.kind_of(frame)
        dtype = kind.dtypes(frame, ["a"])["a"]
        parts = kind.parts(frame, ["a"])
        arrays = runtime.compute([runtime.task(_plain, part) for part in parts], "test")
        form = Form("dask", kind.part_kind(frame), {"a": arrays[0][:0]}, {"a": dtype})
        made = finish([runtime.task(_column, array) for array in arrays], form)
        assert made["a"].dtype == dtype
        done = made.compute()
        assert done["a"].dtype == dtype
        assert done["a"].tolist() == frame["a"].compute().tolist()


def _plain(frame):
    return pandas_array(frame["a"])


def _column(array):
    return {"a": array}


def test_parts_hold_the_named_columns_alone():
    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": 0, "c": 0}), npartitions=2)
    kind = frames.kind_of(frame)
    parts = runtime.compute(kind.parts(frame, ["c", "a"]), "test")
    assert [list(part.columns) for part in parts] == [["c", "a"]] * 2
    assert kind.columns(frame) == ["a", "b", "c"]


# ----------------------------------------------------------------------------- files

TABLE = pd.DataFrame({"user_idx": [1, 2, 3], "item_idx": ["a", "b", "a"]})


@pytest.fixture
def files(tmp_path):
    """Write one table in every format."""
    TABLE.to_parquet(tmp_path / "t.parquet")
    TABLE.to_csv(tmp_path / "t.csv", index=False)
    TABLE.to_csv(tmp_path / "t.csv.gz", index=False)
    TABLE.to_csv(tmp_path / "T.TSV", index=False, sep="\t")
    (tmp_path / "parts").mkdir()
    for number in range(3):
        TABLE[number : number + 1].to_parquet(tmp_path / "parts" / f"p{number}.parquet")
        TABLE[number : number + 1].to_csv(tmp_path / "parts" / f"p{number}.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "t.parquet",
        "t.csv",
        "t.csv.gz",
        "T.TSV",
        "parts/*.parquet",
        "parts/*.csv",
        "parts/p?.csv",
        "parts/p[0-2].parquet",
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_paths_and_globs_of_files_are_read(files, path, as_text):
    source = str(files / path) if as_text else files / path
    frame = open_frame(source)
    assert frames.kind_of(frame).name == "dask"
    read = frame.compute().sort_values("user_idx")
    assert read["user_idx"].tolist() == [1, 2, 3]
    assert read["item_idx"].tolist() == ["a", "b", "a"]


def test_a_folder_is_read_as_parquet(files):
    for path in (files / "parts").glob("*.csv"):
        path.unlink()
    for source in (files / "parts", f"{files / 'parts'}/"):
        assert len(open_frame(source)) == 3


@pytest.mark.parametrize("path", ["no.parquet", "no.csv", "no/*.csv", "no"])
def test_a_path_where_nothing_is_says_so(tmp_path, path):
    with pytest.raises(FileNotFoundError, match=r"my log.*no"):
        open_frame(tmp_path / path, "my log")


def test_a_file_of_an_unknown_suffix_is_an_error_that_names_the_known_ones(tmp_path):
    (tmp_path / "t.xlsx").write_text("x")
    with pytest.raises(LogError, match=r"parquet.*csv"):
        open_frame(tmp_path / "t.xlsx")


# ---------------------------------------------------------------------------- others


def test_a_polars_lazy_frame_is_an_error_that_says_what_to_call():
    with pytest.raises(LogError, match=r"LazyFrame.*collect\(\)"):
        frames.kind_of(pl.LazyFrame({"a": [1]}))


@pytest.mark.parametrize(
    "thing",
    [None, 3, [1, 2], {"a": [1]}, np.zeros((2, 2)), pd.Series([1]), dask.array.zeros(3)],
    ids=lambda thing: type(thing).__name__,
)
def test_an_object_that_is_no_frame_is_an_error_with_its_type(thing):
    with pytest.raises(LogError, match=type(thing).__name__):
        read_log(thing)


def test_a_dask_series_is_no_frame():
    series = dd.from_pandas(pd.Series([1, 2], name="user_idx"), npartitions=1)
    with pytest.raises(LogError):
        read_log(series)


def test_a_new_kind_is_known_once_it_is_registered(monkeypatch):
    class Mine(frames.PandasKind):
        name = "mine"

        def owns(self, frame):
            return isinstance(frame, dict)

        def columns(self, frame):
            return list(frame)

    monkeypatch.setattr(frames, "_KINDS", list(frames._KINDS))
    frames.register(Mine())
    assert frames.kind_of({}).name == "mine"
    assert frames.kind_named("mine").columns({"a": 1}) == ["a"]
    with pytest.raises(LogError, match=r"'yours'.*'mine'"):
        frames.kind_named("yours")
