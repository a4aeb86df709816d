"""Numbers that the original publishes or tests."""

import math

import pandas as pd
import pytest
from support.logs import ORIGINAL

from daskrec.metrics import (
    MAP,
    MRR,
    NDCG,
    CategoricalDiversity,
    ConfidenceInterval,
    Coverage,
    HitRate,
    Median,
    Novelty,
    OfflineMetrics,
    PerUser,
    Precision,
    Recall,
    RocAuc,
    Surprisal,
    Unexpectedness,
    evaluate,
)

QUALITY = [HitRate, Precision, Recall, MAP, MRR, NDCG, RocAuc]


def frame(rows, columns=("user_idx", "item_idx", "relevance")):
    return pd.DataFrame(rows, columns=list(columns)[: len(rows[0])])


RECS = frame(
    [(0, 0, 3), (0, 1, 2), (0, 2, 1), (1, 0, 3), (1, 1, 4), (1, 4, 1), (2, 0, 5), (2, 2, 1),
     (2, 3, 2)]
)  # fmt: skip
TRUTH = frame([(0, 0), (0, 4), (0, 1), (1, 5), (1, 0), (2, 1)])


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (HitRate, {1: 1 / 3, 3: 2 / 3}),
        # The original divides by the length of the list where it is shorter than k.
        (Precision, {1: 1 / 3, 2: 1 / 2, 3: 1 / 3}),
        (Recall, {1: 1 / 9, 3: 7 / 18}),
        (MAP, {1: 1 / 3, 3: 11 / 36}),
        (NDCG, {1: 1 / 3, 3: 0.3840711}),
        (MRR, {1: 1 / 3, 3: 1 / 2}),
        (RocAuc, {1: 1 / 3, 3: 1 / 2}),
    ],
)
def test_quality(metric, expected) -> None:
    assert metric()(RECS, TRUTH, list(expected)) == pytest.approx(expected, abs=1e-7)


def test_surprisal() -> None:
    expected = 5 * (1 - 1 / math.log2(3)) / 9 + 4 / 9
    assert expected == pytest.approx(0.64948347)
    assert Surprisal(TRUTH)(RECS, 3) == pytest.approx(expected)
    assert Surprisal(TRUTH)(frame([(0, 3, 4.0), (0, 4, 5.0)]), [1, 2]) == {1: 1.0, 2: 1.0}


def test_surprisal_of_a_log_of_one_user() -> None:
    assert Surprisal(frame([(7, 3)]))(frame([(7, 3, 1.0)]), [1, 2]) == {1: 1.0, 2: 0.5}


def test_coverage() -> None:
    everything = pd.concat([RECS, TRUTH])
    found = Coverage(everything)(RECS, [1, 3, 5])
    assert found == pytest.approx({1: 1 / 3, 3: 5 / 6, 5: 5 / 6})
    assert Coverage(everything)(RECS[:0], [1, 3]) == {1: 0.0, 3: 0.0}


def test_coverage_of_unknown_items() -> None:
    with pytest.warns(UserWarning, match="2 recommended items are not in the log of Coverage"):
        assert Coverage(TRUTH)(RECS, 3) == 1.25
    assert Coverage(3)(RECS, TRUTH) == {"Coverage@3": 0.75}


def test_user_distribution() -> None:
    found = HitRate().user_distribution(ORIGINAL, RECS, TRUTH, 1)
    assert found.to_dict("list") == {"count": [2, 3], "value": [0.0, 0.5]}
    found = HitRate().user_distribution(ORIGINAL[3:5], RECS, TRUTH, [1, 3])
    assert found["count"].tolist() == [0, 2, 0, 2]
    assert found["value"].tolist() == [0.5, 0.0, 0.5, 1.0]
    found = Novelty(RECS[:3]).user_distribution(ORIGINAL, RECS, None, 1)
    assert found.to_dict("list") == {"count": [3], "value": [0.0]}


@pytest.mark.parametrize("metric", QUALITY)
def test_missing_and_extra_users(metric) -> None:
    recs, truth = frame([(1, 10, 1.0)]), frame([(1, 10), (2, 20)])
    assert metric()(recs, truth, 1) == 0.5
    with pytest.warns(UserWarning, match="1 users have recommendations but are not in the truth"):
        assert metric()(frame([(1, 10, 1.0), (3, 20, 1.0)]), truth[:1], 1) == 1.0


@pytest.mark.parametrize("metric", QUALITY)
def test_short_lists_and_repeats(metric) -> None:
    recs, truth = frame([(1, 4, 3.0), (1, 1, 2.0), (1, 2, 1.0)]), frame([(1, 2), (1, 4)])
    if metric is not Precision:
        assert metric()(recs, truth, 4) == metric()(recs, truth, 3)
    twice = pd.concat([recs, recs.assign(relevance=0.5)])
    assert metric()(twice, truth, [1, 2, 3]) == metric()(recs, truth, [1, 2, 3])
    assert metric()(recs, pd.concat([truth, truth]), 3) == metric()(recs, truth, 3)
    assert metric()(recs, frame([(1, 9)]), 3) == 0.0
    assert metric()(recs[:0], truth, 3) == 0.0


def test_examples_of_the_original() -> None:
    recs = frame([(1, 3, 5), (1, 2, 5), (1, 1, 5)])
    assert MRR()(recs, frame([(1, 2), (1, 4), (1, 5)]), [3, 1]) == {3: 0.5, 1: 0.0}

    recs = frame([(1, 4, 1), (1, 5, 1), (2, 6, 1), (2, 7, 1)])
    truth = frame([(1, i) for i in range(1, 6)] + [(2, 8)])
    assert NDCG()(recs, truth, 2) == 0.5

    scores = [0.5, 0.1, 0.25, 0.6, 0.2, 0.3, 0]
    recs = frame([(1, item, score) for item, score in enumerate(scores, 1)])
    assert RocAuc()(recs, frame([(1, 4), (1, 5), (1, 6)]), 7) == 0.75

    base = frame([(1, 1, 5), (1, 2, 5), (1, 3, 5)])
    recs = frame([(1, 0, 5), (1, 0, 5), (1, 1, 5)])
    assert Unexpectedness(base)(recs, 3) == pytest.approx(2 / 3)


def test_unexpectedness_of_one_user() -> None:
    assert Unexpectedness._get_metric_value_by_user(2, (), (2, 3)) == 0
    assert Unexpectedness._get_metric_value_by_user(2, (1, 2), (1,)) == 0.5
    base = frame([(1, 2, 2.0), (1, 3, 1.0)])
    assert Unexpectedness(base)(frame([(9, 2, 1.0)])[:0], 2) == 0
    assert Unexpectedness(base[:1])(frame([(1, 2, 2.0), (1, 5, 1.0)]), 2) == 0.5


def test_comparison_of_the_original() -> None:
    log = frame([(2, 1), (2, 2), (2, 3), (1, 3)])
    truth = frame([(1, 1), (1, 2), (1, 3)])
    baseline = frame([(1, 1, 5), (1, 4, 4), (1, 5, 5)])
    model = frame([(1, 4, 5), (1, 1, 4), (1, 3, 5)])
    for recs, two, three, rare, part in (
        (baseline, 0.613147, 0.469279, 1.0, 1 / 3),
        (model, 0.386853, 0.530721, 2 / 3, 2 / 3),
    ):
        assert NDCG()(recs, truth, [2, 3]) == pytest.approx({2: two, 3: three}, abs=1e-6)
        assert Surprisal(log)(recs, 3) == pytest.approx(rare)
        precision = evaluate(Precision(), recs, truth, 3)
        assert precision.mean("Precision", 3) == pytest.approx(part)
        assert precision.conf_interval("Precision", 3) == 0.0
        with pytest.warns(UserWarning, match="not in the log of Coverage"):
            assert Coverage(log)(recs, 3) == 1.0


# The frames of the documentation of later versions.
LATER = pd.DataFrame(
    {
        "query_id": [1] * 5 + [2] * 5 + [3] * 3,
        "item_id": [3, 7, 10, 11, 2, 5, 8, 11, 1, 3, 4, 9, 2],
        "rating": [0.6, 0.5, 0.4, 0.3, 0.2, 0.6, 0.5, 0.4, 0.3, 0.2, 1.0, 0.5, 0.1],
    }
)
LATER_TRUTH = pd.DataFrame(
    {
        "query_id": [1] * 6 + [2] * 5 + [3] * 5,
        "item_id": [5, 6, 7, 8, 9, 10, 6, 7, 4, 10, 11, 1, 2, 3, 4, 5],
    }
)
LATER_TRAIN = pd.DataFrame(
    {
        "query_id": [1] * 5 + [2] * 5 + [3] * 3,
        "item_id": [5, 6, 8, 9, 2, 5, 8, 11, 1, 3, 4, 9, 2],
    }
)
LATER_BASE = pd.DataFrame(
    {
        "query_id": [1, 1, 1, 2, 2, 2, 3, 3],
        "item_id": [3, 7, 2, 5, 8, 3, 4, 9],
        "rating": [0.5, 0.5, 0.7, 0.6, 0.6, 0.3, 1.0, 0.5],
    }
)


def per_user(found) -> dict[int, float]:
    return dict(zip(found["query_id"], found["value"], strict=True))


def test_quality_of_later_versions() -> None:
    expected = {
        Precision: 1 / 3, Recall: 0.12222222222222223, MAP: 0.25, MRR: 0.5, NDCG: 1 / 3,
        HitRate: 2 / 3, RocAuc: 1 / 3,
    }  # fmt: skip
    for metric, value in expected.items():
        assert metric(2)(LATER, LATER_TRUTH) == {f"{metric.__name__}@2": pytest.approx(value)}
    found = Precision(2, mode=PerUser())(LATER, LATER_TRUTH)
    assert per_user(found["Precision-PerUser@2"]) == {1: 0.5, 2: 0.0, 3: 0.5}
    assert Precision(2, mode=Median())(LATER, LATER_TRUTH) == {"Precision-Median@2": 0.5}
    found = Precision(2, mode=ConfidenceInterval(alpha=0.95))(LATER, LATER_TRUTH)
    assert found == {"Precision-ConfidenceInterval@2": pytest.approx(0.32666066409000905)}


def test_other_metrics_of_later_versions() -> None:
    assert Coverage(2)(LATER, LATER_TRAIN) == {"Coverage@2": pytest.approx(5 / 9)}
    assert Novelty(2)(LATER, LATER_TRAIN) == {"Novelty@2": pytest.approx(1 / 3)}
    found = Novelty(2, mode=PerUser())(LATER, LATER_TRAIN)["Novelty-PerUser@2"]
    assert per_user(found) == {1: 1.0, 2: 0.0, 3: 0.0}
    found = Novelty(2, mode=ConfidenceInterval(0.95))(LATER, LATER_TRAIN)
    assert found == {"Novelty-ConfidenceInterval@2": pytest.approx(0.6533213281800181)}

    found = Unexpectedness([2, 4])(LATER, LATER_BASE)
    assert found == {"Unexpectedness@2": pytest.approx(1 / 6), "Unexpectedness@4": 0.5}
    found = Unexpectedness([2, 4], mode=PerUser())(LATER, LATER_BASE)
    assert per_user(found["Unexpectedness-PerUser@2"]) == {1: 0.5, 2: 0.0, 3: 0.0}
    assert per_user(found["Unexpectedness-PerUser@4"]) == {1: 0.5, 2: 0.5, 3: 0.5}
    found = Unexpectedness(2, mode=ConfidenceInterval(0.95))(LATER, LATER_BASE)
    assert found == {"Unexpectedness-ConfidenceInterval@2": pytest.approx(0.32666066409000905)}

    categories = LATER.rename(columns={"item_id": "category_id"})
    found = CategoricalDiversity([3, 5])(categories)
    assert found == {
        "CategoricalDiversity@3": 1.0,
        "CategoricalDiversity@5": pytest.approx(0.8666666666666667),
    }
    found = CategoricalDiversity(5, mode=ConfidenceInterval(0.95))(categories)
    assert found == {"CategoricalDiversity-ConfidenceInterval@5": pytest.approx(0.2613285312720073)}


def test_offline_metrics_of_later_versions() -> None:
    metrics = [
        Precision(2), Precision(2, mode=PerUser()), Precision(2, mode=Median()),
        Precision(2, mode=ConfidenceInterval(alpha=0.95)), Recall(2), MAP(2), MRR(2), NDCG(2),
        HitRate(2), RocAuc(2), Coverage(2), Novelty(2),
    ]  # fmt: skip
    found = OfflineMetrics(metrics)(LATER, LATER_TRUTH, LATER_TRAIN)
    assert per_user(found.pop("Precision-PerUser@2")) == {1: 0.5, 2: 0.0, 3: 0.5}
    assert found == pytest.approx(
        {
            "Precision@2": 1 / 3, "Precision-Median@2": 0.5,
            "Precision-ConfidenceInterval@2": 0.32666066409000905,
            "Recall@2": 0.12222222222222223, "MAP@2": 0.25, "MRR@2": 0.5, "NDCG@2": 1 / 3,
            "HitRate@2": 2 / 3, "RocAuc@2": 1 / 3, "Coverage@2": 5 / 9, "Novelty@2": 1 / 3,
        }
    )  # fmt: skip
    metrics = [Precision(2), Unexpectedness([1, 2]), Unexpectedness([1, 2], mode=PerUser())]
    bases = {"ALS": LATER_BASE, "KNN": LATER}
    found = OfflineMetrics(metrics)(LATER, LATER_TRUTH, base_recommendations=bases)
    users = {name: per_user(found.pop(name)) for name in list(found) if "PerUser" in name}
    assert found == pytest.approx(
        {
            "Precision@2": 1 / 3, "Unexpectedness_ALS@1": 1 / 3, "Unexpectedness_ALS@2": 1 / 6,
            "Unexpectedness_KNN@1": 0.0, "Unexpectedness_KNN@2": 0.0,
        }
    )  # fmt: skip
    assert users["Unexpectedness-PerUser_ALS@1"] == {1: 1.0, 2: 0.0, 3: 0.0}
    assert users["Unexpectedness-PerUser_ALS@2"] == {1: 0.5, 2: 0.0, 3: 0.0}
    assert set(users["Unexpectedness-PerUser_KNN@2"].values()) == {0.0}
    with pytest.raises(ValueError, match="was made without depths"):
        OfflineMetrics([NDCG()])


def test_offline_metrics_name_columns_once() -> None:
    names = {"query_column": "who", "item_column": "what", "rating_column": "how"}
    renamed = LATER.rename(columns=dict(zip(LATER.columns, names.values(), strict=True)))
    metric = NDCG([2, 3])
    assert OfflineMetrics([metric], **names)(renamed, LATER_TRUTH) == metric(LATER, LATER_TRUTH)
    assert metric.query_column is None
