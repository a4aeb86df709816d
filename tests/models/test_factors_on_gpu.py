"""Models of factors and clusters on a lent device: the kernels run, and the lists are the CPU's."""

import dask
import numpy as np
import pandas as pd
import pytest
from support.backends import NumpyBackend, lent
from support.logs import random_log

from daskrec.engine import kmeans
from daskrec.engine.gpu import fold_in as gpu_fold_in
from daskrec.engine.gpu import kmeans as gpu_kmeans
from daskrec.engine.shared import RowShards
from daskrec.models import ALSWrap, ClusterRec, ImplicitWrap, als_rounds

LOG = random_log(users=60, items=30, rows=900)


def counted(monkeypatch, module, name):
    """Count the calls of a function."""
    calls, twin = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args: calls.append(name) or twin(*args))
    return calls


def assert_same_lists(found, expected):
    """Compare users, items and scores of lists whose scores are apart."""
    assert found.user_idx.tolist() == expected.user_idx.tolist()
    scale = expected.relevance.abs().max()
    np.testing.assert_allclose(found.relevance, expected.relevance, atol=1e-4 * scale)
    assert (found.item_idx.to_numpy() == expected.item_idx.to_numpy()).mean() > 0.98


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"implicit_prefs": False},
        {"solver": "cg", "alpha": 3.0},
        {"scale_regularization": False, "implicit_prefs": False, "regularization": 0.5},
        {"rank": 70, "alpha": 20.0, "iterations": 2},  # longer than the log has items
    ],
    ids=str,
)
@pytest.mark.parametrize("free", [10_000, 2**30])  # the factors fit the device, or do not
def test_als(params, free, monkeypatch):
    model = ALSWrap(**{"rank": 6, "seed": 1, "iterations": 3} | params)
    with dask.config.set({"daskrec.device": "cpu"}):
        expected = model.fit(LOG).predict(LOG, 5)
    whole = counted(monkeypatch, als_rounds, "run_rounds")
    blocks = counted(monkeypatch, als_rounds, "solve_block")
    with lent(NumpyBackend(free), monkeypatch):
        model.fit(LOG)
    assert bool(whole) == (free > 10**6)
    assert bool(blocks) == (free < 10**6)
    assert_same_lists(model.predict(LOG, 5), expected)


def test_als_in_workers(monkeypatch, tmp_path):
    """What a task of a worker does, in this process."""
    model = ALSWrap(6, seed=1, iterations=2)
    with dask.config.set({"daskrec.device": "cpu"}):
        expected = model.fit(LOG).predict(LOG, 5)
    monkeypatch.setattr(als_rounds.runtime, "storage", lambda: str(tmp_path))
    blocks = counted(monkeypatch, als_rounds, "solve_block")
    made = NumpyBackend()
    with lent(made, monkeypatch):
        model.fit(LOG)
    assert blocks
    assert made._held  # the fixed factors stay for the next block
    monkeypatch.undo()
    assert isinstance(model.user_factors_, RowShards)
    assert_same_lists(model.predict(LOG, 5), expected)


def test_clusters(monkeypatch):
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
    features["user_idx"] = np.sort(LOG.user_idx.unique())[:60]
    monkeypatch.setattr(kmeans, "SAMPLE", 20)  # so that rounds over all users follow
    with dask.config.set({"daskrec.device": "cpu"}):
        model = ClusterRec(num_clusters=3, seed=0).fit(LOG, features)
        expected = model.predict(features, 5)
        centres = model.centres_.get()
    calls = counted(monkeypatch, gpu_kmeans, "contribution")
    with lent(NumpyBackend(), monkeypatch):
        model.fit(LOG, features)
        fitted = len(calls)
        found = model.predict(features, 5)
    assert fitted > 1
    np.testing.assert_allclose(model.centres_.get(), centres, atol=1e-9)
    pd.testing.assert_frame_equal(found, expected)
    assert len(calls) > fitted


def test_users_solved_anew(monkeypatch):
    library = {
        "class": "implicit.cpu.als.AlternatingLeastSquares",
        "params": {"factors": 6, "random_state": 0, "num_threads": 1},
    }
    with dask.config.set({"daskrec.device": "cpu"}):
        model = ImplicitWrap(library, recalculate_user=True).fit(LOG)
        expected = model.predict(LOG, 5)
    calls = counted(monkeypatch, gpu_fold_in, "fold_in")
    with lent(NumpyBackend(), monkeypatch):
        found = model.predict(LOG, 5)
    assert calls
    assert_same_lists(found, expected)
