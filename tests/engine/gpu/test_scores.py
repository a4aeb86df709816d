"""Scorers on a device: a score of a pair is that of the lists, whatever block a user is in."""

import numpy as np
import pandas as pd
import pytest
from support.backends import NumpyBackend, lent
from support.logs import assert_same, random_log

from daskrec.engine import score
from daskrec.models import ADMMSLIM, EASE, ALSWrap, Word2VecRec

LOG = random_log(users=50, items=25, rows=500)
TIMED = LOG.assign(timestamp=np.arange(len(LOG)))
NEAR = 1e-4  # of scores, to the largest of them

MODELS = [
    pytest.param(lambda: ALSWrap(4, seed=1, iterations=2), LOG, id="als"),
    pytest.param(lambda: Word2VecRec(rank=4, seed=1, min_count=1), TIMED, id="word2vec"),
    pytest.param(lambda: EASE(5.0), LOG, id="ease"),
    pytest.param(lambda: ADMMSLIM(0.0, 5.0), LOG, id="admm"),
]


@pytest.mark.parametrize(("make", "log"), MODELS)
def test_pairs_have_the_scores_of_the_lists(make, log, monkeypatch):
    model = make().fit(log)
    with lent(NumpyBackend(2**14), monkeypatch):
        lists = model.predict(log, 5)
        pairs = model.predict_pairs(lists[["user_idx", "item_idx"]], log)
    keys = ["user_idx", "item_idx"]
    both = lists.merge(pairs, on=keys, suffixes=("", "_of_pair"))
    assert len(both) == len(lists) > 0
    largest = lists["relevance"].abs().max()
    np.testing.assert_allclose(
        both["relevance"], both["relevance_of_pair"], rtol=0, atol=NEAR * largest
    )


@pytest.mark.parametrize(("make", "log"), MODELS)
def test_a_user_has_one_list_in_any_block(make, log, monkeypatch):
    model = make().fit(log)
    users = sorted(set(log["user_idx"]))
    with lent(NumpyBackend(2**14), monkeypatch):
        together = model.predict(log, 5)
        apart = pd.concat(
            [model.predict(log, 5, users=part) for part in (users[:1], users[1:8], users[8:])]
        )
    assert_same(apart, together, NEAR)


def test_work_is_that_of_the_candidates(monkeypatch):
    model = ALSWrap(4, seed=1, iterations=2).fit(LOG)
    asked, borrow = [], score.borrow
    monkeypatch.setattr(score, "borrow", lambda work: asked.append(work) or borrow(work))
    items = sorted(set(LOG["item_idx"]))
    model.predict(LOG, 5)
    whole = sum(asked)
    asked.clear()
    model.predict(LOG, 5, items=items[:5])
    assert sum(asked) * len(items) == whole * 5
