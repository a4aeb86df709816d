"""All interactions as one matrix in one process."""

from itertools import pairwise
from typing import Any

import dask
import dask.dataframe as dd
import numpy as np
from support.logs import random_log

from daskrec.data import encode
from daskrec.data.log import read_log
from daskrec.data.whole import on_whole
from daskrec.engine.csr import Csr, stack

LOG = random_log()


def _plain(matrix: Csr, add: int) -> tuple[np.ndarray, ...]:
    return matrix.indptr, matrix.indices, matrix.values() + add


def _same(left: Any, right: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def test_blocks_are_joined_in_any_place(client, monkeypatch) -> None:
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 50)
    with dask.config.set(scheduler="threads"):
        whole = encode.encode_training(read_log(LOG), blocks=1)
        expected = on_whole(whole, _plain, 1, label="")
        parts = encode.encode_training(read_log(LOG), blocks=4)
        assert len(parts) == 4
        assert _same(on_whole(parts, _plain, 1, label=""), expected)
    lazy = encode.encode_training(read_log(dd.from_pandas(LOG, npartitions=3)))
    assert len(lazy) > 1
    assert _same(on_whole(lazy, _plain, 1, label=""), expected)
    here = encode.encode_training(read_log(LOG), blocks=3)
    assert _same(on_whole(here, _plain, 1, label=""), expected)


def test_slices_of_one_matrix_are_joined_without_a_copy() -> None:
    (block,) = encode.encode_training(read_log(LOG), blocks=1).parts
    matrix = block.get().matrix
    cuts = [0, 5, 5, 20, len(matrix)]
    pieces = [matrix.rows(a, b) for a, b in pairwise(cuts)]
    for picked in (pieces, pieces[1:3], pieces[2:]):
        joined = stack(picked)
        assert np.shares_memory(joined.indices, matrix.indices)
        assert np.shares_memory(joined.data, matrix.data)
    again = stack(pieces)
    assert _same(_plain(again, 0), _plain(matrix, 0))
    turned = stack([pieces[3], pieces[0]])
    assert not np.shares_memory(turned.indices, matrix.indices)
    gap = stack([pieces[0], pieces[3]])
    assert np.array_equal(gap.indices, np.concatenate([pieces[0].indices, pieces[3].indices]))
    copied = stack([pieces[0], Csr(*(a.copy() for a in _plain(pieces[2], 0)), matrix.width)])
    assert np.array_equal(copied.data, np.concatenate([pieces[0].data, pieces[2].data]))
