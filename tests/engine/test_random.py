"""Draws by key: distribution, independence, and the same numbers however they are cut."""

import itertools
import pickle
import random as global_random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from daskrec.engine import random as keyed

N = 100_000
KEYS = np.arange(N)


def test_words_are_the_published_splitmix64_sequence() -> None:
    words = [int(keyed.word(np.uint64(0), np.uint64(b))) for b in range(3)]
    assert words == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@pytest.mark.parametrize("seed", [0, 1, -1, 2**63 + 5])
def test_uniform_is_uniform_along_each_key(seed: int) -> None:
    for draws in (keyed.uniform(seed, KEYS, 3), keyed.uniform(seed, 3, KEYS)):
        assert draws.dtype == np.float64
        assert 0.0 < draws.min() < draws.max() < 1.0
        assert stats.kstest(draws, "uniform").pvalue > 1e-4


def test_unit_stays_inside_the_open_interval_at_both_ends() -> None:
    assert keyed.unit(np.uint64(0)) == 2.0**-53
    assert keyed.unit(np.uint64(2**64 - 1)) == 1.0 - 2.0**-53


def test_normal_is_normal_and_its_pairs_are_uncorrelated() -> None:
    draws = keyed.normal(5, KEYS[:, None], np.arange(4))
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-4
    moments = np.corrcoef(np.hstack([draws, draws**2]).T) - np.eye(8)
    assert np.abs(moments).max() < 5 / np.sqrt(N)


def test_neighbouring_keys_seeds_and_streams_are_independent() -> None:
    base = keyed.uniform(7, KEYS, 0)
    others = [
        keyed.uniform(7, KEYS + 1, 0),
        keyed.uniform(7, KEYS, 1),
        keyed.uniform(8, KEYS, 0),
        keyed.uniform(7, 0, KEYS),  # the two keys are not interchangeable
        keyed.uniform(keyed.stream(7, "users"), KEYS, 0),
        keyed.uniform(keyed.stream(7, "items"), KEYS, 0),
        keyed.uniform(keyed.stream(8, "items"), KEYS, 0),
    ]
    off_diagonal = np.corrcoef(np.vstack([base, *others])) - np.eye(len(others) + 1)
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(N)
    for other in others:
        table = np.histogram2d(base, other, bins=16)[0]
        assert stats.chi2_contingency(table).pvalue > 1e-5


def test_every_bit_flips_half_the_time_when_a_key_changes_by_one() -> None:
    for other in (keyed.hash64(1, KEYS + 1), keyed.hash64(2, KEYS), keyed.hash64(1, KEYS, 1)):
        flips = (keyed.hash64(1, KEYS) ^ other)[:, None] >> np.arange(64, dtype=np.uint64)
        assert np.abs((flips & np.uint64(1)).mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(N)


def test_hashes_of_distinct_keys_are_distinct() -> None:
    words = keyed.hash64(0, np.arange(300)[:, None], np.arange(300))
    assert np.unique(words).size == words.size


def test_draws_broadcast_and_do_not_depend_on_the_integer_type() -> None:
    grid = keyed.hash64(3, np.arange(4)[:, None], np.arange(5, dtype=np.int16))
    assert grid.shape == (4, 5)
    assert grid.dtype == np.uint64
    assert grid[2, 3] == keyed.hash64(3, np.uint64(2), 3) == keyed.hash64(3 + 2**64, 2, 3)
    assert keyed.hash64(3, 1).shape == ()
    assert keyed.hash64(3, np.empty(0, int)).shape == (0,)
    cube = keyed.hash64(3, np.arange(24).reshape(2, 3, 4), [[1], [2], [3]])
    assert cube[1, 2, 3] == keyed.hash64(3, 23, 3)
    assert keyed.hash64(3, -1) == keyed.hash64(3, np.uint64(2**64 - 1))


def test_keys_must_be_integers() -> None:
    with pytest.raises(TypeError, match="a must hold integers"):
        keyed.hash64(0, 1.5)
    with pytest.raises(TypeError, match="b must hold integers"):
        keyed.uniform(0, 1, [0.5])
    with pytest.raises(TypeError):
        keyed.hash64(0.5, 1)  # type: ignore[arg-type]


@settings(max_examples=50, deadline=None)
@given(
    first=st.integers(0, 2**40),
    cuts=st.lists(st.integers(0, 60), max_size=5),
    rank=st.integers(1, 33),
    seed=st.integers(-(2**63), 2**64 - 1),
)
def test_unit_rows_do_not_depend_on_the_range(
    first: int, cuts: list[int], rank: int, seed: int
) -> None:
    whole = keyed.unit_rows(seed, first, 60, rank)
    bounds = [0, *sorted(cuts), 60]
    parts = [keyed.unit_rows(seed, first + a, b - a, rank) for a, b in itertools.pairwise(bounds)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_allclose(np.linalg.norm(whole.astype(float), axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 2, 7, 64])
def test_unit_rows_are_normal_rows_scaled(rank: int) -> None:
    rows = keyed.unit_rows(11, 500, 1000, rank)
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    expected = keyed.normal(11, np.arange(500, 1500)[:, None], np.arange(rank))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_unit_rows_spread_evenly_over_the_sphere() -> None:
    rows = keyed.unit_rows(2, 0, 20_000, 8).astype(float)
    assert np.abs(rows.mean(axis=0)).max() < 5 / np.sqrt(8 * 20_000)
    np.testing.assert_allclose(rows.T @ rows / 20_000, np.eye(8) / 8, atol=0.006)
    assert stats.kstest((rows[:, 5] + 1) / 2, stats.beta(3.5, 3.5).cdf).pvalue > 1e-4


def test_unit_rows_reject_impossible_shapes() -> None:
    with pytest.raises(ValueError, match="rank >= 1"):
        keyed.unit_rows(0, 0, 5, 0)
    with pytest.raises(ValueError, match="count >= 0"):
        keyed.unit_rows(0, 0, -1, 4)
    assert keyed.unit_rows(0, 0, 0, 4).shape == (0, 4)


@pytest.mark.parametrize("total", [0.3, 2.4, 30.0])
def test_dirichlet_has_its_marginal_distribution(total: float) -> None:
    rows = keyed.dirichlet(4, np.arange(10_000), total, 6)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-12)
    marginal = stats.beta(total / 6, total * 5 / 6)
    # Pieces below 1e-9 are merged, so the far left of the distribution is not compared.
    for part in range(6):
        for level in (0.01, 0.1, 0.3, 0.6):
            share = (rows[:, part] <= level).mean()
            assert share == pytest.approx(marginal.cdf(level), abs=5 * 0.5 / 100)
    np.testing.assert_array_equal(keyed.dirichlet(4, [77], total, 6)[0], rows[77])


@pytest.mark.parametrize(("total", "parts"), [(0.0, 3), (101.0, 3), (1.0, 0), (float("nan"), 3)])
def test_dirichlet_rejects_impossible_shapes(total: float, parts: int) -> None:
    with pytest.raises(ValueError, match="need 0 < total"):
        keyed.dirichlet(0, [1], total, parts)


def test_alias_draws_have_the_probabilities_of_their_row() -> None:
    weights = np.array([[0.0, 1.0, 5.0, 0.01, 2.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    cells = keyed.alias_tables(probabilities)
    for row, expected in zip(cells, probabilities, strict=True):
        drawn = [keyed.alias_draw(w, row) for w in keyed.hash64(9, np.arange(20_000))]
        counts = np.bincount(drawn, minlength=5)
        assert not counts[expected == 0].any()
        seen = expected > 0
        assert stats.chisquare(counts[seen], expected[seen] * 20_000).pvalue > 1e-4


def test_alias_cells_hold_the_exact_probabilities() -> None:
    probabilities = keyed.dirichlet(1, [0, 1], 40.0, 200)
    for row, expected in zip(keyed.alias_tables(probabilities), probabilities, strict=True):
        keep, alias = (row >> np.uint64(32)) / 2**32, (row & np.uint64(2**32 - 1)).astype(int)
        held = (keep + np.bincount(alias, 1 - keep, minlength=200)) / 200
        np.testing.assert_allclose(held, expected, atol=1e-9)


def test_global_random_state_is_left_alone() -> None:
    before = pickle.dumps(np.random.get_state(legacy=False))
    python_state = global_random.getstate()
    first = keyed.unit_rows(0, 0, 10, 4)
    keyed.normal(0, KEYS)
    keyed.dirichlet(0, [1], 1.0, 3)
    assert pickle.dumps(np.random.get_state(legacy=False)) == before
    assert global_random.getstate() == python_state
    np.testing.assert_array_equal(keyed.unit_rows(0, 0, 10, 4), first)
