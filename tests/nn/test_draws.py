"""Draws on tensors: the words of the engine, bit for bit, and what is made from them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine import random as keyed
from daskrec.nn.networks import draws

WORDS = st.integers(-(2**63), 2**63 - 1)
SEEDS = st.integers(-(2**70), 2**70)
KEYS = st.lists(st.tuples(WORDS, WORDS), max_size=20)
N = 50_000
quick = settings(max_examples=50, deadline=None)


def arrays(keys: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(keys, np.int64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


@quick
@given(SEEDS, KEYS)
def test_words_are_those_of_the_engine(seed: int, keys: list[tuple[int, int]]) -> None:
    a, b = arrays(keys)
    words = draws.hash64(seed, torch.from_numpy(a), torch.from_numpy(b))
    np.testing.assert_array_equal(words.numpy().view(np.uint64), keyed.hash64(seed, a, b))


@quick
@given(SEEDS, KEYS, WORDS)
def test_keys_broadcast_and_are_left_as_they_were(
    seed: int, keys: list[tuple[int, int]], one: int
) -> None:
    a, b = arrays(keys)
    left, right = torch.from_numpy(a.copy())[:, None], torch.from_numpy(b.copy())
    grid = draws.hash64(seed, left, right)
    np.testing.assert_array_equal(grid.numpy().view(np.uint64), keyed.hash64(seed, a[:, None], b))
    np.testing.assert_array_equal(left[:, 0].numpy(), a)
    np.testing.assert_array_equal(right.numpy(), b)
    column = draws.hash64(seed, left, one).numpy().view(np.uint64)
    np.testing.assert_array_equal(column, keyed.hash64(seed, a[:, None], one))


@quick
@given(SEEDS, KEYS)
def test_uniform_numbers_are_those_of_the_engine_to_their_digits(
    seed: int, keys: list[tuple[int, int]]
) -> None:
    a, b = arrays(keys)
    numbers = draws.uniform(seed, torch.from_numpy(a), torch.from_numpy(b)).numpy()
    assert numbers.dtype == np.float32
    np.testing.assert_allclose(numbers, keyed.uniform(seed, a, b), rtol=0, atol=2.0**-23)


def test_uniform_numbers_are_inside_the_open_interval_at_both_ends() -> None:
    ends = draws.unit(torch.tensor([0, -1, 2**63 - 1]))
    assert ends.tolist() == [2.0**-24, 1.0 - 2.0**-24, 0.5 - 2.0**-24]


@quick
@given(SEEDS, st.lists(WORDS, max_size=8), st.integers(1, 9))
def test_normal_numbers_are_those_of_the_engine(seed: int, keys: list[int], count: int) -> None:
    a = np.array(keys, np.int64)
    rows = draws.normal_rows(seed, torch.from_numpy(a), count)
    assert rows.dtype == torch.float32
    expected = keyed.normal(seed, a[:, None], np.arange(count))
    np.testing.assert_allclose(rows.numpy(), expected, rtol=0, atol=4e-6)


@quick
@given(SEEDS, KEYS, st.integers(1, 2**31))
def test_whole_numbers_are_the_share_of_the_word(
    seed: int, keys: list[tuple[int, int]], bound: int
) -> None:
    a, b = arrays(keys)
    tensor = draws.hash64(seed, torch.from_numpy(a), torch.from_numpy(b))
    numbers, words = draws.below(tensor, bound).tolist(), keyed.hash64(seed, a, b).tolist()
    assert numbers == [((word >> 32) * bound) >> 32 for word in words]


def test_whole_numbers_reach_every_value_alike() -> None:
    numbers = draws.below(draws.hash64(1, torch.arange(N)), 10)
    counts = torch.bincount(numbers, minlength=10)
    assert counts.numel() == 10
    assert (counts - N / 10).abs().max() < 5 * (N * 0.09) ** 0.5


@pytest.mark.parametrize("bound", [0, -1, 2**31 + 1])
def test_a_bound_out_of_range_is_refused(bound: int) -> None:
    with pytest.raises(ValueError, match="bound"):
        draws.below(torch.arange(3), bound)


def test_streams_differ_by_seed_epoch_and_name() -> None:
    seeds = {
        draws.Noise(seed, epoch).stream(name)
        for seed in (0, 1)
        for epoch in (0, 1)
        for name in ("dropout", "latent")
    }
    assert len(seeds) == 8


def test_no_global_generator_is_read_or_moved() -> None:
    before = torch.get_rng_state()
    first = draws.normal_rows(0, torch.arange(4), 3)
    drawn = torch.empty(3).normal_(generator=draws.generator(0, "weights"))
    torch.rand(1)
    assert torch.equal(first, draws.normal_rows(0, torch.arange(4), 3))
    assert torch.equal(drawn, torch.empty(3).normal_(generator=draws.generator(0, "weights")))
    torch.set_rng_state(before)
    draws.uniform(0, torch.arange(4))
    assert torch.equal(before, torch.get_rng_state())
