"""Skip-gram: the kernel against plain loops, trees, and tables that are merged."""

import heapq
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from daskrec.engine.huffman import build_tree
from daskrec.engine.random import alias_draw, alias_tables, hash64
from daskrec.engine.sentences import Sentences, join_sentences, split_sentences
from daskrec.engine.skip_gram import (
    Course,
    Targets,
    _shuffle,
    first_inputs,
    learn,
    row_length,
)
from daskrec.engine.skip_gram_merge import Tables, merge_moves

GROUP = 8


def make_sentences(rng: np.random.Generator, items: int, count: int) -> Sentences:
    lengths = rng.integers(2, 9, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    keys = np.sort(rng.integers(0, 2**64, count, dtype=np.uint64))
    return Sentences(rng.integers(0, items, offsets[-1]).astype(np.int32), offsets, keys)


def make_tables(rng: np.random.Generator, items: int, outputs: int, rank: int) -> Tables:
    sides = []
    for count in (items, outputs):
        table = np.zeros((count, row_length(rank)), dtype=np.float32)
        table[:, :rank] = rng.standard_normal((count, rank)) / 2
        sides.append(table.ravel())
    return Tables(*sides)


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def plain(
    sentences: Sentences, tables: Tables, targets: Targets, course: Course, epoch: int, seed: int
) -> list[np.ndarray]:
    """Train as documented, one pair at a time, in float64."""
    v, w = (t.astype(np.float64).reshape(-1, course.row) for t in (tables.inputs, tables.outputs))
    seed = int(hash64(seed, epoch))
    total = sentences.offsets[-1]

    def move(centre: int, goals: list[tuple[int, float, float]], rate: float) -> None:
        steps = [rate * times * (label - sigmoid(v[centre] @ w[o])) for o, label, times in goals]
        row, gain = v[centre].copy(), np.zeros(course.row)
        for (o, _, _), step in zip(goals, steps, strict=True):
            gain += step * w[o]
            w[o] += step * row
        v[centre] += gain

    for s, key in enumerate(sentences.keys):
        drawn = 0

        def draw(key: np.uint64 = key) -> np.uint64:
            nonlocal drawn
            drawn += 1
            return hash64(seed, key, drawn)[()]

        start = sentences.offsets[s]
        rate = course.rate * max(1 - (epoch + start / total) / course.epochs, 1e-4)
        kept = []
        for token in sentences.tokens[start : sentences.offsets[s + 1]]:
            chance = targets.keep[token] if len(targets.keep) else 1.0
            if chance >= 1 or ((int(draw()) >> 12) + 0.5) / 2**52 < chance:
                kept.append(int(token))
        for t, centre in enumerate(kept):
            reach = 1 + int(draw()) % course.window if course.window > 1 else 1
            near = [
                kept[n] for n in range(max(0, t - reach), min(len(kept), t + reach + 1)) if n != t
            ]
            if course.negatives == 0:
                for goal in near:
                    a, b = targets.tree.indptr[goal : goal + 2]
                    way = zip(targets.tree.nodes[a:b], targets.tree.turns[a:b], strict=True)
                    move(centre, [(int(o), float(turn), 1.0) for o, turn in way], rate)
                continue
            for first in range(0, len(near), GROUP):
                some = near[first : first + GROUP]
                goals = [(o, 1.0, 1.0) for o in some]
                for _ in range(course.negatives):
                    other = int(alias_draw(draw(), targets.cells))
                    if other not in some:
                        goals.append((other, 0.0, float(len(some))))
                move(centre, goals, rate)
    return [v, w]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rank=st.integers(1, 40),
    window=st.integers(1, 12),
    negatives=st.integers(0, 7),
    sampled=st.booleans(),
)
def test_training_equals_plain_loops(
    seed: int, rank: int, window: int, negatives: int, sampled: bool
) -> None:
    rng = np.random.default_rng(seed)
    items = int(rng.integers(2, 12))
    sentences = make_sentences(rng, items, 12)
    keep = rng.random(items).astype(np.float32) if sampled else np.empty(0, dtype=np.float32)
    counts = np.bincount(sentences.tokens, minlength=items) + 1
    if negatives:
        targets, outputs = Targets(keep, alias_tables((counts / counts.sum())[None])[0]), items
    else:
        targets, outputs = Targets(keep, tree=build_tree(counts)), items - 1
    course, draws = Course(row_length(rank), window, negatives, 0.05, 3), seed << 32
    tables = make_tables(rng, items, outputs, rank)
    expected = plain(sentences, tables, targets, course, 1, draws)
    for part in range(3):
        learn(sentences, *sentences.part(part, 3), tables, targets, course, 1, draws)
    for found, wanted in zip((tables.inputs, tables.outputs), expected, strict=True):
        np.testing.assert_allclose(found, wanted.ravel(), rtol=1e-3, atol=2e-4)
    assert not tables.inputs.reshape(items, -1)[:, rank:].any()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60))
def test_a_tree_is_the_shortest_there_is(counts: list[int]) -> None:
    tree = build_tree(np.array(counts))
    lengths = np.diff(tree.indptr)
    heap, least = list(counts), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        least += both
        heapq.heappush(heap, both)
    assert int((lengths * counts).sum()) == least
    ways = [
        tuple(zip(tree.nodes[a:b].tolist(), tree.turns[a:b].tolist(), strict=True))
        for a, b in zip(tree.indptr[:-1], tree.indptr[1:], strict=True)
    ]
    assert len(set(ways)) == len(counts)
    assert all(way[0][0] == len(counts) - 2 for way in ways if way)  # the root
    codes = [tuple(turn for _, turn in way) for way in ways]
    for one in codes:
        assert sum(one == other[: len(one)] for other in codes) == 1  # no code begins another


def test_first_vectors_are_small_and_do_not_depend_on_how_many_there_are() -> None:
    many, few = (first_inputs(3, count, 20).reshape(count, 32) for count in (9000, 10))
    assert (many[:10] == few).all()
    assert (np.abs(many[:, :20]) < 1 / 40).all()
    assert many[:, :20].std() == pytest.approx(1 / 20 / 12**0.5, rel=0.02)
    assert not many[:, 20:].any()


@pytest.mark.parametrize("blocks", [1, 3, 7])
def test_sentences_are_the_same_however_users_lie(blocks: int) -> None:
    rng = np.random.default_rng(5)
    lengths = rng.integers(0, 6, 50)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    sequence = rng.integers(0, 10, starts[-1]).astype(np.int32)
    keys = rng.integers(0, 2**64, 50, dtype=np.uint64)
    places = np.array([-1, 0, 1, 2, -1, 3, 4, 5, 6, 7], dtype=np.int32)
    cuts = np.linspace(0, 50, blocks + 1).astype(int)
    split = [
        split_sentences(
            sequence[starts[a] : starts[b]], starts[a : b + 1] - starts[a], keys[a:b], places, 4
        )
        for a, b in itertools.pairwise(cuts)
    ]
    found = []
    for shard in range(4):
        joined = join_sentences([pieces[shard] for pieces in split])
        for n, key in enumerate(joined.keys):
            assert int(key) * 4 >> 64 == shard
            tokens = joined.tokens[joined.offsets[n] : joined.offsets[n + 1]]
            found.append((int(key), tokens.tolist()))
    expected = []
    for user in np.argsort(keys):
        kept = [int(places[i]) for i in sequence[starts[user] : starts[user + 1]] if places[i] >= 0]
        if len(kept) > 1:
            expected.append((int(keys[user]), kept))
    assert found == expected


@pytest.mark.parametrize("window", [1, 2, 5, 30])
def test_expected_pairs(window: int) -> None:
    lengths = [2, 3, 7, 20]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    sentences = Sentences(np.zeros(offsets[-1], np.int32), offsets, np.arange(4).astype(np.uint64))
    expected = 0.0
    for length in lengths:
        for t in range(length):
            for reach in range(1, window + 1):
                expected += (min(length - 1, t + reach) - max(0, t - reach)) / window
    assert sentences.pairs(window) == pytest.approx(expected)


def test_parts_hold_every_sentence_once() -> None:
    sentences = make_sentences(np.random.default_rng(0), 5, 23)
    for count in (1, 3, 40):
        parts = [sentences.part(n, count) for n in range(count)]
        assert parts[0][0] == 0
        assert parts[-1][1] == 23
        assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))


def test_rare_rows_are_moved_by_the_sum_and_frequent_ones_by_the_mean() -> None:
    rng = np.random.default_rng(2)
    start = Tables(*(rng.standard_normal(3 * 16).astype(np.float32) for _ in range(2)))
    moves = Tables(*(rng.standard_normal(3 * 16).astype(np.float32) for _ in range(2)))
    counts = np.array([0.0, 1.0, 1e7])
    found = merge_moves(start, moves, 4, (counts, counts), 0.01)
    for side in ("inputs", "outputs"):
        before, move, after = (
            getattr(tables, side).reshape(3, 16) for tables in (start, moves, found)
        )
        np.testing.assert_allclose(after[0], before[0] + move[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(after[2], before[2] + move[2] / 4, rtol=1e-5, atol=1e-6)
        share = ((after - before) / move)[1]
        assert ((share > 0.25) & (share < 1)).all()


def test_every_order_of_a_sentence_is_drawn_as_often() -> None:
    counts: dict[tuple[int, ...], int] = {}
    for key in range(6000):
        kept = np.arange(3, dtype=np.int32)
        drawn = _shuffle(kept, 3, np.uint64(hash64(7, key)), np.uint64(0))
        assert drawn == 2
        counts[tuple(kept)] = counts.get(tuple(kept), 0) + 1
    assert len(counts) == 6
    assert chisquare(list(counts.values())).pvalue > 1e-3
