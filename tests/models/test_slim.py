"""SLIM: the numbers of the original, the optimum of its problem, and candidates."""

import logging
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from support.logs import L5, ORIGINAL, assert_same, random_log

from daskrec.models import SLIM

NO_TABLE = {"daskrec.dense-limit": "100 B"}


def weights(model: SLIM) -> dict[tuple[int, int], float]:
    return {(a, b): s for a, b, s in model.similarity.itertuples(index=False, name=None)}


def rated(users: int = 60, items: int = 30, rows: int = 700) -> pd.DataFrame:
    log = random_log(users, items, rows)
    return log.assign(relevance=1.0 + (log["user_idx"] * 7 + log["item_idx"]) % 5)


def split() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a log and two rows of each user who has more than three."""
    log = rated()
    log = log[log.groupby("user_idx")["item_idx"].transform("size") > 3]
    test = log.groupby("user_idx").head(2)
    return log.drop(test.index), test


@pytest.mark.filterwarnings("ignore:1 rows of the log repeat")
def test_the_numbers_of_the_original() -> None:
    model = SLIM(0.0, 0.01, seed=42).fit(ORIGINAL)
    published = {
        (0, 1): 0.60048005, (0, 2): 0.12882786, (0, 3): 0.12860215, (1, 0): 1.06810235,
        (1, 2): 0.23784898, (2, 0): 0.25165837, (2, 1): 0.26372437, (3, 0): 1.32888889,
    }  # fmt: skip
    optimum = [
        0.60038095, 0.12854701, 0.12860215, 1.0680226,
        0.23817664, 0.25175141, 0.26387302, 1.32888889,
    ]  # fmt: skip
    assert weights(model) == pytest.approx(published, abs=1e-3)
    found = weights(SLIM(0.0, 0.01, tol=1e-6).fit(ORIGINAL))
    assert found == pytest.approx(dict(zip(published, optimum, strict=True)), abs=1e-5)
    assert weights(model) == pytest.approx(found, abs=1e-5)


@pytest.mark.filterwarnings("ignore:1 rows of the log repeat")
def test_the_relevance_of_the_original() -> None:
    model = SLIM(0.0, 0.01, seed=42).fit(ORIGINAL)
    recs = model.predict(ORIGINAL, k=1).set_index("user_idx")["relevance"]
    published = [0.12860215, 0.60048005, 0.12860215]
    assert recs[[2, 1, 0]].tolist() == pytest.approx(published, abs=1e-3)
    # The original counts the repeated row of user 3 twice: .4955.
    assert recs[3] == pytest.approx(0.12882786 + 0.23784898, abs=1e-3)


def test_the_log_of_the_public_failures() -> None:
    recs = SLIM(seed=1).fit_predict(L5, k=1)
    assert recs["relevance"].tolist() == pytest.approx([0.47783] * len(recs), abs=1e-4)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (-0.1, 0.1), (0.1, -0.1)])
def test_wrong_weights_are_told(first: float, second: float) -> None:
    with pytest.raises(ValueError, match=r"beta|lambda_"):
        SLIM(first, second)


@pytest.mark.parametrize(
    "params", [{"top": 0}, {"num_candidates": 0}, {"tol": 0}, {"tol": 1.5}, {"max_iter": 0}]
)
def test_wrong_parameters_are_told(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(params))):
        SLIM(**params)


def test_a_seed_changes_nothing() -> None:
    log = rated()
    assert_same(SLIM().fit(log).similarity, SLIM(seed=5).fit(log).similarity)


@pytest.mark.parametrize("non_negative", [True, False])
def test_weights_of_the_whole_table_are_the_optimum(non_negative: bool) -> None:
    log = rated()
    n, items = log["user_idx"].nunique(), log["item_idx"].nunique()
    a = log.pivot(index="user_idx", columns="item_idx", values="relevance").fillna(0).to_numpy()
    codes = {item: code for code, item in enumerate(sorted(log["item_idx"].unique()))}
    model = SLIM(0.1, 0.02, non_negative=non_negative).fit(log)
    found = np.zeros((items, items))
    for (one, two), value in weights(model).items():
        found[codes[one], codes[two]] = value
    slope = a.T @ (a - a @ found) / n - 0.1 * found
    np.fill_diagonal(slope, 0)
    outside = slope if non_negative else np.abs(slope)
    far = np.where(found != 0, np.abs(slope - 0.02 * np.sign(found)), outside - 0.02)
    assert far.max() < 1e-5
    assert (found.min() < 0) is not non_negative


def test_the_users_are_what_the_weights_are_scaled_by() -> None:
    log = rated()
    again = log.assign(user_idx=log["user_idx"] + 1000)
    once, twice = (weights(SLIM(0.1, 0.02).fit(one)) for one in (log, pd.concat([log, again])))
    assert once == pytest.approx(twice, abs=1e-5)


def test_repeated_rows_add_up() -> None:
    log = rated()
    halves = pd.concat([log.assign(relevance=log["relevance"] / 2)] * 2)
    with pytest.warns(UserWarning, match="repeat"):
        found = SLIM().fit(halves)
    assert_same(found.similarity, SLIM().fit(log).similarity)


def test_all_items_as_candidates_are_the_whole_problem() -> None:
    log = rated()
    whole = weights(SLIM(0.1, 0.02, tol=1e-6).fit(log))
    with dask.config.set(NO_TABLE):
        found = weights(SLIM(0.1, 0.02, tol=1e-6, num_candidates=1000).fit(log))
    assert found == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("graded", [True, False])
def test_candidates_do_not_depend_on_the_table(graded: bool) -> None:
    log = rated() if graded else random_log()
    model = SLIM(0.1, 0.02, num_candidates=5, top=3)
    whole = weights(model.fit(log))
    with dask.config.set(NO_TABLE):
        assert weights(model.fit(log)) == pytest.approx(whole, abs=1e-5)
    received = pd.Series([target for _, target in whole]).value_counts()
    assert received.max() == 3


def test_a_large_catalogue_takes_candidates(caplog: pytest.LogCaptureFixture) -> None:
    with dask.config.set(NO_TABLE), caplog.at_level(logging.INFO, "daskrec"):
        SLIM().fit(rated())
    assert "dense-limit" in caplog.text


def test_c1_24_one_user_with_every_item() -> None:
    items = np.arange(5_003)
    rare = pd.DataFrame({"user_idx": 0, "item_idx": items, "relevance": 1.0})
    log = pd.concat([rare, L5[["user_idx", "item_idx", "relevance"]].iloc[2:]])
    with dask.config.set({"daskrec.dense-limit": "1 MiB"}):
        model = SLIM(num_candidates=5).fit(log)
    assert len(model.similarity) <= 5 * len(items)


def test_too_few_sweeps_warn() -> None:
    with pytest.warns(UserWarning, match="max_iter"):
        SLIM(1e-4, 1e-4, max_iter=1, tol=1e-9).fit(rated())


def test_relevance_beyond_float32_is_told() -> None:
    with pytest.raises(ValueError, match="relevance"):
        SLIM().fit(L5.assign(relevance=1e30))


def test_items_of_zeros_have_no_weights() -> None:
    model = SLIM().fit(L5.assign(relevance=[0.0, 1, 1, 1, 1]))
    assert not any(0 in pair for pair in weights(model))


def test_trials_share_the_table_and_find_what_fits_alone_find() -> None:
    train, test = split()
    model = SLIM()
    best = model.optimize(train, test, budget=3, seed=1)
    assert best is not None
    assert_same(model.similarity, SLIM(**best).fit(train).similarity)


def test_trials_with_candidates() -> None:
    train, test = split()
    borders = {"num_candidates": [2, 20], "non_negative": [True, False]}
    with dask.config.set(NO_TABLE):
        model = SLIM()
        best = model.optimize(train, test, budget=3, seed=1, param_borders=borders)
        assert best is not None
        assert_same(model.similarity, SLIM(**best).fit(train).similarity)


@pytest.mark.parametrize("limit", ["8 GiB", "100 B"])
def test_a_cluster_gives_the_same_weights(client: Any, limit: str) -> None:
    log = rated()
    model = SLIM(0.1, 0.02, num_candidates=6)
    with dask.config.set({"daskrec.dense-limit": limit}):
        there = model.fit(log).similarity
        with dask.config.set(scheduler="threads"):
            here = model.fit(log).similarity
    assert_same(there, here)
