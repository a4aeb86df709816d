"""Products of pairs of items on a device: what the kernels of the CPU find."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.backends import DEVICES, NumpyBackend, lent
from support.logs import assert_same, random_log

from daskrec.engine import gram as on_host
from daskrec.engine import gram_dense, rules
from daskrec.engine.csr_build import build_csr
from daskrec.engine.gpu import gram, neighbours
from daskrec.engine.gpu import rules as rules_there
from daskrec.engine.shared import Shared
from daskrec.engine.tiles import pair_work
from daskrec.models import EASE, KNN, AssociationRulesItemRec
from daskrec.models.item_pairs import PairedBlock


@st.composite
def problems(draw):
    """Blocks of random users, and a range of items."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    items, graded = draw(st.integers(1, 12)), draw(st.booleans())
    blocks = []
    for users in draw(st.lists(st.integers(0, 9), min_size=1, max_size=3)):
        count = rng.integers(0, 4 * users + 1)
        places = np.unique(rng.integers(0, max(users * items, 1), count if users else 0))
        values = rng.choice([0.5, 1, 2, 3], len(places)).astype(np.float32) if graded else None
        matrix, _ = build_csr(places // items, places % items, values, users, items)
        blocks.append(Shared(PairedBlock(matrix, matrix.transposed())))
    if graded and not any(len(block.get().by_user.data) for block in blocks):
        graded = False
    start = draw(st.integers(0, items))
    return blocks, items, graded, start, draw(st.integers(start, items))


def pairs_of(blocks):
    return [block.get().pair for block in blocks]


def norms_of(blocks, items):
    squares = np.zeros(items)
    for block in blocks:
        side = block.get().by_user
        squares += np.bincount(side.indices, side.values() ** 2, minlength=items)
    return np.sqrt(squares)


@pytest.fixture(params=DEVICES)
def made(request):
    return request.param


@pytest.fixture(params=list(itertools.product((None, 300), (0.0, 9.0))), ids=str)
def device(made, request, monkeypatch):
    """A backend of much memory or of little, and one of the two ways of multiplying."""
    free, dense = request.param
    found = made()
    if free:
        monkeypatch.setattr(found, "free_bytes", lambda: free)
        monkeypatch.setattr(found, "total_bytes", lambda: 2 * free)
    monkeypatch.setattr(gram, "DENSE", dense)
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_the_table(device, dtype):
    @given(problems())
    @settings(max_examples=25, deadline=None)
    def check(problem):
        blocks, items, graded, start, stop = problem
        found = gram.gram_rows(device, blocks, items, start, stop, dtype)
        expected = gram_dense.gram_rows(pairs_of(blocks), items, start, stop, dtype)
        assert found.dtype == dtype
        if graded:
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(found, expected)

    check()


def test_the_most_similar_items(device):
    @given(problems(), st.integers(1, 12), st.sampled_from([0.0, 3.0]))
    @settings(max_examples=25, deadline=None)
    def check(problem, n, shrink):
        blocks, items, _, start, stop = problem
        args = norms_of(blocks, items), shrink, n, start, stop
        found = neighbours.similarity_range(device, blocks, *args)
        expected = on_host.similarity_range(pairs_of(blocks), *args)
        for mine, theirs in zip(found, expected, strict=True):
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)  # such sums do not round

    check()


def test_the_best_rules(device):
    @given(problems(), st.integers(1, 12) | st.none(), st.integers(0, 3))
    @settings(max_examples=25, deadline=None)
    def check(problem, n, least):
        blocks, items, graded, start, stop = problem
        if graded:
            return
        weights = np.random.default_rng(items).choice([0.0, 1.0, 3.0, 7.0], items)
        args = weights, np.arange(items) % 4 != 3, n, least, start, stop
        found = rules_there.rule_range(device, blocks, *args)
        expected = rules.rule_range(pairs_of(blocks), *args)
        for mine, theirs in zip(found, expected, strict=True):
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)

    check()


def test_quotients_that_float32_cannot_tell_apart():
    """P / R of two rules differ by a part in 2^30: the host orders them."""
    matrix, _ = build_csr(np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4), None, 4, 3)
    blocks = [Shared(PairedBlock(matrix, matrix.transposed()))]
    weights = np.array([1.0, 1.0 + 2.0**-30, 1.0])
    args = weights, np.ones(3, dtype=bool), 1, 1, 0, 3
    found = rules_there.rule_range(NumpyBackend(), blocks, *args)
    assert found[1].tolist() == rules.rule_range(pairs_of(blocks), *args)[1].tolist() == [2, 0, 0]


def test_blocks_stay_on_the_device_where_they_fit(monkeypatch):
    matrix, _ = build_csr(np.repeat(np.arange(9), 2), np.tile(np.arange(2), 9), None, 9, 2)
    blocks = [Shared(PairedBlock(matrix, matrix.transposed())) for _ in range(3)]
    for free, held in ((2**20, 3), (400, 0)):
        gpu = NumpyBackend(free)
        gram.gram_rows(gpu, blocks, 2, 0, 2, np.float32)
        assert len(gpu._held) == held


def test_the_work_of_a_range():
    matrix, _ = build_csr(np.array([0, 0, 1]), np.array([0, 1, 1]), None, 2, 2)
    pair = [PairedBlock(matrix, matrix.transposed()).pair]
    assert [pair_work(pair, *cut) for cut in ((0, 1), (1, 2), (0, 2), (0, 0))] == [2, 3, 5, 0]


LOG = random_log(users=50, items=25, rows=500)


@pytest.mark.parametrize(
    "make",
    [
        lambda: KNN(7),
        lambda: KNN(5, use_relevance=True, shrink=2.0),
        lambda: KNN(5, weighting="bm25", neighbours_of="candidate", user_length_power=0.5),
        lambda: AssociationRulesItemRec(min_item_count=1, min_pair_count=2, num_neighbours=6),
        lambda: EASE(3.0, use_relevance=True),
    ],
)
def test_models_take_the_device(make, monkeypatch):
    expected = make().fit(LOG).predict(LOG, 5)
    walked = []
    tiles = gram.PairBlocks.tiles
    monkeypatch.setattr(
        gram.PairBlocks, "tiles", lambda self, *cut: walked.append(cut) or tiles(self, *cut)
    )
    with lent(NumpyBackend(2**12), monkeypatch):
        found = make().fit(LOG).predict(LOG, 5)
    assert [cut[:2] for cut in walked] == [(0, LOG.item_idx.nunique())]
    assert_same(found, expected, 1e-5)


def test_rules_by_relevance_are_made_on_the_host(monkeypatch):
    def make():
        return AssociationRulesItemRec(min_item_count=1, min_pair_count=1, use_relevance=True)

    expected = make().fit(LOG).get_pair_metrics
    with lent(NumpyBackend(), monkeypatch):
        assert_same(make().fit(LOG).get_pair_metrics, expected)
