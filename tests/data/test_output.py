"""Results: frames of the kind of the log, and Parquet files."""

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daskrec.data import output
from daskrec.data.output import Form, finish
from daskrec.engine import runtime

TEXT = pa.large_string()
EMPTY = {
    "user_idx": np.empty(0, np.int64),
    "item_idx": pa.array([], TEXT),
    "relevance": np.empty(0),
}


@pytest.fixture(autouse=True)
def _synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


def columns(number, count=2):
    """Return the columns of a part of a result."""
    users = np.arange(count, dtype=np.int64) + 10 * number
    return {
        "user_idx": users,
        "item_idx": pa.array([f"i{user}" for user in users], TEXT),
        "relevance": users / 4,
    }


def tasks(*counts):
    """Return tasks that give parts of a result."""
    return [runtime.task(columns, number, count) for number, count in enumerate(counts)]


def form(kind="pandas", **dtypes):
    """Return the form of the result."""
    return Form(kind, "pandas" if kind == "dask" else kind, EMPTY, dtypes)


def rows(frame):
    """Return the rows of a frame of any kind."""
    if isinstance(frame, pl.DataFrame):
        return frame.rows()
    if isinstance(frame, pa.Table):
        return [tuple(row.values()) for row in frame.to_pylist()]
    if not isinstance(frame, pd.DataFrame):
        frame = frame.compute()
    return list(frame.itertuples(index=False, name=None))


EXPECTED = [(0, "i0", 0.0), (1, "i1", 0.25), (20, "i20", 5.0)]
KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table, "dask": dd.DataFrame}


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_joined_in_order_in_the_kind_of_the_log(kind):
    found = finish(tasks(2, 0, 1), form(kind))
    assert isinstance(found, KINDS[kind])
    assert rows(found) == EXPECTED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("counts", [(), (0,), (0, 0)])
def test_a_result_without_rows_has_its_columns_and_types(kind, counts):
    found = finish(tasks(*counts), form(kind))
    assert rows(found) == []
    names = found.column_names if kind == "pyarrow" else list(found.columns)
    assert names == ["user_idx", "item_idx", "relevance"]
    if kind in {"pandas", "dask"}:
        assert found.dtypes["user_idx"] == np.int64
        assert found.dtypes["relevance"] == np.float64


def test_a_lazy_result_is_made_when_it_is_computed_and_its_dtypes_are_true():
    made = []

    def part(number):
        made.append(number)
        return columns(number)

    dtypes = {
        "user_idx": np.dtype("int32"),
        "item_idx": pd.CategoricalDtype(["i11", "i10", "i1", "i0"]),
    }
    found = finish([runtime.task(part, n) for n in range(2)], form("dask", **dtypes))
    assert made == []
    assert found.npartitions == 2
    done = found.compute()
    assert sorted(made) == [0, 1]
    assert done.dtypes.tolist() == found.dtypes.tolist()
    assert done.dtypes["user_idx"] == np.int32
    assert done["item_idx"].tolist() == ["i0", "i1", "i10", "i11"]


def test_two_computes_of_a_lazy_result_agree():
    found = finish(tasks(2, 3), form("dask"))
    pd.testing.assert_frame_equal(found.compute(), found.compute())


# --------------------------------------------------------------------------- parquet


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_gets_parquet_and_the_caller_none(tmp_path, kind):
    path = tmp_path / "new" / "recs.parquet"
    assert finish(tasks(2, 0, 1), form(kind), path) is None
    assert rows(pd.read_parquet(path)) == EXPECTED
    assert path.is_dir() == (kind == "dask")
    assert [entry.name for entry in path.parent.iterdir()] == ["recs.parquet"]


@pytest.mark.parametrize("kind", ["pandas", "dask"])
@pytest.mark.parametrize("counts", [(), (0,)])
def test_a_file_of_no_rows_has_its_columns(tmp_path, kind, counts):
    path = tmp_path / "recs.parquet"
    finish(tasks(*counts), form(kind), path)
    found = pd.read_parquet(path)
    assert list(found.columns) == ["user_idx", "item_idx", "relevance"]
    assert len(found) == 0


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("pandas", np.dtype("int32")),
        ("pandas", pd.Int32Dtype()),
        ("polars", "Int32"),
        ("pyarrow", "Int32"),
        ("dask", np.dtype("int32")),
        ("dask", pd.ArrowDtype(pa.int32())),
    ],
    ids=str,
)
def test_written_integers_have_the_width_of_the_log(tmp_path, kind, dtype):
    import narwhals.stable.v2 as nw

    path = tmp_path / "recs.parquet"
    finish(
        tasks(2), form(kind, user_idx=getattr(nw, dtype) if isinstance(dtype, str) else dtype), path
    )
    assert pq.read_table(path).schema.field("user_idx").type == pa.int32()


@pytest.mark.parametrize("old", ["pandas", "dask"])
@pytest.mark.parametrize("new", ["pandas", "dask"])
def test_an_old_result_is_replaced(tmp_path, old, new):
    path = tmp_path / "recs.parquet"
    finish(tasks(5, 5, 5), form(old), path)
    finish(tasks(2, 0, 1), form(new), path)
    assert rows(pd.read_parquet(path)) == EXPECTED
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("kind", ["pandas", "dask"])
def test_a_folder_with_other_files_is_left_alone(tmp_path, kind):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(FileExistsError, match="other files"):
        finish(tasks(1), form(kind), tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def _fail(number):
    raise RuntimeError(f"part {number}")


@pytest.mark.parametrize("kind", ["pandas", "dask"])
def test_an_error_leaves_the_old_result_and_nothing_else(tmp_path, kind):
    path = tmp_path / "recs.parquet"
    finish(tasks(2, 0, 1), form("pandas"), path)
    with pytest.raises(RuntimeError, match="part 1"):
        finish([*tasks(1), runtime.task(_fail, 1)], form(kind), path)
    assert rows(pd.read_parquet(path)) == EXPECTED
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("kind", ["pandas", "dask"])
def test_a_url_is_written_as_a_path_is(kind):
    import fsspec

    url = f"memory://results-{kind}/deep/recs.parquet"
    finish(tasks(5, 5), form(kind), url)
    finish(tasks(2, 0, 1), form(kind), url)
    fs = fsspec.filesystem("memory")
    found = pq.read_table(f"/results-{kind}/deep/recs.parquet", filesystem=fs)
    assert rows(found) == EXPECTED
    assert len(fs.ls(f"/results-{kind}/deep")) == 1


def test_join_of_nothing_is_empty():
    assert output.join([], EMPTY) is EMPTY
