"""Fixtures of the whole suite."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import gpus
from support.cases import CASES, Case


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    gpus.skip_without(items)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    gpus.summary(terminalreporter)


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    """Each model of the contract suite."""
    return request.param


@pytest.fixture(scope="session")
def two_processes() -> Iterator[Any]:
    """A cluster of two worker processes on this machine."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit="3GiB"
    ) as cluster:
        yield cluster


@pytest.fixture
def client(two_processes: Any) -> Iterator[Any]:
    """A client of the cluster, which tasks go to as long as the test runs."""
    from distributed import Client

    with Client(two_processes) as connected:
        yield connected


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data sets."""
    folder = os.environ.get("DASKREC_DATA")
    if not folder:
        pytest.skip("DASKREC_DATA names no folder of data sets")
    return Path(folder)


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A local session of Spark."""
    from support import spark

    spark.require()
    with spark.session() as started:
        yield started


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.gpu(library="cudf"))])
def cudf(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return cuDF, or what stands in for it where there is no GPU."""
    if request.param == "real":
        yield pytest.importorskip("cudf")
    else:
        from support import fake_cudf

        with fake_cudf.installed(monkeypatch) as module:
            yield module
