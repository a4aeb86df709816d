"""Quality on real data, with bounds that a broken model fails."""

from pathlib import Path

import pytest

from benchmarks import leaderboard_data, protocols
from benchmarks.protocols import LeaveOneOut, Split, full_ranking, leave_one_out
from daskrec.metrics import NDCG
from daskrec.models import (
    KNN,
    SLIM,
    ALSWrap,
    ImplicitWrap,
    LightFMWrap,
    MultVAE,
    NeuroMF,
    PopRec,
    Word2VecRec,
)

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def movies(data: Path) -> LeaveOneOut:
    return protocols.movielens(data)


@pytest.fixture(scope="module")
def gowalla(data: Path) -> Split:
    return protocols.gowalla(data)


def test_popularity_on_movies(movies: LeaveOneOut) -> None:
    hits, ndcg = leave_one_out(PopRec(), movies)
    assert hits == pytest.approx(0.4538, abs=0.001)
    assert ndcg == pytest.approx(0.2545, abs=0.001)


def test_neighbours_on_movies(movies: LeaveOneOut) -> None:
    model = KNN(50, shrink=300, weighting="bm25", neighbours_of="candidate")
    hits, ndcg = leave_one_out(model, movies)
    assert hits >= 0.665
    assert ndcg >= 0.393


def test_factors_on_movies(movies: LeaveOneOut) -> None:
    model = ALSWrap(64, seed=0, alpha=2.0, regularization=0.05, iterations=16)
    hits, ndcg = leave_one_out(model, movies)
    assert hits >= 0.710
    assert ndcg >= 0.438


def test_sparse_linear_weights_on_movies(movies: LeaveOneOut) -> None:
    hits, ndcg = leave_one_out(SLIM(beta=0.0788, lambda_=3e-4), movies)
    assert hits >= 0.716
    assert ndcg >= 0.446


def test_wrapped_factors_on_movies(movies: LeaveOneOut) -> None:
    params = {"factors": 32, "random_state": 0, "alpha": 3.0, "iterations": 10}
    model = ImplicitWrap({"class": "implicit.cpu.als.AlternatingLeastSquares", "params": params})
    hits, ndcg = leave_one_out(model, movies)
    assert hits >= 0.69
    assert ndcg >= 0.42


def test_wrapped_neighbours_on_movies(movies: LeaveOneOut) -> None:
    spec = {"class": "implicit.nearest_neighbours.BM25Recommender", "params": {"K": 50}}
    hits, ndcg = leave_one_out(ImplicitWrap(spec), movies)
    assert hits >= 0.62
    assert ndcg >= 0.37


def test_wrapped_lightfm_on_movies(movies: LeaveOneOut) -> None:
    hits, ndcg = leave_one_out(LightFMWrap(16, random_state=0, epochs=4), movies)
    assert hits >= 0.60
    assert ndcg >= 0.345


def test_auto_encoder_on_movies(movies: LeaveOneOut) -> None:
    params = {"dropout": 0.5, "anneal": 0.2, "activation": "tanh", "batch_size": 500}
    model = MultVAE(2e-3, 12, 64, 200, **params, validation_share=0.02, seed=0)
    hits, ndcg = leave_one_out(model, movies)
    assert hits >= 0.59
    assert ndcg >= 0.335


def test_neural_factors_on_movies(movies: LeaveOneOut) -> None:
    params = {"l2_reg": 0.05, "count_negative_sample": 4, "batch_size": 16384, "seed": 0}
    for more, least in (
        ({"epochs": 5, "embedding_gmf_dim": 32}, (0.60, 0.34)),
        (
            {
                "epochs": 3,
                "embedding_gmf_dim": 16,
                "embedding_mlp_dim": 16,
                "hidden_mlp_dims": [32, 16],
            },
            (0.57, 0.32),
        ),
    ):
        hits, ndcg = leave_one_out(NeuroMF(0.01, **params, **more, validation_share=0.02), movies)
        assert hits >= least[0]
        assert ndcg >= least[1]


def test_vectors_of_sequences_on_the_date_split_of_movies(data: Path) -> None:
    split = leaderboard_data.load(data, "ml-1m")
    for loss, least in (("negative", 0.18), ("hierarchical", 0.16)):
        model = Word2VecRec(seed=0, loss=loss, num_partitions=2).fit(split.train)
        recs = model.predict(split.train, 10, users=split.users)
        assert NDCG()(recs, split.test, 10) >= least


def test_popularity_on_gowalla(gowalla: Split) -> None:
    recall, ndcg = full_ranking(PopRec(), gowalla)
    assert recall == pytest.approx(0.0416, abs=0.0002)
    assert ndcg == pytest.approx(0.0317, abs=0.0002)


def test_neighbours_on_gowalla(gowalla: Split) -> None:
    recall, ndcg = full_ranking(KNN(500, shrink=10), gowalla)
    assert recall >= 0.137
    assert ndcg >= 0.105


def test_neighbours_weighted_by_history_on_gowalla(gowalla: Split) -> None:
    recall, ndcg = full_ranking(KNN(500, shrink=10, user_length_power=0.5), gowalla)
    assert recall >= 0.163
    assert ndcg >= 0.134
