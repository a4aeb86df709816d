"""A log as a sparse matrix, and the check of types."""

import numpy as np
import pandas as pd
import pytest
from support.logs import KINDS, ORIGINAL, as_kind, random_log, with_empty_partitions

from daskrec.errors import LogError
from daskrec.utils import check_numeric, to_csr


@pytest.mark.parametrize("kind", KINDS)
def test_the_matrix_of_the_original(kind: str) -> None:
    log = pd.DataFrame({"user_idx": [0, 1], "item_idx": [0, 2], "relevance": [1, 2]})
    matrix = to_csr(as_kind(log, kind))
    assert matrix.toarray().tolist() == [[1, 0, 0], [0, 0, 2]]
    assert matrix.dtype == np.int64
    wide = to_csr(as_kind(log, kind), user_count=3, item_count=4)
    assert wide.shape == (3, 4)


def test_repeated_pairs_are_summed() -> None:
    assert to_csr(ORIGINAL).toarray()[3].tolist() == [6, 5, 0, 0]
    ones = to_csr(ORIGINAL.drop(columns="relevance"))
    assert ones.toarray()[3].tolist() == [2, 1, 0, 0]
    assert ones.nnz == 10


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_partitions_give_the_same(npartitions: int) -> None:
    log = random_log()
    log["item_idx"] += 20
    expected = to_csr(log)
    assert (to_csr(with_empty_partitions(log, npartitions)) != expected).nnz == 0


def test_what_is_no_place_is_refused() -> None:
    with pytest.raises(LogError, match="strings or negative"):
        to_csr(ORIGINAL.assign(user_idx="u"))
    with pytest.raises(LogError, match="strings or negative"):
        to_csr(ORIGINAL.assign(item_idx=-1))
    with pytest.raises(LogError, match="user_count is 2"):
        to_csr(ORIGINAL, user_count=2)
    with pytest.raises(LogError, match="missing ids"):
        to_csr(ORIGINAL.assign(user_idx=[None, *range(10)]))
    with pytest.raises(LogError, match="1 values are missing"):
        to_csr(ORIGINAL.assign(relevance=[None, *range(10)]))
    assert to_csr(ORIGINAL.iloc[:0], 2, 3).toarray().tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_types_are_checked(kind: str) -> None:
    numbers = pd.DataFrame({"a": [1], "b": [0.5]})
    check_numeric(as_kind(numbers, kind))
    with pytest.raises(ValueError, match=r"'c' \(.*\), 'd' \(bool.*\) are not numeric"):
        check_numeric(as_kind(numbers.assign(c="x", d=True), kind))
