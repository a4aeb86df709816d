"""Values by handle: a reference in one process, a file everywhere else."""

import concurrent.futures
import itertools
import multiprocessing
import os
import pickle
import threading

import dask
import numpy as np
import pyarrow as pa
import pytest
from dask.tokenize import tokenize

from daskrec.data.ids import Ids
from daskrec.engine import shared
from daskrec.engine.csr import Csr
from daskrec.engine.shared import RowShards, Shared, session_folder

TEXT = pa.array(["a", "é"], pa.large_string())


@pytest.fixture(autouse=True)
def session(tmp_path, monkeypatch):
    """Give each test a session folder of its own."""
    monkeypatch.setattr(shared, "session_folder", lambda: str(tmp_path / "session"))
    return tmp_path / "session"


def send(handle):
    """Send a handle the way a graph is sent; the copy knows nothing of the value."""
    return pickle.loads(pickle.dumps(handle))


def make_csr():
    """Make a small sparse matrix."""
    return Csr(np.array([0, 1, 2]), np.array([1, 0], np.int32), np.ones(2, np.float32), 3)


def test_in_one_process_a_handle_gives_the_value_itself(session):
    value = np.arange(3)
    assert Shared(value).get() is value
    assert not session.exists()


@pytest.mark.parametrize("value", [np.arange(6.0).reshape(2, 3), np.empty((0, 4)), TEXT, TEXT[:0]])
def test_an_array_travels_by_file(value):
    found = send(Shared(value)).get()
    assert type(found) is type(value)
    assert found.tolist() == value.tolist()
    assert len(found) == len(value)


def test_objects_of_arrays_travel_by_file():
    assert send(Shared(Ids(TEXT))).get().values.equals(TEXT)
    assert send(Shared(make_csr())).get().indices.tolist() == [1, 0]


@pytest.mark.parametrize("make", [lambda a: a, Ids], ids=["array", "ids"])
def test_a_pickle_holds_no_array_and_writes_it_once(session, make):
    handle = Shared(make(np.arange(10**6)))
    first, second = pickle.dumps(handle), pickle.dumps(handle)
    assert len(first) < 1000
    assert first == second
    assert len(list(session.iterdir())) == 1


def test_a_copy_of_a_copy_names_the_same_file(session):
    handle = Shared(np.arange(3))
    copy = send(send(handle))
    assert copy.uid == handle.uid
    assert copy.get().tolist() == [0, 1, 2]
    assert len(list(session.iterdir())) == 1


def test_a_value_from_a_file_is_opened_once_in_a_process():
    handle = Shared(make_csr())
    assert send(handle).get() is send(handle).get()


def test_opened_values_are_let_go_in_time(monkeypatch):
    monkeypatch.setattr(shared, "_OPENED_LIMIT", 2)
    copies = [send(Shared(np.array([n]))) for n in range(5)]
    assert [int(copy.get()[0]) for copy in copies] == [0, 1, 2, 3, 4]
    assert len(shared._opened) == 2
    assert copies[0].get().tolist() == [0]


def test_a_closed_value_is_opened_again(tmp_path):
    handle = Shared.stored(np.arange(3), str(tmp_path))
    first = handle.get()
    handle.close()
    handle.close()
    assert handle.get() is not first
    assert handle.get().tolist() == [0, 1, 2]
    here = Shared(first)
    here.close()
    assert here.get() is first


def test_release_removes_the_file_and_may_be_called_again(session):
    handle = Shared(np.arange(3))
    copy = send(handle)
    copy.get()
    handle.release()
    assert list(session.iterdir()) == []
    assert copy.uid not in shared._opened
    handle.release()
    copy.release()
    assert handle.get().tolist() == [0, 1, 2]
    Shared(np.arange(2)).release()


def test_a_released_value_can_travel_again():
    handle = Shared(np.arange(3))
    send(handle)
    handle.release()
    assert send(handle).get().tolist() == [0, 1, 2]


def test_a_stored_value_lies_in_its_folder_and_not_in_memory(tmp_path):
    handle = Shared.stored(np.arange(4), str(tmp_path))
    assert handle._value is None
    assert handle.get().tolist() == [0, 1, 2, 3]
    assert [path.name for path in (tmp_path / handle.uid).iterdir()] == ["value.npy"]
    assert len(pickle.dumps(handle)) < 1000


def test_a_value_that_is_stored_nowhere_is_a_reference():
    value = np.arange(4)
    assert Shared.stored(value, None).get() is value


def test_a_url_serves_as_a_folder():
    handle = Shared.stored(Ids(TEXT), "memory://shared")
    assert send(handle).get().values.equals(TEXT)
    handle.release()
    with pytest.raises(FileNotFoundError):
        send(handle).get()


def test_handles_have_a_token_that_costs_nothing_and_is_theirs():
    one, two = Shared(np.arange(3)), Shared(np.arange(3))
    assert tokenize(one) == tokenize(one) == tokenize(send(one))
    assert tokenize(one) != tokenize(two)


def test_threads_write_and_open_a_value_once(session):
    handle, barrier = Shared(np.arange(1000)), threading.Barrier(8)

    def travel(_):
        barrier.wait()
        return send(handle).get().sum()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(travel, range(8))) == {499500}
    assert len(list(session.iterdir())) == 1


def test_another_process_reads_the_value(session):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        found = pool.submit(Shared.get, Shared(np.arange(5))).result()
    assert found.tolist() == [0, 1, 2, 3, 4]
    assert len(list(session.iterdir())) == 1


def test_the_session_folder_lies_where_the_setting_says(tmp_path):
    first = session_folder()
    assert os.path.isdir(first)
    with dask.config.set({"daskrec.storage-path": f"{tmp_path}/all-hosts/"}):
        other = session_folder()
        assert other.startswith(f"{tmp_path}/all-hosts/daskrec-")
        assert session_folder() == other
    assert session_folder() == first


def test_removing_a_folder_twice_is_no_error(tmp_path):
    folder = tmp_path / "x"
    (folder / "y").mkdir(parents=True)
    shared.remove_folder(str(folder))
    assert not folder.exists()
    shared.remove_folder(str(folder))
    shared.remove_folder("memory://no/such/folder")


# ----------------------------------------------------------------------- rows in shards


def make_shards(lengths, width=3):
    """Make a table in shards of given lengths."""
    table = np.arange(sum(lengths) * width, dtype=np.float32).reshape(-1, width)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    parts = [table[a:b] for a, b in itertools.pairwise(offsets)]
    return RowShards([Shared(part) for part in parts], offsets), table


@pytest.mark.parametrize("lengths", [[5], [2, 3], [0, 2, 0, 0, 3, 0], [1, 1, 1, 1, 1]])
@pytest.mark.parametrize("rows", [[4, 0, 0, 3, 1], [], [2]])
def test_take_reads_the_rows_wherever_they_lie(lengths, rows):
    shards, table = make_shards(lengths)
    rows = np.array(rows, dtype=np.int64)
    found = shards.take(rows)
    assert np.array_equal(found, table[rows])
    assert found.dtype == np.float32
    assert len(shards) == 5
    assert shards.nbytes == table.nbytes


def test_take_opens_only_the_shards_that_it_needs():
    shards, table = make_shards([2, 3, 4])
    del shards.shards[1]._value
    assert np.array_equal(shards.take(np.array([8, 1])), table[[8, 1]])


@pytest.mark.parametrize("lengths", [[5], [2, 3], [0, 5, 0]])
def test_whole_joins_the_shards_once(lengths):
    shards, table = make_shards(lengths)
    assert np.array_equal(shards.whole(), table)
    assert shards.whole() is shards.whole()


def test_joined_tables_are_let_go_in_time():
    for _ in range(5):
        make_shards([2, 3])[0].whole()
    assert len(shared._joined) <= shared._JOINED_LIMIT


def test_one_array_is_one_shard():
    value = np.ones((4, 2))
    assert RowShards.of(value).whole() is value
    assert len(RowShards.of(value)) == 4


def test_shards_travel_without_their_rows():
    shards, table = make_shards([20_000, 30_000])
    sent = pickle.dumps(shards)
    assert len(sent) < 2000
    rows = np.array([0, 49_999, 20_000])
    assert np.array_equal(pickle.loads(sent).take(rows), table[rows])


def test_as_array_accepts_numpy_alone():
    assert shared.as_array(np.ones(1)).tolist() == [1.0]
    with pytest.raises(AssertionError):
        shared.as_array(TEXT)
