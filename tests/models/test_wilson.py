"""Wilson: the lower bound itself, and which rows count."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint
from support.logs import ORIGINAL

from daskrec.errors import LogError
from daskrec.models import Wilson
from daskrec.models.wilson import lower_bound


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1),
    st.floats(1e-6, 0.999),
)
def test_the_bound_is_that_of_statsmodels(outcomes, alpha) -> None:
    positive = np.array([p for p, _ in outcomes], dtype=float)
    count = positive + np.array([n for _, n in outcomes]) + 1
    expected = proportion_confint(positive, count, alpha, method="wilson")[0]
    np.testing.assert_allclose(lower_bound(positive, count, alpha), expected, rtol=0, atol=1e-12)


def test_numbers_of_the_original() -> None:
    two = pd.DataFrame({"user_idx": [1, 2], "item_idx": [1, 2], "relevance": [1, 1]})
    recs = Wilson().fit_predict(two, 1)
    assert recs.item_idx.tolist() == [2, 1]
    np.testing.assert_allclose(recs.relevance, 0.206549, atol=1e-6)
    log = ORIGINAL.assign(relevance=(ORIGINAL.relevance >= 3).astype(int))
    with pytest.warns(UserWarning, match="1 rows of the log repeat"):
        model = Wilson().fit(log)
    expected = [0.3755346, 0.2076596, 0.3423802, 0.2065493]
    np.testing.assert_allclose(model.item_popularity.relevance, expected, atol=1e-7)
    assert len(model.predict(log, 1, users=[1, 0], items=[3, 2])) == 2


@pytest.mark.parametrize("lazy", [False, True])
def test_relevance_that_is_not_binary_is_an_error(lazy: bool) -> None:
    log = ORIGINAL.assign(relevance=[1.0, 0, 0.5, 1, 5, 0, 0, 0, 1, 1, 1])
    given = dd.from_pandas(log, npartitions=3) if lazy else log
    with pytest.raises(ValueError, match=r"Relevance values in log must be 0 or 1") as error:
        Wilson().fit(given)
    assert "column 'relevance' in 2 rows (first: 0.5, 5.0)" in str(error.value)
    with pytest.raises(LogError, match="no relevance column"):
        Wilson().fit(given[["user_idx", "item_idx"]])


def test_two_halves_are_not_one_success() -> None:
    halves = pd.DataFrame({"user_idx": [1, 1], "item_idx": [1, 1], "relevance": [0.5, 0.5]})
    with pytest.raises(LogError, match="0 or 1"):
        Wilson().fit(halves)


@pytest.mark.parametrize("alpha", [0, 1, -0.5, "x", None])
def test_alpha_is_a_level(alpha) -> None:
    with pytest.raises(ValueError, match="alpha"):
        Wilson(alpha=alpha)


def test_sampled_lists_follow_the_scores() -> None:
    rows = [(0, item, int(n < hits)) for item, hits in ((1, 9), (2, 3), (3, 1)) for n in range(10)]
    log = pd.DataFrame(rows, columns=["user_idx", "item_idx", "relevance"])
    with pytest.warns(UserWarning, match="repeat"):
        model = Wilson(sample=True, seed=11).fit(log)
    scores = model.item_popularity.relevance.to_numpy()
    recs = model.predict(None, 1, users=np.arange(100_000))
    shares = recs.item_idx.value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(shares, scores / scores.sum(), atol=0.006)
    both = model.predict(None, 2, users=np.arange(50))
    ordered = both.sort_values(["user_idx", "relevance"], ascending=[True, False], kind="stable")
    pd.testing.assert_frame_equal(both, ordered)
    assert set(both.relevance) <= set(scores)
