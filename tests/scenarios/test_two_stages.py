"""Two stages: the facts of the original's tests, and a second stage that helps."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from support.logs import (
    KINDS,
    as_kind,
    assert_same,
    kind_of,
    random_log,
    to_pandas,
    with_empty_partitions,
)

from daskrec.errors import LogError, NotFittedError
from daskrec.history_features import HistoryBasedFeaturesProcessor
from daskrec.models import KNN, ALSWrap, ClusterRec, PopRec, RandomRec
from daskrec.scenarios import BoostedTrees, Fallback, ReRanker, TwoStagesScenario, load
from daskrec.splitters import DateSplitter, UserSplitter

DAY = datetime(2019, 1, 1)
LONG = pd.DataFrame(
    [
        (0, 0, DAY, 1.0), (0, 3, datetime(2019, 1, 5), 3.0), (0, 1, DAY, 2.0), (0, 4, DAY, 4.0),
        (1, 0, datetime(2020, 1, 5), 4.0), (1, 2, datetime(2018, 1, 1), 2.0), (1, 6, DAY, 4.0),
        (1, 7, datetime(2020, 1, 1), 4.0), (2, 8, DAY, 3.0), (2, 1, DAY, 2.0),
        (2, 5, datetime(2020, 3, 1), 1.0), (2, 6, DAY, 5.0),
    ],
    columns=["user_idx", "item_idx", "timestamp", "relevance"],
)  # fmt: skip
SHORT = pd.DataFrame(
    [(0, 2, DAY, 1.0), (0, 4, DAY, 3.0), (1, 1, DAY, 1.0), (1, 6, DAY, 2.0), (2, 5, DAY, 3.0),
     (2, 0, DAY, 2.0), (3, 4, DAY, 5.0)],
    columns=LONG.columns,
)  # fmt: skip
USERS = pd.DataFrame(
    [(0, 20.0, -3.0, "M"), (1, 30.0, 4.0, "F"), (2, 75.0, -1.0, "M")],
    columns=["user_idx", "age", "mood", "gender"],
)
ITEMS = pd.DataFrame(
    [(0, 4.0, "cat", "black"), (1, 10.0, "dog", "green"), (2, 7.0, "mouse", "yellow"),
     (3, -1.0, "cat", "yellow"), (4, 11.0, "dog", "white"), (5, 0.0, "mouse", "yellow")],
    columns=["item_idx", "iq", "class", "color"],
)  # fmt: skip
LOG = random_log(users=60, items=30, rows=900)
SOURCES = [*KINDS, 1, 7, 40]
LEAST = {"min_samples_leaf": 1, "max_iter": 5}


def source(frame: pd.DataFrame, how: Any) -> Any:
    return as_kind(frame, how) if isinstance(how, str) else with_empty_partitions(frame, how)


def original(**changes: Any) -> TwoStagesScenario:
    """The scenario of the original's tests."""
    given: dict[str, Any] = {
        "first_level_models": [
            ALSWrap(rank=4, seed=0),
            KNN(num_neighbours=4),
            ALSWrap(rank=3, seed=1, implicit_prefs=False),
        ],
        "train_splitter": DateSplitter(0.1),
        "use_first_level_models_feat": True,
        "second_model_params": LEAST,
        "num_negatives": 6,
        "negatives_type": "first_level",
        "use_generated_features": True,
        "user_cat_features_list": ["gender"],
        "item_cat_features_list": ["class"],
        "custom_features_processor": None,
    }
    return TwoStagesScenario(**(given | changes))


def counting(**changes: Any) -> TwoStagesScenario:
    """A scenario whose models give the same bits whatever the partitions are."""
    given: dict[str, Any] = {
        "train_splitter": UserSplitter(0.4, shuffle=True, seed=1),
        "first_level_models": [KNN(), PopRec()],
        "num_negatives": 12,
        "second_model_params": {"max_iter": 15, "min_samples_leaf": 5},
    }
    return TwoStagesScenario(**(given | changes))


def test_what_it_is_made_of() -> None:
    scenario = original()
    assert isinstance(scenario.fallback_model, PopRec)
    assert isinstance(scenario.second_stage_model, BoostedTrees)
    assert isinstance(scenario.second_stage_model, ReRanker)
    assert isinstance(scenario.features_processor, HistoryBasedFeaturesProcessor)
    assert scenario.use_first_level_models_feat == [True, True, True]
    default = TwoStagesScenario()
    assert [str(model) for model in default.first_level_models] == ["ALSWrap"]
    assert default.first_level_models[0].rank == 128
    assert default.train_splitter.get_params()["item_test_size"] == 0.5
    assert default.features_processor is None
    assert repr(counting(seed=5)).startswith("TwoStagesScenario(train_splitter=UserSplitter(")
    assert "KNN()" in repr(Fallback(KNN()))
    assert str(default) == "TwoStagesScenario"


def test_wrong_parameters_are_told() -> None:
    with pytest.raises(ValueError, match=r"For each model from first_level_models specify.*"):
        original(use_first_level_models_feat=[True])
    with pytest.raises(ValueError, match=r"Invalid negatives_type value.*"):
        original(negatives_type="abs")
    with pytest.raises(ValueError, match="candidates_from must be one of"):
        original(candidates_from="some")
    with pytest.raises(ValueError, match="give one model at least"):
        original(first_level_models=[])
    with pytest.raises(ValueError, match="num_candidates"):
        original(num_candidates=0)
    with pytest.raises(NotFittedError, match="TwoStagesScenario is not fitted"):
        original().predict(LONG, 2)


@pytest.mark.parametrize("how", ["pandas", "polars", "arrow", "dask", 7])
def test_features_of_pairs(how: Any) -> None:
    scenario = original(use_first_level_models_feat=[True, False, True])
    given = [source(f, how) for f in (LONG, USERS, ITEMS[ITEMS["iq"] > 4])]
    scenario.fit(*given)
    assert scenario.first_level_item_len == 8
    assert scenario.first_level_user_len == 3
    pairs = source(SHORT, how)
    result = scenario.add_features(pairs, given[0], source(USERS, how), source(ITEMS, how))
    assert kind_of(result) == kind_of(pairs)
    found = to_pandas(result)
    assert len(found) == len(SHORT)
    assert {"rel_0_ALSWrap", "rel_1_KNN", "m_2_fm_0", "u_pop_by_class", "age"} <= set(found.columns)
    assert not any(name.startswith("m_1_") for name in found.columns)
    known = found["user_idx"] != 3
    assert (found.loc[~known, [c for c in found.columns if "_uf_" in c]] == 0).all(axis=None)
    products = found["m_0_uf_1"] * found["m_0_if_1"]
    np.testing.assert_allclose(found["m_0_fm_1"], products, rtol=1e-6)
    sums = found[[f"m_0_fm_{d}" for d in range(4)]].sum(axis=1)
    np.testing.assert_allclose(found["rel_0_ALSWrap"], sums, rtol=1e-5, atol=1e-6)
    assert (found.loc[known, "rel_0_ALSWrap"] != 0).any()
    assert found.loc[~known, "rel_0_ALSWrap"].eq(0).all()
    by_user = found.drop_duplicates("user_idx").set_index("user_idx")
    assert by_user["age"].iloc[:3].tolist() == [20.0, 30.0, 75.0]
    assert by_user["gender"].iloc[:3].tolist() == ["M", "F", "M"]
    assert pd.isna(by_user["age"].iloc[3])


def test_scores_of_models_lie_beside_their_pairs() -> None:
    scenario = counting().fit(LOG)
    found = scenario.add_features(LOG.head(50), LOG).set_index(["user_idx", "item_idx"])
    for name, model in zip(("rel_0_KNN", "rel_1_PopRec"), scenario.first_level_models, strict=True):
        scores = model.predict_pairs(LOG.head(50)[["user_idx", "item_idx"]], LOG)
        expected = scores.set_index(["user_idx", "item_idx"])["relevance"]
        expected = expected.reindex(found.index, fill_value=0.0)
        np.testing.assert_array_equal(found[name], expected)


@pytest.mark.parametrize("how", ["pandas", "dask"])
def test_predict(how: str) -> None:
    scenario = original()
    given = [as_kind(frame, how) for frame in (LONG, USERS, ITEMS)]
    scenario.fit(given[0], given[1], as_kind(ITEMS[ITEMS["iq"] > 4], how))
    result = scenario.predict(given[0], 2, user_features=given[1], item_features=given[2])
    assert kind_of(result) == how
    found = to_pandas(result)
    assert list(found.columns) == ["user_idx", "item_idx", "relevance"]
    assert found["user_idx"].tolist() == [0, 0, 1, 1, 2, 2]
    assert found.merge(LONG, on=["user_idx", "item_idx"]).empty
    assert found["relevance"].between(0, 1).all()


def test_tables_of_features_and_a_fallback_model_are_optional() -> None:
    scenario = counting(fallback_model=None).fit(LOG)
    result = scenario.predict(LOG, 3)
    assert result.groupby("user_idx").size().max() == 3
    only_items = counting().fit(LOG, item_features=ITEMS.assign(item_idx=[1, 8, 15, 22, 29, 36]))
    assert len(only_items.predict(LOG, 3)) == 3 * LOG["user_idx"].nunique()


@pytest.mark.parametrize("how", SOURCES[1:])
def test_every_kind_and_cut_gives_the_same_lists(how: Any) -> None:
    options: dict[str, Any] = {"candidates_from": "all", "use_generated_features": True}
    expected = counting(**options).fit_predict(LOG, 5)
    given = source(LOG, how)
    scenario = counting(**options).fit(given)
    result = scenario.predict(given, 5)
    assert kind_of(result) == kind_of(given)
    assert_same(result, expected)
    pairs = source(LOG[["user_idx", "item_idx"]].head(40), how)
    scored = to_pandas(scenario.predict_pairs(pairs, given))
    again = counting(**options).fit(LOG).predict_pairs(LOG[["user_idx", "item_idx"]].head(40), LOG)
    assert_same(scored, again)


def test_seen_items_are_left_out_when_asked() -> None:
    scenario = counting(num_candidates=30).fit(LOG)
    seen = LOG[["user_idx", "item_idx"]]
    assert scenario.predict(LOG, 30).merge(seen).empty
    every = scenario.predict(LOG, 30, filter_seen_items=False)
    assert len(every.merge(seen)) == len(seen)


def test_users_and_items_of_a_call() -> None:
    scenario = counting().fit(LOG)
    items = sorted(LOG["item_idx"].unique())[-9:]
    result = scenario.predict(LOG, 4, users=iter([8, 5, 9999]), items=items)
    assert result["user_idx"].unique().tolist() == [5, 8, 9999]
    assert set(result["item_idx"]) <= set(items)
    assert scenario.can_predict_cold_users
    with pytest.warns(UserWarning, match="1 users have no candidates"):
        counting(fallback_model=None).fit(LOG).predict(LOG, 4, users=[5, 9999])
    assert len(scenario.predict(LOG, 0)) == 0
    assert len(scenario.predict(LOG, 3, users=[])) == 0


def test_the_number_of_candidates_bounds_the_lists() -> None:
    assert counting(num_candidates=3).fit(LOG).predict(LOG, 5).groupby("user_idx").size().max() == 3


def test_a_log_in_memory_is_ranked_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = counting().fit(LOG)
    whole = scenario.predict(LOG, 5)
    monkeypatch.setattr("daskrec.scenarios.two_stages._PAIRS", 100)
    assert_same(scenario.predict(LOG, 5), whole)


def test_random_negatives_come_with_all_positives() -> None:
    class Spy:
        data: pd.DataFrame

        def fit(self, data: pd.DataFrame, fit_params: Any = None) -> None:
            Spy.data = data

        def predict(self, data: pd.DataFrame, k: int | None) -> pd.DataFrame:
            out = data[["user_idx", "item_idx"]].assign(relevance=data["rel_0_KNN"])
            return (
                out.sort_values(["user_idx", "relevance"], ascending=[True, False])
                .groupby("user_idx")
                .head(k)
            )

    scenario = counting(negatives_type="random", reranker=Spy(), num_negatives=3)
    assert isinstance(scenario.second_stage_model, ReRanker)
    scenario.fit(LOG)
    assert isinstance(scenario.random_model, RandomRec)
    first, second = scenario.train_splitter.split(LOG)
    taken = Spy.data[Spy.data["target"] == 1]
    expected = second[second["item_idx"].isin(first["item_idx"])]
    assert len(taken) == len(expected) == len(taken.merge(expected))
    assert (Spy.data["target"] == 0).sum() > 0
    alone = scenario.first_level_models[0].predict(LOG, 3)
    assert_same(
        scenario.predict(LOG, 3).reset_index(drop=True)["item_idx"].to_frame(), alone[["item_idx"]]
    )
    with pytest.raises(ValueError, match="reranker is a Spy of your own"):
        scenario.save("/nowhere")


def test_more_candidates_than_can_be_learned_from_are_sampled_by_user() -> None:
    sizes = []

    class Count(BoostedTrees):
        def fit(self, data: pd.DataFrame, fit_params: Any = None) -> Any:
            sizes.append(set(data["user_idx"]))
            return super().fit(data, fit_params)

    for given in (LOG, with_empty_partitions(LOG, 7)):
        counting(reranker=Count(seed=1), max_train_rows=240).fit(given)
    assert len(sizes[0]) == 20
    assert sizes[0] == sizes[1]


def test_a_past_without_positives_is_told() -> None:
    lonely = pd.DataFrame({"user_idx": [1, 1, 2, 2], "item_idx": [1, 2, 3, 4]})
    with pytest.raises(LogError, match="raise num_negatives"):
        counting(train_splitter=UserSplitter(1, shuffle=True, seed=1)).fit(lonely)
    with pytest.raises(LogError, match="have the names of other columns"):
        counting().fit(LOG, LOG[["user_idx"]].drop_duplicates().assign(rel_0_KNN=1.0))


def test_models_of_features_and_scenarios_may_come_first() -> None:
    users = LOG[["user_idx"]].drop_duplicates()
    users = users.assign(age=users["user_idx"] % 50 * 1.0, gender="M")
    scenario = counting(
        first_level_models=[Fallback(KNN(), threshold=3), ClusterRec(num_clusters=2, seed=0)]
    ).fit(LOG, users)
    found = scenario.add_features(LOG.head(9), LOG, users)
    assert {"rel_0_Fallback(KNN, PopRec)", "rel_1_ClusterRec", "gender"} <= set(found.columns)
    assert len(scenario.predict(LOG, 2, user_features=users)) == 2 * len(users)


def test_features_of_a_call_take_the_place_of_those_of_the_fit() -> None:
    users = LOG[["user_idx"]].drop_duplicates().assign(age=lambda f: f["user_idx"] * 1.0)
    scenario = counting().fit(LOG, users)
    assert scenario.add_features(LOG.head(5), LOG)["age"].tolist() == sorted(
        LOG.head(5)["user_idx"] * 1.0
    )
    other = scenario.add_features(LOG.head(5), LOG, users.assign(age=-1.0))
    assert other["age"].tolist() == [-1.0] * 5


def test_a_file_of_parameters(tmp_path: Path) -> None:
    path = tmp_path / "trees.json"
    path.write_text(json.dumps({"max_iter": 3, "max_leaf_nodes": 4}))
    scenario = counting(second_model_config_path=path, second_model_params={"max_iter": 2})
    assert scenario.second_stage_model.params == {"max_iter": 2, "max_leaf_nodes": 4}
    scenario.fit(LOG)
    assert len(scenario.second_stage_model.trees_.get().starts) == 3
    path.write_text("[1]")
    with pytest.raises(ValueError, match="holds list, not parameters"):
        counting(second_model_config_path=path)


def test_parameters_as_scikit_learn_keeps_them() -> None:
    again = clone(counting(num_negatives=7))
    assert again.num_negatives == 7
    assert [str(model) for model in again.first_level_models] == ["KNN", "PopRec"]
    assert again.set_params(num_negatives=9, fallback_model__add_cold_items=True).num_negatives == 9
    assert again.fallback_model.add_cold_items


@pytest.mark.parametrize("how", ["pandas", 7])
def test_saved_and_loaded(tmp_path: Path, how: Any) -> None:
    users = LOG[["user_idx"]].drop_duplicates()
    users = users.assign(
        age=users["user_idx"] % 50, gender=np.where(users["user_idx"] % 2, "M", "F")
    )
    scenario = counting(
        first_level_models=[KNN(), ALSWrap(rank=3, seed=0)],
        use_first_level_models_feat=[False, True],
        use_generated_features=True,
        user_cat_features_list=["gender"],
    ).fit(source(LOG, how), source(users, how))
    scenario.save(tmp_path / "two")
    again = load(tmp_path / "two")
    assert again.get_params(deep=False)["num_negatives"] == 12
    assert again.train_splitter.get_params() == scenario.train_splitter.get_params()
    assert_same(again.predict(source(LOG, how), 5), scenario.predict(source(LOG, how), 5))
    assert again.first_level_user_len == scenario.first_level_user_len
    assert to_pandas(again.features_processor.log_processor.user_log_features).equals(
        to_pandas(scenario.features_processor.log_processor.user_log_features)
    )
    assert not list((tmp_path / "two").rglob("*.pkl"))
    with pytest.raises(FileExistsError):
        scenario.save(tmp_path / "two")


def test_optimize() -> None:
    pytest.importorskip("optuna")
    scenario = original()
    borders: list[Any] = [{"rank": [1, 10]}, {}, {"rank": [1, 5]}, None]
    options: dict[str, Any] = {"k": 1, "budget": 1, "seed": 0}
    cold = "1 users are not known to the model"
    with pytest.warns(UserWarning, match=cold):
        first, last = scenario.optimize(LONG, SHORT, USERS, ITEMS, borders, **options)
    assert len(first) == 3
    assert first[1] is None
    assert list(first[0]) == ["rank"]
    assert last is None
    scenario.fallback_model = None
    with pytest.warns(UserWarning, match=cold):
        first, last = scenario.optimize(LONG, SHORT, param_borders=borders[:3], **options)
    assert (len(first), last) == (3, None)
    with pytest.raises(ValueError, match="must be a list of 3 entries"):
        scenario.optimize(LONG, SHORT, param_borders=borders)
    first, last = counting().optimize(LOG, LOG.head(20), k=3, budget=1)
    assert "num_neighbours" in first[0]
    assert first[1] is None


def test_stages_on_workers(client: Any) -> None:
    expected = counting().fit_predict(LOG, 4)
    assert_same(counting().fit_predict(with_empty_partitions(LOG, 4), 4), expected)


def ndcg(recs: pd.DataFrame, test: pd.DataFrame, k: int = 10) -> float:
    weights = 1 / np.log2(np.arange(2, k + 2))
    lists = recs.groupby("user_idx")["item_idx"].agg(list)
    found = []
    for user, truth in test.groupby("user_idx")["item_idx"].agg(set).items():
        hits = np.array([item in truth for item in lists.get(user, [])[:k]], dtype=float)
        found.append(hits @ weights[: len(hits)] / weights[: min(k, len(truth))].sum())
    return float(np.mean(found))


@pytest.mark.data
def test_the_second_stage_is_better_than_the_first(data: Path) -> None:
    log = pd.read_parquet(data / "ml-100k" / "ratings.parquet")
    log = log.rename(columns={"user_id": "user_idx", "item_id": "item_idx", "rating": "relevance"})
    train, test = UserSplitter(0.2, shuffle=True, seed=7).split(log)
    models = [ALSWrap(rank=32, seed=1), KNN(num_neighbours=50)]
    first = max(ndcg(model.fit_predict(train, 10), test) for model in models)
    scenario = TwoStagesScenario(
        UserSplitter(0.2, shuffle=True, seed=42), models, candidates_from="all"
    )
    second = ndcg(scenario.fit_predict(train, 10), test)
    # 0.430 against 0.410 (ALS) and 0.346 (KNN) when this was written.
    assert second > first + 0.005


def test_models_learn_from_the_whole_log_at_the_end() -> None:
    scenario = counting().fit(LOG)
    assert scenario.first_level_models[0].users_count == LOG["user_idx"].nunique()
    whole = PopRec().fit(LOG).predict(LOG, 3)
    assert_same(scenario.first_level_models[1].predict(LOG, 3), whole)
    first, _ = scenario.train_splitter.split(LOG)
    part = PopRec().fit(first).predict(LOG, 3)
    assert_same(counting(refit=False).fit(LOG).first_level_models[1].predict(LOG, 3), part)
    vectors = counting(
        first_level_models=[ALSWrap(rank=3, seed=0)], use_first_level_models_feat=True
    ).fit(LOG)
    assert_same(
        vectors.first_level_models[0].predict(LOG, 3),
        ALSWrap(rank=3, seed=0).fit(first).predict(LOG, 3),
        1e-6,
    )
