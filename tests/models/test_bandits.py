"""UCB, KL-UCB and Thompson sampling: their formulas, and what they say of the untried."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import beta, kstest
from support.logs import assert_same, random_log

from daskrec.models import KLUCB, UCB, ThompsonSampling

LOG = pd.DataFrame(
    [(1, 1, 1), (2, 2, 0), (3, 1, 0), (3, 2, 0)], columns=["user_idx", "item_idx", "relevance"]
)


def by_item(recs: pd.DataFrame) -> dict[int, float]:
    return dict(zip(recs.item_idx, recs.relevance, strict=True))


def test_ucb_has_the_numbers_of_the_original() -> None:
    scores = by_item(UCB().fit(LOG).predict(None, 3, users=[4], items=[1, 2, 3]))
    assert scores == pytest.approx({3: 2.665109, 1: 1.677410, 2: 1.177410}, abs=1e-6)
    seen = UCB().fit(LOG).predict(LOG, 2, users=[1, 2, 3, 4], items=[1, 2, 3])
    assert seen.item_idx.tolist() == [3, 2, 3, 1, 3, 3, 1]


def test_kl_ucb_solves_its_equation() -> None:
    log = random_log(rows=900).assign(relevance=lambda f: (f.relevance > 2).astype(int))
    for coef in (0.0, 2.5):
        found = KLUCB(coef).fit(log).item_popularity
        counts = log.groupby("item_idx").relevance.agg(["sum", "count"])
        budget = math.log(len(log)) + coef * math.log(math.log(len(log)))
        for p, n, bound in zip(counts["sum"], counts["count"], found.relevance, strict=True):
            share = p / n

            def excess(q: float, share=share, n=n, budget=budget) -> float:
                parts = [(share, q), (1 - share, 1 - q)]
                return n * sum(a * math.log(a / b) for a, b in parts if a > 0) - budget

            high = 1 - 1e-15
            expected = brentq(excess, share, high, xtol=1e-14) if excess(high) > 0 else 1.0
            assert bound == pytest.approx(expected, abs=1e-10)
    small = KLUCB().fit(LOG).predict(None, 3, users=[4], items=[1, 2, 3])
    # The original leaves n out of the equation where p is 0: it has 0.75 for item 2.
    assert by_item(small) == pytest.approx({3: 1.0, 1: 0.933013, 2: 0.5}, abs=1e-6)


def test_bounds_of_a_single_interaction_are_finite() -> None:
    one = LOG.head(1)
    for model in (UCB(), KLUCB(3.0)):
        assert np.isfinite(model.fit(one).item_popularity.relevance).all()


def test_thompson_draws_from_the_posterior() -> None:
    items = np.arange(20_000)
    rows = pd.DataFrame(
        {
            "user_idx": np.tile(np.arange(5), len(items)),
            "item_idx": np.repeat(items, 5),
            "relevance": np.tile([1, 1, 1, 0, 0], len(items)),
        }
    )
    model = ThompsonSampling(seed=4).fit(rows)
    assert kstest(model.item_popularity.relevance, beta(4, 3).cdf).pvalue > 0.01
    cold = model.predict(None, 20_000, users=[1], items=items + 10**6)
    assert kstest(cold.relevance, "uniform").pvalue > 0.01


def test_thompson_draws_by_the_seed() -> None:
    log = random_log().assign(relevance=1)
    fits = [ThompsonSampling(seed=seed).fit(log).item_popularity for seed in (1, 1, 2, None, None)]
    assert_same(fits[0], fits[1])
    assert all(
        not np.allclose(a.relevance, b.relevance) for a, b in zip(fits, fits[2:], strict=False)
    )


@pytest.mark.parametrize("model", [UCB, KLUCB])
def test_refit_is_update(model) -> None:
    log = random_log().assign(relevance=1)
    both = model().fit(log.iloc[:300]).refit(log.iloc[300:])
    assert_same(both.item_popularity, model().fit(log).item_popularity)


@pytest.mark.parametrize("model", [UCB, KLUCB])
def test_exploration_is_not_negative(model) -> None:
    with pytest.raises(ValueError, match="exploration_coef"):
        model(exploration_coef=-1)
