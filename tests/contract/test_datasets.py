"""Every model takes a dataset, as today's scripts of the original hand it over."""

from typing import Any

import numpy as np
import pytest
from support.adapted import features_of
from support.cases import Case
from support.logs import assert_same, random_log

from daskrec.data import Dataset, FeatureHint, FeatureInfo, FeatureSchema, FeatureType
from daskrec.data.ids import Ids

LOG = random_log(users=40, items=20, rows=400)


def inputs(case: Case) -> tuple[Any, Any, Any]:
    """Return a log and features that are fit for a model."""
    log = LOG
    if case.binary:
        log = log.assign(relevance=log["relevance"] % 2)
    if case.timed:
        log = log.assign(timestamp=np.arange(len(log)))
    sides: list[Any] = [None, None]
    for place, role in enumerate(("user", "item")):
        if case.hybrid or (case.featured and role == "user"):
            known = Ids(np.unique(log[f"{role}_idx"]))
            found = features_of(known, known, role)
            sides[place] = found.rename(columns={n: f"{role} {n}" for n in found.columns[1:]})
    return log, sides[0], sides[1]


def dataset_of(log: Any, users: Any, items: Any, names: dict[str, str]) -> Dataset:
    """Return a dataset whose columns are called otherwise."""
    kinds = {
        "user_idx": (FeatureType.CATEGORICAL, FeatureHint.QUERY_ID),
        "item_idx": (FeatureType.CATEGORICAL, FeatureHint.ITEM_ID),
        "relevance": (FeatureType.NUMERICAL, FeatureHint.RATING),
        "timestamp": (FeatureType.NUMERICAL, FeatureHint.TIMESTAMP),
    }
    columns = [FeatureInfo(names[name], *kinds[name]) for name in log.columns]
    for frame in (users, items):
        if frame is not None:
            columns += [FeatureInfo(n, FeatureType.NUMERICAL) for n in frame.columns[1:]
                        if n not in [c.column for c in columns]]  # fmt: skip
    renamed = (None if f is None else f.rename(columns=names) for f in (log, users, items))
    return Dataset(FeatureSchema(columns), *renamed)


NAMES = [
    {
        "user_idx": "query_id",
        "item_idx": "item_id",
        "relevance": "rating",
        "timestamp": "timestamp",
    },
    {"user_idx": "who", "item_idx": "what", "relevance": "how much", "timestamp": "when"},
]


@pytest.mark.parametrize("names", NAMES, ids=["usual names", "other names"])
def test_a_dataset(case: Case, names: dict[str, str]) -> None:
    log, users, items = inputs(case)
    dataset = dataset_of(log, users, items, names)
    features = [frame for frame in (users, items) if frame is not None]
    plain = case.model(**case.params).fit(log, *features)
    model = case.model(**case.params).fit(dataset)
    if case.featured:
        expected = plain.predict(users, 4, log)
    elif case.hybrid:
        expected = plain.predict(log, 4, user_features=users, item_features=items)
    else:
        expected = plain.predict(log, 4)
    found = model.predict(dataset=dataset, k=4)
    columns = [names[name] for name in ("user_idx", "item_idx", "relevance")]
    assert list(found.columns) == columns
    back = {new: old for old, new in names.items()}
    assert_same(found.rename(columns=back), expected, case.tolerance)
    some = log["user_idx"].unique()[:3].tolist()
    few = model.predict(dataset, 4, queries=some)
    assert_same(few.rename(columns=back), expected[expected["user_idx"].isin(some)],
                case.tolerance or 1e-9)  # fmt: skip
    assert list(model.fit_queries.columns) == columns[:1]
    assert model.queries_count == plain.users_count
    assert model.can_predict_cold_queries == plain.can_predict_cold_users
    pairs = log[["user_idx", "item_idx"]].iloc[::7]
    if not (case.featured or case.hybrid):
        scored = model.predict_pairs(pairs.rename(columns=names), dataset)
        wanted = plain.predict_pairs(pairs, log)
        assert_same(scored.rename(columns=back), wanted, case.tolerance or 1e-9)
