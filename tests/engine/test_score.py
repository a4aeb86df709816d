"""Scorers against dense scores."""

import pickle

import dask
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.data.blocks import UserBlock
from daskrec.data.ids import Ids, ShardedIds
from daskrec.engine import shared
from daskrec.engine.csr import Csr
from daskrec.engine.score import ListScorer, NeighbourScorer, Request, VectorScorer
from daskrec.engine.shared import RowShards, Shared

USERS, ITEMS, RANK = 7, 12, 3
quick = settings(max_examples=40, deadline=None)


def make_csr(seed, height, width, density):
    """Draw a sparse matrix and say where it has entries."""
    found = sp.random_array((height, width), density=density, format="csr", rng=seed)
    found.sort_indices()
    indices, data = found.indices.astype(np.int32), found.data.astype(np.float32)
    return Csr(found.indptr.astype(np.int64), indices, data, width)


def dense(csr):
    """Return the values of a matrix and where it has entries."""
    rows = np.repeat(np.arange(len(csr)), np.diff(csr.indptr))
    values, there = np.zeros((2, len(csr), csr.width))
    values[rows, csr.indices], there[rows, csr.indices] = csr.data, 1
    return values, there.astype(bool)


def make_block(seed, density=0.3):
    """Draw the histories of users 0, 10, 20, ..."""
    matrix = make_csr(seed, USERS, ITEMS, density)
    return UserBlock(Ids(np.arange(USERS) * 10), matrix, np.empty(0, dtype=np.int32))


def make_scorer(kind, seed, ties=False):
    """Draw a scorer and return the dense scores that it gives, NaN where it gives none."""
    rng = np.random.default_rng(seed)
    block = make_block(seed)
    if kind == "list":
        scores = np.round(rng.standard_normal(ITEMS), 0 if ties else 9)
        scores[rng.random(ITEMS) < 0.2] = np.nan
        return ListScorer(Shared(scores)), block, np.tile(scores, (USERS, 1))
    if kind == "neighbours":
        similarity = make_csr(seed + 1, ITEMS, ITEMS, 0.3)
        if ties:
            similarity.data[:] = 0.5
        seen = dense(block.matrix)[1].astype(float)
        values, there = dense(similarity)
        return (
            NeighbourScorer(Shared(similarity)),
            block,
            np.where(seen @ there > 0, seen @ values, np.nan),
        )
    known = np.flatnonzero(rng.random(USERS + 4) < 0.7)
    vectors, items = (
        rng.standard_normal((n, RANK)).astype(np.float32) for n in (len(known), ITEMS)
    )
    if ties:
        vectors, items = np.round(vectors), np.round(items)
    cut = len(known) // 2
    shards = RowShards([Shared(vectors[:cut]), Shared(vectors[cut:])], [0, cut, len(known)])
    table = np.full((USERS + 4, ITEMS), np.nan)
    table[known] = vectors.astype(float) @ items.T.astype(float)
    encoder = ShardedIds.of(Ids(known * 10))
    return VectorScorer(encoder, shards, Shared(items)), block, table[:USERS]


def expected_top(table, block, request):
    """Rank dense scores: score descending, item ascending."""
    seen, found = dense(block.matrix)[1], []
    for row in range(len(table)):
        allowed = range(ITEMS) if request.candidates is None else request.candidates.tolist()
        items = [i for i in allowed if not np.isnan(table[row, i])]
        items = [i for i in items if not (request.filter_seen and seen[row, i])]
        items.sort(key=lambda i: (-table[row, i], i))
        found += [(row, i) for i in items[: request.k]]
    return found


KINDS = ["list", "neighbours", "vectors"]
REQUESTS = st.tuples(
    st.sampled_from([0, 1, 3, ITEMS, 100]),
    st.one_of(st.none(), st.lists(st.integers(0, ITEMS - 1), unique=True).map(sorted)),
    st.booleans(),
)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@quick
@given(REQUESTS, st.integers(0, 2**32), st.sampled_from([1, 100, 1 << 21]))
def test_the_best_are_those_of_dense_scores(kind, ties, asked, seed, tile_bytes):
    k, candidates, filter_seen = asked
    chosen = None if candidates is None else np.array(candidates, dtype=np.int32)
    request = Request(k, chosen, filter_seen)
    scorer, block, table = make_scorer(kind, seed, ties)
    with dask.config.set({"daskrec.tile-bytes": tile_bytes}):
        rows, items, scores = scorer.top(block, request)
    expected = expected_top(table, block, request)
    assert list(zip(rows.tolist(), items.tolist(), strict=True)) == expected
    np.testing.assert_allclose(scores, [table[pair] for pair in expected], rtol=1e-5, atol=1e-6)
    assert (rows.dtype, items.dtype, scores.dtype) == (np.int64, np.int32, np.float64)


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(st.integers(0, 2**32), st.integers(0, 40))
def test_pairs_have_the_dense_scores_and_a_mask_of_those_that_have_one(kind, seed, count):
    scorer, block, table = make_scorer(kind, seed)
    rng = np.random.default_rng(seed)
    rows, items = np.sort(rng.integers(0, USERS, count)), rng.integers(0, ITEMS, count)
    scores, scored = scorer.pairs(block, rows, items.astype(np.int32))
    expected = table[rows, items]
    assert scored.tolist() == (~np.isnan(expected)).tolist()
    np.testing.assert_allclose(scores[scored], expected[scored], rtol=1e-5, atol=1e-6)
    assert scores.dtype == np.float64


@pytest.mark.parametrize("kind", KINDS)
def test_the_short_list_is_the_start_of_the_long_one(kind):
    scorer, block, _ = make_scorer(kind, 5, ties=True)
    rows, items, scores = scorer.top(block, Request(ITEMS))
    for k in range(ITEMS):
        short = scorer.top(block, Request(k))
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        for left, right in zip(short, (rows, items, scores), strict=True):
            assert left.tolist() == right[place < k].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_who_has_seen_everything_gets_nothing(kind):
    scorer, _, _ = make_scorer(kind, 3)
    block = make_block(0, density=1.0)
    assert [len(part) for part in scorer.top(block, Request(5))] == [0, 0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_no_users_get_nothing(kind):
    scorer, block, _ = make_scorer(kind, 3)
    nobody = block.users(2, 2)
    nothing = np.empty(0, dtype=np.int64)
    assert [len(part) for part in scorer.top(nobody, Request(5))] == [0, 0, 0]
    assert [len(part) for part in scorer.pairs(nobody, nothing, nothing.astype(np.int32))] == [0, 0]


def test_unknown_users_have_no_vector_and_no_rows():
    scorer, block, _ = make_scorer("vectors", 1)
    strangers = UserBlock(Ids(np.arange(USERS) * 10 + 5), block.matrix, block.repeats)
    assert [len(part) for part in scorer.top(strangers, Request(5))] == [0, 0, 0]
    rows, items = np.array([0, 3]), np.array([1, 2], dtype=np.int32)
    assert scorer.pairs(strangers, rows, items)[1].tolist() == [False, False]


def test_vectors_that_are_no_numbers_give_no_rows():
    vectors = np.array([[1, 1], [np.nan, 1]], dtype=np.float32)
    encoder = ShardedIds.of(Ids(np.array([0, 10])))
    scorer = VectorScorer(encoder, RowShards.of(vectors), Shared(np.ones((ITEMS, 2), np.float32)))
    block = make_block(0, density=0.0)
    rows, items, scores = scorer.top(block, Request(2))
    assert list(zip(rows.tolist(), items.tolist(), scores, strict=True)) == [(0, 0, 2), (0, 1, 2)]
    rows, items = np.array([0, 1, 2]), np.zeros(3, dtype=np.int32)
    assert scorer.pairs(block, rows, items)[1].tolist() == [True, False, False]


def test_a_list_ranks_in_float64():
    scores = np.ones(ITEMS)
    scores[4] += 1e-12
    rows, items, found = ListScorer(Shared(scores)).top(make_block(0, 0.0), Request(2))
    assert items[rows == 0].tolist() == [4, 0]
    assert found[0] == scores[4]


@pytest.mark.parametrize("kind", KINDS)
def test_a_scorer_travels_as_handles(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "session_folder", lambda: str(tmp_path))
    scorer, block, _ = make_scorer(kind, 9)
    sent = pickle.dumps(scorer)
    assert len(sent) < 2000
    for left, right in zip(
        pickle.loads(sent).top(block, Request(3)), scorer.top(block, Request(3)), strict=True
    ):
        assert left.tolist() == right.tolist()


def test_a_request_is_no_longer_than_what_may_be_recommended():
    assert Request(5).length(3) == 3
    assert Request(5).length(30) == 5
    assert Request(5, np.array([1, 2], dtype=np.int32)).length(30) == 2
