"""Fallback: the numbers of the original, full lists, and every kind of frame."""

from pathlib import Path
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from support.logs import (
    KINDS,
    ORIGINAL,
    as_kind,
    assert_same,
    kind_of,
    random_log,
    to_pandas,
    with_empty_partitions,
)

import daskrec
from daskrec.errors import FormatError, NotFittedError
from daskrec.models import KNN, ALSWrap, ClusterRec, PopRec, RandomRec
from daskrec.scenarios import Fallback, fallback, load

COLUMNS = ["user_idx", "item_idx", "relevance"]
BASE = pd.DataFrame([(1, 1, 1.0)], columns=COLUMNS)
FILL = pd.DataFrame([(1, 1, 1.0), (1, 2, 2.0), (2, 1, 1.0)], columns=COLUMNS)
ONCE = ORIGINAL.drop_duplicates(["user_idx", "item_idx"], ignore_index=True)
LOG = random_log(users=60, items=30, rows=700)
SOURCES = [*KINDS, 1, 7, 40]


def source(frame: pd.DataFrame, how: Any) -> Any:
    return as_kind(frame, how) if isinstance(how, str) else with_empty_partitions(frame, how)


def rows(frame: Any) -> list[tuple[Any, ...]]:
    found = to_pandas(frame).sort_values(["user_idx", "relevance"], ascending=[True, False])
    return [tuple(row) for row in found.round(10).itertuples(index=False)]


@pytest.mark.parametrize("how", SOURCES)
def test_lists_are_filled_below_what_they_hold(how: Any) -> None:
    result = fallback(source(BASE, how), source(FILL, how), k=2)
    assert kind_of(result) == (how if isinstance(how, str) else "dask")
    assert list(to_pandas(result).columns) == COLUMNS
    assert rows(result) == [(1, 1, 1.0), (1, 2, 0.9), (2, 1, -0.1)]


def test_nothing_to_fill_with_and_nothing_to_fill() -> None:
    assert fallback(BASE, None, k=2) is BASE
    assert rows(fallback(BASE.iloc[:0], FILL, k=1)) == [(1, 2, 2.0), (2, 1, 1.0)]
    assert rows(fallback(BASE, FILL.iloc[:0], k=1)) == rows(BASE)
    assert rows(fallback(BASE, FILL.assign(relevance=0.5), k=5)) == [
        (1, 1, 1.0),
        (1, 2, 0.5),
        (2, 1, 0.5),
    ]


def test_kinds_may_be_mixed() -> None:
    expected = rows(fallback(BASE, FILL, 2))
    for left in KINDS:
        for right in KINDS:
            result = fallback(as_kind(BASE, left), as_kind(FILL, right), 2)
            assert kind_of(result) == left
            assert rows(result) == expected


def test_ids_and_names_come_back_as_they_came() -> None:
    names = {"user_idx": "user_id", "item_idx": "item_id", "relevance": "rating"}
    types = {"user_idx": np.int32, "item_idx": str}
    result = fallback(BASE.astype(types).rename(columns=names), FILL.astype(types), 2)
    assert list(result.columns) == list(names.values())
    assert result["user_id"].dtype == np.int32
    assert result["item_id"].tolist() == ["1", "2", "1"]


def test_main_serves_users_with_enough_rows() -> None:
    model = Fallback(KNN(), threshold=3)
    assert str(model) == "Fallback(KNN, PopRec)"
    assert isinstance(model.fallback_model, PopRec)
    assert model.fallback_model is not Fallback(KNN()).fallback_model
    model.fit(ONCE)
    assert model.main_model.users_count == 2  # users 0 and 2 have three rows
    assert model.fallback_model.users_count == 4
    result = to_pandas(model.predict(ONCE, k=1))
    assert result["user_idx"].tolist() == [0, 1, 2, 3]
    assert result["item_idx"].tolist() == [3, 1, 3, 2]


def plain(threshold: int, k: int, filter_seen: bool, users: list[int] | None) -> pd.DataFrame:
    """What Fallback does, by hand, for KNN and PopRec."""
    counts = LOG.groupby("user_idx").size()
    hot = counts[counts >= threshold].index
    asked = sorted(LOG["user_idx"].unique()) if users is None else users
    main = KNN().fit(LOG[LOG["user_idx"].isin(hot)])
    base = main.predict(LOG, k, [u for u in asked if u in hot], None, filter_seen)
    fill = PopRec().fit(LOG).predict(LOG, k, asked, None, filter_seen)
    move = fill["relevance"].max() - base["relevance"].min()
    fill["relevance"] -= move + 0.1 if move >= 0 else 0
    both = pd.concat([base, fill]).drop_duplicates(["user_idx", "item_idx"])
    both = both.sort_values(["user_idx", "relevance", "item_idx"], ascending=[True, False, True])
    place = both.groupby("user_idx").cumcount()
    return both[place < k].reset_index(drop=True)


@pytest.mark.parametrize("how", SOURCES)
@pytest.mark.parametrize(
    ("threshold", "filter_seen", "users"), [(12, True, None), (0, False, None), (12, True, [8, 5])]
)
def test_every_kind_and_cut_gives_the_same_lists(
    how: Any, threshold: int, filter_seen: bool, users: list[int] | None
) -> None:
    given = source(LOG, how)
    model = Fallback(KNN(), threshold=threshold).fit(given)
    result = model.predict(given, 6, users=users, filter_seen_items=filter_seen)
    assert kind_of(result) == kind_of(given)
    expected = plain(threshold, 6, filter_seen, sorted(users) if users else None)
    pd.testing.assert_frame_equal(to_pandas(result), expected, check_dtype=False)


def test_lists_are_full_where_items_are_left() -> None:
    model = Fallback(KNN(num_neighbours=1), threshold=5).fit(LOG)
    alone = model.main_model.predict(LOG, 20, users=model.main_model.fit_users)
    had = LOG.groupby("user_idx").size()
    left = (LOG["item_idx"].nunique() - had).clip(upper=20)
    assert (alone.groupby("user_idx").size().reindex(had.index, fill_value=0) < left).any()
    result = model.predict(LOG, 20)
    assert result.groupby("user_idx").size().tolist() == left.tolist()
    seen = LOG.merge(result, on=["user_idx", "item_idx"])
    assert seen.empty
    assert not result.duplicated(["user_idx", "item_idx"]).any()


def test_newcomers_are_served_by_the_fallback_model() -> None:
    model = Fallback(ALSWrap(rank=4, seed=0), threshold=2).fit(ONCE)
    assert model.can_predict_cold_users
    result = model.predict(ONCE, 2, users=[77, 0], items=[0, 1, 3])
    assert result["user_idx"].tolist() == [0, 77, 77]
    assert result["item_idx"].tolist() == [3, 0, 1]
    without = model.predict(None, 1, users=[0, 77])
    assert without["user_idx"].tolist() == [0, 77]


def test_unknown_items_are_told_of_once() -> None:
    model = Fallback(KNN()).fit(ONCE)
    with pytest.warns(UserWarning, match="1 items are not known") as told:
        model.predict(ONCE, 2, items=[0, 99])
    assert len(told) == 1


def test_files_instead_of_a_frame(tmp_path: Path) -> None:
    model = Fallback(KNN(), threshold=8).fit(LOG)
    expected = model.predict(LOG, 4)
    path = tmp_path / "recs.parquet"
    assert model.predict(LOG, 4, recs_file_path=path) is None
    assert_same(pd.read_parquet(path), expected)
    lazy = with_empty_partitions(LOG, 5)
    assert model.predict(lazy, 4, recs_file_path=tmp_path / "parts.parquet") is None
    assert_same(pd.read_parquet(tmp_path / "parts.parquet"), expected)
    (tmp_path / "log.parquet").parent.mkdir(exist_ok=True)
    LOG.to_parquet(tmp_path / "log.parquet")
    by_path = Fallback(KNN(), threshold=8).fit_predict(str(tmp_path / "log.parquet"), 4)
    assert_same(by_path, expected)


@pytest.mark.parametrize("how", SOURCES)
def test_pairs(how: Any) -> None:
    given = source(LOG, how)
    model = Fallback(KNN(), threshold=12).fit(given)
    pairs = LOG[["user_idx", "item_idx"]].sample(80, random_state=1).reset_index(drop=True)
    result = to_pandas(model.predict_pairs(source(pairs, how), given))
    counts = LOG.groupby("user_idx").size()
    hot = pairs[pairs["user_idx"].map(counts) >= 12]
    base = model.main_model.predict_pairs(hot, LOG).set_index(["user_idx", "item_idx"])
    fill = model.fallback_model.predict_pairs(pairs, LOG).set_index(["user_idx", "item_idx"])
    move = fill["relevance"].max() - base["relevance"].min()
    fill["relevance"] -= move + 0.1 if move >= 0 else 0
    expected = base["relevance"].combine_first(fill["relevance"])
    found = result.set_index(["user_idx", "item_idx"])["relevance"].sort_index()
    pd.testing.assert_series_equal(found, expected.sort_index())
    best = to_pandas(model.predict_pairs(source(pairs, how), given, k=1))
    assert best["user_idx"].is_unique
    assert len(best) == pairs["user_idx"].nunique()


def test_models_of_features_get_them() -> None:
    features = pd.DataFrame({"user_idx": [0, 1, 2, 3, 9], "age": [1.0, 1, 50, 50, 50]})
    model = Fallback(KNN(), ClusterRec(num_clusters=2, seed=0), threshold=3)
    result = model.fit_predict(ONCE, 2, users=[0, 9], user_features=features)
    assert result["user_idx"].tolist() == [0, 9, 9]


def test_parameters_are_those_of_the_models_too() -> None:
    model = Fallback(KNN(num_neighbours=3), threshold=2)
    params = model.get_params()
    assert params["main_model__num_neighbours"] == 3
    assert params["threshold"] == 2
    again = clone(model.set_params(main_model__shrink=7.0, threshold=4))
    assert again.main_model is not model.main_model
    assert (again.main_model.shrink, again.threshold) == (7.0, 4)
    assert again.main_model.num_neighbours == 3
    with pytest.raises(ValueError, match="no parameter"):
        model.set_params(first__shrink=1)
    with pytest.raises(ValueError, match="threshold must be a whole number"):
        Fallback(KNN(), threshold=-1)
    with pytest.raises(ValueError, match="main_model must be a model"):
        Fallback(None)


def test_an_unfitted_model_says_so() -> None:
    with pytest.raises(NotFittedError, match=r"Fallback\(KNN, PopRec\) is not fitted"):
        Fallback(KNN()).predict(ONCE, 1)


def test_saved_and_loaded(tmp_path: Path) -> None:
    inner = Fallback(KNN(), RandomRec(seed=1))
    model = Fallback(ALSWrap(rank=4, seed=0), inner, threshold=8).fit(LOG)
    model.save(tmp_path / "model")
    again = daskrec.load(tmp_path / "model")
    assert str(again) == "Fallback(ALSWrap, Fallback(KNN, RandomRec))"
    assert again.threshold == 8
    assert_same(again.predict(LOG, 5), model.predict(LOG, 5))
    with pytest.raises(FileExistsError):
        model.save(tmp_path / "model")
    model.save(tmp_path / "model", overwrite=True)
    assert not [
        path for path in (tmp_path / "model").rglob("*") if path.suffix in {".pkl", ".joblib"}
    ]
    with pytest.raises(NotFittedError):
        Fallback(KNN()).save(tmp_path / "other")
    model.main_model.save(tmp_path / "plain")
    assert isinstance(load(tmp_path / "plain"), ALSWrap)
    assert daskrec.load(tmp_path / "model" / "main_model").rank == 4
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError):
        load(tmp_path / "empty")


def test_optimize_returns_the_parameters_of_both() -> None:
    pytest.importorskip("optuna")
    test = LOG.groupby("user_idx", as_index=False).nth(0)
    train = LOG.drop(test.index)
    model = Fallback(KNN(), threshold=6)
    borders = {"main": {"num_neighbours": [2, 5]}}
    main, other = model.optimize(train, test, param_borders=borders, k=5, budget=2, seed=1)
    assert other is None
    assert 2 <= main["num_neighbours"] <= 5
    assert model.main_model.num_neighbours == main["num_neighbours"]
    assert len(model.predict(train, 3)) == 3 * train["user_idx"].nunique()
    both = Fallback(KNN(), RandomRec(seed=1), threshold=1)
    found = both.optimize(train, test, k=5, budget=1, seed=1)
    assert set(found[0]) >= {"num_neighbours", "shrink"}
    assert "distribution" in found[1]
    with pytest.raises(ValueError, match="it may have 'main' and 'fallback'"):
        both.optimize(train, test, param_borders={"first": {}})


def test_lists_of_workers(client: Any) -> None:
    expected = plain(12, 4, True, None)
    lazy = with_empty_partitions(LOG, 4)
    result = Fallback(KNN(), threshold=12).fit_predict(lazy, 4)
    pd.testing.assert_frame_equal(to_pandas(result), expected, check_dtype=False)
    assert isinstance(result, dd.DataFrame)
    in_memory = Fallback(KNN(), threshold=12).fit(lazy).predict(LOG, 4)
    pd.testing.assert_frame_equal(in_memory, expected, check_dtype=False)
