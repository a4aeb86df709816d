"""Every model on frames of Spark: the rows that pandas gives, as frames of Spark."""

from typing import Any

import dask
import pytest
from support.cases import Case
from support.logs import as_kind, assert_same, kind_of, random_log

LOG = random_log(users=40, items=20, rows=400).astype({"user_idx": "int32"})


@pytest.fixture(autouse=True, params=["rows", "files"])
def crossing(request: Any, spark: Any) -> Any:
    """Read rows into this process, or files part by part."""
    limit = "512 MiB" if request.param == "rows" else 0
    with dask.config.set({"daskrec.collect-limit": limit}):
        yield request.param


def test_a_log_of_spark(case: Case) -> None:
    log = as_kind(LOG, "spark")
    model, plain = case.make().fit(log), case.make().fit(LOG)
    found = model.predict(log, 4)
    assert found.dtypes == [("user_idx", "int"), ("item_idx", "bigint"), ("relevance", "double")]
    assert_same(found, plain.predict(LOG, 4), case.tolerance)
    assert kind_of(model.fit_users) == "spark"
    some = LOG[["user_idx", "item_idx"]].iloc[::3]
    pairs = model.predict_pairs(as_kind(some, "spark"), log)
    assert_same(pairs, plain.predict_pairs(some, LOG), case.tolerance or 1e-6)


def test_users_and_items_that_a_frame_names(case: Case) -> None:
    users, items = LOG[["user_idx"]].iloc[:30], LOG[["item_idx"]].iloc[:60]
    model = case.make().fit(LOG)
    expected = model.predict(LOG, 3, users=users["user_idx"], items=items["item_idx"])
    found = model.predict(
        as_kind(LOG, "spark"), 3, as_kind(users, "spark"), as_kind(items, "spark")
    )
    assert_same(found, expected, case.tolerance)
