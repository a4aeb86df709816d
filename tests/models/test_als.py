"""ALS: the objective, the solvers, and factors of odd sizes."""

import itertools

import numpy as np
import pandas as pd
import pytest
from support.logs import ORIGINAL, random_log

from daskrec.models import ALSWrap, als_rounds

LOG = random_log(users=40, items=25, rows=300)


def factors(model: ALSWrap) -> tuple[np.ndarray, np.ndarray]:
    return (
        model.user_factors_.whole().astype(np.float64),
        model.item_factors_.get().astype(np.float64),
    )


def loss(model: ALSWrap, log: pd.DataFrame) -> float:
    """Return the documented objective, from dense matrices."""
    x, y = factors(model)
    table = log.pivot(index="user_idx", columns="item_idx", values="relevance")
    here, r = table.notna().to_numpy(), table.fillna(0).to_numpy()
    positive = r > 0
    if model.implicit_prefs:
        error = ((1 + model.alpha * np.abs(r)) * (positive - x @ y.T) ** 2).sum()
        n_u, n_i = positive.sum(1), positive.sum(0)
    else:
        error = (here * (r - x @ y.T) ** 2).sum()
        n_u, n_i = here.sum(1), here.sum(0)
    if not model.scale_regularization:
        n_u, n_i = np.ones_like(n_u), np.ones_like(n_i)
    penalty = (n_u * (x**2).sum(1)).sum() + (n_i * (y**2).sum(1)).sum()
    return float(error + model.regularization * penalty)


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("solver", ["exact", "cg"])
def test_the_objective_falls_to_a_stationary_point(
    implicit: bool, scaled: bool, solver: str
) -> None:
    params = {
        "rank": 4, "implicit_prefs": implicit, "seed": 2, "alpha": 0.7, "regularization": 0.2,
        "scale_regularization": scaled, "solver": solver,
    }  # fmt: skip
    losses = [loss(ALSWrap(**params, iterations=n).fit(LOG), LOG) for n in (1, 3, 10, 60)]
    assert all(a >= b * (1 - 1e-5) for a, b in itertools.pairwise(losses))
    model = ALSWrap(**params, iterations=200).fit(LOG)
    reached = loss(model, LOG)
    # At a minimum, moving any user's factors a little does not help.
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = ALSWrap(**params).fit(LOG)
        moved.item_factors_ = model.item_factors_
        step = 1e-2 * rng.standard_normal(factors(model)[0].shape)
        moved.user_factors_ = type(model.user_factors_).of(
            (factors(model)[0] + step).astype(np.float32)
        )
        assert loss(moved, LOG) >= reached * (1 - 1e-5)


def test_exact_factors_solve_the_last_problem() -> None:
    model = ALSWrap(5, seed=0, alpha=2.0, iterations=3).fit(LOG)
    x, y = factors(model)
    table = LOG.pivot(index="user_idx", columns="item_idx", values="relevance").fillna(0).to_numpy()
    for row, r in zip(x, table, strict=True):
        c, n = 1 + 2.0 * r, (r > 0).sum()
        wanted = np.linalg.solve((y.T * c) @ y + 0.1 * n * np.eye(5), y.T @ (c * (r > 0)))
        np.testing.assert_allclose(row, wanted, rtol=1e-3, atol=1e-5)


def test_relevance_is_the_inner_product() -> None:
    model = ALSWrap(6, seed=0).fit(LOG)
    x, y = factors(model)
    recs = model.predict(LOG, 100, filter_seen_items=False)
    users, items = np.sort(LOG.user_idx.unique()), np.sort(LOG.item_idx.unique())
    expected = (x @ y.T)[
        np.searchsorted(users, recs.user_idx), np.searchsorted(items, recs.item_idx)
    ]
    np.testing.assert_allclose(recs.relevance, expected, rtol=1e-4, atol=1e-6)
    assert len(recs) == len(users) * len(items)


def test_the_fixture_of_the_original() -> None:
    with pytest.warns(UserWarning, match="1 rows"):
        explicit = ALSWrap(2, implicit_prefs=False, seed=42).fit(ORIGINAL)
    with pytest.warns(UserWarning, match="1 rows"):
        implicit = ALSWrap(2, seed=42).fit(ORIGINAL)
    assert len(explicit.predict(ORIGINAL, 1)) == 4
    assert not np.allclose(factors(explicit)[0], factors(implicit)[0])


def test_c1_13_more_factors_than_users_and_items() -> None:
    log = pd.DataFrame({"user_idx": range(10), "item_idx": range(10)})
    for implicit in (True, False):
        model = ALSWrap(15, implicit_prefs=implicit, seed=0).fit(log)
        frame, rank = model.get_features(log[["item_idx"]])
        assert rank == 15
        assert np.isfinite(np.stack(frame.item_factors)).all()


def test_one_user_and_one_item() -> None:
    log = pd.DataFrame({"user_idx": [7], "item_idx": [3]})
    model = ALSWrap(3, seed=0).fit(log)
    assert len(model.predict(log, 5)) == 0
    assert len(model.predict(log, 5, filter_seen_items=False)) == 1


def test_a_seed_gives_one_answer_and_none_gives_another_each_time() -> None:
    first, again = (factors(ALSWrap(3, seed=5).fit(LOG))[0] for _ in range(2))
    assert (first == again).all()
    one, two = (factors(ALSWrap(3, iterations=1).fit(LOG))[0] for _ in range(2))
    assert not np.allclose(one, two)


def test_blocks_change_nothing() -> None:
    plain = factors(ALSWrap(4, seed=1).fit(LOG))
    cut = factors(ALSWrap(4, seed=1, num_item_blocks=3, num_query_blocks=5).fit(LOG))
    for a, b in zip(plain, cut, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_unknown_ids_have_no_vectors() -> None:
    model = ALSWrap(3, seed=0).fit(LOG)
    with pytest.warns(UserWarning, match="1 users are not known"):
        frame, _ = model.get_features(pd.DataFrame({"user_idx": [LOG.user_idx[0], -99]}))
    assert frame.user_idx.tolist() == [LOG.user_idx[0]]
    both, _ = model.get_features(LOG[["item_idx", "user_idx"]])
    assert "user_factors" in both.columns
    with pytest.raises(ValueError, match="user_idx or item_idx"):
        model.get_features(pd.DataFrame({"x": [1]}))


@pytest.mark.parametrize("metric", ["cosine_similarity", "dot_product", "euclidean_distance_sim"])
def test_nearest_items_by_each_metric(metric: str) -> None:
    model = ALSWrap(4, seed=0).fit(LOG)
    _, y = factors(model)
    items = np.sort(LOG.item_idx.unique())
    near = model.get_nearest_items([int(items[2])], 5, metric=metric)
    dots = y @ y[2]
    table = {
        "dot_product": dots,
        "cosine_similarity": dots / np.linalg.norm(y, axis=1) / np.linalg.norm(y[2]),
        "euclidean_distance_sim": 1 / (1 + np.linalg.norm(y - y[2], axis=1)),
    }[metric]
    table[2] = -np.inf
    best = np.argsort(-table)[:5]
    assert near.columns.tolist() == ["item_idx", "neighbour_item_idx", metric]
    assert near.neighbour_item_idx.tolist() == items[best].tolist()
    np.testing.assert_allclose(near[metric], table[best], rtol=1e-6)


def test_an_unknown_metric_is_named() -> None:
    model = ALSWrap(2, seed=0).fit(LOG)
    with pytest.raises(NotImplementedError, match="manhattan metric is not implemented"):
        model.get_nearest_items([1], 1, metric="manhattan")


def test_a_task_can_read_only_the_rows_that_it_needs(client, monkeypatch) -> None:
    import dask

    with dask.config.set(scheduler="threads"):
        expected = factors(ALSWrap(4, seed=1).fit(LOG))
    fixed = als_rounds.RowShards.of(np.arange(12, dtype=np.float32).reshape(6, 2))
    matrix = als_rounds.Csr(
        np.array([0, 2]), np.array([1, 4], dtype=np.int32), np.empty(0, np.float32), 6
    )
    with dask.config.set({"daskrec.share-limit": 1}):
        compact, rows = als_rounds._needed(matrix, fixed)
        assert compact.indices.tolist() == [0, 1]
        assert rows.tolist() == [[2, 3], [8, 9]]
    found = factors(ALSWrap(4, seed=1).fit(LOG))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rank": 0},
        {"rank": True},
        {"iterations": 0},
        {"alpha": -1.0},
        {"regularization": -0.1},
        {"solver": "lu"},
        {"seed": -1},
        {"num_item_blocks": 0},
    ],
)
def test_wrong_parameters_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ALSWrap(**wrong)
