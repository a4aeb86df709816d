"""Association rules: the original's numbers, brute force on real baskets, sessions of any kind."""

import itertools
import re
from pathlib import Path

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from support.logs import ORIGINAL, as_kind, assert_same, kind_of, random_log, to_pandas

import daskrec
from daskrec.errors import LogError
from daskrec.models import AssociationRulesItemRec

ALL = {"min_item_count": 1, "min_pair_count": 1}
MEASURES = ["confidence", "lift", "confidence_gain"]
# The original's fixture; (3, 0) is there twice, and sessions count it once.
LOG = ORIGINAL.drop_duplicates(["user_idx", "item_idx"])


def measures(frame: pd.DataFrame, left: str, right: str) -> dict[tuple[int, int], tuple]:
    pairs = zip(frame[left], frame[right], strict=True)
    return dict(zip(pairs, frame[MEASURES].itertuples(index=False, name=None), strict=True))


def test_numbers_of_the_original() -> None:
    model = AssociationRulesItemRec(**ALL).fit(LOG)
    found = measures(model.get_pair_metrics, "antecedent", "consequent")
    inf = np.inf
    expected = {
        (0, 1): (0.75, 1, inf), (0, 2): (0.5, 1, inf), (0, 3): (0.25, 1, inf),
        (1, 0): (1, 1, 1), (1, 2): (2 / 3, 4 / 3, inf), (2, 0): (1, 1, 1),
        (2, 1): (1, 4 / 3, 2), (3, 0): (1, 1, 1),
    }  # fmt: skip
    assert set(found) == set(expected)
    for pair, values in expected.items():
        assert found[pair] == pytest.approx(values)
    near = model.get_nearest_items([2], 10, "confidence_gain", candidates=[1, 3])
    assert near.values.tolist() == [[2, 1, 1.0, 4 / 3, 2.0]]
    assert list(near.columns) == ["item_idx", "neighbour_item_idx", *MEASURES]
    assert model.get_nearest_items([2], 10, "lift").neighbour_item_idx.tolist() == [1, 0]


def test_numbers_of_the_original_with_relevance() -> None:
    with pytest.warns(UserWarning, match=r"1 rows of the log repeat a \(user, item\) pair"):
        model = AssociationRulesItemRec(**ALL, use_relevance=True).fit(ORIGINAL)
    found = measures(model.get_pair_metrics, "antecedent", "consequent")
    confidence = 5 / 6
    expected = (confidence, 4 * confidence / 12, confidence * (4 - 6) / (12 - 5))
    assert found[(2, 1)] == pytest.approx(expected)


def test_a_repeated_row_counts_one_session() -> None:
    with pytest.warns(UserWarning, match="repeat"):
        repeated = AssociationRulesItemRec(**ALL).fit(ORIGINAL)
    assert_same(repeated.get_pair_metrics, AssociationRulesItemRec(**ALL).fit(LOG).get_pair_metrics)


def brute_force(baskets: pd.DataFrame) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Count baskets item by item and pair by pair."""
    held = baskets.groupby("basket_id")["item"].agg(set)
    single = baskets.groupby("item")["basket_id"].nunique()
    pairs: dict[tuple[str, str], int] = {}
    for items in held:
        for pair in itertools.permutations(items, 2):
            pairs[pair] = pairs.get(pair, 0) + 1
    total = len(held)
    return {
        (a, b): (n / total, n / single[a], total * n / single[a] / single[b])
        for (a, b), n in pairs.items()
    }


def test_real_baskets_equal_brute_force(data) -> None:
    baskets = pd.read_parquet(data / "groceries" / "baskets.parquet")
    model = AssociationRulesItemRec("basket_id", **ALL, num_neighbours=None).fit(baskets)
    found = model.get_pair_metrics
    columns = found[["support", "confidence", "lift"]].itertuples(index=False, name=None)
    ours = dict(zip(zip(found.antecedent, found.consequent, strict=True), columns, strict=True))
    expected = brute_force(baskets)
    assert set(ours) == set(expected)
    for pair, values in expected.items():
        assert ours[pair] == pytest.approx(values, rel=1e-12)
    recs = model.predict(baskets, 2)
    assert list(recs.columns) == ["basket_id", "item", "relevance"]
    assert recs.basket_id.nunique() == baskets.basket_id.nunique()


def test_the_example_of_the_readme_shows_the_strongest_rules(data) -> None:
    text = (Path(daskrec.__file__).parent.parent / "README.md").read_text()
    code = re.search(r"```python\n(baskets = .*?)```\n\n```text\n(.*?)```", text, re.S)
    assert code is not None
    found: dict = {"AssociationRulesItemRec": AssociationRulesItemRec, "pd": pd}
    exec(code[1].replace("baskets.parquet", str(data / "groceries" / "baskets.parquet")), found)
    assert found["strongest"].to_string(index=False) == code[2].rstrip()


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "dask"])
@pytest.mark.parametrize("session", ["basket", "when", "word"])
def test_sessions_from_any_column(kind: str, session: str, tmp_path) -> None:
    log = random_log()
    baskets = (log.user_idx * 13 + log.item_idx) % 37
    log = log.assign(
        basket=baskets,
        when=pd.Timestamp("2026-01-01") + pd.to_timedelta(baskets, unit="D"),
        word=baskets.map("s{:03d}".format),
    )
    pairs = log[["basket", "item_idx"]].drop_duplicates()
    expected = AssociationRulesItemRec(**ALL).fit(pairs.rename(columns={"basket": "user_idx"}))
    given = as_kind(log, kind)
    model = AssociationRulesItemRec(session, **ALL)
    with pytest.warns(UserWarning, match=r"repeat a \(session, item\) pair"):
        model.fit(given)
    rules = model.get_pair_metrics
    assert kind_of(rules) == kind
    pd.testing.assert_frame_equal(to_pandas(rules), expected.get_pair_metrics, check_dtype=False)
    # Users are those of the log, and their histories are by user.
    assert model.users_count == log.user_idx.nunique()
    recs = model.predict(given, 4)
    assert_same(recs, expected.predict(log[["user_idx", "item_idx"]], 4))
    model.save(tmp_path / "model")
    assert_same(daskrec.load(tmp_path / "model").predict(given, 4), recs)


@pytest.mark.parametrize("lazy", [False, True])
def test_sessions_can_be_updated(lazy: bool) -> None:
    log = random_log().assign(basket=lambda f: f.index % 50)
    old, new = log.iloc[:400], log.iloc[400:]
    given = [dd.from_pandas(part, npartitions=3) if lazy else part for part in (old, new)]
    with pytest.warns(UserWarning, match="session, item"):
        expected = AssociationRulesItemRec("basket", **ALL).fit(log)
    with pytest.warns(UserWarning, match="session, item"):
        model = AssociationRulesItemRec("basket", **ALL).fit(given[0]).update(given[1])
    assert_same(model.predict(log, 5), expected.predict(log, 5))
    assert model.users_count == expected.users_count
    left, right = to_pandas(model.get_pair_metrics), expected.get_pair_metrics
    pd.testing.assert_frame_equal(left, right)
    with pytest.raises(LogError, match=r"no column 'basket' of sessions"):
        model.update(log[["user_idx", "item_idx"]])


@pytest.mark.parametrize("metric", MEASURES)
def test_predict_adds_rules_up(metric: str) -> None:
    log = random_log()
    model = AssociationRulesItemRec(**ALL, num_neighbours=7, similarity_metric=metric).fit(log)
    rules = model.get_pair_metrics
    table = rules.merge(log[["user_idx", "item_idx"]], left_on="antecedent", right_on="item_idx")
    if metric == "confidence_gain":
        assert np.isinf(table[metric]).any()
        table = table[np.isfinite(table[metric])]  # infinite ones are tested by their finiteness
    totals = table.groupby(["user_idx", "consequent"])[metric].sum()
    recs = model.predict(log, 1000, filter_seen_items=False)
    assert np.isfinite(recs.relevance).all()
    found = recs.set_index(["user_idx", "item_idx"]).relevance
    if metric == "confidence_gain":
        assert (found.reindex(totals.index) >= totals * (1 - 1e-5)).all()
        return
    assert len(found) == len(totals)
    np.testing.assert_allclose(found.reindex(totals.index), totals, rtol=1e-5)


def test_rules_are_kept_by_lift_with_ties_by_item() -> None:
    log = random_log()
    every = AssociationRulesItemRec(**ALL, num_neighbours=None).fit(log).get_pair_metrics
    ordered = every.sort_values(
        ["antecedent", "lift", "consequent"], ascending=[True, False, True], kind="stable"
    )
    pd.testing.assert_frame_equal(every, ordered)
    few = AssociationRulesItemRec(**ALL, num_neighbours=3).fit(log).get_pair_metrics
    expected = every.groupby("antecedent").head(3).reset_index(drop=True)
    pd.testing.assert_frame_equal(few, expected)


def test_thresholds_leave_rare_items_and_pairs_out() -> None:
    log = random_log()
    every = AssociationRulesItemRec(**ALL, num_neighbours=None).fit(log).get_pair_metrics
    sessions = log.user_idx.nunique()
    counts = log.groupby("item_idx").user_idx.nunique()
    common = counts[counts >= 20].index
    expected = every[
        every.antecedent.isin(common)
        & every.consequent.isin(common)
        & ((every.support * sessions).round() >= 9)
    ].reset_index(drop=True)
    found = AssociationRulesItemRec(None, 20, 9, None).fit(log).get_pair_metrics
    assert 0 < len(found) < len(every)
    pd.testing.assert_frame_equal(found, expected)


def test_long_sessions_are_cut_and_told_off() -> None:
    log = random_log(users=20)
    with pytest.warns(UserWarning, match=r"users have more than 10 items: \d+ of .*max_session"):
        model = AssociationRulesItemRec(**ALL, max_session_items=10).fit(log)
    lazy = AssociationRulesItemRec(**ALL, max_session_items=10)
    with pytest.warns(UserWarning, match="more than 10 items"):
        lazy.fit(dd.from_pandas(log, npartitions=5))
    assert_same(model.predict(log, 5), lazy.predict(log, 5))


def test_errors_say_what_to_do() -> None:
    model = AssociationRulesItemRec(**ALL).fit(LOG)
    for metric in ("cosine_similarity", None):
        with pytest.raises(ValueError, match=r"Select one of the valid distance metrics: \['conf"):
            model.get_nearest_items([1], 2, metric)
    with pytest.raises(ValueError, match="similarity_metric must be one of"):
        AssociationRulesItemRec(similarity_metric="cosine")
    with pytest.raises(ValueError, match="num_neighbours must be a whole number"):
        AssociationRulesItemRec(num_neighbours=0)
    with pytest.raises(LogError, match=r"no column 'basket' of sessions: it has \['user_idx'"):
        AssociationRulesItemRec("basket").fit(LOG)
    gap = LOG.assign(basket=[1, np.nan, *[2] * (len(LOG) - 2)])
    with pytest.raises(LogError, match="missing ids in column 'basket' in 1 row"):
        AssociationRulesItemRec("basket").fit(gap)
