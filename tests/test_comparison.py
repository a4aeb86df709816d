"""Comparisons of models: what is measured, how surely, and what fails alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from support.logs import KINDS, as_kind, random_log, to_pandas, with_empty_partitions

from daskrec.comparison import Comparison, board, compare
from daskrec.engine.bootstrap import draw_counts
from daskrec.errors import LogError
from daskrec.metrics import MRR, NDCG, Coverage, HitRate, Novelty, Surprisal, Unexpectedness
from daskrec.models import KNN, ALSWrap, ClusterRec, PopRec, RandomRec, UserPopRec, Wilson
from daskrec.splitters import UserSplitter

DEFAULT = ["Coverage", "HitRate", "MAP", "MRR", "NDCG", "Novelty", "Surprisal"]


@pytest.fixture(scope="module")
def split() -> tuple[pd.DataFrame, pd.DataFrame]:
    train, test = UserSplitter(
        item_test_size=0.25, shuffle=True, drop_cold_items=True, seed=0
    ).split(random_log(rows=900))
    return train.reset_index(drop=True), test.reset_index(drop=True)


def models() -> dict[str, Any]:
    return {"random": RandomRec(seed=0), "knn": KNN(num_neighbours=10), "pop": PopRec()}


@pytest.fixture(scope="module")
def found(split) -> Comparison:
    return compare(models(), *split, k=[5, 3])


def test_means_are_those_of_the_metrics(found: Comparison, split) -> None:
    train, test = split
    columns = [name for name in found.results if name[-1].isdigit()]
    assert columns == [f"{name}@{k}" for name in DEFAULT for k in (3, 5)]
    for name, model in models().items():
        recs = model.fit(train).predict(train, 5, users=test["user_idx"].unique())
        pd.testing.assert_frame_equal(found.recommendations[name], recs)
        row = found.results.loc[name]
        for k in (3, 5):
            assert row[f"NDCG@{k}"] == NDCG()(recs, test, k)
            assert row[f"HitRate@{k}"] == HitRate()(recs, test, k)
            assert row[f"Coverage@{k}"] == Coverage(train)(recs, k)
            assert row[f"Surprisal@{k}"] == Surprisal(train)(recs, k)
            served = train[train["user_idx"].isin(test["user_idx"])]
            assert row[f"Novelty@{k}"] == pytest.approx(Novelty(served)(recs, k))


def test_rows_are_ordered_by_the_primary_metric(found: Comparison) -> None:
    assert found.primary == "NDCG@5"
    assert found.results.index.name == "model"
    assert found.results["NDCG@5"].is_monotonic_decreasing
    assert (found.results["error"] == "").all()
    assert found.errors == {}


def test_seconds_and_memory_are_told(found: Comparison) -> None:
    costs = found.results[["fit_seconds", "predict_seconds", "metric_seconds", "peak_mb"]]
    assert (costs > 0).all(axis=None)
    assert (found.results["peak_mb"] > 50).all()
    assert (found.results["added_mb"] >= 0).all()


def test_models_are_fitted_in_place_unless_they_are(split) -> None:
    train, test = split
    ready = PopRec().fit(train[train["user_idx"] < 100])
    new = PopRec()
    told = compare({"ready": ready, "new": new}, train, test, [NDCG()], k=3)
    assert new.users_count == train["user_idx"].nunique()
    assert ready.users_count < new.users_count
    assert np.isnan(told.results.loc["ready", "fit_seconds"])
    assert told.models == {"ready": ready, "new": new}


def test_intervals_are_those_of_a_plain_loop(found: Comparison) -> None:
    values = found.per_user("NDCG", 3)
    counts = np.vstack(list(draw_counts(len(values), 1000, 0)))
    for name in values:
        means = [np.average(values[name], weights=row) for row in counts]
        low, high = np.quantile(means, [0.025, 0.975])
        row = found.results.loc[name]
        assert row["NDCG@3_low"] == pytest.approx(low)
        assert row["NDCG@3_high"] == pytest.approx(high)
        assert row["NDCG@3_low"] < row["NDCG@3"] < row["NDCG@3_high"]
    test = found.tests[found.tests["metric"] == "NDCG@3"].set_index("model")
    for name, row in test.iterrows():
        gaps = [np.average(values[name] - values[row["best"]], weights=one) for one in counts]
        low, high = np.quantile(gaps, [0.025, 0.975])
        assert row["difference_low"] == pytest.approx(low)
        assert row["difference_high"] == pytest.approx(high)


def test_tests_are_paired_and_corrected(found: Comparison) -> None:
    for column in ("NDCG@5", "HitRate@3"):
        values = found.per_user(column)
        test = found.tests[found.tests["metric"] == column]
        best = values.mean().idxmax()
        assert set(test["best"]) == {best}
        assert set(test["model"]) == set(values) - {best}
        raw = [stats.ttest_rel(values[name], values[best]).pvalue for name in test["model"]]
        np.testing.assert_allclose(test["p_value"], raw)
        np.testing.assert_allclose(test["p_holm"], multipletests(raw, method="holm")[1])
        gaps = [values[name].mean() - values[best].mean() for name in test["model"]]
        np.testing.assert_allclose(test["difference"], gaps)
    assert not found.tests["metric"].str.startswith("Coverage").any()


def test_values_of_users(found: Comparison, split) -> None:
    _, test = split
    values = found.per_user("MRR@5")
    assert values.index.tolist() == sorted(test["user_idx"].unique())
    assert values.index.name == "user"
    users, expected = NDCG()(found.recommendations["knn"], test, 5), found.per_user()
    assert expected["knn"].mean() == pytest.approx(users)
    recs = found.recommendations["knn"]
    mine, single = MRR(), values.index[3]
    assert values.loc[single, "knn"] == mine(
        recs[recs["user_idx"] == single], test[test["user_idx"] == single], 5
    )
    with pytest.raises(LogError, match="one number for all users"):
        found.per_user("Coverage")
    with pytest.raises(LogError, match="no metric 'AUC'"):
        found.per_user("AUC")


def numbers(told: Comparison) -> pd.DataFrame:
    columns = [name for name in told.results if "@" in name]
    return told.results[columns]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_frame_gives_the_same(found: Comparison, split, kind: str) -> None:
    train, test = (as_kind(frame, kind) for frame in split)
    told = compare(models(), train, test, k=[5, 3])
    pd.testing.assert_frame_equal(numbers(told), numbers(found), rtol=1e-9)
    pd.testing.assert_frame_equal(told.tests, found.tests, rtol=1e-6)
    assert [type(one) for one in told.recommendations.values()] == [type(train)] * 3


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_partitions_do_not_show(found: Comparison, split, npartitions: int) -> None:
    lazy = [with_empty_partitions(frame, npartitions) for frame in split]
    few = {"knn": KNN(num_neighbours=10), "pop": PopRec()}
    told = compare(few, *lazy, [NDCG(), Surprisal()], k=[3, 5])
    columns = [name for name in numbers(told) if "NDCG" in name or "Surprisal" in name]
    pd.testing.assert_frame_equal(
        numbers(told)[columns], numbers(found).loc[told.results.index, columns], rtol=1e-9
    )


def test_paths_are_frames_too(found: Comparison, split, tmp_path: Path) -> None:
    paths = []
    for name, frame in zip(("train", "test"), split, strict=True):
        paths.append(str(tmp_path / f"{name}.parquet"))
        frame.to_parquet(paths[-1])
    told = compare({"pop": PopRec()}, *paths, k=[3, 5])
    pd.testing.assert_series_equal(numbers(told).loc["pop"], numbers(found).loc["pop"], rtol=1e-9)


def test_on_a_cluster(found: Comparison, split, client: Any) -> None:
    train, test = (as_kind(frame, "dask") for frame in split)
    told = compare(models(), train, test, k=[3, 5])
    pd.testing.assert_frame_equal(numbers(told), numbers(found), rtol=1e-9)
    # What workers hold is counted: they are processes of their own.
    here = psutil.Process().memory_info().rss / 1e6
    assert (told.results["peak_mb"] > here + 100).all()
    assert to_pandas(told.recommendations["pop"]).shape == found.recommendations["pop"].shape


class Broken(PopRec):
    def _fit(self, data: Any) -> None:
        raise MemoryError("no room for this")


class Silent(PopRec):
    def predict(self, *args: Any, **options: Any) -> Any:
        return None


def test_a_failing_model_is_a_row_that_says_how(split) -> None:
    train, test = split
    told = compare([Broken(), PopRec(), Wilson(), Silent()], train, test, [NDCG()], k=3)
    assert told.results.index.tolist() == ["PopRec", "Broken", "Wilson", "Silent"]
    texts = told.results["error"]
    assert texts["PopRec"] == ""
    assert texts["Broken"] == "MemoryError in fit: no room for this"
    assert texts["Wilson"].startswith("LogError in fit: the log cannot be used: Relevance")
    assert "in predict" in texts["Silent"]
    assert isinstance(told.errors["Broken"], MemoryError)
    assert told.results.drop("PopRec").drop(columns="error").isna().all(axis=None)
    assert list(told.recommendations) == ["PopRec"]
    assert len(told.tests) == 0


def test_all_may_fail(split) -> None:
    told = compare([Broken()], *split, k=3)
    assert told.results["error"].tolist() == ["MemoryError in fit: no room for this"]


def test_an_interruption_is_not_a_failure(split, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PopRec, "_fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare([PopRec()], *split, k=3)


def test_models_of_one_class_are_told_apart(split) -> None:
    given = [KNN(num_neighbours=5), KNN(num_neighbours=9), PopRec(), PopRec(), KNN()]
    told = compare(given, *split, [NDCG()], k=3, bootstrap=0)
    assert set(told.results.index) == {
        "KNN(num_neighbours=5)", "KNN(num_neighbours=9)", "KNN(num_neighbours=10)", "PopRec",
        "PopRec #2",
    }  # fmt: skip
    one = compare(PopRec(), *split, NDCG(), k=3)
    assert one.results.index.tolist() == ["PopRec"]


def test_recommendations_made_elsewhere_are_compared_as_they_are(found, split, tmp_path) -> None:
    recs = found.recommendations["knn"]
    path = str(tmp_path / "recs.parquet")
    recs.to_parquet(path)
    given = {"frame": recs, "polars": as_kind(recs, "polars"), "path": path, "pop": PopRec()}
    told = compare(given, *split, k=[3, 5])
    for name in ("frame", "polars", "path"):
        pd.testing.assert_series_equal(
            numbers(told).loc[name], numbers(found).loc["knn"], check_names=False
        )
        assert told.results.loc[name, ["fit_seconds", "peak_mb"]].isna().all()
    assert list(told.models) == ["pop"]


def test_users_and_items_can_be_chosen(split) -> None:
    train, test = split
    users = sorted(test["user_idx"].unique())[:7]
    items = sorted(train["item_idx"].unique())[::2]
    told = compare(models(), train, test, k=3, users=[*users, 10**6], items=items)
    assert told.users.tolist() == users
    for recs in told.recommendations.values():
        assert set(recs["user_idx"]) <= set(users)
        assert set(recs["item_idx"]) <= set(items)
    recs = told.recommendations["pop"]
    few = test[test["user_idx"].isin(users)]
    assert told.results.loc["pop", "NDCG@3"] == NDCG()(recs, few, 3)
    with pytest.raises(LogError, match="no rows of these users"):
        compare(models(), train, test, k=3, users=[10**6])


def test_a_model_of_another_log_recommends_from_the_same_items(split) -> None:
    train, test = split
    popular = train.drop_duplicates("user_idx").assign(item_idx=10**6)
    more = pd.concat([train, popular], ignore_index=True)
    told = compare({"more": PopRec().fit(more)}, train, test, [NDCG()], k=3)
    assert set(told.recommendations["more"]["item_idx"]) <= set(train["item_idx"])


def test_seen_items_can_be_let_in(split) -> None:
    train, test = split
    told = compare([PopRec()], train, test, k=3, filter_seen_items=False)
    assert told.results.loc["PopRec", "Novelty@3"] < 1
    plain = compare(
        [UserPopRec()], train, test, [Novelty(train), NDCG()], k=1, filter_seen_items=False
    )
    served = train["user_idx"].isin(test["user_idx"])
    recs = plain.recommendations["UserPopRec"]
    # The mean is over the users of the test, though the log of the metric has others.
    assert plain.results.loc["UserPopRec", "Novelty@1"] == Novelty(train[served])(recs, 1)


def test_models_get_the_features_that_they_take(split) -> None:
    train, test = split
    users = np.union1d(train["user_idx"], test["user_idx"])
    features = pd.DataFrame({"user_idx": users, "age": np.arange(len(users)) % 5})
    told = compare(
        [ClusterRec(num_clusters=3, seed=0), PopRec()], train, test, k=3, user_features=features
    )
    assert (told.results["error"] == "").all()
    told = compare([ClusterRec(num_clusters=3, seed=0)], train, test, k=3)
    assert "in fit" in told.results["error"].iloc[0]


def test_users_who_are_all_new(split) -> None:
    train, test = split
    strangers = test.assign(user_idx=test["user_idx"] + 10**6)
    told = compare([PopRec()], train, strangers, k=3)
    assert "Novelty@3" not in told.results
    assert told.results.loc["PopRec", "HitRate@3"] > 0


def test_string_ids(split) -> None:
    train, test = (
        frame.assign(
            user_idx="u" + frame["user_idx"].astype(str),
            item_idx="é" + frame["item_idx"].astype(str),
        )
        for frame in split
    )
    told = compare({"pop": PopRec()}, train, test, k=3)
    assert told.per_user().index[0].startswith("u")
    assert told.results.loc["pop", "HitRate@3"] > 0


def test_the_seed_is_of_the_intervals_alone(found: Comparison, split) -> None:
    given = {name: found.recommendations[name] for name in ("knn", "pop")}
    before = np.random.get_state()[1].copy()
    one, again, other = (compare(given, *split, [NDCG()], k=3, seed=seed) for seed in (1, 1, 2))
    assert (np.random.get_state()[1] == before).all()
    pd.testing.assert_frame_equal(numbers(one), numbers(again))
    assert (one.results["NDCG@3"] == other.results["NDCG@3"]).all()
    assert (one.results["NDCG@3_low"] != other.results["NDCG@3_low"]).any()


def test_levels_and_replicates(found: Comparison, split) -> None:
    given = {"knn": found.recommendations["knn"], "pop": found.recommendations["pop"]}
    narrow = compare(given, *split, [NDCG()], k=5, level=0.5).results
    wide = found.results.loc[narrow.index]
    assert (narrow["NDCG@5_low"] > wide["NDCG@5_low"]).all()
    assert (narrow["NDCG@5_high"] < wide["NDCG@5_high"]).all()
    none = compare(given, *split, [NDCG()], k=5, bootstrap=0)
    assert not [name for name in none.results if name.endswith("_low")]
    assert none.tests["p_value"].notna().all()


@pytest.mark.parametrize("significance", ["permutation", "wilcoxon"])
def test_other_tests(found: Comparison, split, significance: str) -> None:
    told = compare(dict(found.recommendations), *split, [NDCG()], k=5, significance=significance)
    usual = found.tests[found.tests["metric"] == "NDCG@5"]
    assert (told.tests["p_value"] != usual["p_value"].to_numpy()).any()
    assert told.tests["p_value"].between(0, 1).all()


def test_many_users_are_sampled_and_intervals_narrowed(
    found: Comparison, split, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = len(found.users)
    monkeypatch.setattr(board, "_MOST_USERS", users // 2)
    told = compare(dict(found.recommendations), *split, [NDCG()], k=5).results
    whole = found.results.loc[told.index]
    assert (told["NDCG@5"] == whole["NDCG@5"]).all()
    ratio = (told["NDCG@5_high"] - told["NDCG@5_low"]) / (
        whole["NDCG@5_high"] - whole["NDCG@5_low"]
    )
    assert ratio.between(0.6, 1.5).all()
    assert (told["NDCG@5_low"] < told["NDCG@5"]).all()


def test_columns_are_resampled_in_groups_with_the_same_draws(
    found: Comparison, split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "_VALUE_BYTES", 1)
    told = compare(dict(found.recommendations), *split, k=[3, 5])
    pd.testing.assert_frame_equal(numbers(told), numbers(found))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"metrics": ["NDCG"]}, "must be metrics"),
        ({"metrics": []}, "must be metrics"),
        ({"metrics": [NDCG(), NDCG()]}, "one name"),
        ({"primary": "AUC"}, "primary is 'AUC'"),
        ({"primary": "NDCG@7"}, "primary is 'NDCG@7'"),
        ({"k": 0}, "positive"),
        ({"significance": "sign"}, "no test is called"),
        ({"level": 95}, "level must be between"),
        ({"bootstrap": -1}, "bootstrap must be"),
    ],
)
def test_bad_arguments_are_told_before_any_work(options: dict, text: str, split) -> None:
    model = PopRec()
    with pytest.raises(ValueError, match=text):
        compare([model], *split, **options)
    assert not hasattr(model, "users_count")


@pytest.mark.parametrize(
    ("given", "text"),
    [([], "no model"), ({}, "no model"), ([3], "neither a model"), ({"a": object()}, "neither")],
)
def test_what_is_no_model_is_told(given: Any, text: str, split) -> None:
    with pytest.raises(LogError, match=text):
        compare(given, *split)


def test_an_empty_test_is_told(split) -> None:
    train, test = split
    with pytest.raises(LogError, match="test has no rows"):
        compare([PopRec()], train, test[:0])
    with pytest.raises(LogError, match="test has no user column"):
        compare([PopRec()], train, test.drop(columns="user_idx"))


def test_the_primary_metric_can_be_chosen(found: Comparison, split) -> None:
    given = dict(found.recommendations)
    told = compare(given, *split, [NDCG(), Coverage()], k=[3, 5], primary="Coverage@3")
    assert told.results["Coverage@3"].is_monotonic_decreasing
    assert compare(given, *split, [HitRate(), MRR()], k=[3, 5]).primary == "HitRate@5"
    base = found.recommendations["pop"]
    told = compare(given, *split, [Unexpectedness(base)], k=5)
    assert told.results.loc["pop", "Unexpectedness@5"] == 0


def test_figures_hold_the_numbers(found: Comparison) -> None:
    bars = found.plot_leaderboard()
    assert [bar.name for bar in bars.data] == found.results.index[::-1].tolist()
    row = found.results.iloc[0]
    best = bars.data[-1]
    assert best.x[0] == row["NDCG@5"]
    assert best.x[0] + best.error_x.array[0] == pytest.approx(row["NDCG@5_high"])
    assert best.x[0] - best.error_x.arrayminus[0] == pytest.approx(row["NDCG@5_low"])

    points = found.plot_tradeoff("Surprisal", "HitRate@3")
    assert points.layout.xaxis.title.text == "Surprisal@3"
    assert [point.y[0] for point in points.data] == found.results["HitRate@3"].tolist()

    lines = found.plot_by_k()
    assert {line.name: line.y for line in lines.data} == {
        name: (row["NDCG@3"], row["NDCG@5"]) for name, row in found.results.iterrows()
    }

    curves = {curve.name: curve for curve in found.plot_popularity().data}
    assert set(curves) == {"the log", *found.results.index}
    counts = found.recommendations["pop"]["item_idx"].value_counts()
    assert curves["pop"].y[0] == pytest.approx(counts.iloc[0] / counts.sum())
    assert curves["pop"].x[-1] == len(counts)
    json.loads(lines.to_json())


@pytest.mark.data
def test_movielens_orders_models_as_expected(data: Path, tmp_path: Path) -> None:
    log = pd.read_parquet(data / "ml-100k" / "ratings.parquet")
    train, test = UserSplitter(item_test_size=0.2, drop_cold_items=True).split(log)
    liked = train.assign(rating=(train["rating"] >= 4).astype(int))
    told = compare(
        {
            "random": RandomRec(seed=0), "wilson": Wilson().fit(liked), "pop": PopRec(),
            "knn": KNN(num_neighbours=60), "als": ALSWrap(rank=32, seed=0),
        },
        train, test[test["rating"] >= 4], k=10,
    )  # fmt: skip
    assert told.results.index.tolist() == ["als", "knn", "pop", "wilson", "random"]
    assert told.results["Coverage@10"].idxmax() == "random"
    last = told.tests[told.tests["metric"] == "NDCG@10"].set_index("model")["p_holm"]
    assert last["random"] < 1e-50
    path = told.report(tmp_path / "report.html", data / "ml-100k" / "items.parquet")
    assert "Star Wars (1977)" in Path(path).read_text("utf-8")
