"""The bases for models with features, driven by small models made for it."""

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from support.logs import L5, as_kind, kind_of, to_pandas

from daskrec.data.blocks import Features, Interactions
from daskrec.engine.score import ListScorer, Scorer
from daskrec.engine.shared import Shared
from daskrec.models import HybridRecommender, UserRecommender

ITEMS = pd.DataFrame({"item_idx": [0, 1, 2, 5], "price": [1.0, 4.0, 2.0, 3.0]})
USERS = pd.DataFrame({"user_idx": [0, 2, 8], "age": [10, 20, 30]})


class Dearest(HybridRecommender):
    """Recommends the dearest items, by the prices of the call or else of the fit."""

    can_predict_cold_users: ClassVar[bool] = True

    def __init__(self) -> None:
        pass

    def _fit(self, data: Interactions) -> None:
        self.known = data.item_ids
        self.prices = self._prices(data.features)

    def _prices(self, features: Features) -> np.ndarray:
        frame = to_pandas(features.items).set_index("item_idx").price
        return frame.reindex(self.known.values).to_numpy()

    def _scorer(self, features: Features) -> Scorer:
        given = features.items is not None
        return ListScorer(Shared(self._prices(features) if given else self.prices))

    def _get_state(self) -> dict[str, Any]:
        return {}

    def _set_state(self, state: dict[str, Any]) -> None:
        pass


class Seniors(UserRecommender):
    """Serves users by a table of features; scores are the number of them."""

    can_predict_cold_users: ClassVar[bool] = True

    def __init__(self) -> None:
        pass

    def _fit(self, data: Interactions) -> None:
        self.count = data.item_count

    def _scorer(self, features: Features) -> Scorer:
        return ListScorer(Shared(np.full(self.count, float(len(to_pandas(features.users))))))

    def _get_state(self) -> dict[str, Any]:
        return {}

    def _set_state(self, state: dict[str, Any]) -> None:
        pass


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "dask"])
def test_an_id_that_only_features_mention_counts_as_trained(kind: str) -> None:
    model = Dearest().fit(as_kind(L5, kind), as_kind(USERS, kind), as_kind(ITEMS, kind))
    assert model.items_count == 4
    assert model.users_count == 4
    assert to_pandas(model.fit_users).user_idx.tolist() == [0, 1, 2, 8]
    recs = model.predict(as_kind(L5, kind), 1)
    assert kind_of(recs) == kind
    assert to_pandas(recs).item_idx.tolist() == [5, 5, 1]


def test_features_of_the_call_reach_the_model() -> None:
    model = Dearest().fit(L5, None, ITEMS)
    dearer = ITEMS.assign(price=[9.0, 1.0, 1.0, 1.0])
    recs = model.predict(L5, 1, users=[1], item_features=dearer)
    assert recs.item_idx.tolist() == [0]
    pairs = pd.DataFrame({"user_idx": [1], "item_idx": [0]})
    assert model.predict_pairs(pairs, item_features=dearer).relevance.tolist() == [9.0]
    assert model.predict_pairs(pairs).relevance.tolist() == [1.0]
    again = Dearest().fit_predict(L5, 1, item_features=ITEMS, users=[1])
    assert again.item_idx.tolist() == [5]
    assert model.get_features(pairs, ITEMS) == (None, None)


def test_users_of_the_features_are_served_where_no_others_are_named() -> None:
    model = Seniors().fit(L5, USERS)
    assert set(model.predict(USERS, 1).user_idx) == {0, 2, 8}
    assert set(model.predict(USERS, 1, log=L5).user_idx) == {0, 1, 2}
    assert set(model.predict(USERS, 1, users=[2]).user_idx) == {2}
    pairs = pd.DataFrame({"user_idx": [8], "item_idx": [1]})
    assert model.predict_pairs(pairs, user_features=USERS).relevance.tolist() == [3.0]
    assert not hasattr(model, "fit_predict")


def test_features_without_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="item_features has no item column"):
        Dearest().fit(L5, None, pd.DataFrame({"price": [1.0]}))
