"""Every model on cuDF frames: the rows that pandas gives, as cuDF frames."""

import dask
import dask.dataframe as dd
import pyarrow as pa
import pytest
from support.backends import StrictBackend, at_hand
from support.cases import Case
from support.logs import assert_same, random_log, with_empty_partitions

from daskrec.data import frames

LOG = random_log(users=40, items=20, rows=400)


@pytest.fixture(autouse=True, params=["read on the host", "read on the GPU"])
def device(request, monkeypatch):
    """Say where the stand-in's columns are read; those of cuDF lie on a GPU."""
    stand_in = "stand-in" in request.node.name
    if request.param == "read on the host":
        with dask.config.set({"daskrec.device": "cpu"}):
            yield
    elif stand_in:
        with at_hand(StrictBackend(), monkeypatch):
            yield
    else:
        yield


def of_cudf(frame, cudf):
    return cudf.DataFrame.from_arrow(pa.Table.from_pandas(frame, preserve_index=False))


def test_a_frame_in_memory(case: Case, cudf) -> None:
    log = of_cudf(LOG, cudf)
    model = case.make().fit(log)
    found = model.predict(log, 4)
    assert frames.kind_of(found).name == "cudf"
    assert found["user_idx"].dtype == "int64"
    users = model.fit_users
    assert frames.kind_of(users).name == "cudf"
    assert_same(found.to_pandas(), case.make().fit(LOG).predict(LOG, 4), case.tolerance)


@pytest.mark.parametrize("npartitions", [1, 7])
def test_partitions(case: Case, cudf, npartitions: int) -> None:
    log = with_empty_partitions(LOG, npartitions)
    log = log.map_partitions(of_cudf, cudf, meta=of_cudf(LOG.head(0), cudf))
    found = case.make().fit(log).predict(log, 4)
    assert isinstance(found, dd.DataFrame)
    with dask.config.set(scheduler="threads"):
        parts = dask.compute(*found.to_delayed())
    assert {frames.kind_of(part).name for part in [found._meta, *parts]} == {"cudf"}
    rows = dd.concat([dd.from_pandas(part.to_pandas(), npartitions=1) for part in parts])
    assert_same(rows.compute(), case.make().fit(LOG).predict(LOG, 4), case.tolerance)
