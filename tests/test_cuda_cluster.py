"""A cluster with a worker for each GPU is a client like any other."""

from typing import Any

import dask.dataframe as dd
import pyarrow as pa
import pytest
from support.logs import assert_same, random_log

from daskrec.data import frames
from daskrec.models import EASE, KNN, ALSWrap, PopRec

pytestmark = pytest.mark.gpu(library="dask_cuda")
LOG = random_log(users=200, items=60, rows=4000)
MODELS = [PopRec(), KNN(5), EASE(10.0), ALSWrap(rank=8, seed=1)]


@pytest.fixture(scope="module")
def client() -> Any:
    """A client of the cluster that the README shows."""
    from dask_cuda import LocalCUDACluster
    from distributed import Client

    settings = {
        "rmm_pool_size": 0.5,  # other tests of this process hold some of the card
        "enable_cudf_spill": True,
        "rmm_allocator_external_lib_list": ["cupy"],
        "dashboard_address": ":0",
    }
    with LocalCUDACluster(**settings) as cluster, Client(cluster) as connected:
        yield connected


def _on_gpu(frame: Any) -> Any:
    import cudf

    return cudf.DataFrame.from_arrow(pa.Table.from_pandas(frame, preserve_index=False))


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("kind", ["cudf", "pandas"])
def test_the_rows_of_one_process(client: Any, model: Any, kind: str) -> None:
    expected = type(model)(**model.get_params()).fit(LOG).predict(LOG, 4)
    log = dd.from_pandas(LOG, npartitions=5)
    if kind == "cudf":
        log = log.map_partitions(_on_gpu, meta=_on_gpu(LOG.head(0)))
    found = model.fit(log).predict(log, 4)
    assert frames.kind_of(found._meta).name == kind
    rows = found.map_partitions(_on_host, meta=expected.head(0)).compute()
    assert_same(rows, expected, 1e-4)


def _on_host(frame: Any) -> Any:
    return frame.to_pandas() if hasattr(frame, "to_pandas") else frame
