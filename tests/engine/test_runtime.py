"""Running tasks under every scheduler that the user may have."""

import concurrent.futures
import copy
import threading

import dask
import numpy as np
import pytest
from distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from daskrec.engine import config, runtime, shared
from daskrec.engine.shared import Shared
from daskrec.errors import StorageError

LOCAL = ["synchronous", "threads", "processes"]


@pytest.fixture(scope="module")
def cluster():
    """Start one client whose workers are threads of this process."""
    options = {
        "n_workers": 2,
        "threads_per_worker": 3,
        "dashboard_address": ":0",
        "memory_limit": None,
    }
    with Client(processes=False, set_as_default=False, **options) as client:
        yield client


@pytest.fixture
def client(cluster):
    """Make the client the scheduler."""
    with cluster.as_current(), dask.config.set(scheduler=cluster):
        yield cluster


@pytest.fixture(params=["synchronous", "threads", "client"])
def scheduler(request):
    """Run under one scheduler after the other."""
    if request.param == "client":
        request.getfixturevalue("client")
        yield request.param
    else:
        with dask.config.set(scheduler=request.param):
            yield request.param


def _square(number):
    return number * number


def _add_up(numbers, more):
    return sum(numbers) + more


def _fail(number):
    raise ZeroDivisionError(f"task {number}")


def _total(handle):
    return int(handle.get().sum())


def test_results_come_in_order(scheduler):
    tasks = [runtime.task(_square, number) for number in range(20)]
    assert runtime.compute(tasks, "test") == [n * n for n in range(20)]
    assert runtime.compute([], "test") == []


def test_a_task_may_stand_in_a_list_of_arguments(scheduler):
    squares = [runtime.task(_square, number) for number in range(4)]
    assert runtime.compute([runtime.task(_add_up, squares, 100)], "test") == [114]


def test_what_is_kept_serves_later_tasks(scheduler):
    kept = runtime.persist([runtime.task(_square, number) for number in range(4)], "test")
    assert len(kept) == 4
    assert runtime.compute([runtime.task(_add_up, kept, 0)], "test") == [14]
    assert runtime.persist([], "test") == []


def test_handles_travel_with_tasks(scheduler):
    tasks = [runtime.task(_total, Shared(np.arange(n))) for n in range(5)]
    assert runtime.compute(tasks, "test") == [0, 0, 1, 3, 6]


@pytest.mark.parametrize("run", [runtime.compute, runtime.persist])
def test_the_error_of_a_task_comes_as_the_task_raised_it(scheduler, run):
    tasks = [runtime.task(_square, 1), runtime.task(_fail, 7)]
    with pytest.raises(ZeroDivisionError, match="task 7"):
        run(tasks, "test")


def test_equal_tasks_are_different_ones():
    assert runtime.task(_square, 1).key != runtime.task(_square, 1).key


def test_processes_run_tasks_and_read_handles_from_files(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "session_folder", lambda: str(tmp_path))
    with dask.config.set(scheduler="processes", num_workers=1):
        tasks = [runtime.task(Shared.get, Shared(np.arange(1000)))]  # importable anywhere
        assert runtime.compute(tasks, "test")[0].sum() == 499500


# ---------------------------------------------------------------- what the runtime knows


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [("synchronous", True), ("sync", True), ("threads", True), ("threading", True),
     ("processes", False), (None, True)],
)  # fmt: skip
def test_local_schedulers_run_in_this_process_or_not(scheduler, expected):
    with dask.config.set(scheduler=scheduler):
        assert runtime.client() is None
        assert runtime.in_process() is expected
        assert (runtime.storage() is None) is expected


def test_a_client_is_seen_and_its_workers_are_elsewhere(client):
    assert runtime.client() is client
    assert not runtime.in_process()
    assert runtime.storage() == shared.session_folder()
    assert runtime.parallelism() == 6


def test_a_scheduler_that_the_user_names_goes_before_a_client(client):
    with dask.config.set(scheduler="synchronous"):
        assert runtime.client() is None
        assert runtime.in_process()
        assert runtime.parallelism() == 1


def test_a_pool_of_threads_is_this_process():
    with concurrent.futures.ThreadPoolExecutor(3) as pool, dask.config.set(scheduler=pool):
        assert runtime.in_process()
        assert runtime.parallelism() == 3
        assert runtime.compute([runtime.task(_square, 3)], "test") == [9]


def test_parallelism_is_that_of_the_scheduler():
    with dask.config.set(scheduler="synchronous", num_workers=9):
        assert runtime.parallelism() == 1
    for scheduler in ("threads", "processes", None):
        with dask.config.set(scheduler=scheduler, num_workers=9):
            assert runtime.parallelism() == 9
        with dask.config.set(scheduler=scheduler, num_workers=None):
            assert runtime.parallelism() == dask.system.CPU_COUNT


def test_workers_on_several_hosts_need_a_storage_path(client, monkeypatch, tmp_path):
    hosts = {"tcp://10.0.0.1:4000": 2, "tcp://10.0.0.1:4001": 2, "tcp://10.0.0.2:4000": 2}
    monkeypatch.setattr(client, "nthreads", lambda: hosts)
    with pytest.raises(StorageError, match=r"2 hosts.*daskrec.storage-path"):
        runtime.storage()
    with dask.config.set({"daskrec.storage-path": str(tmp_path)}):
        assert runtime.storage().startswith(str(tmp_path))


def test_an_address_connects_for_as_long_as_the_context_lasts(cluster):
    assert runtime.client() is None
    with runtime.connected(cluster.scheduler.address):
        assert runtime.client() is not None
        assert runtime.compute([runtime.task(_square, 3)], "test") == [9]
    assert runtime.client() is None


def test_shuffles_keep_the_order_of_rows(client):
    assert runtime.shuffle_method() == "p2p"
    with dask.config.set(scheduler="threads"):
        assert runtime.shuffle_method() == "tasks"


def _blas_threads():
    pools = threadpool_info()
    return {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}


def test_tasks_in_threads_have_one_blas_thread_each():
    before = _blas_threads()
    with dask.config.set(scheduler="threads", num_workers=2):
        tasks = [runtime.task(_blas_threads) for _ in range(4)]
        assert runtime.compute(tasks, "test") == [{1}] * 4
    assert _blas_threads() == before


@pytest.mark.parametrize("thread", ["main", "other"])
def test_the_configuration_of_the_user_stays_as_it_is(scheduler, thread):
    before = copy.deepcopy({k: v for k, v in dask.config.config.items() if k != "scheduler"})
    tasks = [runtime.task(_square, 2)]
    if thread == "main":
        runtime.compute(tasks, "test")
    else:
        worker = threading.Thread(target=runtime.compute, args=(tasks, "test"))
        worker.start()
        worker.join()
    after = {k: v for k, v in dask.config.config.items() if k != "scheduler"}
    assert after == before
    assert "daskrec" not in after


# ------------------------------------------------------------------------------- merges


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=2), min_size=1, max_size=40))
def test_a_tree_merges_neighbours_in_order(words):
    assert runtime.tree_reduce(words, lambda a, b: a + b) == "".join(words)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, "0"), (2, "(01)"), (3, "((01)2)"), (5, "(((01)(23))4)"), (6, "(((01)(23))(45))")],
)
def test_the_form_of_a_tree_follows_from_the_number_of_parts_alone(count, expected):
    parts = [str(n) for n in range(count)]
    assert runtime.tree_reduce(parts, lambda a, b: f"({a}{b})") == expected
    assert parts == [str(n) for n in range(count)]


@pytest.mark.parametrize("count", [1, 2, 8, 9, 23, 40])
def test_merging_where_results_are_made_gives_the_same_tree(count):
    def join(left, right):
        return f"({left}{right})"

    parts = [str(n) for n in range(count)]
    tasks = [runtime.task(str, n) for n in range(count)]
    assert runtime.reduce(tasks, join, "joining") == runtime.tree_reduce(parts, join)


# ----------------------------------------------------------------------------- settings


def test_settings_have_defaults_and_follow_dask():
    assert config.get("storage-path") is None
    assert config.get("progress") == "auto"
    with dask.config.set({"daskrec.tile-bytes": "3 kB", "daskrec.share_limit": 17}):
        assert config.get_bytes("tile-bytes") == 3000
        assert config.get_bytes("share-limit") == 17
    assert config.get_bytes("share-limit") == 4 * 2**30
    with pytest.raises(KeyError):
        config.get("no-such-setting")
