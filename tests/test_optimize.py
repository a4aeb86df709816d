"""The search for parameters: spaces, studies, and the model that is left."""

import json
import logging
import pickle
import sys
import warnings

import dask
import numpy as np
import optuna
import pandas as pd
import pytest
from support.adapted import binary_log
from support.logs import KINDS, as_kind, assert_same, random_log, to_pandas, with_empty_partitions

import daskrec
from daskrec.errors import LogError
from daskrec.metrics import NDCG, Coverage, HitRate
from daskrec.models import (
    KNN,
    UCB,
    ALSWrap,
    AssociationRulesItemRec,
    ClusterRec,
    PopRec,
    RandomRec,
    ThompsonSampling,
    UserPopRec,
    Wilson,
)
from daskrec.tuning.space import Search

LOG = random_log()
TRAIN, TEST = LOG.iloc[:300], LOG.iloc[300:]
TEST = TEST[TEST.user_idx.isin(TRAIN.user_idx)]
RULES = {"min_item_count": 1, "min_pair_count": 1}
NAMES = ["user_idx", "item_idx"]


def user_frame(users: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"user_idx": users, "group": users // 4 % 5, "far": users % 7 * 10.0})


def trials_of(model) -> list[tuple[dict, float | None]]:
    return [(trial.user_attrs["params"], trial.value) for trial in model.study.trials]


def hits(recs, test, k: int) -> float:
    recs, test = to_pandas(recs), to_pandas(test)
    return len(recs.merge(test[NAMES], on=NAMES)) / max(len(recs), 1)


# ---------------------------------------------------------------- spaces


@pytest.mark.parametrize(
    "borders",
    [
        {"beta": [1, 2]},
        {"rank": None},
        {"rank": 2},
        {"rank": [1]},
        {"rank": [1, 2, 3]},
        {"rank": ["a", "b"]},
        {"rank": [1, float("nan")]},
        {"rank": [8.5, 9]},
        {"rank": [9, 8]},
        {"rank": [0, 8]},
        {"rank": [-10, -1]},
        {"rank": "ab"},
        {"implicit_prefs": True},
        {"implicit_prefs": []},
        {"implicit_prefs": [[True]]},
        [("rank", [1, 2])],
    ],
    ids=str,
)
def test_wrong_borders_are_refused_before_work_begins(borders) -> None:
    with pytest.raises(ValueError, match=r"rank|beta|implicit_prefs|param_borders"):
        ALSWrap().optimize(None, None, param_borders=borders)


def test_parameters_that_are_not_mentioned_stay_as_they_are() -> None:
    found = KNN(num_neighbours=7, shrink=3.0).optimize(
        TRAIN, TEST, param_borders={"shrink": [5, 9]}, budget=3, seed=0
    )
    assert found.keys() == {"num_neighbours", "shrink"}
    assert found["num_neighbours"] == 7
    assert 5 <= found["shrink"] <= 9


def test_numbers_have_the_type_of_their_kind() -> None:
    assert type(KNN().optimize(TRAIN, TEST, budget=2)["num_neighbours"]) is int
    borders = {"rank": [5, 6], "alpha": [1, 2]}
    found = ALSWrap(rank=5).optimize(TRAIN, TEST, param_borders=borders, budget=1)
    assert type(found["rank"]) is int
    assert type(found["alpha"]) is float


def test_one_value_freezes_a_parameter_even_at_zero_on_a_scale_of_logarithms() -> None:
    borders = {"rank": [2, 4], "regularization": [0, 0], "implicit_prefs": [False]}
    model = ALSWrap(rank=2, seed=0)
    found = model.optimize(TRAIN, TEST, param_borders=borders, budget=2, seed=0)
    assert found["regularization"] == 0
    assert found["implicit_prefs"] is False
    assert model.get_params()["regularization"] == 0


def test_categories_may_be_any_number_of_values() -> None:
    borders = {"weighting": [None, "bm25", "tf_idf"]}
    model = KNN()
    found = model.optimize(TRAIN, TEST, param_borders=borders, budget=6, seed=0)
    assert {params["weighting"] for params, _ in trials_of(model)} == {None, "bm25", "tf_idf"}
    assert found["weighting"] == model.weighting


def test_without_borders_the_whole_space_is_searched() -> None:
    plan = Search.plan(KNN(), None)
    assert plan.free.keys() == {"num_neighbours", "shrink"}
    assert (plan.free["shrink"].low, plan.free["shrink"].high) == (0, 100)
    assert plan.start == {"num_neighbours": 10, "shrink": 0}


@pytest.mark.parametrize(
    ("params", "borders", "inside"),
    [
        ({"rank": 10}, None, True),
        ({"rank": 4}, None, False),
        ({"rank": 10}, {"rank": [20, 30]}, False),
        ({"rank": 10}, {"rank": [10, 30]}, True),
        ({"rank": 10, "alpha": 2}, {"alpha": [1, 3]}, True),
        ({"rank": 10, "alpha": 2}, {"alpha": [1, 1]}, False),
        ({"implicit_prefs": True}, {"implicit_prefs": [True, False]}, True),
        ({"implicit_prefs": True}, {"implicit_prefs": [1, 0]}, False),
    ],
)
def test_current_parameters_are_tried_first_where_they_lie_inside(params, borders, inside) -> None:
    assert (Search.plan(ALSWrap(**params), borders).start is not None) == inside


def test_the_first_trial_is_that_of_the_parameters_as_they_are() -> None:
    model = KNN(num_neighbours=13, shrink=4.0)
    model.optimize(TRAIN, TEST, budget=2, seed=3)
    assert trials_of(model)[0][0] == {"num_neighbours": 13, "shrink": 4}
    known, held = len(model.study.trials), model.study.best_trial.user_attrs["params"]
    model.optimize(TRAIN, TEST, budget=1, new_study=False, seed=5)  # what is known is not repeated
    assert trials_of(model)[known][0] != held


@pytest.mark.parametrize("model", [PopRec(), UserPopRec(), ThompsonSampling()], ids=str)
def test_models_with_nothing_to_search_say_so(model) -> None:
    with pytest.warns(UserWarning, match=f"{model} has no parameters") as caught:
        assert model.optimize(TRAIN, TEST) is None
    assert caught[0].filename == __file__
    assert model.study is None


def test_what_is_searched_on_request_is_searched_when_named() -> None:
    model = PopRec()
    found = model.optimize(TRAIN, TEST, param_borders={"use_relevance": [True, False]}, budget=2)
    assert found == {"use_relevance": model.use_relevance}
    assert len(model.study.trials) == 2


# ---------------------------------------------------------------- studies


def test_trials_accumulate_where_a_study_is_continued() -> None:
    model = ALSWrap(rank=8, seed=1)
    model.optimize(TRAIN, TEST, k=2, budget=1)
    assert len(model.study.trials) == 1
    model.optimize(TRAIN, TEST, k=2, budget=1)
    assert len(model.study.trials) == 1
    model.optimize(TRAIN, TEST, k=2, budget=1, new_study=False)
    assert len(model.study.trials) == 2


@pytest.mark.parametrize("n_parallel", [1, 3])
def test_a_seed_decides_what_is_tried(n_parallel: int) -> None:
    found = []
    for model in (ALSWrap(), ALSWrap()):  # without seeds of their own
        borders = {"rank": [2, 9]}
        options = {"param_borders": borders, "budget": 14, "seed": 3, "n_parallel": n_parallel}
        model.optimize(TRAIN, TEST, **options)
        found.append((trials_of(model), model.predict(TRAIN, 3)))
        assert model.seed is None
    assert found[0][0] == found[1][0]
    assert_same(found[0][1], found[1][1])
    other = ALSWrap()
    other.optimize(TRAIN, TEST, **options | {"seed": 4})
    assert trials_of(other) != found[0][0]


def test_more_trials_of_a_seed_are_other_trials() -> None:
    model = KNN()
    for new_study in (True, False):
        model.optimize(TRAIN, TEST, budget=4, seed=3, new_study=new_study)
    params = [tuple(params.values()) for params, _ in trials_of(model)]
    assert len(set(params)) == 8


def test_a_study_with_other_choices_is_not_continued() -> None:
    model = RandomRec(seed=0)
    model.optimize(TRAIN, TEST, budget=1)
    borders = {"distribution": ["uniform", "relevance"]}
    with pytest.raises(ValueError, match="new_study=True"):
        model.optimize(TRAIN, TEST, param_borders=borders, new_study=False)
    assert len(model.study.trials) == 1


def test_a_parameter_may_be_frozen_in_one_call_and_searched_in_the_next() -> None:
    model = KNN(num_neighbours=9)
    model.optimize(TRAIN, TEST, budget=2, param_borders={"shrink": [0, 9]})
    model.optimize(TRAIN, TEST, budget=3, param_borders={"num_neighbours": [1, 9]}, new_study=False)
    assert len(model.study.trials) == 5
    assert all(p.keys() == {"num_neighbours", "shrink"} for p, _ in trials_of(model))


def test_a_study_survives_saving(tmp_path) -> None:
    model = KNN()
    model.optimize(TRAIN, TEST, budget=4, seed=0, param_borders={"weighting": [None, "bm25"]})
    model.save(tmp_path / "model")
    again = daskrec.load(tmp_path / "model")
    assert again.study.study_name == model.study.study_name
    for mine, theirs in zip(again.study.trials, model.study.trials, strict=True):
        for name in ("number", "state", "value", "params", "distributions", "user_attrs"):
            assert getattr(mine, name) == getattr(theirs, name)
        assert mine.duration == theirs.duration
    assert again.study.best_params == model.study.best_params
    again.save(tmp_path / "again")
    saved = [json.loads((tmp_path / n / "manifest.json").read_text()) for n in ("model", "again")]
    assert saved[0]["study"] == saved[1]["study"]
    again.optimize(TRAIN, TEST, budget=2, new_study=False, param_borders={"shrink": [0, 100]})
    assert len(again.study.trials) == 6
    assert again.study.best_value >= model.study.best_value


def test_a_study_survives_a_pickle_and_not_a_clone() -> None:
    from sklearn.base import clone

    model = KNN()
    model.optimize(TRAIN, TEST, budget=2, seed=0)
    assert trials_of(pickle.loads(pickle.dumps(model))) == trials_of(model)
    assert clone(model).study is None
    assert pickle.loads(pickle.dumps(KNN())).study is None


def test_without_optuna_an_error_names_the_extra(tmp_path, monkeypatch) -> None:
    model = KNN()
    model.optimize(TRAIN, TEST, budget=2, seed=0)
    model.save(tmp_path / "model")
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'daskrec\[tune\]'"):
        KNN().optimize(TRAIN, TEST)
    again = daskrec.load(tmp_path / "model")  # a tuned model serves without it
    assert_same(again.predict(TRAIN, 3), model.predict(TRAIN, 3))
    again.save(tmp_path / "again")
    with pytest.raises(ImportError, match="tune"):
        _ = again.study
    monkeypatch.undo()
    assert trials_of(daskrec.load(tmp_path / "again")) == trials_of(model)


# ---------------------------------------------------------------- the model that is left


TUNED = {
    "KNN": (KNN(), None),
    "KNN by candidate": (
        KNN(use_relevance=True, neighbours_of="candidate"),
        {"shrink": [0, 9], "num_neighbours": [1, 9], "weighting": [None, "bm25"]},
    ),
    "KNN by length": (KNN(), {"user_length_power": [0, 1], "num_neighbours": [1, 9]}),
    "ALS": (ALSWrap(seed=1), {"rank": [2, 5]}),
    "rules": (AssociationRulesItemRec(**RULES), None),
    "random": (RandomRec(seed=2), None),
}


@pytest.mark.parametrize("name", TUNED)
def test_it_is_fitted_as_by_a_plain_fit_with_the_best_parameters(name: str) -> None:
    model, borders = TUNED[name]
    found = model.optimize(TRAIN, TEST, param_borders=borders, budget=8, seed=0, k=5)
    plain = type(model)(**model.get_params()).fit(TRAIN)
    assert {name: model.get_params()[name] for name in found} == found
    assert_same(model.predict(TRAIN, 5), plain.predict(TRAIN, 5))
    users = TEST.user_idx.unique()
    rated = NDCG()(plain.predict(TRAIN, 5, users=users), TEST, 5)
    assert model.study.best_value == rated
    assert rated == max(value for _, value in trials_of(model))
    # Every other trial was rated as its own fit would be, too.
    params, value = trials_of(model)[3]
    other = type(model)(**model.get_params() | params).fit(TRAIN)
    assert NDCG()(other.predict(TRAIN, 5, users=users), TEST, 5) == value


@pytest.mark.parametrize("model", [Wilson(), UCB()], ids=str)
def test_models_of_outcomes_are_tuned(model) -> None:
    train = binary_log(TRAIN)
    model.optimize(train, TEST, budget=3, seed=0)
    plain = type(model)(**model.get_params()).fit(train)
    assert_same(model.predict(train, 5), plain.predict(train, 5))


def test_rules_of_sessions_serve_users() -> None:
    train = TRAIN.assign(basket=TRAIN.user_idx * 2 + TRAIN.item_idx % 2)
    model = AssociationRulesItemRec("basket", **RULES)
    model.optimize(train, TEST, budget=3, seed=0, k=5)
    plain = AssociationRulesItemRec(**model.get_params()).fit(train)
    users = TEST.user_idx.unique()
    assert_same(model.predict(train, 5, users=users), plain.predict(train, 5, users=users))
    assert model.users_count == TRAIN.user_idx.nunique()
    assert model.study.best_value == NDCG()(plain.predict(train, 5, users=users), TEST, 5)


def test_numbers_of_numpy_survive_saving(tmp_path) -> None:
    model = KNN(num_neighbours=np.int64(7))
    model.optimize(TRAIN, TEST, param_borders={"shrink": [0, 5]}, budget=1)
    model.save(tmp_path / "model")
    assert trials_of(daskrec.load(tmp_path / "model")) == trials_of(model)


def test_a_tuned_model_takes_more_interactions() -> None:
    users = TRAIN.user_idx.unique()
    for model in (KNN(), AssociationRulesItemRec(**RULES), RandomRec("popular_based", seed=0)):
        model.fit(TEST).optimize(TRAIN, TEST, budget=3, seed=0)
        model.update(TEST)
        plain = type(model)(**model.get_params()).fit(LOG[LOG.user_idx.isin(users)])
        assert_same(model.predict(TRAIN, 5), plain.predict(TRAIN, 5))


def test_the_best_trial_of_an_earlier_call_keeps_its_state() -> None:
    model = ALSWrap()  # without a seed: another fit would end elsewhere
    model.optimize(TRAIN, TEST, budget=3, criterion=hits)
    before = model.predict(TRAIN, 5)

    def worse(recs, test, k: int) -> float:
        return -1.0

    model.optimize(TRAIN, TEST, budget=2, criterion=worse, new_study=False)
    assert model.study.best_trial.number < 3
    assert_same(model.predict(TRAIN, 5), before)
    # A fit in between makes it another state, and so the best parameters are fitted anew.
    model.fit(TEST)
    model.optimize(TRAIN, TEST, budget=1, criterion=worse, new_study=False)
    assert model.items_count == TRAIN.item_idx.nunique()
    assert model.rank == model.study.best_trial.user_attrs["params"]["rank"]


def test_a_saved_model_knows_whose_state_it_holds(tmp_path) -> None:
    model = ALSWrap()
    model.optimize(TRAIN, TEST, budget=2, criterion=hits)
    model.save(tmp_path / "model")
    again = daskrec.load(tmp_path / "model")
    again.optimize(TRAIN, TEST, budget=1, criterion=lambda *_: -1.0, new_study=False)
    assert_same(again.predict(TRAIN, 5), model.predict(TRAIN, 5))
    model.fit(TRAIN).save(tmp_path / "model", overwrite=True)
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    assert manifest["study"]["held"] is None


def test_a_combination_that_comes_up_again_is_not_fitted_again() -> None:
    fits = []

    class Counted(KNN):
        def _fit_beside(self, data, common) -> None:
            fits.append(self.num_neighbours)
            super()._fit_beside(data, common)

    borders = {"num_neighbours": [9, 10]}
    for n_parallel in (1, 4):
        fits.clear()
        model = Counted()
        model.optimize(TRAIN, TEST, param_borders=borders, budget=8, seed=0, n_parallel=n_parallel)
        assert sorted(fits) == [9, 10]
        assert len({value for _, value in trials_of(model)}) <= 2
        assert len(model.study.trials) == 8
        assert_same(model.predict(TRAIN, 3), KNN(**model.get_params()).fit(TRAIN).predict(TRAIN, 3))


# ---------------------------------------------------------------- what is rated


def test_candidates_are_unseen_items_of_the_training_and_users_those_of_the_test() -> None:
    test = pd.concat([TEST, TEST.iloc[:1].assign(item_idx=10_000)])  # an item of the test alone
    seen = []

    def look(recs, given, k: int) -> float:
        seen.append(recs)
        assert given is test
        assert k == 4
        return 1.0

    model = KNN(num_neighbours=100)
    model.optimize(TRAIN, test, criterion=look, k=4, budget=2)
    assert len(seen) == 2
    for recs in seen:
        assert set(recs.user_idx) <= set(test.user_idx)
        assert set(recs.item_idx) - set(TEST.item_idx) <= set(TRAIN.item_idx)
        assert recs.merge(TRAIN, on=NAMES).empty
        assert 10_000 not in set(recs.item_idx)
        assert recs.groupby("user_idx").size().max() == 4
    # Not the items of the test alone, which would tell what users will have.
    narrow = test[test.user_idx == test.user_idx.iloc[0]]
    seen.clear()
    model.optimize(TRAIN, narrow, criterion=lambda r, t, k: float(not seen.append(r)), budget=1)
    assert not set(seen[0].item_idx) <= set(narrow.item_idx)


def test_users_that_a_model_cannot_serve_are_counted_once() -> None:
    test = pd.concat([TEST, pd.DataFrame({"user_idx": [10_001, 10_002], "item_idx": [1, 1]})])
    with pytest.warns(UserWarning, match="2 users are not known to the model") as caught:
        ALSWrap(rank=8).optimize(TRAIN, test, budget=3)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="2 users have no history"):  # KNN serves by history
        KNN().optimize(TRAIN, test, budget=2)


@pytest.mark.parametrize("criterion", [None, NDCG(), NDCG, NDCG(query_column="user_idx")])
def test_a_criterion_is_a_metric_or_its_class(criterion) -> None:
    model = KNN()
    model.optimize(TRAIN, TEST, criterion=criterion, budget=1, k=5)
    users = TEST.user_idx.unique()
    assert model.study.best_value == NDCG()(model.predict(TRAIN, 5, users=users), TEST, 5)


def test_a_criterion_is_any_function_of_recommendations_and_test() -> None:
    model = KNN()
    model.optimize(TRAIN, TEST, criterion=hits, budget=1, k=5)
    recs = model.predict(TRAIN, 5, users=TEST.user_idx.unique())
    assert model.study.best_value == hits(recs, TEST, 5)
    for criterion in (Coverage, Coverage(TRAIN)):  # they compare with the training
        model.optimize(TRAIN, TEST, criterion=criterion, budget=1, k=5)
        assert model.study.best_value == Coverage(TRAIN)(recs, 5)


@pytest.mark.parametrize("criterion", [3, "NDCG", HitRate([1, 2])(TEST.assign(relevance=1), TEST)])
def test_what_is_no_criterion_is_refused(criterion) -> None:
    with pytest.raises(ValueError, match="criterion must be"):
        KNN().optimize(TRAIN, TEST, criterion=criterion)


@pytest.mark.parametrize("value", [None, {"NDCG@5": 1.0}, "1", True])
def test_a_criterion_has_to_return_a_number(value) -> None:
    model = KNN()
    with pytest.raises(ValueError, match="one number"):
        model.optimize(TRAIN, TEST, criterion=lambda *_: value)
    assert [trial.state.name for trial in model.study.trials] == ["FAIL"]


@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"budget": 0}, {"n_parallel": 0}, {"k": 1.5}, {"seed": -1}], ids=str
)
def test_wrong_numbers_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        KNN().optimize(TRAIN, TEST, **wrong)


def test_frames_that_cannot_be_used_are_refused() -> None:
    for train, test in ((TRAIN[["user_idx"]], TEST), (TRAIN, TEST[["item_idx"]]), (TRAIN, None)):
        with pytest.raises(LogError):
            KNN().optimize(train, test)
    with pytest.raises(LogError, match="strings here and integers"):
        KNN().optimize(TRAIN, TEST.assign(user_idx=TEST.user_idx.astype(str)))


# ---------------------------------------------------------------- failures


class Picky(KNN):
    """A model that does not fit with some parameters."""

    def _fit_beside(self, data, common) -> None:
        if self.num_neighbours % 2:
            raise ValueError(f"{self.num_neighbours} is odd")
        super()._fit_beside(data, common)


@pytest.mark.parametrize("n_parallel", [1, 3])
def test_trials_that_fail_are_told_and_the_others_count(n_parallel: int) -> None:
    model = Picky(num_neighbours=4)
    with pytest.warns(UserWarning, match=r"\d trials could not be fitted.*is odd") as caught:
        model.optimize(TRAIN, TEST, budget=8, seed=0, n_parallel=n_parallel)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    for trial in model.study.trials:
        odd = trial.user_attrs["params"]["num_neighbours"] % 2
        assert trial.state.name == ("FAIL" if odd else "COMPLETE")
        assert ("is odd" in trial.user_attrs.get("error", "")) == bool(odd)
    assert model.num_neighbours % 2 == 0
    assert len(model.predict(TRAIN, 3))


def test_values_that_are_not_finite_count_as_failed() -> None:
    model = KNN()
    values = iter([float("nan"), 0.5, float("inf")])
    with pytest.warns(UserWarning, match="2 trials could not be fitted"):
        model.optimize(TRAIN, TEST, criterion=lambda *_: next(values), budget=3)
    assert [trial.state.name for trial in model.study.trials] == ["FAIL", "COMPLETE", "FAIL"]


def test_when_every_trial_fails_the_model_stays_as_it_was() -> None:
    model = Picky(num_neighbours=4).fit(TRAIN)
    before = model.get_params(), model.predict(TRAIN, 3)
    with pytest.raises(ValueError, match=r"none of the 3 trials could be fitted.*is odd"):
        model.optimize(TRAIN, TEST, param_borders={"num_neighbours": [3, 3]}, budget=3)
    assert model.get_params() == before[0]
    assert_same(model.predict(TRAIN, 3), before[1])
    assert len(model.study.trials) == 3


def test_a_search_that_is_stopped_leaves_its_finished_trials() -> None:
    model = KNN().fit(TRAIN)
    before = model.get_params(), model.predict(TRAIN, 3)
    calls = []

    def stop(recs, test, k: int) -> float:
        calls.append(k)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return len(calls)

    with pytest.raises(KeyboardInterrupt):
        model.optimize(TRAIN, TEST, criterion=stop, budget=9)
    assert [t.state.name for t in model.study.trials] == ["COMPLETE", "COMPLETE", "FAIL"]
    assert model.get_params() == before[0]
    assert_same(model.predict(TRAIN, 3), before[1])
    model.optimize(TRAIN, TEST, criterion=hits, budget=1, new_study=False)
    assert len(model.study.trials) == 4


# ---------------------------------------------------------------- features


def test_features_of_others_do_not_count() -> None:
    known, wanted = TRAIN.user_idx.unique(), TEST.user_idx.unique()
    strangers = np.arange(2_000, 2_100)
    some = user_frame(np.union1d(known, wanted))
    # Others, far away, would be clusters of their own and users of the fit.
    more = pd.concat([some, user_frame(strangers).assign(far=1e6)])
    found = []
    for features in (some, more):
        model = ClusterRec(seed=0)
        model.optimize(TRAIN, TEST, features, budget=4, seed=0)
        found.append(trials_of(model))
        assert model.users_count == len(known)
        plain = ClusterRec(model.num_clusters, seed=0).fit(TRAIN, some[some.user_idx.isin(known)])
        assert_same(model.predict(some, 3, TRAIN), plain.predict(some, 3, TRAIN))
        model.update(TEST)
    assert found[0] == found[1]
    assert type(model.num_clusters) is int


@pytest.mark.parametrize("kind", ["polars", "dask"])
def test_features_come_in_any_frame(kind: str) -> None:
    features = user_frame(LOG.user_idx.unique())
    expected, model = ClusterRec(seed=0), ClusterRec(seed=0)
    expected.optimize(TRAIN, TEST, features, budget=3, seed=0)
    model.optimize(TRAIN, TEST, as_kind(features, kind), budget=3, seed=0)
    assert trials_of(model) == trials_of(expected)


def test_users_without_features_are_counted_once() -> None:
    features = user_frame(TRAIN.user_idx.unique())
    features = features[features.user_idx != TEST.user_idx.iloc[0]]
    with pytest.warns(UserWarning, match="1 users have no features") as caught:
        ClusterRec(seed=0).optimize(TRAIN, TEST, features, budget=3, seed=0)
    assert len(caught) == 1


def test_trials_see_the_features_of_all_candidates() -> None:
    seen: list[set[int]] = []

    class Watched(ALSWrap):
        _feature_roles = ("user", "item")

        def _scorer(self, features):
            seen.append(set(features.items["item_idx"]))
            return super()._scorer(features)

    items = pd.DataFrame({"item_idx": np.arange(-100, 500), "price": 1.0})
    few = TEST[TEST.item_idx == TEST.item_idx.iloc[0]]
    Watched(rank=2, seed=0).optimize(TRAIN, few, None, items, {"rank": [1, 3]}, budget=2, seed=0)
    assert seen == [set(TRAIN.item_idx)] * 2


def test_models_that_take_no_features_do_not_mind_them() -> None:
    features = user_frame(np.arange(5_000))
    model = KNN()
    model.optimize(TRAIN, TEST, features, features.rename(columns={"user_idx": "item_idx"}))
    assert model.users_count == TRAIN.user_idx.nunique()


# ---------------------------------------------------------------- frames and schedulers


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_frame_gives_the_same_trials(kind: str) -> None:
    expected, model = KNN(), KNN()
    expected.optimize(TRAIN, TEST, budget=4, seed=0)
    model.optimize(as_kind(TRAIN, kind), as_kind(TEST, kind), budget=4, seed=0)
    assert [params for params, _ in trials_of(model)] == [p for p, _ in trials_of(expected)]
    values = [[value for _, value in trials_of(one)] for one in (model, expected)]
    np.testing.assert_allclose(*values, rtol=1e-12)  # means of partitions are rounded
    assert_same(model.predict(TRAIN, 3), expected.predict(TRAIN, 3))


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_partitions_do_not_matter(npartitions: int) -> None:
    expected, model = ALSWrap(), ALSWrap()
    options = {"param_borders": {"rank": [2, 9]}, "budget": 3, "seed": 0}
    expected.optimize(TRAIN, TEST, **options)
    train, test = (with_empty_partitions(part, npartitions) for part in (TRAIN, TEST))
    model.optimize(train, test, **options)
    assert [p for p, _ in trials_of(model)] == [p for p, _ in trials_of(expected)]
    values = [[value for _, value in trials_of(one)] for one in (model, expected)]
    np.testing.assert_allclose(*values, rtol=1e-2)


def test_files_are_read_by_path(tmp_path) -> None:
    TRAIN.to_parquet(tmp_path / "train.parquet", index=False)
    TEST.to_parquet(tmp_path / "test.parquet", index=False)
    expected, model = KNN(), KNN()
    expected.optimize(TRAIN, TEST, budget=2, seed=0)
    model.optimize(str(tmp_path / "train.parquet"), tmp_path / "test.parquet", budget=2, seed=0)
    assert trials_of(model) == trials_of(expected)


@pytest.mark.parametrize("n_parallel", [1, 3])
@pytest.mark.parametrize("kind", ["pandas", "dask"])
def test_workers_find_the_same(client, kind: str, n_parallel: int) -> None:
    options = {"budget": 6, "seed": 0, "n_parallel": n_parallel}
    features = user_frame(LOG.user_idx.unique())
    train, test = as_kind(TRAIN, kind), as_kind(TEST, kind)
    for make in (KNN, lambda: ALSWrap(iterations=2), lambda: ClusterRec(seed=0)):
        expected, model = make(), make()
        with dask.config.set(scheduler="synchronous"):
            expected.optimize(TRAIN, TEST, features, **options)
        model.optimize(train, test, features, **options)
        assert [p for p, _ in trials_of(model)] == [p for p, _ in trials_of(expected)]
        values = [[value for _, value in trials_of(one)] for one in (model, expected)]
        np.testing.assert_allclose(*values, rtol=1e-4)
        given = (features, 3, train) if isinstance(model, ClusterRec) else (train, 3)
        assert len(to_pandas(model.predict(*given)))


@pytest.mark.parametrize("kind", ["pandas", "dask"])
def test_files_of_trials_are_removed(client, tmp_path, kind: str) -> None:
    with dask.config.set({"daskrec.storage-path": str(tmp_path)}):
        model = KNN()
        model.optimize(as_kind(TRAIN, kind), as_kind(TEST, kind), budget=6, seed=0)
    (folder,) = tmp_path.iterdir()
    # Ids take one file; what holds matrices is the model that is left.
    left = {path.name for path in folder.iterdir() if len(list(path.iterdir())) > 1}
    assert left <= {model.similarity_.uid, *(block.uid for block in model._history.blocks)}


def test_pairs_that_take_too_much_memory_are_counted_by_each_trial() -> None:
    expected, model = KNN(), KNN()
    expected.optimize(TRAIN, TEST, budget=4, seed=0)
    with dask.config.set({"daskrec.share-limit": 100}):
        model.optimize(TRAIN, TEST, budget=4, seed=0)
    assert trials_of(model) == trials_of(expected)


def test_what_belongs_to_the_user_stays_as_it_was() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = ["optuna", "daskrec", "distributed.shuffle._scheduler_plugin"]

    def state():
        return (
            optuna.logging.get_verbosity(),
            [(logging.getLogger(n).level, list(logging.getLogger(n).handlers)) for n in names],
            [repr(part) for part in np.random.get_state()],
            dict(dask.config.config),
            list(warnings.filters),
        )

    try:
        before = state()
        KNN().optimize(TRAIN, TEST, budget=6, seed=0, n_parallel=3)
        ALSWrap().optimize(as_kind(TRAIN, "dask"), TEST, budget=2)
        assert state() == before
    finally:
        optuna.logging.set_verbosity(optuna.logging.INFO)
