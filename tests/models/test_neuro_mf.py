"""NeuroMF: the network of the original, its answers, and what it learns."""

import numpy as np
import pandas as pd
import pytest
from support.logs import ORIGINAL, assert_same, random_log

from daskrec.models import NeuroMF

LOG = random_log()
SMALL = {"embedding_gmf_dim": 4, "embedding_mlp_dim": 3, "seed": 1, "learning_rate": 0.02}
BRANCHES = [
    {},
    {"hidden_mlp_dims": [5]},
    {"hidden_mlp_dims": [6, 5, 4]},
    {"embedding_mlp_dim": None},
    {"embedding_gmf_dim": None},
    {"embedding_gmf_dim": None, "hidden_mlp_dims": [5, 3]},
]


def weights(model) -> dict[str, np.ndarray]:
    return dict(model._weights.get())


def test_the_parameters_are_those_of_the_original() -> None:
    log = ORIGINAL[ORIGINAL.user_idx != 0].drop_duplicates(["user_idx", "item_idx"])
    model = NeuroMF(0.05, 1, 2, 2, [2], seed=0).fit(log)
    assert [array.shape for array in weights(model).values()] == [
        (3, 2), (4, 2), (4, 1), (3, 1), (3, 2), (4, 2), (4, 1), (3, 1), (2, 4), (2,), (1, 4), (1,)
    ]  # fmt: skip
    recs = model.predict(log, 1)
    assert set(recs.user_idx) <= {1, 2, 3}


def test_without_lengths_both_branches_have_128_and_one_alone_is_alone() -> None:
    both = weights(NeuroMF(epochs=1, seed=0).fit(LOG))
    assert both["gmf.user_embedding.weight"].shape[1] == 128
    assert both["mlp.item_embedding.weight"].shape[1] == 128
    assert both["last_layer.weight"].shape == (1, 128 + 256)
    for branch, other in (("gmf", "mlp"), ("mlp", "gmf")):
        for nothing in (None, 0):
            lengths = {f"embedding_{branch}_dim": 3, f"embedding_{other}_dim": nothing}
            alone = weights(NeuroMF(epochs=1, seed=0, **lengths).fit(LOG))
            assert {name.partition(".")[0] for name in alone} == {branch, "last_layer"}


def reference(model, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return the relevance of pairs of codes by the formulas, in float64."""
    w = {name: array.astype(float) for name, array in weights(model).items()}
    parts = []
    for branch in ("gmf", "mlp"):
        if f"{branch}.user_embedding.weight" not in w:
            continue
        u = (w[f"{branch}.user_embedding.weight"] + w[f"{branch}.user_biases.weight"])[users]
        i = (w[f"{branch}.item_embedding.weight"] + w[f"{branch}.item_biases.weight"])[items]
        if branch == "gmf":
            parts.append(u * i)
            continue
        h = np.concatenate([u, i], axis=1)
        for number in range(len(model.hidden_mlp_dims or [])):
            name = f"mlp.hidden_layers.{number}"
            h = np.maximum(h @ w[f"{name}.weight"].T + w[f"{name}.bias"], 0)
        parts.append(h)
    logits = np.concatenate(parts, axis=1) @ w["last_layer.weight"][0] + w["last_layer.bias"]
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("params", BRANCHES, ids=str)
def test_relevance_is_that_of_the_network(params) -> None:
    model = NeuroMF(**{**SMALL, "epochs": 15, **params}).fit(LOG)
    recs = model.predict(LOG, 100, filter_seen_items=False)
    ids = [np.unique(LOG[c]) for c in ("user_idx", "item_idx")]
    assert len(recs) == len(ids[0]) * len(ids[1])
    codes = [np.searchsorted(i, recs[c]) for i, c in zip(ids, recs.columns, strict=False)]
    expected = reference(model, *codes)
    np.testing.assert_allclose(recs.relevance, expected, rtol=1e-4)
    assert expected.std() > 0.01


@pytest.mark.parametrize("params", BRANCHES, ids=str)
def test_it_learns_who_likes_what(params) -> None:
    """Two groups of users with items of their own: lists stay in the group."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(200), 8)
    log = pd.DataFrame({"user_idx": users, "item_idx": users % 2 * 20 + rng.integers(0, 20, 1600)})
    log = log.drop_duplicates()
    group_blind = "embedding_gmf_dim" in params and "hidden_mlp_dims" not in params
    fixed = {"epochs": 60, "batch_size": 100, "validation_share": 0.0, "patience": 100}
    widths = {"embedding_gmf_dim": 8, "embedding_mlp_dim": 8}
    if "hidden_mlp_dims" in params:
        params = {**params, "hidden_mlp_dims": [4 * width for width in params["hidden_mlp_dims"]]}
    for more in ({"count_negative_sample": 3}, {"exclude_positives": True}, {"precision": "mixed"}):
        model = NeuroMF(**{**SMALL, **widths, **fixed, **params, **more})
        recs = model.fit_predict(log, 5)
        assert model.history_.loss.iloc[-1] < model.history_.loss.iloc[0]
        # A sum of a number of the user and one of the item knows no groups.
        assert group_blind or (recs.user_idx % 2 == recs.item_idx // 20).mean() > 0.75


def test_rows_that_are_repeated_count_again_and_relevance_is_not_read() -> None:
    model = NeuroMF(**SMALL, epochs=5).fit(LOG)
    assert_same(NeuroMF(**SMALL, epochs=5).fit_predict(LOG.assign(relevance=3.0), 5),
                model.predict(LOG, 5))  # fmt: skip
    with pytest.warns(UserWarning, match="repeat"):
        twice = NeuroMF(**SMALL, epochs=5).fit(pd.concat([LOG, LOG.head(300)]))
    assert not np.allclose(*(m.predict(LOG, 5).relevance for m in (model, twice)))


def test_a_user_who_had_everything_hangs_nothing() -> None:
    items = np.unique(LOG.item_idx)
    log = pd.concat([LOG, pd.DataFrame({"user_idx": 1, "item_idx": items, "relevance": 1.0})])
    model = NeuroMF(**SMALL, epochs=3, exclude_positives=True, count_negative_sample=5).fit(log)
    assert np.isfinite(model.predict(log, 3, filter_seen_items=False).relevance).all()


def test_vectors_are_the_embeddings_with_their_biases() -> None:
    model = NeuroMF(**SMALL, epochs=3).fit(LOG)
    w = weights(model)
    for role in ("user", "item"):
        ids = np.unique(LOG[f"{role}_idx"])
        frame, length = model.get_features(pd.DataFrame({f"{role}_idx": ids}))
        assert length == 7
        found = np.stack(list(frame[f"{role}_factors"]))
        sides = [w[f"{b}.{role}_embedding.weight"] + w[f"{b}.{role}_biases.weight"]
                 for b in ("gmf", "mlp")]  # fmt: skip
        np.testing.assert_allclose(found, np.concatenate(sides, axis=1))
    near = model.get_nearest_items(ids[:2], 3, metric="dot_product")
    assert len(near) == 6


@pytest.mark.parametrize(
    "log",
    [
        pd.DataFrame({"user_idx": [1], "item_idx": [1]}),
        pd.DataFrame({"user_idx": [1] * 5, "item_idx": range(5)}),
        pd.DataFrame({"user_idx": range(5), "item_idx": [1] * 5}),
    ],
    ids=["one row", "one user", "one item"],
)
@pytest.mark.parametrize("exclude", [False, True])
def test_the_smallest_logs(log: pd.DataFrame, exclude: bool) -> None:
    for batch_size in (1, 100_000):
        params = {**SMALL, "hidden_mlp_dims": [3], "exclude_positives": exclude}
        model = NeuroMF(**params, epochs=2, batch_size=batch_size).fit(log)
        recs = model.predict(log, 10, filter_seen_items=False)
        assert len(recs) == log.user_idx.nunique() * log.item_idx.nunique()
        assert np.isfinite(recs.relevance).all()


@pytest.mark.parametrize(
    "params",
    [
        {"embedding_gmf_dim": -2, "embedding_mlp_dim": -1}, {"embedding_mlp_dim": -1},
        {"count_negative_sample": 0}, {"hidden_mlp_dims": [0]}, {"hidden_mlp_dims": 5},
    ],
    ids=str,
)  # fmt: skip
def test_parameters_that_are_not_allowed(params) -> None:
    with pytest.raises(ValueError, match=next(iter(params))):
        NeuroMF(**params)
