"""EASE: its closed form, and published figures."""

from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import protocols
from daskrec.engine.dense import DenseRows
from daskrec.models import EASE


def random_log(seed: int, users: int = 12, items: int = 9) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size = 4 * users
    log = pd.DataFrame(
        {
            "user_idx": rng.integers(0, users, size),
            "item_idx": rng.integers(0, items, size),
            "relevance": rng.integers(1, 6, size).astype(float),
        }
    )
    return log.drop_duplicates(["user_idx", "item_idx"], ignore_index=True)


def closed_form(log: pd.DataFrame, ridge: float, graded: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the log as a table, and B by the textbook."""
    items, codes = np.unique(log["item_idx"], return_inverse=True)
    a = np.zeros((log["user_idx"].max() + 1, len(items)))
    a[log["user_idx"], codes] = log["relevance"] if graded else 1
    p = np.linalg.inv(a.T @ a + ridge * np.eye(len(items)))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return a, b


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    ridge=st.sampled_from([0.5, 30.0]),
    graded=st.booleans(),
    precision=st.sampled_from(["single", "double"]),
)
def test_scores_are_those_of_the_closed_form(
    seed: int, ridge: float, graded: bool, precision: str
) -> None:
    log = random_log(seed)
    a, b = closed_form(log, ridge, graded)
    model = EASE(ridge, use_relevance=graded, precision=precision).fit(log)
    assert isinstance(model.similarity_.get(), DenseRows)
    pairs = log[["user_idx"]].drop_duplicates().merge(log[["item_idx"]].drop_duplicates(), "cross")
    scored = model.predict_pairs(pairs, log)
    codes = np.searchsorted(np.unique(log["item_idx"]), scored["item_idx"])
    wanted = ((a > 0) @ b)[scored["user_idx"], codes]
    np.testing.assert_allclose(scored["relevance"], wanted, atol=1e-4)


def test_top_keeps_the_largest_weights_of_each_item() -> None:
    log = random_log(3)
    _, b = closed_form(log, 2.0, False)
    similar = EASE(2.0, top=2, precision="double").fit(log).similarity
    items = np.unique(log["item_idx"])
    for target, mine in similar.groupby("item_idx_two"):
        column = np.abs(b[:, np.searchsorted(items, target)])
        assert set(mine["item_idx_one"]) == set(items[np.argsort(-column)[:2]])
    assert len(similar) == 2 * len(items)


@pytest.mark.parametrize(
    "wrong", [{"regularization": 0}, {"regularization": -1}, {"top": 0}, {"precision": "half"}]
)
def test_wrong_parameters_are_told(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EASE(**wrong)


def test_a_table_that_is_too_large_is_refused_before_it_is_made() -> None:
    with (
        dask.config.set({"daskrec.dense-limit": "100 B"}),
        pytest.raises(MemoryError, match="dense-limit"),
    ):
        EASE().fit(random_log(0))


def test_optimize_shares_the_products() -> None:
    train, test = random_log(1, 30), random_log(2, 30)
    model = EASE()
    best = model.optimize(train, test, budget=3, k=2)
    assert best is not None
    assert best["regularization"] >= 1


@pytest.mark.data
def test_the_published_figures_of_movielens(data: Path) -> None:
    hits, gain = protocols.leave_one_out(EASE(1320.0), protocols.movielens(data))
    # M. Ferrari Dacrema et al., ACM TOIS 39 (2021), appendix.
    assert hits == pytest.approx(0.7192, abs=5e-4)
    assert gain == pytest.approx(0.4494, abs=5e-4)
