"""KNN: similarities against their definition, and the numbers of the original."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.logs import L5, ORIGINAL, random_log

from daskrec.models import KNN


def similarity(model: KNN) -> dict[tuple[int, int], float]:
    frame = model.similarity
    return {(a, b): s for a, b, s in frame.itertuples(index=False, name=None)}


def test_the_log_of_the_public_failures() -> None:
    found = similarity(KNN().fit(L5))
    assert found == pytest.approx(
        {(0, 1): 0.5**0.5, (1, 0): 0.5**0.5, (1, 2): 0.5, (2, 1): 0.5}, rel=1e-6
    )


def test_the_fixture_of_the_original_without_its_repeated_row() -> None:
    log = ORIGINAL.iloc[:-1]
    found = similarity(KNN().fit(log))
    expected = {(0, 1): 3 / 12**0.5, (0, 2): 2 / 8**0.5, (0, 3): 0.5, (1, 2): 2 / 6**0.5}
    assert {pair: found[pair] for pair in expected} == pytest.approx(expected, rel=1e-6)
    shrunk = similarity(KNN(shrink=10).fit(log))
    assert shrunk[0, 1] == pytest.approx(3 / (12**0.5 + 10), rel=1e-6)


def test_one_neighbour_is_enough() -> None:
    log = pd.DataFrame({"user_idx": [0, 1, 2, 2], "item_idx": [0, 1, 0, 1]})
    recs = KNN(1).fit_predict(log, k=1, users=[0, 1])
    assert recs.item_idx.tolist() == [1, 0]
    assert recs.relevance.tolist() == pytest.approx([0.5, 0.5])


def test_relevance_in_the_history_does_not_matter() -> None:
    model = KNN(use_relevance=True).fit(ORIGINAL.iloc[:-1])
    heavy = pd.DataFrame({"user_idx": [8], "item_idx": [0], "relevance": [100.0]})
    light = heavy.assign(relevance=0.5)
    pd.testing.assert_frame_equal(model.predict(heavy, 3), model.predict(light, 3))


@pytest.mark.parametrize("weighting", [None, "tf_idf", "bm25"])
def test_c1_11_an_item_of_zeros_has_no_neighbours(weighting: str | None) -> None:
    log = L5.assign(relevance=[0.0, 1, 0, 1, 1], user_idx=[0, 0, 1, 1, 2])
    model = KNN(use_relevance=True, weighting=weighting).fit(log)
    found = similarity(model)
    assert all(np.isfinite(value) for value in found.values())
    assert not any(0 in pair for pair in found)
    assert len(model.get_nearest_items([0], 5)) == 0


def reference(log: pd.DataFrame, model: KNN) -> np.ndarray:
    """Return the full table of similarities by the formulas of the documentation."""
    matrix = log.pivot(index="user_idx", columns="item_idx", values="relevance")
    here = matrix.notna().to_numpy()
    r = matrix.fillna(0).to_numpy() if model.use_relevance else here.astype(float)
    n_u, n_i, items = here.sum(1), here.sum(0), here.shape[1]
    if model.weighting == "bm25":
        length = 1 - 0.75 + 0.75 * n_i / n_i.mean()
        r = np.where(here, r * 2.2 / np.where(here, r + 1.2 * length, 1), 0)
        r = r * np.log1p((items - n_u + 0.5) / (n_u + 0.5))[:, None]
    elif model.weighting == "tf_idf":
        r = r * np.log1p(items / n_u)[:, None]
    r = r / (n_u[:, None] ** model.user_length_power)
    norms = np.sqrt((r**2).sum(0))
    table = (r.T @ r) / (np.outer(norms, norms) + model.shrink)
    np.fill_diagonal(table, 0)
    return table


@settings(max_examples=20, deadline=None)
@given(
    st.booleans(),
    st.sampled_from([None, "tf_idf", "bm25"]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 3.0]),
    st.integers(0, 5),
)
def test_similarities_follow_their_definition(
    use_relevance: bool, weighting: str | None, power: float, shrink: float, seed: int
) -> None:
    log = random_log(users=15, items=12, rows=90, seed=seed)
    model = KNN(100, use_relevance, shrink, weighting, power).fit(log)
    expected = reference(log, model)
    items = np.sort(log.item_idx.unique())
    found = np.zeros_like(expected)
    for (a, b), value in similarity(model).items():
        found[np.searchsorted(items, a), np.searchsorted(items, b)] = value
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("neighbours_of", ["history", "candidate"])
def test_scores_are_sums_over_the_right_lists(neighbours_of: str) -> None:
    log = random_log(users=25, items=15, rows=150)
    model = KNN(3, neighbours_of=neighbours_of).fit(log)
    table = reference(log, KNN())
    items = np.sort(log.item_idx.unique())
    kept = np.zeros_like(table)
    for a, row in enumerate(table):
        best = np.lexsort((np.arange(len(row)), -row.astype(np.float32)))[:3]
        best = best[row[best] > 0]
        if neighbours_of == "history":
            kept[a, best] = row[best]
        else:
            kept[best, a] = row[best]
    matrix = log.pivot(index="user_idx", columns="item_idx", values="relevance").notna()
    scores = matrix.to_numpy().astype(float) @ kept
    recs = model.predict(log, 100, filter_seen_items=False)
    users = matrix.index.to_numpy()
    found = np.zeros_like(scores)
    found[np.searchsorted(users, recs.user_idx), np.searchsorted(items, recs.item_idx)] = (
        recs.relevance
    )
    np.testing.assert_allclose(found, scores, rtol=1e-6, atol=1e-9)
    near = model.get_nearest_items([int(items[0])], 3)
    wanted = np.lexsort((np.arange(len(items)), -table[0].astype(np.float32)))[:3]
    assert near.neighbour_item_idx.tolist() == items[wanted[table[0][wanted] > 0]].tolist()


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_neighbours": 0},
        {"num_neighbours": 2.5},
        {"shrink": -1},
        {"shrink": float("nan")},
        {"weighting": "tfidf"},
        {"user_length_power": -0.5},
        {"neighbours_of": "both"},
    ],
)
def test_wrong_parameters_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        KNN(**wrong)
    model = KNN()
    with pytest.raises(ValueError, match=next(iter(wrong))):
        model.set_params(use_relevance=True, **wrong)
    assert model.get_params() == KNN().get_params()
