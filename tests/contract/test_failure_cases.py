"""Inputs that libraries of this kind were seen to fail on, and the right answer to each."""

import re
import warnings

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from support import adapted
from support.cases import Case
from support.logs import COLUMNS, L5, as_kind, assert_same

from daskrec.errors import LogError

CALLERS = {__file__, adapted.__file__}


def more(*rows: tuple) -> pd.DataFrame:
    return pd.concat([L5, pd.DataFrame(list(rows), columns=COLUMNS)], ignore_index=True)


def test_c1_01_a_user_who_had_everything_has_no_rows(case: Case) -> None:
    log = more((2, 0, 1, 6), (2, 1, 1, 7))
    model = case.make().fit(log)
    recs = model.predict(log, 2, users=[2])
    if not case.filters:
        assert len(recs) == 2
        return
    assert len(recs) == 0
    assert recs.dtypes.tolist() == [np.int64, np.int64, np.float64]
    assert set(model.predict(log, 2).user_idx) == {0, 1}


def test_c1_02_k_beyond_the_catalogue(case: Case) -> None:
    model = case.make().fit(L5)
    for filtered in (True, False) if case.filters else (False,):
        recs = model.predict(L5, 100, filter_seen_items=filtered)
        assert not recs.duplicated(["user_idx", "item_idx"]).any()
        assert recs.groupby("user_idx").size().max() <= 3
    if model.can_predict_item_to_item:
        near = model.get_nearest_items([0], 100)
        assert 0 not in near.neighbour_item_idx.tolist()
        assert len(near) <= 2


def test_c1_03_ties_have_one_order(case: Case) -> None:
    one, three = (case.make().fit_predict(L5, k) for k in (1, 3))
    if not case.sampled:
        assert_same(one, three.groupby("user_idx").head(1).reset_index(drop=True))
    lazy = case.make().fit_predict(dd.from_pandas(L5, npartitions=4), 3)
    assert_same(lazy, three, case.tolerance)


def test_c1_04_an_empty_list_is_not_everybody(case: Case) -> None:
    model = case.make().fit(L5)
    for nothing in ([], pd.DataFrame({"user_idx": []}), np.array([], dtype=np.int64)):
        assert len(model.predict(L5, 1, users=nothing)) == 0
    assert len(model.predict(L5, 1, items=[])) == 0


def test_c1_06_string_ids(case: Case) -> None:
    log = L5.assign(user_idx=["a", "a", "b", "b", "c"])
    recs = case.make().fit_predict(log, 1)
    expected = case.make().fit_predict(L5, 1)
    if case.draws:  # by ids, which are others here
        assert set(recs.user_idx) <= {"a", "b", "c"}
        assert len(recs) == len(expected)
        return
    assert recs.user_idx.tolist() == [["a", "b", "c"][user] for user in expected.user_idx]
    assert recs.item_idx.tolist() == expected.item_idx.tolist()


def test_c1_07_gaps_and_large_ids(case: Case) -> None:
    users, items = {0: 10, 1: 40, 2: 2_000_000_000}, {0: 10, 1: 20, 2: 4_000_000_000}
    log = L5.assign(user_idx=L5.user_idx.map(users), item_idx=L5.item_idx.map(items))
    recs = case.make().fit_predict(log, 3)
    expected = case.make().fit_predict(L5, 3)
    expected = expected.assign(
        user_idx=expected.user_idx.map(users), item_idx=expected.item_idx.map(items)
    )
    if case.draws:  # by ids, which are others here
        assert set(recs.user_idx) <= set(users.values())
        assert set(recs.item_idx) <= set(items.values())
        return
    assert_same(recs, expected)


def test_c1_08_fractional_ids(case: Case) -> None:
    whole = L5.astype({"user_idx": float})
    assert_same(case.make().fit_predict(whole, 2), case.make().fit_predict(L5, 2))
    half = whole.assign(user_idx=[0, 0.5, 1, 1, 2.0])
    with pytest.raises(LogError, match=r"fractional.*'user_idx' in 1 row .*0\.5"):
        case.make().fit(half)
    gap = whole.assign(user_idx=[0, np.nan, 1, 1, 2.0])
    for log in (gap, dd.from_pandas(gap, npartitions=2)):
        with pytest.raises(LogError, match="missing ids in column 'user_idx' in 1 row"):
            case.make().fit(log)


def test_c1_09_repeated_rows_are_one_interaction(case: Case) -> None:
    log = more((0, 0, 1, 1))
    with pytest.warns(UserWarning, match=r"^1 rows of the log repeat") as caught:
        model = case.make().fit(log)
    assert len(caught) == 1
    assert caught[0].filename in CALLERS
    if case.counts_rows:
        return  # what a row more means is told by the tests of the model
    summed = L5.assign(relevance=[2, 1, 1, 1, 1])
    assert_same(model.predict(log, 3), case.make().fit(summed).predict(summed, 3))


def test_c1_10_relevance_that_is_no_number(case: Case) -> None:
    for value, word in ((np.nan, "missing"), (np.inf, "infinite"), (-np.inf, "infinite")):
        log = L5.assign(relevance=[1, value, 1, 1, 1.0])
        text = re.compile(
            f"{word} relevance in column 'relevance' in 1 row .*user_idx=0 item_idx=1"
        )
        for kind in ("pandas", "polars", "arrow", "dask"):
            with pytest.raises(LogError, match=text):
                case.make().fit(as_kind(log, kind))


def test_all_faults_are_told_in_one_error(case: Case) -> None:
    log = L5.assign(
        user_idx=[0, np.nan, 1, 1.5, 2], item_idx=[np.nan] * 2 + [1, 2, 2.0], relevance=np.inf
    )
    for given in (log, dd.from_pandas(log, npartitions=3)):
        with pytest.raises(LogError) as error:
            case.make().fit(given)
        text = str(error.value)
        assert "missing ids in column 'user_idx' in 1 row;" in text
        assert "missing ids in column 'item_idx' in 2 rows" in text
        assert "fractional or inexact ids in column 'user_idx' in 1 row (first: 1.5)" in text
        assert "infinite relevance in column 'relevance' in 5 rows" in text


def test_c1_11_items_of_zero_weight_give_finite_scores(case: Case) -> None:
    log = L5.assign(relevance=[0.0, 1, 0, 1, 1], user_idx=[0, 0, 1, 1, 2])
    model = case.make().fit(log)
    assert np.isfinite(model.predict(log, 3).relevance).all()
    if model.can_predict_item_to_item:
        near = model.get_nearest_items([0, 1, 2], 5)
        assert np.isfinite(near[near.columns[2]]).all()
        if case.params.get("use_relevance"):
            assert 0 not in near[["item_idx", "neighbour_item_idx"]].to_numpy()


def test_c1_12_negative_and_zero_relevance(case: Case) -> None:
    for relevance in ([-1, 1, 1, 1, 1], [0] * 5):
        log = L5.assign(relevance=np.array(relevance, dtype=float))
        recs = case.make().fit_predict(log, 3, filter_seen_items=False)
        assert np.isfinite(recs.relevance).all()


def test_c1_14_cold_users_and_items(case: Case) -> None:
    model = case.make().fit(L5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recs = model.predict(L5, 1, users=[0, 9])
        scored = model.predict_pairs(
            pd.DataFrame({"user_idx": [0, 9, 0, 0], "item_idx": [2, 0, 99, 2]}), L5
        )
        nothing = model.predict(L5, 1, items=[99])
    if not model.can_predict_cold_users:
        assert set(recs.user_idx) == {0}
    assert np.isfinite(recs.relevance).all()
    assert np.isfinite(scored.relevance).all()
    if model.can_predict_cold_items:
        assert set(nothing.item_idx) == {99}
        assert sorted(scored.item_idx[scored.user_idx == 0]) == [2, 99]
        return
    assert 99 not in scored.item_idx.tolist()
    assert scored.item_idx[scored.user_idx == 0].tolist() == [2] * case.filters
    assert len(nothing) == 0


def test_a_user_who_comes_with_the_log_of_predict(case: Case) -> None:
    model = case.make().fit(L5)
    newcomer = pd.DataFrame({"user_idx": [7], "item_idx": [1]})
    if model.can_predict_cold_users:
        recs = model.predict(newcomer, 3)
        assert set(recs.user_idx) == {7}
        assert 1 not in recs.item_idx.tolist()
        return
    with pytest.warns(UserWarning, match="1 users of the log are not known"):
        assert len(model.predict(newcomer, 3)) == 0


def test_c1_16_empty_partitions(case: Case) -> None:
    expected = case.make().fit(L5).predict(L5, 2, users=[0])
    wide = dd.from_pandas(L5, npartitions=5)
    model = case.make().fit(wide)
    assert_same(model.predict(wide[wide.user_idx == 0], 2), expected, case.tolerance)
    many = dd.concat([dd.from_pandas(L5.iloc[:0], npartitions=1), wide]).repartition(npartitions=50)
    assert_same(case.make().fit(many).predict(many, 2, users=[0]), expected, case.tolerance)


def test_an_empty_log_is_an_error_and_an_empty_history_is_none(case: Case) -> None:
    for empty in (L5.iloc[:0], dd.from_pandas(L5.iloc[:0], npartitions=1)):
        with pytest.raises(LogError, match="no rows"):
            case.make().fit(empty)
    model = case.make().fit(L5)
    assert len(model.predict(L5.iloc[:0], 2)) == 0


def test_c1_17_ids_beyond_the_floats_are_exact(case: Case) -> None:
    large = 2**53 + 1
    log = L5.assign(item_idx=L5.item_idx + large, user_idx=L5.user_idx + large)
    for given in (log, dd.from_pandas(log, npartitions=2)):
        recs = case.make().fit_predict(given, 3)
        recs = recs.compute() if isinstance(recs, dd.DataFrame) else recs
        plain = case.make().fit_predict(L5, 3)
        if case.draws:  # by ids, which are others here
            assert set(recs.item_idx) <= set(log.item_idx)
            continue
        assert recs.item_idx.tolist() == [item + large for item in plain.item_idx]
        assert recs.item_idx.dtype == np.int64
    beyond = log.assign(user_idx=(L5.user_idx.astype("uint64") + np.uint64(2**63 + 5)))
    recs = case.make().fit_predict(beyond, 1)
    assert recs.user_idx.iloc[0] == 2**63 + 5


def test_two_spellings_of_a_role_are_refused(case: Case) -> None:
    with pytest.raises(LogError, match="spellings of one role"):
        case.make().fit(L5.assign(user_id=1))
    with pytest.raises(LogError, match="has no item column"):
        case.make().fit(L5.drop(columns="item_idx"))
    with pytest.raises(LogError, match="give a frame of one of"):
        case.make().fit([1, 2, 3])
