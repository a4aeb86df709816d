"""PopRec: the numbers of the original's documentation."""

import numpy as np
import pandas as pd
import pytest
from support.logs import L5, to_pandas

from daskrec.models import PopRec

DOCTEST = pd.DataFrame(
    [(1, 1, 0.5), (1, 2, 1), (2, 2, 0.1), (2, 3, 0.8), (3, 3, 0.7), (4, 3, 1)],
    columns=["user_idx", "item_idx", "relevance"],
)


def rows(frame: pd.DataFrame) -> list[tuple[int, int]]:
    return list(frame[["user_idx", "item_idx"]].itertuples(index=False, name=None))


def test_documented_example() -> None:
    recs = PopRec().fit_predict(DOCTEST, k=1)
    assert rows(recs) == [(1, 3), (2, 1), (3, 2), (4, 2)]
    np.testing.assert_allclose(recs.relevance, [0.75, 0.25, 0.5, 0.5])
    unfiltered = PopRec().fit_predict(DOCTEST, k=1, filter_seen_items=False)
    assert rows(unfiltered) == [(user, 3) for user in (1, 2, 3, 4)]
    assert unfiltered.relevance.tolist() == [0.75] * 4


def test_documented_example_with_relevance() -> None:
    recs = PopRec(use_relevance=True).fit_predict(DOCTEST, k=1)
    np.testing.assert_allclose(recs.relevance, [0.625, 0.125, 0.275, 0.275], rtol=1e-7)


def test_the_log_of_the_public_failures() -> None:
    recs = PopRec().fit_predict(L5, k=1)
    assert rows(recs) == [(0, 2), (1, 0), (2, 1)]
    assert recs.relevance.tolist() == [2 / 3, 1 / 3, 2 / 3]


def test_repeated_rows_do_not_make_an_item_more_popular() -> None:
    log = pd.DataFrame(
        [(0, 0), (1, 0), (2, 1), (2, 1), (1, 1), (2, 2), (0, 2)], columns=["user_idx", "item_idx"]
    )
    with pytest.warns(UserWarning, match="1 rows"):
        recs = PopRec().fit_predict(log, k=1)
    assert rows(recs) == [(0, 1), (1, 2), (2, 0)]


def test_a_cold_user_gets_the_list() -> None:
    model = PopRec().fit(L5)
    recs = model.predict(L5, 1, users=[9])
    assert rows(recs) == [(9, 1)]
    assert recs.relevance.tolist() == [2 / 3]
    pairs = pd.DataFrame({"user_idx": [9], "item_idx": [0]})
    assert to_pandas(model.predict_pairs(pairs)).relevance.tolist() == [1 / 3]
