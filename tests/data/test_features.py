"""Features of users: any frame and any partitioning in, sorted blocks out, faults told at once."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from support.logs import KINDS, as_kind, with_empty_partitions

from daskrec.data import exchange, ids
from daskrec.data.features import FeatureTable, read_features
from daskrec.errors import LogError

FRAME = pd.DataFrame(
    {
        "age": np.linspace(18, 80, 200),
        "user_id": np.random.default_rng(0).permutation(200) * 3 - 50,
        "visits": np.arange(200, dtype=np.int16),
        "active": np.arange(200) % 3 == 0,
    }
)
SORTED = FRAME.sort_values("user_id", ignore_index=True)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch) -> None:
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 20)


def whole(table: FeatureTable) -> tuple[list, np.ndarray]:
    blocks = [block.get() for block in table.blocks]
    users = ids.concat([block.user_ids.values for block in blocks])
    return users.tolist(), np.concatenate([block.values for block in blocks])


def assert_is_the_frame(table: FeatureTable, frame: pd.DataFrame = SORTED) -> None:
    assert table.names == ["age", "visits", "active"]
    users, values = whole(table)
    assert users == frame.user_id.tolist()
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, frame[table.names].to_numpy(dtype=float))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_frame_gives_the_same_sorted_numbers(kind: str) -> None:
    table = read_features(as_kind(FRAME, kind))
    assert len(table.blocks) > 1
    assert_is_the_frame(table)
    assert table.users().whole().values.tolist() == SORTED.user_id.tolist()


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_partitions_do_not_matter(npartitions: int, monkeypatch) -> None:
    frame = with_empty_partitions(FRAME, npartitions)
    assert_is_the_frame(read_features(frame))
    monkeypatch.setattr(exchange, "MOST_PIECES", 10)  # many partitions are split together
    assert_is_the_frame(read_features(frame))


def test_paths_are_read(tmp_path) -> None:
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, part in zip(paths, (FRAME.iloc[:90], FRAME.iloc[90:]), strict=True):
        part.to_csv(path, index=False)
    # Not all versions of pandas read the last digit of a float as it was written.
    written = pd.concat([pd.read_csv(path) for path in paths]).sort_values("user_id")
    assert_is_the_frame(read_features(str(tmp_path / "*.csv")), written)


def test_string_ids_and_ids_beyond_int64() -> None:
    words = FRAME.assign(user_id=FRAME.user_id.map("ü{:+04d}".format))
    for frame in (words, with_empty_partitions(words, 5)):
        assert_is_the_frame(read_features(frame), words.sort_values("user_id"))
    large = FRAME.assign(user_id=(FRAME.user_id + 50).astype(np.uint64) + np.uint64(2**63))
    for frame in (large, with_empty_partitions(large, 5)):
        assert_is_the_frame(read_features(frame), large.sort_values("user_id"))


def test_a_block_is_made_of_its_arrays_again() -> None:
    block = read_features(FRAME).blocks[0].get()
    again = type(block).from_arrays(block.to_arrays())
    assert len(again) == len(block)
    assert again.user_ids.values.tolist() == block.user_ids.values.tolist()
    np.testing.assert_array_equal(again.values, block.values)


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, 0] * 100, "Int64"),
        pd.array([True, False] * 100, "boolean"),
        pd.Series([1.0, 0.0] * 100, dtype="float32"),
        pd.Categorical([1, 0] * 100),
        pd.Series([True, False] * 100, dtype=object),
        pd.Series([1, 0] * 100, dtype="uint8"),
    ],
    ids=lambda column: str(column.dtype),
)
def test_numbers_and_truth_values_of_any_type_are_features(column) -> None:
    frame = FRAME[["user_id"]].assign(x=column)
    table = read_features(frame.sort_values("user_id"))
    expected = frame.sort_values("user_id").x.astype(float)
    assert whole(table)[1][:, 0].tolist() == expected.tolist()


def test_columns_may_be_numbered_and_come_in_another_order() -> None:
    numbered = FRAME.rename(columns={"age": 0, "visits": 1, "active": 2})
    table = read_features(numbered)
    assert table.names == ["0", "1", "2"]
    again = read_features(numbered[[2, "user_id", 0, 1]], table.names)
    np.testing.assert_array_equal(whole(again)[1], whole(table)[1])


def test_other_columns_than_wanted_are_named() -> None:
    frame = FRAME.rename(columns={"age": "size", "active": 3})
    text = r"\['active', 'age'\] are missing and \['3', 'size'\] are new"
    for given in (frame, pl.from_pandas(frame.rename(columns=str))):
        with pytest.raises(LogError, match=text):
            read_features(given, ["age", "visits", "active"])


def test_columns_that_cannot_be_told_apart_are_named() -> None:
    with pytest.raises(LogError, match=r"several columns of one name: \['age'\]"):
        read_features(pd.concat([FRAME, FRAME[["age"]]], axis=1))
    with pytest.raises(LogError, match=r"several columns of one name: \['1'\]"):
        read_features(FRAME.rename(columns={"age": 1, "visits": "1"}))
    with pytest.raises(LogError, match="no feature"):
        read_features(FRAME[["user_id"]])
    with pytest.raises(LogError, match="no user column"):
        read_features(FRAME.drop(columns="user_id"))


@pytest.mark.parametrize("npartitions", [0, 1, 7])
def test_all_faults_are_counted_in_one_error(npartitions: int) -> None:
    frame = FRAME.assign(
        word="x", when=pd.Timestamp("2020-01-01"), gap=pd.array([1] * 200, "Int64")
    )
    frame = frame.astype({"user_id": float})
    frame.loc[[0, 150], "age"] = np.nan
    frame.loc[3, "age"] = -np.inf
    frame.loc[[7, 8, 199], "gap"] = pd.NA
    frame.loc[5, "user_id"] = np.nan
    frame["vast"] = 1e200
    given = dd.from_pandas(frame, npartitions=npartitions) if npartitions else frame
    with pytest.raises(LogError, match=r"^user_features cannot be used: ") as error:
        read_features(given)
    for fault in (
        "missing values in column 'age' in 2 rows",
        "infinite values in column 'age' in 1 row",
        "missing values in column 'gap' in 3 rows",
        "missing ids in column 'user_id' in 1 row",
        "values beyond 1e+150 in column 'vast' in 200 rows",
        "in column 'word' in 200 rows",
        "values that are no numbers (datetime64",
    ):
        assert fault in str(error.value)


@pytest.mark.parametrize("npartitions", [0, 1, 7])
def test_users_with_several_rows_are_counted(npartitions: int) -> None:
    twice = pd.concat([FRAME, FRAME.iloc[::50], FRAME.iloc[[3]]], ignore_index=True)
    given = dd.from_pandas(twice, npartitions=npartitions) if npartitions else twice
    with pytest.raises(LogError, match="5 rows of users who have a row already"):
        read_features(given)


def test_frames_without_rows_have_no_users() -> None:
    nothing = FRAME.iloc[:0]
    for given in (nothing, pa.Table.from_pandas(nothing), with_empty_partitions(nothing, 3)):
        table = read_features(given)
        assert table.names == ["age", "visits", "active"]
        assert len(table.users()) == 0


def test_what_is_new_replaces_what_was_there() -> None:
    old = FRAME[FRAME.user_id < 400]
    new = FRAME[FRAME.user_id % 2 == 0].assign(age=-1.0)
    expected = pd.concat([old[old.user_id % 2 != 0], new]).sort_values("user_id")
    for left in (old, with_empty_partitions(old, 5)):
        for right in (new, with_empty_partitions(new, 4)):
            merged = read_features(left).merged(read_features(right))
            assert_is_the_frame(merged, expected)
    table = read_features(old)
    assert_is_the_frame(table.merged(read_features(FRAME.iloc[:0])), old.sort_values("user_id"))
    empty = read_features(FRAME.iloc[:0])
    assert_is_the_frame(empty.merged(read_features(FRAME)))
    assert empty.merged(empty) is empty


def test_ranges_of_both_sides_read_one_block_of_each(monkeypatch) -> None:
    from daskrec.engine.shared import Shared

    opened: list[str] = []
    table, other = read_features(FRAME), read_features(FRAME)
    get = Shared.get
    monkeypatch.setattr(Shared, "get", lambda self: (opened.append(self.uid), get(self))[1])
    table.merged(other)
    assert len(opened) <= 4 * (len(table.blocks) + len(other.blocks))


def test_the_blocks_lie_on_the_workers(client) -> None:
    table = read_features(with_empty_partitions(FRAME, 7))
    assert_is_the_frame(table)
    folders = [block._folder for block in table.blocks]
    assert all(folder is not None for folder in folders)
    table.release()
    from pathlib import Path

    assert not any(Path(str(folder)).exists() for folder in folders)
