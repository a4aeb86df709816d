"""MovieLens 1M through every door: the same rows from all of them."""

from pathlib import Path

import dask
import dask.dataframe as dd
import pandas as pd
import pytest
from support.logs import as_kind, assert_same, to_pandas
from typer.testing import CliRunner

from daskrec.cli import app
from daskrec.models import KNN, ALSWrap, PopRec

pytestmark = pytest.mark.data

MODELS = {
    "pop": (PopRec, {}, None),
    "knn": (KNN, {"num_neighbours": 100}, None),
    "als": (ALSWrap, {"rank": 64, "seed": 0}, 1e-4),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_door_leads_to_the_same_rows(
    name: str, data: Path, tmp_path: Path, two_processes
) -> None:
    model, params, tolerance = MODELS[name]
    path = data / "ml-1m" / "ratings.parquet"
    log = pd.read_parquet(path)
    expected = model(**params).fit_predict(log, 10)
    assert expected.groupby("user_id").size().tolist() == [10] * 6_040

    out = tmp_path / "recs.parquet"
    options = [word for key, value in params.items() for word in ("--param", f"{key}={value}")]
    run = CliRunner().invoke(app, ["recommend", str(path), "-m", name, "-o", str(out), *options])
    assert run.exit_code == 0
    assert_same(pd.read_parquet(out), expected, tolerance)

    for kind in ("polars", "arrow"):
        assert_same(model(**params).fit_predict(as_kind(log, kind), 10), expected, tolerance)
    for npartitions in (1, 7, 40):
        lazy = dd.from_pandas(log, npartitions=npartitions)
        assert_same(model(**params).fit_predict(lazy, 10), expected, tolerance)
    with dask.config.set(scheduler="synchronous"):
        assert_same(model(**params).fit_predict(log, 10), expected, tolerance)

    from distributed import Client

    with Client(two_processes):
        # By path: a frame in memory would be embedded in the graph.
        for given in (log, dd.read_parquet(path).repartition(npartitions=7)):
            assert_same(to_pandas(model(**params).fit_predict(given, 10)), expected, tolerance)
