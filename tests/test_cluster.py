"""Work on a cluster of processes: small graphs, bounded memory, and workers that die."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from support.cases import CASES, Case
from support.logs import L5, assert_same, random_log

from daskrec import progress
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.log import Layout
from daskrec.engine.shared import RowShards, Shared
from daskrec.models import KNN, ALSWrap, AssociationRulesItemRec
from daskrec.models.asked import Catalogue


def _chunk(number: int, users: int) -> pd.DataFrame:
    rng = np.random.default_rng(number)
    mine = np.arange(number, users, 100)
    return pd.DataFrame({"user_idx": mine, "item_idx": rng.integers(0, 50, len(mine))})


def fitted_als(users: int, items: int, rank: int) -> ALSWrap:
    """Return an ALS model with random factors, as a fit would leave it."""
    rng = np.random.default_rng(0)
    model = ALSWrap(rank=rank)
    model.user_factors_ = RowShards.of(rng.random((users, rank), dtype=np.float32))
    model.item_factors_ = Shared(rng.random((items, rank), dtype=np.float32))
    known = ShardedIds.of(Ids(np.arange(users)))
    dtype = np.dtype(np.int64)
    layout = Layout("dask", user=dtype, item=dtype)
    nothing = np.empty(0, dtype=np.int64)
    model._catalogue = Catalogue(known, Shared(Ids(np.arange(items))), nothing, layout)
    return model


@pytest.mark.parametrize("on_cluster", [False, True])
def test_the_graph_of_a_large_model_is_small(on_cluster: bool, request: Any) -> None:
    if on_cluster:
        request.getfixturevalue("client")
    model = fitted_als(users=200_000, items=50, rank=200)  # 160 MB of factors
    log = dd.from_map(_chunk, range(100), users=200_000, meta=_chunk(0, 100).iloc[:0])
    recs = model.predict(log, 10)
    assert len(cloudpickle.dumps(recs)) < 1_000_000
    assert len(cloudpickle.dumps(dict(recs.dask))) < 1_000_000
    assert len(recs.partitions[0].compute()) > 0


def test_many_users_and_items_fit_a_small_worker() -> None:
    model = fitted_als(users=20_000, items=20_000, rank=8)  # 3.2 GB of scores in float64
    heavy = pd.DataFrame({"user_idx": 0, "item_idx": np.arange(10_000)})
    light = pd.DataFrame({"user_idx": np.arange(1, 20_000), "item_idx": 3})
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, memory_limit="1GB", dashboard_address=":0"
        ) as cluster,
        Client(cluster),
    ):
        log = dd.from_pandas(pd.concat([heavy, light]), npartitions=4)
        recs = model.predict(log, 10).compute()
    assert len(recs) == 200_000
    assert not (recs.user_idx.eq(0) & recs.item_idx.lt(10_000)).any()


def _kill_a_worker_soon(cluster: LocalCluster, delay: float) -> threading.Thread:
    def kill() -> None:
        time.sleep(delay)
        worker = next(iter(cluster.workers.values()))
        os.kill(worker.process.process.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.mark.parametrize("lazy", [False, True])
def test_a_killed_worker_changes_nothing(lazy: bool) -> None:
    log = random_log(users=3_000, items=400, rows=250_000)
    given = dd.from_pandas(log, npartitions=6) if lazy else log
    params = {"rank": 24, "seed": 3, "iterations": 30, "num_query_blocks": 6}
    with dask.config.set(scheduler="threads"):
        expected = ALSWrap(**params).fit(given).predict(log, 5)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        ALSWrap(**{**params, "iterations": 1}).fit(given)  # kernels are loaded
        pids = set(client.run(os.getpid).values())
        thread = _kill_a_worker_soon(cluster, delay=1.0)
        model = ALSWrap(**params).fit(given)
        assert not thread.is_alive(), "the fit was over before the worker was killed"
        thread.join()
        client.wait_for_workers(2, timeout=60)
        assert set(client.run(os.getpid).values()) != pids
        found = model.predict(log, 5)
    assert_same(found, expected, tolerance=1e-4)


# The stage of each model in which a worker dies, besides that which builds the blocks.
STAGES = {
    "AssociationRulesItemRec": "rules",
    "ClusterRec": "counting items",
    "KNN": "similarities",
    "UserPopRec": "keeping interactions",
}


@contextmanager
def _dying_worker(cluster: LocalCluster, stage: str, monkeypatch: Any) -> Iterator[list[int]]:
    """Kill a worker when the first task of a stage has come back."""
    bar, killed = progress.bar, []

    @contextmanager
    def watched(label: str, total: int) -> Iterator[Callable[[], None]]:
        with bar(label, total) as step:

            def step_or_kill() -> None:
                step()
                if label == stage and not killed:
                    killed.append(next(iter(cluster.workers.values())).process.process.pid)
                    os.kill(killed[0], signal.SIGKILL)

            yield step_or_kill

    with monkeypatch.context() as patch:
        patch.setattr("daskrec.progress.bar", watched)
        yield killed


@pytest.fixture(scope="module")
def mortal() -> Iterator[LocalCluster]:
    """A cluster whose workers may be killed: they are started again."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("case", [c for c in CASES if hasattr(c.model, "update")], ids=str)
def test_a_worker_killed_in_mid_fit_changes_nothing(
    case: Case, late: bool, mortal: LocalCluster, monkeypatch: Any
) -> None:
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 100)
    monkeypatch.setattr("daskrec.models.item_pairs._WORTH_A_RANGE", 100)
    log = dd.from_pandas(random_log(rows=1_500), npartitions=6)
    with dask.config.set(scheduler="threads"):
        expected = case.make().fit(log).predict(log, 5)
    stage = STAGES.get(case.model.__name__, "counting items") if late else "building blocks"
    mortal.scale(2)  # a nanny at times gives up with its worker
    with Client(mortal) as client:
        client.wait_for_workers(2, timeout=60)
        with _dying_worker(mortal, stage, monkeypatch) as killed:
            model = case.make().fit(log)
        assert killed
        assert_same(model.predict(log, 5), expected, case.tolerance)


def test_a_user_with_200_000_items_fits_a_worker_of_4_gb() -> None:
    """C1-24: a naive self-join has 2e10 pairs of this user, a dense table 320 GB."""
    heavy = pd.DataFrame({"user_idx": 0, "item_idx": np.arange(3, 200_003), "relevance": 1})
    log = dd.from_pandas(pd.concat([L5[heavy.columns], heavy]), npartitions=4)
    models = (
        (KNN(10), "users have more than 10000 items: 190002"),
        (AssociationRulesItemRec(min_item_count=1, min_pair_count=1), "190002 of their"),
    )
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, memory_limit="4GB", dashboard_address=":0"
        ) as cluster,
        Client(cluster),
    ):
        for model, text in models:
            with pytest.warns(UserWarning, match=text):
                model.fit(log)
            near = model.get_nearest_items([1, 100_000], 5)
            assert np.isfinite(near.compute().iloc[:, 2]).all()
            lists = model._neighbour_lists().get()
            kept = 10 if isinstance(model, KNN) else 1000
            assert np.diff(lists.indptr).max() == kept
            assert lists.nnz == pytest.approx(kept * 10_000, rel=0.01)


def test_calls_on_frames_in_memory_leave_no_blocks_in_storage(client: Client) -> None:
    from daskrec.engine import shared

    log = random_log(seed=11)
    model = KNN(3).fit(log)
    model.predict(log, 2)
    folder = Path(shared.session_folder())
    before = sum(1 for _ in folder.iterdir())
    for _ in range(3):
        model.predict(log, 2)
    assert sum(1 for _ in folder.iterdir()) == before
