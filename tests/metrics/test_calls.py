"""How metrics are called, and what they say when they cannot be."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

from daskrec.errors import LogError
from daskrec.metrics import (
    MAP,
    MRR,
    NDCG,
    CategoricalDiversity,
    ConfidenceInterval,
    Coverage,
    HitRate,
    Mean,
    Median,
    Novelty,
    PerUser,
    Precision,
    Recall,
    RocAuc,
    Surprisal,
    Unexpectedness,
    evaluate,
)

QUALITY = [HitRate, Precision, Recall, MAP, MRR, NDCG, RocAuc]
FRAMES = [Coverage, Surprisal, Unexpectedness, Novelty]


def frame(rows, columns=("user_idx", "item_idx", "relevance")):
    return pd.DataFrame(rows, columns=list(columns)[: len(rows[0])])


RECS = frame([(1, 10, 3.0), (1, 20, 2.0), (1, 30, 1.0), (2, 20, 1.0)])
TRUTH = frame([(1, 10), (1, 20), (2, 30)])
LOG = frame([(1, 10, 1.0), (1, 20, 1.0), (2, 30, 1.0), (3, 10, 1.0)])


@pytest.mark.parametrize("metric", QUALITY)
def test_two_ways_to_call(metric) -> None:
    name = metric.__name__
    both = metric()(RECS, TRUTH, [3, 1])
    assert list(both) == [3, 1]
    assert metric()(RECS, TRUTH, 3) == both[3]
    assert metric([3, 1])(RECS, TRUTH) == {f"{name}@3": both[3], f"{name}@1": both[1]}
    assert metric(3)(RECS, TRUTH) == {f"{name}@3": both[3]}
    assert metric(1)(RECS, TRUTH, 3) == both[3]
    found = evaluate(metric([3, 1]), RECS, TRUTH)
    assert (found.names, found.ks) == ([name], [3, 1])
    assert found.mean(name, 3) == both[3]


@pytest.mark.parametrize("metric", FRAMES)
def test_two_ways_to_call_with_another_frame(metric) -> None:
    name = metric.__name__
    both = metric(LOG)(RECS, [3, 1])
    assert metric(LOG)(RECS, k=3) == metric(LOG)(RECS, 3) == both[3]
    assert metric([3, 1])(RECS, LOG) == {f"{name}@3": both[3], f"{name}@1": both[1]}
    assert metric()(RECS, LOG, 3) == both[3]
    given = {"base" if metric is Unexpectedness else "train": LOG}
    assert evaluate(metric(), RECS, k=3, **given).mean(name, 3) == both[3]
    assert evaluate(metric(LOG), RECS, k=3).mean(name, 3) == both[3]


def test_names_of_the_other_frame() -> None:
    expected = Unexpectedness(LOG)(RECS, 2)
    assert Unexpectedness(pred=LOG)(RECS, 2) == expected
    found = Unexpectedness(2)(recommendations=RECS, base_recommendations=LOG)
    assert found == {"Unexpectedness@2": expected}
    assert Surprisal(log=LOG)(RECS, 2) == Surprisal(LOG)(RECS, 2)
    assert Novelty(2)(recommendations=RECS, train=LOG) == {"Novelty@2": Novelty(LOG)(RECS, 2)}


def test_a_log_is_counted_once() -> None:
    reads = []

    def load(piece: pd.DataFrame) -> pd.DataFrame:
        reads.append(len(piece))
        return piece

    log = dd.from_map(load, [LOG], meta=LOG[:0])
    for metric in (Coverage(log), Surprisal(log)):
        reads.clear()
        assert metric(RECS, 1) == metric(RECS, 1)
        assert reads == [len(LOG)]


@pytest.mark.parametrize(
    "k", [np.int64(2), np.int32(2), np.array(2)], ids=lambda k: type(k).__name__
)
def test_one_depth(k) -> None:
    assert Recall()(RECS, TRUTH, k) == Recall()(RECS, TRUTH, 2)


@pytest.mark.parametrize(
    "ks", [range(1, 3), (1, 2), np.array([1, 2]), iter([1, 2]), {1: 0, 2: 0}, pd.Series([1, 2, 1])]
)
def test_several_depths(ks) -> None:
    assert Recall()(RECS, TRUTH, ks) == Recall()(RECS, TRUTH, [1, 2])


@pytest.mark.parametrize("k", [0, -1, 2.0, "5", True, None, [], [1, 0], [1, 2.5], 2**31, object()])
def test_bad_depths(k) -> None:
    with pytest.raises(ValueError, match="k "):
        Recall()(RECS, TRUTH, k)
    if k is not None:
        with pytest.raises(ValueError, match="k "):
            Recall(k)
        with pytest.raises(ValueError, match="k "):
            evaluate([Recall()], RECS, TRUTH, k)


@pytest.mark.parametrize("k", [0, [1, -1]])
def test_bad_depths_of_metrics_with_another_frame(k) -> None:
    with pytest.raises(ValueError, match="k must be positive"):
        Coverage(LOG)(RECS, k)
    with pytest.raises(ValueError, match="k must be positive"):
        Coverage(k)


# Users absent from one of the sides (C1-20).
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("metric", "expected"),
    [(Recall, 0.5), (Precision, 1 / 6), (NDCG, 0.5), (HitRate, 0.5), (MAP, 0.5), (MRR, 0.5)],
)
def test_absent_users(metric, expected, lazy) -> None:
    recs, truth = frame([(1, 10, 1.0)]), frame([(1, 10), (2, 20)])
    more = frame([(1, 10, 1.0), (3, 10, 1.0), (4, 10, 1.0)])
    if lazy:
        recs, more = (dd.from_pandas(each, npartitions=2) for each in (recs, more))
    assert metric()(recs, truth, 3) == pytest.approx(expected)
    with pytest.warns(UserWarning, match="2 users have recommendations but are not in the truth"):
        assert metric()(more, truth, 3) == pytest.approx(expected)


# Truth without rows, padded hits (C1-21).
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("metric", QUALITY)
def test_empty_truth(metric, lazy) -> None:
    empty = TRUTH[TRUTH["user_idx"] > 5]
    if lazy:
        empty = dd.from_pandas(TRUTH, npartitions=2)
        empty = empty[empty["user_idx"] > 5]
    with pytest.raises(LogError, match=f"the truth has no rows, so that {metric.__name__}"):
        metric()(RECS, empty, 3)


@pytest.mark.parametrize("metric", FRAMES)
def test_empty_other_frame(metric) -> None:
    with pytest.raises(LogError, match="has no rows"):
        metric(LOG[:0])(RECS, 3)


@pytest.mark.parametrize("metric", QUALITY)
def test_no_credit_for_item_zero(metric) -> None:
    assert metric()(frame([(1, 7, 1.0)]), frame([(1, 0)]), 5) == 0.0
    assert metric()(frame([(2, 7, 1.0)])[:0], frame([(1, 0)]), 5) == 0.0


# Repeated truth (C1-22).
@pytest.mark.parametrize("lazy", [False, True])
def test_repeated_truth(lazy) -> None:
    recs = frame([(1, 10, 3.0), (1, 20, 2.0), (1, 30, 1.0)])
    truth = frame([(1, 10), (1, 10), (1, 20)])
    if lazy:
        truth = dd.from_pandas(truth, npartitions=3)
    found = evaluate([NDCG(), Recall(), Precision(), MAP()], recs, truth, 3)
    assert {name: found.mean(name, 3) for name in found.names} == {
        "NDCG": 1.0, "Recall": 1.0, "Precision": pytest.approx(2 / 3), "MAP": 1.0,
    }  # fmt: skip


def test_no_recommendations_at_all() -> None:
    metrics = [Recall(), Coverage(LOG), Surprisal(LOG), Novelty(LOG), Unexpectedness(LOG)]
    found = evaluate(metrics, RECS[:0], TRUTH, 3)
    told = {name: found.mean(name, 3) for name in found.names}
    assert told == {
        "Recall": 0.0, "Coverage": 0.0, "Surprisal": 0.0, "Novelty": 1.0, "Unexpectedness": 0.0,
    }  # fmt: skip
    assert found.median("Surprisal", 3) == found.conf_interval("Surprisal", 3) == 0.0
    assert len(found.per_user("Surprisal", 3)[0]) == 0


def test_spellings_and_names_of_columns() -> None:
    expected = NDCG()(RECS, TRUTH, 3)
    other = RECS.rename(columns={"user_idx": "query_id", "item_idx": "item_id",
                                 "relevance": "rating"})  # fmt: skip
    assert NDCG()(other, TRUTH, 3) == expected
    odd = RECS.rename(columns={"user_idx": "who", "item_idx": "what", "relevance": "how"})
    names = {"query_column": "who", "item_column": "what", "rating_column": "how"}
    assert NDCG(3, **names)(odd, TRUTH) == {"NDCG@3": expected}
    odd_truth = TRUTH.rename(columns={"user_idx": "who", "item_idx": "what"})
    assert NDCG(3, **names)(odd, odd_truth) == {"NDCG@3": expected}
    found = NDCG(3, **names, mode=PerUser())(odd, odd_truth)["NDCG-PerUser@3"]
    assert list(found.columns) == ["who", "value"]
    with pytest.raises(LogError, match="recommendations has no column 'how'"):
        NDCG(3, rating_column="how")(RECS, TRUTH)
    with pytest.raises(LogError, match="no item column"):
        NDCG()(RECS[["user_idx"]], TRUTH, 3)
    with pytest.raises(LogError, match="two columns of one role"):
        evaluate([NDCG(query_column="a"), Recall(query_column="b")], RECS, TRUTH, 3)


def test_rows_without_relevance_are_best_first() -> None:
    assert MRR()(RECS[["user_idx", "item_idx"]][::-1], TRUTH, 3) == 0.25


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("relevance", [1.0, np.nan, 2.0, 1.0], "missing relevance in column 'relevance' in 1 row"),
        ("user_idx", [1.0, np.nan, 2.0, 1.0], "missing ids in column 'user_idx' in 1 row"),
        ("item_idx", [1.5, 2.0, 2.0, 1.0], "fractional or inexact ids in column 'item_idx'"),
        ("relevance", ["a", "b", "c", "d"], "relevance of type large_string"),
    ],
)
def test_values_that_cannot_be_used(column, values, message, lazy) -> None:
    recs = RECS.assign(**{column: values})
    if lazy:
        recs = dd.from_pandas(recs, npartitions=2)
    with pytest.raises(LogError, match=message):
        NDCG()(recs, TRUTH, 3)


@pytest.mark.parametrize("lazy", [False, True])
def test_ids_of_two_types(lazy) -> None:
    truth = TRUTH.astype(str)
    if lazy:
        truth = dd.from_pandas(truth, npartitions=1)
    for metric in (NDCG(3), Coverage(3), Surprisal(3), Novelty(3)):
        with pytest.raises(LogError, match="integers in one frame and strings in another"):
            metric(RECS, truth)


def test_large_and_negative_ids() -> None:
    ids = [-(2**63), 2**53 + 1, 2**63 - 1]
    recs = frame([(ids[0], ids[1], 1.0), (ids[2], ids[0], 1.0), (ids[1], ids[2], 1.0)])
    truth = frame([(ids[0], ids[1]), (ids[2], ids[1] - 1), (ids[1], ids[2])])
    for given in (recs, dd.from_pandas(recs, npartitions=3)):
        found = evaluate(Recall(), given, truth, 1)
        users, values = found.per_user("Recall", 1)
        assert users.tolist() == ids
        assert values.tolist() == [1.0, 1.0, 0.0]


def test_relevance_beyond_single_precision_orders() -> None:
    recs = frame([(1, 10, 2.0**40), (1, 20, 2.0**40 + 1), (1, 30, 2.0**40 + 2)])
    for given in (recs, recs.astype({"relevance": np.int64}), dd.from_pandas(recs, npartitions=3)):
        assert MRR()(given, frame([(1, 30)]), 3) == 1.0


def test_categories() -> None:
    recs = RECS.assign(category=["a", "a", None, "b"])
    assert CategoricalDiversity()(recs, [1, 3]) == {1: 1.0, 3: pytest.approx(1 / 3)}
    lazy = dd.from_pandas(recs, npartitions=2)
    assert CategoricalDiversity()(lazy, 3) == pytest.approx(1 / 3)
    numbers = recs.assign(category=[1.0, 2.0, np.nan, 0.0])
    assert CategoricalDiversity([3])(numbers) == {"CategoricalDiversity@3": 0.5}
    named = recs.rename(columns={"category": "genre"})
    assert CategoricalDiversity(category_column="genre")(named, 1) == 1.0
    with pytest.raises(LogError, match="category_column"):
        CategoricalDiversity()(named, 1)
    features = pd.DataFrame({"item_idx": [10, 20, 20], "category": ["a", "b", "b"]})
    assert CategoricalDiversity(item_features=features)(recs, 3) == 0.5
    with pytest.raises(LogError, match="item 20 has more than one category"):
        CategoricalDiversity(item_features=features.assign(category=list("abc")))(recs, 3)
    with pytest.raises(LogError, match="item_features="):
        CategoricalDiversity(features)


def test_what_cannot_be_evaluated() -> None:
    with pytest.raises(LogError, match="the truth is needed"):
        evaluate([NDCG()], RECS, k=3)
    with pytest.raises(LogError, match="Surprisal needs"):
        Surprisal()(RECS, k=3)
    with pytest.raises(LogError, match="Unexpectedness needs the recommendations of another"):
        evaluate([Unexpectedness()], RECS, k=3)
    with pytest.raises(ValueError, match="metrics is empty"):
        evaluate([], RECS, TRUTH, 3)
    with pytest.raises(LogError, match="two metrics are called Novelty"):
        evaluate([Novelty(LOG), Novelty(TRUTH)], RECS, k=3)
    with pytest.raises(ValueError, match="the frame was given twice"):
        Coverage(LOG, log=LOG)
    with pytest.raises(LogError, match=r"the recommendations is a builtins\.int"):
        NDCG()(5, TRUTH, 3)


def test_questions_to_an_evaluation() -> None:
    found = evaluate([NDCG(), NDCG(), Coverage(LOG)], RECS, TRUTH, [3, 1])
    assert found.names == ["NDCG", "Coverage"]
    assert repr(found) == "Evaluation(['NDCG', 'Coverage'], ks=[3, 1])"
    assert found.median("Coverage", 3) == found.mean("Coverage", 3)
    assert found.conf_interval("Coverage", 3) == 0.0
    with pytest.raises(LogError, match="no value per user"):
        found.per_user("Coverage", 3)
    with pytest.raises(ValueError, match="no metric is called 'ndcg'"):
        found.mean("ndcg", 3)
    with pytest.raises(ValueError, match="nothing was evaluated at 2"):
        found.mean("NDCG", 2)
    with pytest.raises(ValueError, match="alpha must be between 0 and 1"):
        found.conf_interval("NDCG", 3, 1.0)


def test_modes_say_what_they_are() -> None:
    assert repr(ConfidenceInterval(0.9)) == "ConfidenceInterval(0.9)"
    assert repr(Mean()) == "Mean()"
    assert repr(NDCG([5, 10])) == "NDCG([5, 10])"
    assert str(NDCG()) == "NDCG"
    with pytest.raises(ValueError, match="alpha must be"):
        ConfidenceInterval(95)
    with pytest.raises(ValueError, match="mode must be"):
        NDCG(mode="median")
    with pytest.raises(ValueError, match="no mode PerUser"):
        Coverage(5, mode=PerUser())
    assert Coverage(1, mode=Median())(RECS, LOG) == {"Coverage-Median@1": pytest.approx(2 / 3)}
