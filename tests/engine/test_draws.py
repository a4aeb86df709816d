"""Weighted draws without replacement: their law, and what they depend on."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from daskrec.engine import draws
from daskrec.engine import random as keyed
from daskrec.engine.draws import draw_positions, draw_unseen, plan_draw

ROWS = 100_000
KEYS = np.random.default_rng(0).integers(0, 2**64, ROWS, dtype=np.uint64)
NOTHING = (np.zeros(ROWS + 1, np.int64), np.empty(0, np.int32))


def plan(weights: list[float]) -> draws.Draw:
    return plan_draw(np.arange(len(weights), dtype=np.int32), np.array(weights))


def law(weights: list[float], length: int) -> dict[tuple[int, ...], float]:
    """Return the probability of every ordered draw."""
    found = {}
    drawable = [item for item, weight in enumerate(weights) if weight > 0]
    for order in itertools.permutations(drawable, length):
        left, chance = sum(weights[item] for item in drawable), 1.0
        for item in order:
            chance *= weights[item] / left
            left -= weights[item]
        found[order] = chance
    return found


def assert_law(found: np.ndarray, expected: dict[tuple[int, ...], float]) -> None:
    orders, counts = np.unique(found, axis=0, return_counts=True)
    seen = dict(zip(map(tuple, orders.tolist()), counts, strict=True))
    assert set(seen) <= set(expected)
    observed = [seen.get(order, 0) for order in expected]
    assert chisquare(observed, np.array(list(expected.values())) * len(found)).pvalue > 0.01


@pytest.mark.parametrize("weights", [[1, 1, 1], [5, 3, 1, 1], [0.1, 0.2, 0.3, 0.4, 2.0]])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_orders_have_the_law_of_successive_sampling(weights, length) -> None:
    items, places, counts = draw_unseen(4, KEYS, plan(weights), *NOTHING, length, len(weights))
    assert (counts == length).all()
    assert (places == np.arange(1, length + 1)).all()
    assert_law(items, law(weights, length))


def test_the_race_continues_by_the_same_law() -> None:
    weights = [1e12, 3.0, 2.0, 1.0]  # no event ever falls on the last three
    items, _, _ = draw_unseen(5, KEYS, plan(weights), *NOTHING, 4, 4)
    assert (items[:, 0] == 0).all()
    assert_law(items[:, 1:] - 1, law([3, 2, 1], 3))


def test_some_events_and_then_the_race() -> None:
    weights = [30.0, 30.0, 0.5, 0.3, 0.2]  # most rows end in the race, after other items
    items, _, _ = draw_unseen(6, KEYS, plan(weights), *NOTHING, 5, 5)
    assert_law(items, law(weights, 5))


def test_seen_items_are_passed_over_and_keep_their_places() -> None:
    weights = [4.0, 3.0, 2.0, 1.0]
    indptr, indices = np.arange(ROWS + 1), np.full(ROWS, 1, np.int32)
    items, places, counts = draw_unseen(7, KEYS, plan(weights), indptr, indices, 2, 4)
    whole, _, _ = draw_unseen(7, KEYS, plan(weights), *NOTHING, 4, 4)
    assert (counts == 2).all()
    for row in range(1000):
        order = whole[row].tolist()
        expected = [item for item in order if item != 1][:2]
        assert items[row].tolist() == expected
        assert places[row].tolist() == [order.index(item) + 1 for item in expected]
    assert_law(items[:, :1], {(0,): 4 / 7, (2,): 2 / 7, (3,): 1 / 7})
    assert_law(items, law([4.0, 0.0, 2.0, 1.0], 2))  # the law of the others is kept


def test_the_race_passes_seen_items_over_by_the_same_law() -> None:
    weights = [1e9, 3.0, 2.0, 1.0, 1.0]
    indptr, indices = np.arange(ROWS + 1) * 2, np.tile(np.array([0, 1], np.int32), ROWS)
    items, places, _ = draw_unseen(8, KEYS, plan(weights), indptr, indices, 2, 5)
    assert places.min() == 2  # the first is the heavy item, which all have seen
    assert_law(items, law([0.0, 0.0, 2.0, 1.0, 1.0], 2))


def reference(seed: int, key: np.uint64, planned: draws.Draw) -> list[int]:
    """Return the whole order of a row, by the same words, in plain Python."""
    size, order = len(planned.items), []
    for word in keyed.hash64(seed, key, np.arange(max(64, size))).tolist() if size else []:
        column = ((word >> 32) * size) >> 32
        cell = int(planned.cells[column])
        place = column if word % 2**32 < cell >> 32 else cell % 2**32
        if place not in order:
            order.append(place)
    left = [place for place in range(size) if place not in order]
    if left:
        units = keyed.uniform(int(keyed.seed_word(seed) ^ draws._RACE), key, left)
        arrivals = -np.log(units) / planned.weights[left]
        order += [left[n] for n in np.argsort(arrivals, kind="stable")]
    return planned.items[order].tolist()


WEIGHTS = st.lists(st.sampled_from([-1.0, 0.0, 1e-9, 0.3, 1.0, 2.0, 1e9]), max_size=90)


@settings(max_examples=150, deadline=None)
@given(WEIGHTS, st.integers(-(2**63), 2**64 - 1), st.randoms(use_true_random=False))
def test_orders_and_places_are_those_of_a_plain_reference(weights, seed, chooser) -> None:
    codes = np.array(chooser.sample(range(120), len(weights)), np.int32)
    planned = plan_draw(codes, np.array(weights, float))
    assert planned.items.tolist() == sorted(c for c, w in zip(codes, weights, strict=True) if w > 0)
    keys = KEYS[:3]
    seen = [sorted(chooser.sample(range(120), chooser.randrange(120))) for _ in keys]
    indptr = np.cumsum([0, *map(len, seen)])
    indices = np.array([item for one in seen for item in one], np.int32)
    k = chooser.randrange(100)
    items, places, counts = draw_unseen(seed, keys, planned, indptr, indices, k, 120)
    rows = np.repeat(np.arange(3), chooser.choice([2, 20, 120]))
    asked = np.array([chooser.randrange(120) for _ in rows], np.int32)
    found = draw_positions(seed, keys, planned, rows, asked, 120)
    for row in range(3):
        order = reference(seed, keys[row], planned)
        expected = [(i, n) for n, i in enumerate(order, 1) if i not in seen[row]][:k]
        pairs = zip(items[row, : counts[row]], places[row, : counts[row]], strict=True)
        assert list(pairs) == expected
        for item, place in zip(asked[rows == row], found[rows == row], strict=True):
            assert place == (order.index(item) + 1 if item in order else 0)


def test_places_are_the_same_for_a_few_items_and_for_all() -> None:
    weights = np.geomspace(1e-6, 1e6, 200)  # the race decides most places
    planned = plan_draw(np.arange(200, dtype=np.int32), weights)
    rows, items = np.repeat(np.arange(20), 200), np.tile(np.arange(200, dtype=np.int32), 20)
    whole = draw_positions(3, KEYS, planned, rows, items, 200)
    assert (np.sort(whole.reshape(20, 200)) == np.arange(1, 201)).all()
    for size in (1, draws._FEW, draws._FEW + 1):
        part = np.random.default_rng(size).permutation(4000)[: 20 * size]
        assert (draw_positions(3, KEYS, planned, rows[part], items[part], 200) == whole[part]).all()


def test_places_hold_for_items_that_arrive_at_once() -> None:
    planned = plan([1.0, 5e-324, 5e-324, 5e-324])  # of which no arrival is finite
    items, _, _ = draw_unseen(1, KEYS[:9], planned, np.zeros(10, np.int64), NOTHING[1], 4, 4)
    rows, asked = np.repeat(np.arange(9), 4), items.ravel()
    assert (draw_positions(1, KEYS, planned, rows, asked, 4).reshape(9, 4) == [1, 2, 3, 4]).all()


def random_case(rng: np.random.Generator) -> tuple[draws.Draw, np.ndarray, np.ndarray, int]:
    n_items = int(rng.integers(1, 200))
    items = np.flatnonzero(rng.random(n_items) < 0.8).astype(np.int32)
    weights = rng.choice([-1, 0, 1e-9, 1, 5, 1e6], len(items)) * rng.random(len(items))
    seen = [np.flatnonzero(rng.random(n_items) < rng.random()).astype(np.int32) for _ in range(30)]
    indptr = np.concatenate([[0], np.cumsum([len(one) for one in seen])])
    return plan_draw(items, weights), indptr, np.concatenate(seen), n_items


@pytest.mark.parametrize("seed", range(25))
def test_lists_are_the_unseen_part_of_one_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    planned, indptr, indices, n_items = random_case(rng)
    keys = KEYS[seed : seed + 30]
    assert (planned.weights > 0).all()
    nothing = np.zeros_like(indptr)
    whole, _, total = draw_unseen(seed, keys, planned, nothing, indices, n_items, n_items)
    items, places, counts = draw_unseen(seed, keys, planned, indptr, indices, 7, n_items)
    for row in range(30):
        order = whole[row, : total[row]].tolist()
        assert sorted(order) == planned.items.tolist()
        seen = set(indices[indptr[row] : indptr[row + 1]])
        expected = [(i, n) for n, i in enumerate(order, 1) if i not in seen][:7]
        found = zip(items[row, : counts[row]], places[row, : counts[row]], strict=True)
        assert list(found) == expected
    rows, wanted = rng.integers(0, 30, 90), rng.integers(0, n_items, 90).astype(np.int32)
    found = draw_positions(seed, keys, planned, rows, wanted, n_items)
    for place, row, item in zip(found, rows, wanted, strict=True):
        order = whole[row, : total[row]].tolist()
        assert place == (order.index(item) + 1 if item in order else 0)


@pytest.mark.parametrize("seed", range(10))
def test_a_row_depends_on_its_key_alone(seed: int) -> None:
    planned, indptr, indices, n_items = random_case(np.random.default_rng(100 + seed))
    keys = KEYS[:30]
    whole = draw_unseen(seed, keys, planned, indptr, indices, 5, n_items)
    for low, high in itertools.pairwise([0, 1, 11, 30]):
        part = draw_unseen(
            seed, keys[low:high], planned, indptr[low : high + 1], indices, 5, n_items
        )
        for a, b in zip(part, whole, strict=True):
            assert (a == b[low:high]).all()
    other = draw_unseen(seed + 1, keys, planned, indptr, indices, 5, n_items)
    assert n_items < 20 or (other[0] != whole[0]).any()
    shorter = draw_unseen(seed, keys, planned, indptr, indices, 3, n_items)
    assert (shorter[0] == whole[0][:, :3]).all()
    assert (shorter[1] == whole[1][:, :3]).all()
    assert (shorter[2] == np.minimum(whole[2], 3)).all()


def test_weights_that_are_not_above_zero_are_never_drawn() -> None:
    planned = plan([0.0, 2.0, -3.0, float("nan"), 1.0])
    assert planned.items.tolist() == [1, 4]
    items, places, counts = draw_unseen(2, KEYS, planned, *NOTHING, 5, 5)
    assert (counts == 2).all()
    assert (np.sort(items[:, :2]) == [1, 4]).all()
    assert not items[:, 2:].any()
    assert not places[:, 2:].any()


def test_infinite_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        plan([1.0, float("inf")])


def test_nothing_to_draw() -> None:
    empty = plan([])
    assert draw_unseen(1, KEYS[:3], empty, *NOTHING, 4, 5)[2].tolist() == [0, 0, 0]
    assert draw_unseen(1, KEYS[:0], plan([1.0]), *NOTHING, 4, 5)[0].shape == (0, 4)
    assert draw_unseen(1, KEYS[:2], plan([1.0]), *NOTHING, 0, 5)[0].shape == (2, 0)
    pair = (np.zeros(1, np.int64), np.zeros(1, np.int32))
    assert draw_positions(1, KEYS[:2], plan([0.0]), *pair, 1).tolist() == [0]
