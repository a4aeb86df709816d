"""Quality on real data, with bounds that a broken model fails."""

from pathlib import Path

import pytest

from benchmarks import leaderboard_data, protocols
from benchmarks.protocols import LeaveOneOut, Split, full_ranking, leave_one_out
from daskrec.metrics import NDCG
from daskrec.models import KNN, SLIM, ALSWrap, ImplicitWrap, LightFMWrap, PopRec, Word2VecRec

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
