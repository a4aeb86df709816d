"""MultVAE: the network of the original, its answers, and what it makes of a history."""

import warnings

import numpy as np
import pandas as pd
import pytest
from support.logs import ORIGINAL, as_kind, assert_same, random_log, to_pandas

from daskrec.models import MultVAE

LOG = random_log()
SMALL = {"latent_dim": 4, "hidden_dim": 8, "seed": 1, "learning_rate": 0.02}


def weights(model) -> dict[str, np.ndarray]:
    return dict(model._weights.get())


def test_the_parameters_are_those_of_the_original() -> None:
    log = ORIGINAL[ORIGINAL.user_idx != 0].drop_duplicates(["user_idx", "item_idx"])
    model = MultVAE(latent_dim=1, hidden_dim=1, epochs=1, seed=0).fit(log)
    shapes = [array.shape for array in weights(model).values()]
    assert shapes == [(1, 4), (1,), (2, 1), (2,), (1, 1), (1,), (4, 1), (4,)]
    everyone = ORIGINAL.drop_duplicates(["user_idx", "item_idx"])
    with pytest.warns(UserWarning, match="1 users"):
        recs = model.predict(everyone, 1, users=[0, 1, 7])
    assert recs.user_idx.tolist() == [0, 1]


def reference(model, log: pd.DataFrame) -> np.ndarray:
    """Return the relevance of every user and item by the formulas, in float64."""
    w = {name: array.astype(float) for name, array in weights(model).items()}
    users, items = (np.unique(log[c], return_inverse=True)[1] for c in ("user_idx", "item_idx"))
    x = np.zeros((users.max() + 1, w["encoder.0.weight"].shape[1]))
    x[users, items] = 1
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    act = np.tanh if model.activation == "tanh" else lambda a: np.maximum(a, 0)
    h = act(x @ w["encoder.0.weight"].T + w["encoder.0.bias"])
    mu = (h @ w["encoder.1.weight"].T + w["encoder.1.bias"])[:, : model.latent_dim]
    h = act(mu @ w["decoder.0.weight"].T + w["decoder.0.bias"])
    logits = h @ w["decoder.1.weight"].T + w["decoder.1.bias"]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_relevance_is_the_softmax_over_all_items(activation: str) -> None:
    model = MultVAE(**SMALL, epochs=8, activation=activation).fit(LOG)
    expected = reference(model, LOG)
    assert expected.std() > 1e-4
    ids = [sorted(LOG[c].unique()) for c in ("user_idx", "item_idx")]
    recs = model.predict(LOG, 100, filter_seen_items=False)
    found = recs.pivot(index="user_idx", columns="item_idx", values="relevance")
    assert found.columns.tolist() == ids[1]
    np.testing.assert_allclose(found.to_numpy(), expected, rtol=1e-4)
    few = model.predict(LOG, 100, items=ids[1][:3], filter_seen_items=False)
    same = recs[recs.item_idx.isin(ids[1][:3])].reset_index(drop=True)
    assert_same(few, same, 1e-6)  # other items are not made up for


def test_the_relevance_in_a_history_is_not_read_but_rows_of_the_training_count() -> None:
    model = MultVAE(**SMALL, epochs=5).fit(LOG)
    assert_same(model.predict(LOG.assign(relevance=9.0), 5), model.predict(LOG, 5))
    assert_same(MultVAE(**SMALL, epochs=5).fit_predict(LOG.assign(relevance=2.0), 5),
                model.predict(LOG, 5))  # fmt: skip
    with pytest.warns(UserWarning, match="repeat"):
        twice = MultVAE(**SMALL, epochs=5).fit(pd.concat([LOG, LOG.head(300)]))
    assert not np.allclose(*(m.predict(LOG, 5).relevance for m in (model, twice)))
    assert_same(model.predict(pd.concat([LOG, LOG]), 5), model.predict(LOG, 5))


def test_new_users_are_served_by_their_histories() -> None:
    model = MultVAE(**SMALL, epochs=30).fit(LOG)
    busy = int(LOG.user_idx.mode()[0])
    twin = LOG[LOG.user_idx == busy].assign(user_idx=10**6)
    expected = model.predict(LOG, 5, users=[busy]).assign(user_idx=10**6)
    assert_same(model.predict(twin, 5), expected)


def test_learning_beats_what_is_not_learned() -> None:
    """Two groups of users with items of their own: lists stay in the group."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(80), 6)
    log = pd.DataFrame({"user_idx": users, "item_idx": users % 2 * 20 + rng.integers(0, 20, 480)})
    log = log.drop_duplicates()
    for params in ({}, {"anneal": 0.0}, {"anneal_steps": 50}, {"precision": "mixed"}):
        model = MultVAE(**SMALL, epochs=100, validation_share=0.0, **params)
        recs = model.fit_predict(log, 5)
        assert (recs.user_idx % 2 == recs.item_idx // 20).mean() > 0.97
        assert model.history_.loss.iloc[-1] < model.history_.loss.iloc[0]


def test_latent_means_and_vectors_of_items() -> None:
    model = MultVAE(**SMALL, epochs=3).fit(LOG)
    w = weights(model)
    users = sorted(LOG.user_idx.unique())[:3]
    for kind in ("pandas", "dask"):
        log = as_kind(LOG, kind)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            frame, length = model.get_features(pd.DataFrame({"user_idx": [*users, -5]}), log)
        # Of a lazy log it is not known yet who is in it.
        assert [str(w.message) for w in caught] == [
            "1 users have no history in the log: there are no rows for them"
        ] * (kind == "pandas")
        frame = to_pandas(frame)
        assert length == 4
        assert frame.user_idx.tolist() == users
        code = {item: n for n, item in enumerate(sorted(LOG.item_idx.unique()))}
        for user, vector in zip(frame.user_idx, frame.user_factors, strict=True):
            had = [code[item] for item in LOG.item_idx[LOG.user_idx == user]]
            h = w["encoder.0.weight"][:, had].sum(axis=1) / np.sqrt(len(had))
            h = np.maximum(h + w["encoder.0.bias"], 0)
            mu = w["encoder.1.weight"][:4] @ h + w["encoder.1.bias"][:4]
            np.testing.assert_allclose(vector, mu, rtol=1e-4, atol=1e-6)
    items = LOG[["item_idx"]].drop_duplicates()
    frame, length = model.get_features(items)
    assert length == 8
    assert np.stack(list(frame.item_factors)).shape == (len(items), 8)
    assert model.get_features(LOG[["user_idx"]]) == (None, None)  # no log, no history


def test_the_divergence_and_its_rise_change_what_is_learned() -> None:
    found = [
        MultVAE(**SMALL, epochs=40, validation_share=0.0, anneal=anneal, anneal_steps=steps).fit(
            LOG
        )
        for anneal, steps in ((0.0, 0), (1.0, 0), (1.0, 100_000))
    ]
    means = [
        np.stack(list(model.get_features(LOG[["user_idx"]], LOG)[0].user_factors))
        for model in found
    ]
    free, drawn, rising = (np.abs(mean).mean() for mean in means)
    assert drawn < 0.5 * free  # to zero
    assert rising == pytest.approx(free, rel=0.1)  # the weight has hardly risen


@pytest.mark.parametrize(
    "log",
    [
        pd.DataFrame({"user_idx": [1], "item_idx": [1]}),
        pd.DataFrame({"user_idx": [1] * 5, "item_idx": range(5)}),
        pd.DataFrame({"user_idx": range(5), "item_idx": [1] * 5}),
    ],
    ids=["one row", "one user", "one item"],
)
def test_the_smallest_logs(log: pd.DataFrame) -> None:
    for batch_size in (1, 5000):
        model = MultVAE(**SMALL, epochs=2, batch_size=batch_size).fit(log)
        recs = model.predict(log, 10, filter_seen_items=False)
        assert np.isfinite(recs.relevance).all()
        assert recs.groupby("user_idx").relevance.sum().tolist() == pytest.approx(
            [1.0] * log.user_idx.nunique()
        )


@pytest.mark.parametrize(
    "params",
    [
        {"latent_dim": 0}, {"hidden_dim": -1}, {"dropout": 1.0}, {"dropout": -0.1},
        {"anneal": -1.0}, {"anneal_steps": -1}, {"activation": "sigmoid"}, {"epochs": 0},
    ],
    ids=str,
)  # fmt: skip
def test_parameters_that_are_not_allowed(params) -> None:
    with pytest.raises(ValueError, match=next(iter(params))):
        MultVAE(**params)
