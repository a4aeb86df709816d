"""Indexer and DataPreparator: numbers by frequency, and every id back as it was."""

import json
from collections import Counter
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.logs import KINDS, as_kind, kind_of, random_log, to_pandas, with_empty_partitions

import daskrec
from daskrec.errors import FormatError, LogError, NotFittedError
from daskrec.preparation import DataPreparator, Indexer, load_indexer, save_indexer

quick = settings(max_examples=50, deadline=None)

LOG = pd.DataFrame(
    {
        "user_id": ["b", "a", "b", "c", "a", "b"],
        "item_id": [30, 10, 20, 10, 20, 40],
        "relevance": [1.0, 2, 3, 4, 5, 6],
    }
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_most_frequent_id_is_number_zero(kind: str) -> None:
    log = as_kind(LOG, kind)
    indexer = Indexer()
    assert indexer.fit(log, log) is indexer
    indexed = indexer.transform(log)
    assert kind_of(indexed) == kind
    frame = to_pandas(indexed)
    assert list(frame) == ["relevance", "user_idx", "item_idx"]
    assert frame["user_idx"].tolist() == [0, 1, 0, 2, 1, 0]
    assert frame["item_idx"].tolist() == [2, 0, 1, 0, 1, 3]  # 10 and 20 are there twice
    assert frame["user_idx"].dtype == frame["item_idx"].dtype == np.int32
    back = indexer.inverse_transform(indexed)
    assert kind_of(back) == kind
    pd.testing.assert_frame_equal(to_pandas(back)[list(LOG)], LOG, check_dtype=False)
    assert (indexer.user_count, indexer.item_count) == (3, 4)


@quick
@given(st.one_of(st.lists(st.integers(-(2**63), 2**63 - 1)), st.lists(st.text("abé", max_size=2))))
def test_numbers_against_a_counter(values: list[Any]) -> None:
    column = pd.Series(values, dtype="str" if values and isinstance(values[0], str) else "int64")
    frame = pd.DataFrame({"user_id": column, "item_id": 1})
    counts = Counter(values)
    order = sorted(counts, key=lambda value: (-counts[value], value))
    indexer = Indexer().fit(frame, frame)
    numbers = indexer.transform(frame)
    assert numbers["user_idx"].tolist() == [order.index(value) for value in values]
    assert indexer.inverse_transform(numbers)["user_id"].tolist() == values


@quick
@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 20)), st.lists(st.integers(0, 20)))
def test_new_ids_get_the_next_numbers_in_order(first, second, third) -> None:
    indexer = Indexer()
    frames = [
        pd.DataFrame({"user_id": ids, "item_id": ids}, dtype="int64")
        for ids in (first, second, third)
    ]
    indexer.fit(frames[0], frames[0])
    counts = Counter(first)
    order = sorted(counts, key=lambda value: (-counts[value], value))
    for frame in frames[1:]:
        order += sorted(set(frame["user_id"]) - set(order))
        numbers = indexer.transform(frame)
        assert numbers["user_idx"].tolist() == [order.index(value) for value in frame["user_id"]]
        assert indexer.inverse_transform(numbers)["item_id"].tolist() == frame["item_id"].tolist()
        assert indexer.user_count == len(order)


@pytest.mark.parametrize("text", [False, True], ids=["numbers", "texts"])
@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_partitions_get_the_same_numbers(npartitions: int, text: bool) -> None:
    log = random_log().rename(columns={"user_idx": "user_id", "item_idx": "item_id"})
    if text:
        log[["user_id", "item_id"]] = log[["user_id", "item_id"]].astype(str)
    lazy = with_empty_partitions(log, npartitions)
    train, lazy_train = log.iloc[:200], with_empty_partitions(log.iloc[:200], npartitions)
    here, there = Indexer().fit(train, train), Indexer().fit(lazy_train, lazy_train)
    expected = here.transform(log)  # knows ids that the fit did not
    indexed = there.transform(lazy)
    assert isinstance(indexed, dd.DataFrame)
    found = indexed.compute()
    assert found.dtypes.equals(indexed.dtypes)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    back = there.inverse_transform(indexed)
    values = back.compute()
    assert values.dtypes.equals(back.dtypes)
    pd.testing.assert_frame_equal(values[list(log)], log, check_dtype=False)


def test_a_lazy_result_keeps_the_numbers_of_its_time() -> None:
    indexer = Indexer().fit(LOG, LOG)
    lazy = indexer.transform(as_kind(LOG, "dask"))
    indexer.fit(LOG.iloc[3:], LOG.iloc[3:])
    assert lazy.compute()["user_idx"].tolist() == [0, 1, 0, 2, 1, 0]


@pytest.mark.parametrize(
    "dtype", ["int8", "int32", "uint16", "uint64", "int64", "Int32", "str", "category"]
)
def test_ids_come_back_in_their_type(dtype: str, tmp_path) -> None:
    log = pd.DataFrame(
        {"user_id": pd.Series([5, 7, 5]).astype("Int64").astype(dtype), "item_id": 1}
    )
    plain = {"Int32": "int32", "category": "int64", "str": "str"}.get(dtype, dtype)
    indexer = Indexer().fit(log, log)
    save_indexer(indexer, tmp_path / "indexer")
    for one in (indexer, load_indexer(tmp_path / "indexer")):
        back = one.inverse_transform(one.transform(log))
        assert back["user_id"].dtype == plain
        assert back["user_id"].tolist() == log["user_id"].astype(plain).tolist()
        assert one.inverse_transform(pl.DataFrame({"user_idx": [1]}))["user_id"].to_list() == [
            log["user_id"].iloc[1]
        ]


def test_ids_beyond_63_bits() -> None:
    big = 2**64 - 1
    log = pd.DataFrame({"user_id": np.array([big, 3], dtype=np.uint64), "item_id": [2**53 + 1, -1]})
    indexer = Indexer().fit(log, log)
    back = indexer.inverse_transform(indexer.transform(log))
    assert back["user_id"].tolist() == [big, 3]
    assert back["item_id"].tolist() == [2**53 + 1, -1]


def test_columns_may_be_called_as_the_numbers_are() -> None:
    log = LOG.rename(columns={"user_id": "user_idx", "item_id": "item_idx"})
    indexer = Indexer("user_idx", "item_idx").fit(log, log)
    indexed = indexer.transform(log)
    assert indexed["user_idx"].tolist() == [0, 1, 0, 2, 1, 0]
    pd.testing.assert_frame_equal(indexer.inverse_transform(indexed)[list(log)], log)


def test_one_column_alone_is_turned() -> None:
    indexer = Indexer().fit(LOG, LOG)
    items = indexer.transform(pd.DataFrame({"item_id": [40, 10], "price": [1, 2]}))
    assert items.to_numpy().tolist() == [[1, 3], [2, 0]]
    assert list(indexer.inverse_transform(items)) == ["price", "item_id"]


def test_users_and_items_come_from_different_frames() -> None:
    users = pd.DataFrame({"user_id": [1, 2, 2]})
    items = [pl.DataFrame({"item_id": ["x", "y"]}), pa.table({"item_id": ["y"]})]
    indexer = Indexer().fit(users, items)
    assert indexer.transform(users)["user_idx"].tolist() == [1, 0, 0]
    assert indexer.transform(items[0])["item_idx"].to_list() == [1, 0]


def test_saving_and_loading(tmp_path) -> None:
    indexer = Indexer().fit(LOG, LOG)
    indexer.transform(pd.DataFrame({"user_id": ["z"], "item_id": [5]}))
    path = tmp_path / "indexer"
    indexer.save(path)
    loaded = Indexer.load(str(path))
    assert not list(tmp_path.rglob("*.pkl"))
    pd.testing.assert_frame_equal(loaded.transform(LOG), indexer.transform(LOG))
    with pytest.raises(FileExistsError, match="overwrite=True"):
        indexer.save(path)
    indexer.save(path, overwrite=True)
    assert load_indexer(path).user_count == 4
    assert isinstance(daskrec.load(path), Indexer)
    assert [entry.name for entry in tmp_path.iterdir()] == ["indexer"]


def test_damaged_and_foreign_folders_are_refused(tmp_path) -> None:
    path = tmp_path / "indexer"
    Indexer().fit(LOG, LOG).save(path)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(FormatError, match="newer"):
        load_indexer(path)
    (path / "manifest.json").write_text(json.dumps(manifest))
    numbers = path / "item_numbers" / "00000" / "value.npy"
    numbers.write_bytes(numbers.read_bytes()[:-4] + b"\x07\0\0\0")
    with pytest.raises(FormatError, match="damaged"):
        load_indexer(path)
    (path / "manifest.json").write_text('{"format": "daskrec-model"}')
    with pytest.raises(FormatError, match="not an indexer"):
        load_indexer(path)
    with pytest.raises(FileNotFoundError, match="no indexer"):
        load_indexer(tmp_path / "nothing")


def test_faults_are_one_clear_error(tmp_path) -> None:
    with pytest.raises(NotFittedError, match="not fitted"):
        Indexer().transform(LOG)
    with pytest.raises(NotFittedError, match="not fitted"):
        Indexer().save(tmp_path / "none")
    with pytest.raises(LogError, match="frame of users has no column"):
        Indexer().fit(LOG.drop(columns="user_id"), LOG)
    with pytest.raises(LogError, match="missing ids in column 'user_id' in 1 row"):
        Indexer().fit(LOG.assign(user_id=[None, *"abcde"]), LOG)
    indexer = Indexer().fit(LOG, LOG)
    with pytest.raises(LogError, match="none of the columns"):
        indexer.transform(LOG[["relevance"]])
    with pytest.raises(LogError, match="none of the columns"):
        indexer.inverse_transform(LOG)
    with pytest.raises(LogError, match="integers here and strings"):
        indexer.transform(pd.DataFrame({"user_id": [1]}))
    with pytest.raises(LogError, match="missing ids in column 'item_id' in 1 row"):
        indexer.transform(pd.DataFrame({"item_id": [1, None]}))
    with pytest.raises(LogError, match=r"2 numbers that stand for no id \(first: 3\)"):
        indexer.inverse_transform(pd.DataFrame({"user_idx": [0, 3, -1]}))
    with pytest.raises(LogError, match="fractional"):
        indexer.inverse_transform(pd.DataFrame({"user_idx": [0.5]}))
    with pytest.raises(LogError, match="1 values are missing"):
        indexer.inverse_transform(pd.DataFrame({"user_idx": [0, None]}))
    assert indexer.user_count == 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_preparator_of_the_original(kind: str) -> None:
    frame = as_kind(pd.DataFrame({"user": [4], "item_id": [3]}), kind)
    prepare = DataPreparator()
    log, users, items = prepare(frame, mapping={"user_id": "user"})
    assert kind_of(log) == kind
    assert users is items is None
    assert to_pandas(log)[["user_idx", "item_idx"]].to_numpy().tolist() == [[0, 0]]
    assert to_pandas(log)["user_idx"].dtype == np.int32
    back = to_pandas(prepare.back(log))
    assert sorted(back) == ["item_id", "user_id"]
    assert (back["user_id"].tolist(), back["item_id"].tolist()) == ([4], [3])


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_prepared_with_the_log(kind: str) -> None:
    log = as_kind(
        pd.DataFrame({"who": ["a", "b", "b"], "item_id": [7, 8, 8], "stars": [1, 2, 3]}), kind
    )
    users = as_kind(pd.DataFrame({"who": ["a", "c"], "age": [20, 30]}), kind)
    items = as_kind(pd.DataFrame({"item_id": [9, 8], "iq": [4, 5]}), kind)
    mapping = {"user_id": "who", "relevance": "stars"}
    prepare = DataPreparator()
    prepared = [to_pandas(frame) for frame in prepare(log, users, items, mapping)]
    assert [sorted(frame) for frame in prepared] == [
        ["item_idx", "relevance", "user_idx"],
        ["age", "user_idx"],
        ["iq", "item_idx"],
    ]
    # a and b are there twice, c once.
    assert prepared[0]["user_idx"].tolist() == [0, 1, 1]
    assert prepared[1]["user_idx"].tolist() == [0, 2]
    assert prepared[2]["item_idx"].tolist() == [2, 0]
    assert prepared[0]["relevance"].tolist() == [1, 2, 3]


def test_types_survive_a_new_name() -> None:
    log = pd.DataFrame(
        {
            "user": pd.Categorical(["x", "y"]),
            "item": [1, 2],
            "when": pd.to_datetime(["2020-01-01", "2020-01-02"]).tz_localize("UTC"),
        }
    )
    prepared, _, _ = DataPreparator()(log, mapping={"timestamp": "when"})
    assert prepared["timestamp"].tolist() == [
        pd.Timestamp("2020-01-01"),
        pd.Timestamp("2020-01-02"),
    ]
    assert prepared["item_idx"].tolist() == [0, 1]


def test_the_preparator_refuses_unclear_names() -> None:
    log = pd.DataFrame({"user": [1], "user_id": [2], "item_id": [3]})
    with pytest.raises(LogError, match=r"besides those that the mapping calls so"):
        DataPreparator()(log, mapping={"user_id": "user"})
    with pytest.raises(LogError, match="has no column 'who'"):
        DataPreparator()(log, mapping={"user_id": "who"})
    with pytest.raises(LogError, match=r"keys \['users'\]"):
        DataPreparator()(log, mapping={"users": "user"})
    with pytest.raises(LogError, match="no item column"):
        DataPreparator()(log[["user_id"]])
    with pytest.raises(NotFittedError, match="not fitted"):
        DataPreparator().back(log)


def test_the_indexer_works_on_workers(client) -> None:
    log = with_empty_partitions(LOG, 3)
    indexer = Indexer().fit(log, log)
    indexed = indexer.transform(log)
    assert indexed.compute()["user_idx"].tolist() == [0, 1, 0, 2, 1, 0]
    back = indexer.inverse_transform(indexed).compute()
    assert back["user_id"].tolist() == LOG["user_id"].tolist()
