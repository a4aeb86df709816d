"""UserPopRec: shares of what a user had."""

import numpy as np
import pandas as pd
import pytest
from support.logs import assert_same, random_log

from daskrec.models import UserPopRec


def test_the_example_of_the_original() -> None:
    log = pd.DataFrame({"user_idx": [1, 1, 3], "item_idx": [1, 2, 3], "relevance": [2, 1, 1]})
    model = UserPopRec().fit(log)
    recs = model.predict(log, 1)
    assert recs.values.tolist() == [[1, 1, 2 / 3], [3, 3, 1]]
    assert len(model.predict(None, 5)) == 3


def test_shares_are_those_of_a_group_by() -> None:
    log = random_log()
    total = log.groupby("user_idx").relevance.transform("sum")
    expected = log.assign(relevance=log.relevance / total).sort_values(
        ["user_idx", "relevance", "item_idx"], ascending=[True, False, True]
    )
    recs = UserPopRec().fit_predict(log, 1000)
    pd.testing.assert_frame_equal(recs, expected.reset_index(drop=True))


def test_asking_for_a_filter_is_told_off() -> None:
    log = random_log()
    model = UserPopRec().fit(log)
    with pytest.warns(UserWarning, match="filter_seen_items is not followed") as caught:
        recs = model.predict(log, 3, filter_seen_items=True)
    assert caught[0].filename == __file__
    assert_same(recs, model.predict(log, 3))


def test_relevance_that_cancels_out_gives_zeros() -> None:
    log = pd.DataFrame({"user_idx": [1, 1], "item_idx": [1, 2], "relevance": [1.0, -1.0]})
    assert np.isfinite(UserPopRec().fit_predict(log, 2).relevance).all()


def test_pairs_that_the_user_did_not_have_have_no_row() -> None:
    log = random_log()
    model = UserPopRec().fit(log)
    users, items = np.unique(log.user_idx), np.unique(log.item_idx)
    pairs = pd.MultiIndex.from_product([users, items], names=["user_idx", "item_idx"])
    assert_same(model.predict_pairs(pairs.to_frame(index=False)), model.predict(log, 1000))
