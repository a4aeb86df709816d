"""Every model can be tuned, or says that there is nothing to search."""

import warnings

import pytest
from support.adapted import binary_log, features_of, timed_log
from support.cases import Case
from support.logs import as_kind, assert_same, random_log

import daskrec
from daskrec.data.ids import distinct

LOG = random_log()
TRAIN, TEST = LOG.iloc[:300], LOG.iloc[300:]
TEST = TEST[TEST.user_idx.isin(TRAIN.user_idx)]


@pytest.mark.parametrize("kind", ["pandas", "dask"])
def test_every_model_is_tuned_or_says_why_not(case: Case, kind: str, tmp_path) -> None:
    train = binary_log(TRAIN) if case.binary else TRAIN
    train = timed_log(train) if case.timed else train
    options = {}
    if case.featured:
        users = distinct(TRAIN.user_idx.to_numpy())
        options["user_features"] = features_of(users, users)
    if case.hybrid:
        for role in ("user", "item"):
            ids = distinct(TRAIN[f"{role}_idx"].to_numpy())
            options[f"{role}_features"] = features_of(ids, ids, role)
    train, test = as_kind(train, kind), as_kind(TEST, kind)
    model = case.make()
    if model._search_space is None:
        with pytest.warns(UserWarning, match="no parameters that are searched by default"):
            assert model.optimize(train, test) is None
        return
    found = model.optimize(train, test, k=5, budget=3, seed=0, **options)
    assert found.keys() == model._search_space.keys()
    assert {name: model.get_params()[name] for name in found} == found
    assert len(model.study.trials) == 3
    plain = case.adapted(**model.get_params()).fit(train)
    assert_same(model.predict(train, 5), plain.predict(train, 5), case.tolerance)
    model.save(tmp_path / "model")
    again = daskrec.load(tmp_path / "model")
    assert again.study.best_value == model.study.best_value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again.optimize(train, test, k=5, budget=1, new_study=False, **options)
    assert len(again.study.trials) == 4
