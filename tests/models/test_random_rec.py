"""RandomRec: its weights, its law, and one answer wherever it is computed."""

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare
from support.logs import assert_same, random_log, with_empty_partitions

from daskrec.models import RandomRec

# The log of the original's example.
LOG = pd.DataFrame(
    [(1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (4, 3)], columns=["user_idx", "item_idx"]
)
USERS = np.arange(100_000)


def weights(model: RandomRec) -> list[float]:
    return model.item_popularity.relevance.tolist()


def test_weights_are_those_of_the_original() -> None:
    assert weights(RandomRec("popular_based", alpha=1.0).fit(LOG)) == [2, 3, 4]
    assert weights(RandomRec().fit(LOG)) == [1, 1, 1]
    graded = LOG.assign(relevance=[1, 2, 3, 1, 1, 2])
    np.testing.assert_allclose(weights(RandomRec("relevance").fit(graded)), [0.1, 0.5, 0.4])


@pytest.mark.parametrize("distribution", ["popular_based", "relevance", "uniform"])
def test_draws_follow_the_weights(distribution: str) -> None:
    log = random_log(items=8, rows=200)
    model = RandomRec(distribution, alpha=2.0, seed=7).fit(log)
    expected = np.array(weights(model))
    recs = model.predict(None, 1, users=USERS)
    assert (recs.relevance == 1.0).all()
    found = recs.item_idx.value_counts().sort_index().to_numpy()
    assert chisquare(found, expected / expected.sum() * len(USERS)).pvalue > 0.01


def test_the_second_draw_follows_what_is_left() -> None:
    model = RandomRec("popular_based", alpha=1.0, seed=5).fit(LOG)
    recs = model.predict(None, 2, users=USERS)
    firsts, seconds = (recs[recs.relevance == r].item_idx.to_numpy() for r in (1.0, 0.5))
    found = pd.Series(zip(firsts, seconds, strict=True)).value_counts().sort_index()
    share = {1: 2 / 9, 2: 3 / 9, 3: 4 / 9}
    expected = [share[a] * share[b] / (1 - share[a]) for a, b in found.index]
    assert chisquare(found, np.array(expected) * len(USERS)).pvalue > 0.01


def test_seen_items_leave_holes_in_the_ranks() -> None:
    model = RandomRec(seed=3).fit(LOG)
    recs = model.predict(LOG, 3)
    everything = model.predict(LOG, 3, filter_seen_items=False)
    assert everything.relevance.tolist() == [1, 1 / 2, 1 / 3] * 4
    assert_same(recs, everything.merge(LOG, how="outer", indicator=True)
                .query("_merge == 'left_only'").drop(columns="_merge")
                .sort_values(["user_idx", "relevance"], ascending=[True, False])
                .reset_index(drop=True))  # fmt: skip


def test_cold_items_have_the_least_weight() -> None:
    model = RandomRec("popular_based", alpha=1.0, seed=777).fit(LOG)
    recs = model.predict(LOG, 2, users=[1], items=[7, 8])
    assert sorted(recs.item_idx) == [7, 8]
    assert recs.relevance.tolist() == [1.0, 0.5]
    for weight in (1.0, 0.25):
        model = RandomRec("popular_based", 1.0, 7, cold_weight=weight).fit(LOG)
        found = model.predict(None, 1, users=USERS, items=[1, 2, 3, 9]).item_idx.value_counts()
        expected = np.array([2, 3, 4, 2 * weight])
        expected *= len(USERS) / expected.sum()
        assert chisquare(found.sort_index(), expected).pvalue > 0.01
    for off in ({"add_cold_items": False}, {"add_cold": False}):
        with pytest.warns(UserWarning, match="2 items are not known"):
            assert len(RandomRec(seed=1, **off).fit(LOG).predict(LOG, 2, items=[7, 8])) == 0


def test_one_answer_on_every_partitioning_and_scheduler(client) -> None:
    log = random_log()
    with dask.config.set(scheduler="synchronous"):
        expected = RandomRec("relevance", seed=9).fit_predict(log, 4)
    for given in (log, with_empty_partitions(log, 7), with_empty_partitions(log, 40)):
        recs = RandomRec("relevance", seed=9).fit_predict(given, 4)
        assert_same(recs, expected)
        assert_same(recs, expected)  # a second compute


def test_without_a_seed_calls_differ_and_a_result_does_not() -> None:
    model = RandomRec().fit(random_log())
    lazy = dd.from_pandas(random_log(), npartitions=3)
    first, second = model.predict(lazy, 4), model.predict(lazy, 4)
    assert_same(first.compute(), first.compute())
    assert not first.compute().equals(second.compute())


def test_a_user_draws_alone() -> None:
    log = random_log()
    model = RandomRec(seed=2).fit(log)
    some = sorted(log.user_idx.unique())[::7]
    everybody = model.predict(log, 3)
    expected = everybody[everybody.user_idx.isin(some)].reset_index(drop=True)
    assert_same(model.predict(log, 3, users=some), expected)


def test_parameters_are_checked_in_the_original_order() -> None:
    with pytest.raises(ValueError, match="distribution must be one of"):
        RandomRec("popular", alpha=-5)
    with pytest.raises(ValueError, match="alpha must be"):
        RandomRec("popular_based", alpha=-1.0)
    RandomRec("uniform", alpha=-1.0)
    with pytest.raises(ValueError, match="cold_weight"):
        RandomRec(cold_weight=0.0)


def test_items_whose_relevance_is_not_positive_are_never_drawn() -> None:
    log = LOG.assign(relevance=[1, 0, 0, 1, 1, -5])
    recs = RandomRec("relevance", seed=1).fit(log).predict(None, 3, users=[1, 2])
    assert recs.item_idx.tolist() == [1, 1]
    assert len(RandomRec("relevance").fit(log.assign(relevance=0)).predict(None, 3)) == 0
