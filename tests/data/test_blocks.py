"""User blocks: slices, sizes, and the way through files."""

import pickle

import dask
import numpy as np
import pytest
from dask.sizeof import sizeof
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.data.blocks import UserBlock, UserBlocks, make_block
from daskrec.data.ids import Ids
from daskrec.engine import runtime
from daskrec.engine.shared import Shared

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(1, 3)), max_size=25)
HEIGHT, WIDTH = 5, 6


def block_of(rows, graded=True):
    """Make a block of (user, item, relevance) rows."""
    users, items, relevance = (np.array([row[n] for row in rows], dtype=np.int64) for n in range(3))
    given_relevance = relevance.astype(np.float32) if graded else None
    return make_block(Ids(np.arange(HEIGHT) * 10), users, items, given_relevance, WIDTH)


def dense(block):
    """Return sums of relevance and numbers of rows, users x items."""
    matrix = block.matrix
    rows = np.repeat(np.arange(len(matrix)), np.diff(matrix.indptr))
    found = np.zeros((2, len(matrix), matrix.width))
    found[0, rows, matrix.indices] = matrix.values()
    found[1, rows, matrix.indices] = block.repeats if len(block.repeats) else 1
    return found


def dense_rows(rows, graded=True):
    """Return the same of the rows themselves."""
    found = np.zeros((2, HEIGHT, WIDTH))
    for user, item, relevance in rows:
        found[:, user, item] += relevance if graded else 1, 1
    return found


def test_the_example_of_the_module_holds():
    users, items = np.array([0, 0, 1, 1, 2]), np.array([0, 2, 2, 2, 1])
    relevance = np.array([1, 1, 1, 4, 1], dtype=np.float32)
    block = make_block(Ids(np.array([10, 20, 35])), users, items, relevance, 3)
    assert block.matrix.indptr.tolist() == [0, 2, 3, 4]
    assert block.matrix.indices.tolist() == [0, 2, 2, 1]
    assert block.matrix.data.tolist() == [1, 1, 5, 1]
    assert block.repeats.tolist() == [1, 1, 2, 1]


def test_dask_knows_the_bytes_of_blocks_and_of_slices():
    users, items = np.repeat(np.arange(1_000), 20), np.tile(np.arange(20), 1_000)
    block = make_block(Ids(np.arange(1_000)), users, items, np.ones(20_000, dtype=np.float32), 20)
    arrays = block.to_arrays().values()
    assert sizeof(block) == pytest.approx(sum(array.nbytes for array in arrays), abs=1_000)
    assert sizeof(block.users(0, 100)) == pytest.approx(sizeof(block) / 10, abs=1_000)
    assert sizeof([block.matrix] * 3) == pytest.approx(3 * sizeof(block.matrix), abs=1_000)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.booleans(), st.lists(st.integers(0, HEIGHT), min_size=2, max_size=2).map(sorted))
def test_a_slice_of_users_holds_their_rows(rows, graded, ends):
    start, stop = ends
    block = block_of(rows, graded)
    part = block.users(start, stop)
    assert np.array_equal(dense(block), dense_rows(rows, graded))
    assert np.array_equal(dense(part), dense_rows(rows, graded)[:, start:stop])
    assert part.user_ids.values.tolist() == [10 * user for user in range(start, stop)]
    assert part.matrix.indptr[0] == 0
    assert len(part) == stop - start
    assert block.row_count == len(rows)
    assert part.row_count == sum(start <= row[0] < stop for row in rows)


@pytest.mark.parametrize("graded", [True, False])
@pytest.mark.parametrize("rows", [[], [(1, 2, 3)], [(1, 2, 3), (1, 2, 1), (4, 0, 2)]])
def test_a_block_is_the_same_after_arrays_and_after_a_pickle(rows, graded):
    block = block_of(rows, graded)
    for copy in (UserBlock.from_arrays(block.to_arrays()), pickle.loads(pickle.dumps(block))):
        assert np.array_equal(dense(copy), dense(block))
        assert copy.row_count == block.row_count
        assert copy.user_ids.values.tolist() == block.user_ids.values.tolist()
    assert np.array_equal(dense(pickle.loads(pickle.dumps(Shared(block))).get()), dense(block))


def _count(block, more):
    return block.matrix.nnz + more


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_a_map_goes_over_handles_and_tasks_in_order(scheduler):
    first, second = block_of([(0, 0, 1)]), block_of([(1, 1, 1), (2, 2, 1)])
    parts = [Shared(first), runtime.task(block_of, [(1, 1, 1), (2, 2, 1)]), Shared(second)]
    blocks = UserBlocks(parts, np.array([1, 2]), Ids(np.arange(WIDTH)))
    assert len(blocks) == 3
    with dask.config.set(scheduler=scheduler):
        assert blocks.map(_count, 10, label="test") == [11, 12, 12]
