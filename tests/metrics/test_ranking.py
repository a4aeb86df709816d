"""Kernels of ranked lists against plain Python."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.engine import ranking, ranking_values

DRAWN = {
    "seed": st.integers(0, 2**32 - 1),
    "owners": st.sampled_from([1, 3, 20]),
    "rows": st.sampled_from([0, 1, 7, 33, 200]),
    "levels": st.sampled_from([1, 4, 10_000]),
    "ordered": st.booleans(),
}


def draw(seed, owners, rows, levels, ordered):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, owners, rows).astype(np.int32)
    if ordered:
        codes.sort()
    scores = rng.integers(-levels, levels, rows) / 2.0
    items = rng.integers(0, max(rows // 2, 1), rows).astype(np.int32)
    return rng, codes, scores, items


def lists(indptr, values):
    return [values[a:b].tolist() for a, b in pairwise(indptr)]


@given(**DRAWN)
@settings(max_examples=100, deadline=None)
def test_lists(seed, owners, rows, levels, ordered) -> None:
    rng, codes, scores, items = draw(seed, owners, rows, levels, ordered)
    indptr, order = ranking.group_rows(codes, owners)
    expected = [np.flatnonzero(codes == owner).tolist() for owner in range(owners)]
    assert lists(indptr, order) == expected

    ranking.rank_rows(indptr, order, scores)
    expected = [sorted(mine, key=lambda row: -scores[row]) for mine in expected]
    assert lists(indptr, order) == expected

    for depth in (1, 3, 2**31 - 1):
        first, kept = ranking.first_rows(indptr, order, items, rows + 1, depth)
        without = [list({items[row]: row for row in reversed(mine)}.values()) for mine in expected]
        without = [sorted(found, key=mine.index)[:depth] for found, mine in zip(
            without, expected, strict=True)]  # fmt: skip
        assert lists(first, kept) == without

    members = rng.integers(0, rows + 1, 2 * rows).astype(np.int32)
    set_indptr = np.sort(np.concatenate([[0, 2 * rows], rng.integers(0, 2 * rows + 1, owners - 1)]))
    mine = items[kept]
    found, sizes = ranking.mark_members(first, mine, set_indptr, members, rows + 1)
    sets = [set(each) for each in lists(set_indptr, members)]
    assert sizes.tolist() == [len(each) for each in sets]
    assert lists(first, found) == [
        [item in each for item in own] for own, each in zip(lists(first, mine), sets, strict=True)
    ]
    counts = ranking.count_owners(set_indptr, members, rows + 1)
    assert counts.tolist() == [sum(item in each for each in sets) for item in range(rows + 1)]

    other = [sorted(each, key=lambda item: hash((seed, item))) for each in sets]
    other_indptr = np.concatenate([[0], np.cumsum([len(each) for each in other])])
    flat = np.array([item for each in other for item in each], dtype=np.int32)
    places = ranking.find_places(first, mine, other_indptr, flat, rows + 1)
    assert lists(first, places) == [
        [each.index(item) if item in each else ranking.NOWHERE for item in own]
        for own, each in zip(lists(first, mine), other, strict=True)
    ]
    best = ranking.best_places(first, mine, rows + 1)
    for item in range(rows + 1):
        seen = [own.index(item) for own in lists(first, mine) if item in own]
        assert best[item] == min(seen, default=ranking.NOWHERE)


def test_no_list_is_read_beyond_its_end() -> None:
    indptr = np.array([0, 2, 2, 3])
    hits = np.array([False, True, True])
    ks = ranking_values.ascending([5, 1, 5])
    assert ks.tolist() == [1, 5]
    assert ranking_values.hits_at(indptr, hits, ks).tolist() == [[0, 0, 1], [1, 0, 1]]
    weights = np.array([1.0, 2.0, 4.0])
    assert ranking_values.mean_weight(indptr, weights, ks).tolist() == [[1, 0, 4], [0.6, 0, 0.8]]
    labels = np.array([2, -1, 2])
    assert ranking_values.distinct_at(indptr, labels, 3, ks).tolist() == [[1, 0, 1], [1, 0, 1]]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_owners_without_rows(count) -> None:
    indptr, order = ranking.group_rows(np.empty(0, np.int32), count)
    assert indptr.tolist() == [0] * (count + 1)
    assert len(order) == 0
    sizes = np.zeros(count, np.int64)
    ks = np.array([1, 9])
    none = np.empty(0, np.bool_)
    for values in (
        ranking_values.discounted_gain(indptr, none, sizes, ks),
        ranking_values.average_precision(indptr, none, sizes, ks),
        ranking_values.area_under_curve(indptr, none, ks),
        ranking_values.reciprocal_rank(indptr, none, ks),
    ):
        assert values.tolist() == [[0.0] * count] * 2
