"""The compiled metrics against their definitions in plain Python, on random frames."""

from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.metrics import (
    MAP,
    MRR,
    NDCG,
    CategoricalDiversity,
    Coverage,
    HitRate,
    Metric,
    Novelty,
    Precision,
    Recall,
    RocAuc,
    Surprisal,
    Unexpectedness,
    evaluate,
)
from daskrec.metrics.base import FrameMetric

QUALITY = [HitRate, Precision, Recall, MAP, MRR, NDCG, RocAuc]
KS = [3, 1, 7, 40]


def by_user(frame: pd.DataFrame) -> dict[Any, list[Any]]:
    """Return the items of each user, best first, equal relevance as it lies, none twice."""
    found: dict[Any, list[Any]] = defaultdict(list)
    rows = list(frame.itertuples(index=False))
    if "relevance" in frame:
        rows = sorted(rows, key=lambda row: -row.relevance)
    for row in rows:
        if row.item_idx not in found[row.user_idx]:
            found[row.user_idx].append(row.item_idx)
    return found


def frames(seed: int, users: int, items: int, rows: int, levels: int, text: bool) -> Any:
    """Draw recommendations, truth, training and baseline that have some users in common."""
    rng = np.random.default_rng(seed)

    def draw(share: float) -> pd.DataFrame:
        count = max(1, int(rows * share))
        who, what = rng.integers(0, users, count) * 3, rng.integers(0, items, count) - 5
        frame = pd.DataFrame({"user_idx": who, "item_idx": what})
        if text:
            frame = pd.DataFrame({name: [f"{name[0]}{v}" for v in frame[name]] for name in frame})
        return frame.assign(relevance=rng.integers(0, levels, count) / 3.0)

    recs, truth, train, base = draw(1.0), draw(0.5), draw(0.7), draw(0.8)
    recs = recs[recs["user_idx"].isin(truth["user_idx"])]
    every = pd.concat([recs, train])
    names = sorted(set(every["item_idx"]))
    labels = rng.integers(0, 4, len(names))
    categories = pd.DataFrame({"item_idx": names, "category": labels})
    return recs, truth, train, base, categories


def expected_values(recs, truth, train, base, categories) -> dict[str, dict[Any, Any]]:
    """Return for each metric the function of k of every user that counts."""
    lists, relevant = by_user(recs), by_user(truth.drop(columns="relevance"))
    had, other = by_user(train.drop(columns="relevance")), by_user(base)
    found: dict[str, dict[Any, Any]] = {
        metric.__name__: {
            u: lambda k, m=metric, u=u: m._get_metric_value_by_user(
                k, lists.get(u, []), relevant[u]
            )
            for u in relevant
        }
        for metric in QUALITY
    }
    found["Unexpectedness"] = {
        u: lambda k, u=u: Unexpectedness._get_metric_value_by_user(k, lists.get(u, []), other[u])
        for u in other
    }
    found["Novelty"] = {
        u: lambda k, u=u: Novelty._get_metric_value_by_user(k, lists.get(u, []), had[u])
        for u in had
    }
    owners: dict[Any, set[Any]] = defaultdict(set)
    for user, items in had.items():
        for item in items:
            owners[item].add(user)
    n = len(had)

    def weight(item: Any) -> float:
        if item not in owners or n == 1:
            return 1.0
        return float(np.log2(n / len(owners[item])) / np.log2(n))

    found["Surprisal"] = {
        u: lambda k, u=u: Surprisal._get_metric_value_by_user(k, [weight(i) for i in lists[u]])
        for u in lists
    }
    label = dict(zip(categories["item_idx"], categories["category"], strict=True))
    found["CategoricalDiversity"] = {
        u: lambda k, u=u: CategoricalDiversity._get_metric_value_by_user(
            k, [label[i] for i in lists[u]]
        )
        for u in lists
    }
    return found


def all_metrics(train, base, categories) -> list[Metric]:
    return [
        *(metric() for metric in QUALITY),
        Surprisal(train),
        Unexpectedness(base),
        Novelty(train),
        CategoricalDiversity(item_features=categories),
    ]


DRAWN = {
    "seed": st.integers(0, 2**32 - 1),
    "users": st.sampled_from([1, 2, 9, 40]),
    "items": st.sampled_from([1, 3, 12, 60]),
    "rows": st.sampled_from([1, 5, 60, 400]),
    "levels": st.sampled_from([1, 3, 1000]),
    "text": st.booleans(),
}


@given(**DRAWN)
@settings(max_examples=60, deadline=None)
def test_all_metrics_agree_with_their_definitions(seed, users, items, rows, levels, text) -> None:
    recs, truth, train, base, categories = frames(seed, users, items, rows, levels, text)
    found = evaluate(all_metrics(train, base, categories), recs, truth, KS)
    assert found.ks == KS
    for name, functions in expected_values(recs, truth, train, base, categories).items():
        for k in KS:
            expected = {user: function(k) for user, function in functions.items()}
            who, values = found.per_user(name, k)
            who = who.tolist() if isinstance(who, np.ndarray) else who.to_pylist()
            assert who == sorted(expected)
            np.testing.assert_allclose(values, [expected[u] for u in who], rtol=0, atol=1e-12)
            ordered = sorted(expected.values())
            if ordered:
                assert found.mean(name, k) == pytest.approx(np.mean(ordered), abs=1e-12)
                assert found.median(name, k) == pytest.approx(
                    ordered[(len(ordered) - 1) // 2], abs=1e-12
                )
                spread = np.std(ordered, ddof=1) if len(ordered) > 1 else 0.0
                expected_width = 1.959963984540054 * spread / len(ordered) ** 0.5
                assert found.conf_interval(name, k) == pytest.approx(expected_width, abs=1e-9)


@given(**DRAWN)
@settings(max_examples=30, deadline=None)
def test_coverage_agrees_with_its_definition(seed, users, items, rows, levels, text) -> None:
    recs, _, train, _, _ = frames(seed, users, items, rows, levels, text)
    known = set(train["item_idx"])
    found = Coverage(KS)(recs, train)
    both = Coverage(pd.concat([train, recs]))(recs, KS)
    for k in KS:
        shown = {item for items in by_user(recs).values() for item in items[:k]}
        assert found[f"Coverage@{k}"] == pytest.approx(len(shown & known) / len(known))
        assert both[k] == pytest.approx(len(shown) / len(known | set(recs["item_idx"])))


@pytest.mark.parametrize("metric", QUALITY)
def test_overriding_the_definition_takes_the_place_of_the_compiled_form(metric) -> None:
    class Own(metric):
        pass

    class Plain(metric):
        @staticmethod
        def _get_metric_value_by_user(k, pred, ground_truth):
            return metric._get_metric_value_by_user(k, pred, ground_truth)

    class Constant(metric):
        @staticmethod
        def _get_metric_value_by_user(k, pred, ground_truth):
            return 7.0

    recs, truth, *_ = frames(5, 9, 12, 60, 3, False)
    assert Own()(recs, truth, [1, 5]) == metric()(recs, truth, [1, 5])
    assert Plain()(recs, truth, [1, 5]) == pytest.approx(metric()(recs, truth, [1, 5]))
    assert Constant()(recs, truth, 5) == 7.0
    assert str(Own()) == "Own"


def test_a_metric_of_ones_own_gets_whole_lists_of_ids() -> None:
    calls = []

    class Own(Metric):
        def __init__(self) -> None:  # does not call that of the base
            self.seen = True

        @staticmethod
        def _get_metric_value_by_user(k, pred, ground_truth):
            calls.append((k, pred, ground_truth))
            return len(pred)

    recs = pd.DataFrame({"user_id": ["b"] * 3, "item_id": ["z", "y", "z"], "rating": [1, 2, 3]})
    truth = pd.DataFrame({"user_id": ["b", "b", "a"], "item_id": ["y", "x", "q"]})
    assert Own()(recs, truth, [1, 2]) == {1: 1.0, 2: 1.0}
    assert calls == [(1, [], ["q"]), (2, [], ["q"]), (1, ["z", "y"], ["x", "y"]),
                     (2, ["z", "y"], ["x", "y"])]  # fmt: skip
    found = evaluate([Own(), Recall()], recs, truth, 1)
    assert found.names == ["Own", "Recall"]
    assert issubclass(FrameMetric, Metric)
