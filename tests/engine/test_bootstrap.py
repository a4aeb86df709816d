"""The bootstrap against a plain loop, and what its draws have to be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daskrec.engine import bootstrap
from daskrec.engine.bootstrap import draw_counts, percentile_interval, resampled_means
from daskrec.engine.random import hash64, stream


def plain_means(values: np.ndarray, replicates: int, seed: int) -> np.ndarray:
    """Draw users one by one, and average what was drawn."""
    users, columns = values.shape
    means = np.full((replicates, columns), np.nan)
    for replicate in range(replicates):
        words = hash64(stream(seed, "bootstrap"), replicate, np.arange(users))
        drawn = [int(word >> np.uint64(32)) * users >> 32 for word in words]
        for column in range(columns):
            found = [values[user, column] for user in drawn]
            found = [value for value in found if not np.isnan(value)]
            if found:
                means[replicate, column] = sum(found) / len(found)
    return means


@given(
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(-(2**70), 2**70),
    st.floats(0, 0.6),
    st.randoms(use_true_random=False),
)
def test_means_are_those_of_a_plain_loop(users, columns, seed, missing, rng) -> None:
    values = np.array(
        [
            [np.nan if rng.random() < missing else rng.uniform(-5, 5) for _ in range(columns)]
            for _ in range(users)
        ]
    )
    found = resampled_means(values, 9, seed)
    np.testing.assert_allclose(found, plain_means(values, 9, seed), rtol=1e-12, atol=1e-12)


def test_blocks_of_replicates_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((50, 4))
    whole = resampled_means(values, 40, 3)
    monkeypatch.setattr(bootstrap, "_BLOCK_BYTES", 7 * 50 * 8)
    assert [len(block) for block in draw_counts(50, 40, 3)] == [7, 7, 7, 7, 7, 5]
    np.testing.assert_allclose(resampled_means(values, 40, 3), whole, rtol=1e-13)


def test_draws_are_multinomial() -> None:
    users, replicates = 40, 5_000
    counts = np.vstack(list(draw_counts(users, replicates, 1)))
    assert (counts.sum(axis=1) == users).all()
    # Means 1 and variances 1 - 1/n, within five standard errors.
    assert abs(counts.mean(axis=0) - 1).max() < 5 / np.sqrt(replicates)
    assert abs(counts.var(axis=0) - (1 - 1 / users)).max() < 0.15
    covariance = np.cov(counts.T)[~np.eye(users, dtype=bool)]
    assert abs(covariance.mean() + 1 / users) < 0.002


def test_columns_share_the_draw_so_that_differences_are_paired() -> None:
    rng = np.random.default_rng(5)
    one = rng.random(300)
    means = resampled_means(np.column_stack([one, one + 0.1, one * 2]), 200, 0)
    np.testing.assert_allclose(means[:, 1] - means[:, 0], 0.1)
    np.testing.assert_allclose(means[:, 2], 2 * means[:, 0])


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(11)
    hits = 0
    for trial in range(200):
        sample = (rng.random(200) < 0.3).astype(float)[:, None]
        low, high = percentile_interval(resampled_means(sample, 400, trial), 0.9)
        hits += low[0] <= 0.3 <= high[0]
    assert 165 <= hits <= 195  # 180 of 200, within three and a half standard deviations


def test_a_column_without_values_has_no_interval() -> None:
    values = np.array([[1.0, np.nan], [2.0, np.nan]])
    low, high = percentile_interval(resampled_means(values, 50, 0), 0.5)
    assert np.isnan([low[1], high[1]]).all()
    assert 1 <= low[0] <= high[0] <= 2


def test_the_global_state_is_not_touched() -> None:
    before = np.random.get_state()[1].copy()
    resampled_means(np.ones((5, 2)), 10, 0)
    assert (np.random.get_state()[1] == before).all()
