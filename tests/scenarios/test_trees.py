"""Trees as arrays: the same numbers as scikit-learn's own."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from daskrec.errors import LogError, NotFittedError
from daskrec.scenarios import BoostedTrees
from daskrec.scenarios.trees import Trees


def table(seed: int, rows: int, columns: int, gaps: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, columns)).round(1)
    target = (values.sum(axis=1) + rng.normal(size=rows) > 0).astype(int)
    target[:2] = 0, 1
    values[rng.random(values.shape) < gaps] = np.nan
    return values, target


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(30, 300),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.3]),
)
def test_scores_are_those_of_scikit_learn(seed: int, rows: int, columns: int, gaps: float) -> None:
    values, target = table(seed, rows, columns, gaps)
    model = HistGradientBoostingClassifier(max_iter=8, min_samples_leaf=3, random_state=seed)
    trees = Trees.of(model.fit(values, target))
    other, _ = table(seed + 1, 50, columns, 0.2)
    for asked in (values, other):
        np.testing.assert_allclose(trees.score(asked), model.predict_proba(asked)[:, 1], rtol=1e-12)
    again = Trees.from_arrays(trees.to_arrays())
    np.testing.assert_array_equal(again.score(other), trees.score(other))
    assert len(trees.score(other[:0])) == 0


def candidates(rows: int = 200) -> pd.DataFrame:
    values, target = table(5, rows, 2, 0.1)
    users = np.arange(rows) // 10
    return pd.DataFrame(
        {
            "user_idx": users,
            "item_idx": np.arange(rows),
            "score": values[:, 0],
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(rows), unit="D"),
            "kind": pd.Series(np.where(target == 1, "good", "bad")),
            "flag": target == 1,
            "target": target,
        }
    )


def test_rows_are_ranked_within_users() -> None:
    data = candidates()
    model = BoostedTrees({"min_samples_leaf": 5, "max_iter": 10}, seed=0).fit(data)
    best = model.predict(data.drop(columns="target").sample(frac=1, random_state=0), 3)
    assert best.groupby("user_idx").size().tolist() == [3] * 20
    assert (best.groupby("user_idx")["relevance"].diff().dropna() <= 0).all()
    taken = data.set_index("item_idx")["target"]
    assert taken[best.drop_duplicates("user_idx")["item_idx"]].mean() == 1.0
    assert len(model.predict(data, None)) == len(data)
    assert list(model.predict(data.iloc[:0], 3).columns) == ["user_idx", "item_idx", "relevance"]


def test_unknown_and_missing_categories_are_missing() -> None:
    model = BoostedTrees({"min_samples_leaf": 5, "max_iter": 10}, seed=0).fit(candidates())
    data = candidates(20)
    none = model.predict(data.assign(kind=None), None)
    other = model.predict(data.assign(kind="new"), None)
    pd.testing.assert_frame_equal(none, other)
    with pytest.raises(LogError, match="'score' held numbers at the fit and holds text now"):
        model.predict(data.assign(score="a"), None)


def test_what_cannot_be_learned_from_is_told() -> None:
    with pytest.raises(LogError, match="0 of 200 candidates"):
        BoostedTrees().fit(candidates().assign(target=0))
    with pytest.raises(LogError, match="no feature"):
        BoostedTrees().fit(candidates()[["user_idx", "item_idx", "target"]])
    with pytest.raises(NotFittedError):
        BoostedTrees().predict(candidates(), 1)
    with pytest.raises(ValueError, match="categorical_features"):
        BoostedTrees({"categorical_features": [0], "min_samples_leaf": 1}).fit(
            candidates().assign(score=lambda f: f["target"] * 3.0)
        )
