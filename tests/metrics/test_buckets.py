"""Rows in storage by users: every row in one bucket, complete users, no file left behind."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.logs import random_log, with_empty_partitions

from daskrec.engine.shared import session_folder
from daskrec.metrics import NDCG, PerUser, buckets, evaluate, passes
from daskrec.metrics.columns import Names, Wanted, open_side


def side_of(frame: Any) -> Any:
    wanted = Wanted("the log", ("user", "item"), ("score", "category"))
    return open_side(frame, wanted, Names())


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("folder", [None, "local", "memory"])
def test_every_row_is_in_the_bucket_of_its_user(text, folder, tmp_path, monkeypatch) -> None:
    base = {None: None, "local": str(tmp_path), "memory": "memory://evaluations"}[folder]
    monkeypatch.setattr(buckets.runtime, "storage", lambda: base)
    monkeypatch.setattr(buckets, "_ROWS_PER_BUCKET", 50)
    log = random_log(rows=400)
    log["category"] = np.where(log["relevance"] > 2, "many", None)
    if text:
        log = log.assign(user_idx="u" + log["user_idx"].astype(str))
    scratch = buckets.Scratch()
    sides = {"a": side_of(with_empty_partitions(log, 5)), "b": side_of(log[::2])}
    sent, bounds = buckets.send(sides, scratch)
    assert len(bounds) > 4
    found, users = [], []
    for start, stop in buckets.ranges(bounds):
        rows = {name: pd.DataFrame(dict(one.rows(start, stop))) for name, one in sent.items()}
        found.append(rows["a"])
        users.append(set(rows["a"]["user"].astype(str)))
        assert set(rows["b"]["user"].astype(str)) <= users[-1]
    assert sum(len(each) for each in users) == log["user_idx"].nunique()
    got = pd.concat(found).astype({"user": str}).groupby("user", sort=True).agg(list)
    named = log.astype({"user_idx": str}).drop(columns="timestamp", errors="ignore")
    expected = named.groupby("user_idx", sort=True).agg(list)
    assert got["item"].tolist() == expected["item_idx"].tolist()  # in the order of the log
    assert got["score"].tolist() == expected["relevance"].tolist()


def test_buckets_follow_the_rows(monkeypatch) -> None:
    monkeypatch.setattr(buckets, "_ROWS_PER_BUCKET", 100)
    monkeypatch.setattr(buckets.runtime, "parallelism", lambda: 1)
    assert buckets._bounds(np.zeros(1024, np.int64)) == [0, 1024]
    load = np.ones(1024, np.int64)
    bounds = buckets._bounds(load)
    assert (np.diff(bounds) <= 100).all()
    load[5] = 10_000
    bounds = buckets._bounds(load)
    assert (bounds[0], bounds[1], bounds[-1]) == (0, 6, 1024)
    assert (np.diff(bounds[1:]) <= 100).all()


def test_ids_take_as_few_bytes_as_hold_them() -> None:
    (part,) = side_of(pd.DataFrame({"user_idx": [-1, 2], "item_idx": [2**40, 1]})).parts()
    assert (part["user"].dtype, part["item"].dtype) == (np.int32, np.int64)
    frame = pd.DataFrame({"user_idx": ["a"], "item_idx": [1], "relevance": [0.5]})
    (part,) = side_of(frame).parts()
    assert part["score"].dtype == np.float32
    assert pa.types.is_large_string(part["user"].type)


def evaluations() -> list[str]:
    return [path.name for path in Path(session_folder()).glob("evaluation-*")]


def test_no_file_is_left_behind(client, monkeypatch) -> None:
    recs, truth = (with_empty_partitions(random_log(seed=seed), 3) for seed in (1, 1))
    before = evaluations()
    found = evaluate(NDCG(), recs, truth, 5)
    assert evaluations() == before  # values were few enough to keep
    expected = found.mean("NDCG", 5), found.median("NDCG", 5)
    users, values = found.per_user("NDCG", 5)

    monkeypatch.setattr(passes, "_KEPT_BYTES", 0)
    found = evaluate(NDCG(), recs, truth, 5)
    assert len(evaluations()) == len(before) + 1
    assert (found.mean("NDCG", 5), found.median("NDCG", 5)) == pytest.approx(expected)
    del found
    gc.collect()
    assert evaluations() == before

    frame = NDCG(mode=PerUser())(recs, truth, 5)
    gc.collect()
    told = frame.compute().sort_values("user_idx")
    assert told["user_idx"].tolist() == users.tolist()
    np.testing.assert_allclose(told["value"], values)
