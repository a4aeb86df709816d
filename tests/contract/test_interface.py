"""What every model answers, and in which form."""

import inspect
import pickle
import warnings
from typing import Any

import dask
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from support import adapted
from support.cases import Case
from support.logs import L5, as_kind, assert_same, random_log, to_pandas

from daskrec.errors import LogError, NotFittedError
from daskrec.models import Recommender

LOG = random_log()


@pytest.fixture
def fitted(case: Case):
    return case.make().fit(LOG)


def test_fit_returns_the_model_and_a_second_fit_equals_a_fresh_one(case: Case) -> None:
    model = case.make()
    assert model.fit(random_log(seed=3)) is model
    assert_same(model.fit(LOG).predict(LOG, 5), case.make().fit(LOG).predict(LOG, 5))


def test_a_fit_that_fails_leaves_the_model_as_it_was(case: Case, monkeypatch) -> None:
    model = case.make().fit(LOG)
    expected = model.predict(LOG, 5)

    def fail(data: Any) -> None:
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(type(model), "_keep", lambda self, data: fail(data))
        with pytest.raises(MemoryError, match="no room"):
            model.fit(L5)
    assert model.users_count == LOG.user_idx.nunique()
    assert_same(model.predict(LOG, 5), expected)


def test_an_unfitted_model_says_so(case: Case, tmp_path) -> None:
    model = case.make()
    calls = [
        lambda: model.predict(LOG, 1),
        lambda: model.predict_pairs(LOG[["user_idx", "item_idx"]], LOG),
        lambda: model.users_count,
        lambda: model.fit_items,
        lambda: model.save(tmp_path / "model"),
    ]
    for call in calls:
        with pytest.raises(NotFittedError, match="not fitted"):
            call()


def test_counts_and_ids_of_the_training(fitted) -> None:
    assert fitted.users_count == LOG.user_idx.nunique()
    assert fitted.items_count == LOG.item_idx.nunique()
    assert to_pandas(fitted.fit_users).user_idx.tolist() == sorted(LOG.user_idx.unique())
    assert to_pandas(fitted.fit_items).item_idx.tolist() == sorted(LOG.item_idx.unique())


def test_result_has_three_columns_in_the_one_order(fitted) -> None:
    recs = fitted.predict(LOG, 5)
    assert recs.dtypes.to_dict() == {
        "user_idx": np.int64,
        "item_idx": np.int64,
        "relevance": np.float64,
    }
    ordered = recs.sort_values(
        ["user_idx", "relevance", "item_idx"], ascending=[True, False, True], kind="stable"
    )
    pd.testing.assert_frame_equal(recs, ordered)
    assert np.isfinite(recs.relevance).all()
    assert not recs.duplicated(["user_idx", "item_idx"]).any()


def test_seen_items_are_left_out_unless_asked_for(case: Case, fitted) -> None:
    seen = set(map(tuple, LOG[["user_idx", "item_idx"]].to_numpy()))
    found = fitted.predict(LOG, 40)
    assert not case.filters or not seen & set(
        map(tuple, found[["user_idx", "item_idx"]].to_numpy())
    )
    unfiltered = fitted.predict(LOG, 40, filter_seen_items=False)
    assert seen & set(map(tuple, unfiltered[["user_idx", "item_idx"]].to_numpy()))


def test_a_short_list_is_the_head_of_a_long_one(case: Case, fitted) -> None:
    one, three = fitted.predict(LOG, 1), fitted.predict(LOG, 3)
    if case.sampled:  # lists are in the order of scores, not of draws
        found = three.merge(one, on=["user_idx", "item_idx"], suffixes=("", "_one"))
        assert len(found) == len(one)
        return
    assert_same(one, three.groupby("user_idx").head(1).reset_index(drop=True))


def test_k_of_zero_gives_no_rows_and_wrong_k_an_error(fitted) -> None:
    empty = fitted.predict(LOG, 0)
    assert list(empty.columns) == ["user_idx", "item_idx", "relevance"]
    assert len(empty) == 0
    for wrong in (-1, 2.5, True, "3", None):
        with pytest.raises(ValueError, match="k must be a whole number"):
            fitted.predict(LOG, wrong)


def test_users_may_be_any_collection_of_ids(fitted) -> None:
    chosen = sorted(LOG.user_idx.unique())[3:5]
    expected = fitted.predict(LOG, 3).query("user_idx in @chosen").reset_index(drop=True)
    frame = pd.DataFrame({"user_idx": chosen, "age": [30, 40]})
    forms = [
        chosen, tuple(chosen), set(chosen), iter(chosen), [*chosen, *chosen], np.array(chosen),
        np.array(chosen, dtype=np.int32), pd.Series(chosen), pd.Index(chosen), pl.Series(chosen),
        pa.array(chosen), frame, frame[["user_idx"]], pl.from_pandas(frame),
        as_kind(frame, "dask"), as_kind(frame, "dask").user_idx, pd.DataFrame({"id": chosen}),
    ]  # fmt: skip
    for form in forms:
        assert_same(fitted.predict(LOG, 3, users=form), expected)
    single = fitted.predict(LOG, 3, users=int(chosen[0]))
    assert_same(single, expected[expected.user_idx == chosen[0]].reset_index(drop=True))


def test_items_restrict_the_candidates(case: Case, fitted) -> None:
    chosen = sorted(LOG.item_idx.unique())[::3]
    everything = fitted.predict(LOG, 100)
    expected = everything[everything.item_idx.isin(chosen)].reset_index(drop=True)
    for form in (chosen, np.array(chosen), pd.DataFrame({"item_idx": chosen})):
        found = fitted.predict(LOG, 100, items=form)
        if case.draws:  # by the candidates at hand: the same items, in another order
            columns = ["user_idx", "item_idx"]
            found, wanted = (f[columns].sort_values(columns) for f in (found, expected))
            assert found.values.tolist() == wanted.values.tolist()
        else:
            assert_same(found, expected, tolerance=1e-6)


def test_an_empty_selection_selects_nothing(fitted) -> None:
    for nothing in ([], np.array([]), pd.DataFrame({"user_idx": [], "item_idx": []}), set()):
        for recs in (fitted.predict(LOG, 2, users=nothing), fitted.predict(LOG, 2, items=nothing)):
            assert len(recs) == 0
            assert recs.dtypes.tolist() == [np.int64, np.int64, np.float64]


def test_unknown_items_are_recommended_or_counted_in_one_warning(case: Case, fitted) -> None:
    cold = [-1_000, 10**9]
    if fitted.can_predict_cold_items:
        recs = fitted.predict(LOG, 2, items=cold)
        assert recs.groupby("user_idx").item_idx.agg(set).map(set(cold).__eq__).all()
        assert len(recs) == 2 * LOG.user_idx.nunique()
        return
    with pytest.warns(UserWarning, match="2 items are not known") as caught:
        recs = fitted.predict(LOG, 2, items=cold)
    assert len(caught) == 1
    assert len(recs) == 0
    assert caught[0].filename in {__file__, adapted.__file__}


def test_cold_items_stand_among_the_others(case: Case, fitted) -> None:
    if not fitted.can_predict_cold_items:
        always = type(fitted).can_predict_cold_items is True
        assert not always or "add_cold_items" in case.params
        return
    warm = sorted(LOG.item_idx.unique())
    items = [warm[0] - 5, *warm, warm[-1] + 5]
    recs = fitted.predict(LOG, 1000, items=items, filter_seen_items=False)
    assert set(recs.item_idx) == set(items)
    assert np.isfinite(recs.relevance).all()
    seen = pd.DataFrame({"user_idx": [5], "item_idx": [items[0]]})
    assert items[0] not in fitted.predict(seen, 1000, items=items).item_idx.tolist()
    lazy = fitted.predict(as_kind(LOG, "dask"), 1000, items=items, filter_seen_items=False)
    assert_same(lazy, recs)
    pairs = recs[["user_idx", "item_idx"]]
    scored = fitted.predict_pairs(pairs, LOG)
    assert_same(scored, recs, 1e-6)
    assert_same(fitted.predict_pairs(as_kind(pairs, "dask"), LOG), scored)


def test_unknown_users_get_rows_only_where_the_model_knows_how(fitted) -> None:
    known = int(LOG.user_idx.iloc[0])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recs = fitted.predict(LOG, 2, users=[known, -7, 10**9])
    if fitted.can_predict_cold_users and not fitted._needs_history:
        assert set(recs.user_idx) == {known, -7, 10**9}
        assert not caught
    else:
        assert set(recs.user_idx) <= {known}
        assert len(caught) == 1
        assert "2 users" in str(caught[0].message)


def test_pairs_have_the_scores_of_predict(fitted) -> None:
    everything = fitted.predict(LOG, 100, filter_seen_items=False)
    pairs = everything[["user_idx", "item_idx"]].sample(frac=0.5, random_state=1)
    scored = fitted.predict_pairs(pairs, LOG)
    expected = everything.merge(pairs).reset_index(drop=True)
    assert_same(scored, expected, tolerance=1e-5)
    best = fitted.predict_pairs(pairs, LOG, k=2)
    assert_same(best, scored.groupby("user_idx").head(2).reset_index(drop=True))


def test_repeated_and_unknown_pairs(fitted) -> None:
    user, item = (int(value) for value in LOG[["user_idx", "item_idx"]].iloc[0])
    pairs = pd.DataFrame({"item_idx": [item] * 2, "user_idx": [user] * 2})
    assert len(fitted.predict_pairs(pairs, LOG)) <= 1
    if fitted.can_predict_cold_items:
        unknown = fitted.predict_pairs(pd.DataFrame({"user_idx": [user], "item_idx": [10**7]}))
        assert unknown.item_idx.tolist() == [10**7]
        return
    with pytest.warns(UserWarning, match="1 pairs hold"):
        unknown = fitted.predict_pairs(pd.DataFrame({"user_idx": [user], "item_idx": [10**7]}), LOG)
    assert len(unknown) == 0


def test_pairs_must_have_two_columns(fitted) -> None:
    for wrong in (LOG, LOG[["user_idx"]], LOG[["user_idx", "relevance"]]):
        with pytest.raises(ValueError, match=r"^pairs must be a dataframe with"):
            fitted.predict_pairs(wrong, LOG)


def test_without_a_log_nothing_is_filtered_or_the_model_says_why(fitted) -> None:
    if fitted._needs_history:
        with pytest.raises(ValueError, match=r"^log is not provided"):
            fitted.predict(None, 3)
        return
    assert_same(fitted.predict(None, 3), fitted.predict(LOG, 3, filter_seen_items=False))


def test_recommendations_can_be_written_as_parquet(fitted, tmp_path) -> None:
    expected = fitted.predict(LOG, 4)
    path = tmp_path / "recs.parquet"
    for _ in range(2):  # the second result replaces the first
        assert fitted.predict(LOG, 4, recs_file_path=path) is None
        assert_same(pd.read_parquet(path), expected)
    lazy = tmp_path / "parts.parquet"
    assert fitted.predict(as_kind(LOG, "dask"), 4, recs_file_path=lazy) is None
    assert_same(pd.read_parquet(lazy), expected)
    pairs = LOG[["user_idx", "item_idx"]]
    assert fitted.predict_pairs(pairs, LOG, recs_file_path=path) is None
    assert_same(pd.read_parquet(path), fitted.predict_pairs(pairs, LOG))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["parts.parquet", "recs.parquet"]


def test_a_folder_with_other_files_is_not_replaced(fitted, tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="other files"):
        fitted.predict(LOG, 1, recs_file_path=tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "keep"


def test_fit_predict_is_fit_then_predict(case: Case) -> None:
    assert_same(case.make().fit_predict(LOG, 3), case.make().fit(LOG).predict(LOG, 3))


def test_nearest_items_where_the_model_has_them(fitted) -> None:
    some = sorted(LOG.item_idx.unique())[:4]
    with pytest.raises(ValueError, match=r"Distance metric is required|item-to-item"):
        Recommender.get_nearest_items(fitted, some, 2, metric=None)
    if not fitted.can_predict_item_to_item:
        with pytest.raises(ValueError, match="can_predict_item_to_item"):
            fitted.get_nearest_items(some, 2)
        return
    near = fitted.get_nearest_items(some, 3)
    score = "lift" if "lift" in near else near.columns[2]
    assert list(near.columns[:2]) == ["item_idx", "neighbour_item_idx"]
    assert (near.item_idx != near.neighbour_item_idx).all()
    assert near.groupby("item_idx").size().max() <= 3
    ordered = near.sort_values(
        ["item_idx", score, "neighbour_item_idx"], ascending=[True, False, True], kind="stable"
    )
    pd.testing.assert_frame_equal(near, ordered)
    every = fitted.get_nearest_items(some, 10_000)
    allowed = sorted(LOG.item_idx.unique())[::2]
    limited = fitted.get_nearest_items(some, 10_000, candidates=allowed)
    expected = every[every.neighbour_item_idx.isin(allowed)].reset_index(drop=True)
    pd.testing.assert_frame_equal(limited, expected)
    with pytest.warns(UserWarning, match="1 items are not known"):
        assert len(fitted.get_nearest_items([10**7], 3)) == 0


def test_parameters_follow_scikit_learn(case: Case) -> None:
    model = case.make()
    names = [n for n in inspect.signature(type(model).__init__).parameters if n != "self"]
    assert list(model.get_params()) == names
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(**model.get_params()) is model
    with pytest.raises(ValueError, match="has no parameter"):
        model.set_params(no_such_name=1)
    assert str(model) == type(model).__name__
    assert repr(model).startswith(type(model).__name__ + "(")


def test_a_fitted_model_can_be_pickled(fitted) -> None:
    again = pickle.loads(pickle.dumps(fitted))
    assert again.get_params() == fitted.get_params()
    assert_same(again.predict(LOG, 3), fitted.predict(LOG, 3))
    assert pickle.loads(pickle.dumps(type(fitted)())).get_params() == type(fitted)().get_params()


def test_global_state_stays_as_it_was(case: Case) -> None:
    state = np.random.get_state()[1].copy()
    config = dict(dask.config.config)
    filters = list(warnings.filters)
    case.make().fit_predict(LOG, 3)
    case.make().fit_predict(as_kind(LOG, "dask"), 3).compute()
    assert (np.random.get_state()[1] == state).all()
    assert dict(dask.config.config) == config
    assert list(warnings.filters) == filters


def test_the_log_is_not_changed(case: Case) -> None:
    log = LOG.copy()
    case.make().fit_predict(log, 3)
    pd.testing.assert_frame_equal(log, LOG)


def test_ids_of_another_kind_are_refused(fitted) -> None:
    words = LOG.assign(user_idx=LOG.user_idx.astype(str))
    with pytest.raises(LogError, match=r"strings here and integers|integers here and strings"):
        fitted.predict(words, 1)
    with pytest.raises(LogError, match=r"strings here and integers|integers here and strings"):
        fitted.predict(LOG, 1, users=["a"])


def test_a_log_without_relevance_counts_every_interaction_as_one(case: Case) -> None:
    plain = LOG[["user_idx", "item_idx"]]
    ones = LOG.assign(relevance=1.0)
    if case.binary:
        with pytest.raises(LogError, match="no relevance column"):
            case.make().fit(plain)
        return
    assert_same(case.make().fit_predict(plain, 3), case.make().fit_predict(ones, 3))


def test_features_are_none_where_there_are_no_vectors(case: Case) -> None:
    model = case.make().fit(L5)
    frame, length = model.get_features(pd.DataFrame({"item_idx": [0, 2]}))
    if frame is None:
        assert length is None
        return
    assert length == (case.length or case.params["rank"])
    assert frame.item_idx.tolist() == [0, 2]
    assert all(len(vector) == length for vector in frame.item_factors)
