"""Tests of differences against scipy and statsmodels, and at their edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from daskrec.errors import LogError
from daskrec.significance import holm, paired_p

P_VALUES = st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.05, 1.0])), min_size=1)


@settings(max_examples=15)  # statsmodels takes a tenth of a second a call
@given(P_VALUES)
def test_holm_is_that_of_statsmodels(values: list[float]) -> None:
    expected = multipletests(values, method="holm")[1]
    np.testing.assert_allclose(holm(np.array(values)), expected, rtol=1e-12)


def test_holm_does_not_count_what_is_missing() -> None:
    found = holm(np.array([0.01, np.nan, 0.04, 0.02]))
    np.testing.assert_allclose(found, [0.03, np.nan, 0.04, 0.04])
    assert np.isnan(holm(np.array([np.nan]))).all()
    assert len(holm(np.array([]))) == 0


def values(users: int, gap: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return per-user values as those of metrics are: most are zero."""
    rng = np.random.default_rng(seed)
    first = np.where(rng.random(users) < 0.7, 0, rng.random(users))
    second = np.where(rng.random(users) < 0.6, first, 0)
    return first, second * (1 - gap)


def test_the_tests_are_those_of_scipy() -> None:
    a, b = values(80, 0.1, 0)
    assert paired_p(a, b) == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-12)
    assert paired_p(a, b, "wilcoxon") == stats.wilcoxon(a, b).pvalue
    assert paired_p(b, a) == paired_p(a, b)


def test_the_permutation_test_agrees_with_all_swaps() -> None:
    a, b = values(9, 0.3, 4)
    gaps = a - b
    signs = 1 - 2 * ((np.arange(2**9)[:, None] >> np.arange(9)) & 1)
    means = (signs * gaps).mean(axis=1)
    two_sided = (np.abs(means) >= abs(gaps.mean()) - 1e-12).mean()
    assert paired_p(a, b, "permutation") == pytest.approx(two_sided)


def test_the_t_test_agrees_with_the_permutation_test_on_many_users() -> None:
    for seed in range(2):
        a, b = values(400, 0.02, seed)
        b = np.random.default_rng(seed).permutation(b) * 1.2
        assert paired_p(a, b) == pytest.approx(paired_p(a, b, "permutation"), abs=0.02)


def test_the_permutation_test_is_seeded_and_leaves_the_global_state() -> None:
    a, b = values(60, 0.02, 2)
    before = np.random.get_state()[1].copy()
    assert paired_p(a, b, "permutation", 3) == paired_p(a, b, "permutation", 3)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize("test", ["t", "permutation", "wilcoxon"])
def test_edges(test: str) -> None:
    same = np.array([0.1, 0.5, 0.0])
    assert paired_p(same, same, test) == 1
    assert np.isnan(paired_p(same[:1], same[:1] + 1, test))
    assert np.isnan(paired_p(same, np.array([np.nan, 0.2, np.nan]), test))
    wide = np.linspace(0, 1, 40)
    gone = np.where(np.arange(40) % 4 == 0, np.nan, wide**2)
    kept = ~np.isnan(gone)
    assert paired_p(wide, gone, test) == paired_p(wide[kept], gone[kept], test)


def test_a_difference_that_all_users_share_is_certain() -> None:
    wide = np.linspace(0, 1, 40)
    assert paired_p(wide, wide + 0.1) == 0


def test_an_unknown_test_is_told() -> None:
    with pytest.raises(LogError, match=r"no test is called 'sign'.*permutation"):
        paired_p(np.ones(3), np.zeros(3), "sign")
