"""Long rows are cut to a sample that depends on ids alone."""

import numpy as np
import pyarrow as pa
import pytest

from daskrec.engine.cap import cap_rows
from daskrec.engine.csr import Csr
from daskrec.engine.keys import hash_ids

LENGTHS = [3, 0, 50, 10, 11]
IDS = np.array([5, 6, 9, 10, 70])


def matrix(graded: bool = False) -> Csr:
    indptr = np.concatenate([[0], np.cumsum(LENGTHS)])
    indices = np.concatenate([2 * np.arange(n) for n in LENGTHS]).astype(np.int32)
    data = np.arange(len(indices), dtype=np.float32) if graded else np.empty(0, np.float32)
    return Csr(indptr, indices, data, 200)


@pytest.mark.parametrize("graded", [False, True])
def test_rows_beyond_the_limit_become_a_sorted_sample(graded: bool) -> None:
    before, after = matrix(graded), cap_rows(matrix(graded), IDS, 10)
    assert np.diff(after.indptr).tolist() == [3, 0, 10, 10, 10]
    for row in range(len(before)):
        old, new = (
            dict(zip(m.rows(row, row + 1).indices, m.rows(row, row + 1).values(), strict=True))
            for m in (before, after)
        )
        assert new.items() <= old.items()
        assert sorted(new) == list(new)
    assert len(after.data) == (after.nnz if graded else 0)


def test_a_sample_does_not_depend_on_the_other_rows() -> None:
    whole = cap_rows(matrix(), IDS, 10)
    alone = cap_rows(matrix().rows(2, 4), IDS[2:4], 10)
    assert alone.indices.tolist() == whole.rows(2, 4).indices.tolist()
    other = cap_rows(matrix().rows(2, 3), IDS[:1], 10)
    assert other.indices.tolist() != whole.rows(2, 3).indices.tolist()


def test_short_rows_are_left_as_they_are() -> None:
    for limit in (None, 50):
        assert cap_rows(same := matrix(), IDS, limit) is same


def test_hashes_of_ids_are_those_of_their_values() -> None:
    numbers = hash_ids(np.array([-1, 0, 7]))
    assert (hash_ids(np.array([-1, 0, 7], dtype=np.int8)) == numbers).all()
    assert len(set(numbers)) == 3
    words = pa.array(["", "a", "b", "ab", "ü"], pa.large_string())
    found = hash_ids(words)
    assert len(set(found)) == 5
    assert (hash_ids(words[2:]) == found[2:]).all()
    assert (hash_ids(words.take(pa.array([4, 1]))) == found[[4, 1]]).all()
    assert len(hash_ids(words[:0])) == 0
