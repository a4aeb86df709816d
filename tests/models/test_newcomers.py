"""Facts of the original about users who come after the fit, on its fixture log."""

from typing import Any

import pandas as pd
import pytest
from support.logs import ORIGINAL

from daskrec.models import KNN, ClusterRec, PopRec, RandomRec

LOG = ORIGINAL.drop_duplicates(["user_idx", "item_idx"])
KNOWN = LOG[LOG.user_idx != 0]
FEATURES = pd.DataFrame(
    {"user_idx": [0, 1, 2, 3], "age": [20, 30, 75, 40], "mood": [-3.0, 4, -1, 2]}
)


def predict(model: Any, log: Any, k: int, **options: Any) -> pd.DataFrame:
    if isinstance(model, ClusterRec):
        return model.predict(FEATURES, k, log, **options)
    return model.predict(log, k, **options)


def fitted(model: Any) -> Any:
    return model.fit(KNOWN, FEATURES.tail(3)) if isinstance(model, ClusterRec) else model.fit(KNOWN)


def test_seen_items_are_those_of_the_log_of_predict() -> None:
    model = PopRec().fit(KNOWN)
    counts = model.predict(LOG, 5).groupby("user_idx").size()
    assert counts[3] == 2
    assert counts[0] == 1
    assert (model.predict(LOG, 5, filter_seen_items=False).groupby("user_idx").size() == 4).all()


@pytest.mark.parametrize(
    "model", [PopRec(), RandomRec(seed=1), KNN(), ClusterRec(2, seed=1)], ids=str
)
def test_a_new_user_with_a_history_gets_what_is_left(model: Any) -> None:
    recs = predict(fitted(model), LOG, 1, users=[0])
    assert recs.values.tolist() == [[0, 3, recs.relevance[0]]]


@pytest.mark.parametrize("model", [PopRec(), RandomRec(seed=1), ClusterRec(2, seed=1)], ids=str)
def test_a_new_user_without_any_history_is_served(model: Any) -> None:
    assert len(predict(fitted(model), KNOWN, 1, users=[0])) == 1


def test_neighbours_need_a_history() -> None:
    model = KNN().fit(KNOWN)
    with pytest.warns(UserWarning, match="1 users have no history"):
        recs = model.predict(LOG, 1, users=[0, 9])
    assert set(recs.user_idx) == {0}
