"""Lists made on a device: what the kernels of the CPU find."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.backends import DEVICES, NumpyBackend, lent
from support.logs import assert_same, random_log

from daskrec.engine import topk, topk_dense
from daskrec.engine.csr_build import build_csr
from daskrec.engine.dense import DenseRows
from daskrec.engine.gpu import topk as topk_there
from daskrec.engine.gpu import topk_dense as topk_dense_there
from daskrec.engine.shared import Shared
from daskrec.models import ADMMSLIM, EASE, ALSWrap, Word2VecRec

CASES = settings(max_examples=40, deadline=None)


@pytest.fixture(params=DEVICES)
def made(request):
    return request.param


@pytest.fixture(params=[None, 2500])
def device(made, request, monkeypatch):
    """A backend of much memory, or of so little that tiles are a few columns wide."""
    found = made()
    if request.param:
        monkeypatch.setattr(found, "free_bytes", lambda: request.param)
    return found


@st.composite
def histories(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    users, items = draw(st.integers(0, 9)), draw(st.integers(1, 12))
    count = rng.integers(0, 3 * users + 1)
    places = np.unique(rng.integers(0, max(users * items, 1), count if users else 0))
    matrix, _ = build_csr(places // items, places % items, None, users, items)
    candidates = None
    if draw(st.booleans()):
        candidates = np.flatnonzero(rng.random(items) < 0.6).astype(np.int32)
    return rng, matrix, candidates, draw(st.integers(0, 14)), draw(st.booleans())


def assert_lists(found, expected, exact=True):
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == theirs.dtype
        assert mine.shape == theirs.shape
    np.testing.assert_array_equal(found[2], expected[2])
    valid = np.arange(found[0].shape[1]) < found[2][:, None]
    np.testing.assert_array_equal(found[0][valid], expected[0][valid])
    np.testing.assert_allclose(found[1][valid], expected[1][valid], rtol=0 if exact else 1e-5)


def test_inner_products(device):
    @given(histories(), st.booleans())
    @CASES
    def check(drawn, some):
        rng, matrix, candidates, k, filter_seen = drawn
        # Small whole numbers: sums are exact, and ties are many.
        items = rng.integers(-2, 3, (matrix.width, 3)).astype(np.float32)
        items[rng.random(matrix.width) < 0.1] = np.nan
        users = rng.integers(-2, 3, (len(matrix), 3)).astype(np.float32)
        rows = np.flatnonzero(rng.random(len(matrix)) < 0.7) if some else None
        if rows is not None:
            users = users[rows]
        seen = (matrix.indptr, matrix.indices) if filter_seen else (None, None)
        how = {"rows": rows, "candidates": candidates}
        found = topk_there.dot_topk(device, users, Shared(items), k, *seen, **how)
        assert_lists(found, topk.dot_topk(users, items, k, *seen, **how))

    check()


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_sums_of_rows_of_a_table(device, missing):
    @given(histories())
    @CASES
    def check(drawn):
        rng, matrix, candidates, k, filter_seen = drawn
        count = matrix.width
        table = rng.integers(-3, 4, (count, count)).astype(np.float32)
        table[rng.random((count, count)) < missing] = -0.0
        np.fill_diagonal(table, -0.0)
        allowed = None
        if candidates is not None:
            allowed = np.zeros(count, dtype=bool)
            allowed[candidates] = True
        found = topk_dense_there.table_topk(
            device, matrix, Shared(DenseRows(table)), k,
            candidates=candidates, filter_seen=filter_seen,
        )  # fmt: skip
        expected = topk_dense.table_topk(
            matrix.indptr, matrix.indices, table, k, allowed=allowed, filter_seen=filter_seen
        )
        assert_lists(found, expected)

    check()


LOG = random_log(users=50, items=25, rows=500)
TIMED = LOG.assign(timestamp=np.arange(len(LOG)))


@pytest.mark.parametrize(
    ("make", "log", "kernel"),
    [
        (lambda: ALSWrap(4, seed=1, iterations=2), LOG, "dot_topk"),
        (lambda: Word2VecRec(rank=4, seed=1, min_count=1), TIMED, "dot_topk"),
        (lambda: EASE(5.0), LOG, "table_topk"),
        (lambda: ADMMSLIM(0.0, 5.0), LOG, "table_topk"),
    ],
)
def test_models_take_the_device(make, log, kernel, monkeypatch):
    model = make().fit(log)
    expected = (
        model.predict(log, 5),
        model.predict(
            log, 5, items=sorted(set(log.item_idx))[::2], users=sorted(set(log.user_idx))[:8]
        ),
    )
    calls = []
    module = topk_there if kernel == "dot_topk" else topk_dense_there
    twin = getattr(module, kernel)
    monkeypatch.setattr(module, kernel, lambda *what, **how: calls.append(1) or twin(*what, **how))
    with lent(NumpyBackend(2**14), monkeypatch):
        found = (
            model.predict(log, 5),
            model.predict(
                log, 5, items=sorted(set(log.item_idx))[::2], users=sorted(set(log.user_idx))[:8]
            ),
        )
    assert calls
    for mine, theirs in zip(found, expected, strict=True):
        assert_same(mine, theirs, 1e-5)
