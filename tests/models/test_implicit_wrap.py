"""ImplicitWrap: the library's numbers, its lists, and what a wrapper has to keep out of them."""

import importlib
import sys
from typing import Any

import implicit.als
import implicit.bpr
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.cpu.lmf import LogisticMatrixFactorization
from implicit.nearest_neighbours import (
    BM25Recommender,
    CosineRecommender,
    ItemItemRecommender,
    TFIDFRecommender,
)
from support.logs import L5, assert_same, random_log
from threadpoolctl import threadpool_info, threadpool_limits

import daskrec
from daskrec.data import encode
from daskrec.data.log import read_log
from daskrec.models import ImplicitWrap
from daskrec.models import implicit_wrap_model as library
from daskrec.scenarios.vectors import Vectors

LOG = random_log()
FACTORS = [
    (AlternatingLeastSquares, {"factors": 5, "random_state": 3, "alpha": 2.0}),
    (AlternatingLeastSquares, {"factors": 4, "random_state": 3, "use_cg": False}),
    (BayesianPersonalizedRanking, {"factors": 5, "random_state": 3}),
    (LogisticMatrixFactorization, {"factors": 5, "random_state": 3}),
]
ITEMS = [
    (ItemItemRecommender, {"K": 5}),
    (CosineRecommender, {"K": 5}),
    (TFIDFRecommender, {"K": 7}),
    (BM25Recommender, {"K": 9, "K1": 2.0, "B": 0.5}),
]


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with threadpool_limits(1, "blas"):  # implicit warns of more, where a test makes its models
        yield


def matrix_of(log: pd.DataFrame) -> tuple[Any, np.ndarray, np.ndarray]:
    users, rows = np.unique(log.user_idx, return_inverse=True)
    items, columns = np.unique(log.item_idx, return_inverse=True)
    values = log.relevance.to_numpy().astype(np.float32)
    return sp.csr_matrix((values, (rows, columns))), users, items


def fitted_pair(made: type, params: dict[str, Any]) -> tuple[Any, ImplicitWrap]:
    """Return the library's own model and ours."""
    bare = made(**params, num_threads=1)
    matrix, _, _ = matrix_of(LOG)
    if made is CosineRecommender or made in (TFIDFRecommender, BM25Recommender):
        with pytest.warns(Warning, match="expects CSR"):  # of what it makes itself
            bare.fit(matrix, show_progress=False)
    else:
        bare.fit(
            matrix.astype(np.float64 if made is ItemItemRecommender else np.float32),
            show_progress=False,
        )
    return bare, ImplicitWrap(made(**params, num_threads=1)).fit(LOG)


@pytest.mark.parametrize(("made", "params"), FACTORS)
def test_factors_are_those_of_the_library_to_the_bit(made: type, params: dict[str, Any]) -> None:
    bare, model = fitted_pair(made, params)
    assert np.array_equal(bare.user_factors, model.user_factors_.whole())
    assert np.array_equal(bare.item_factors, model.item_factors_.get())
    again = model.model_
    assert type(again) is made
    assert np.array_equal(again.item_factors, bare.item_factors)


@pytest.mark.parametrize(("made", "params"), ITEMS)
def test_similarities_are_those_of_the_library(made: type, params: dict[str, Any]) -> None:
    bare, model = fitted_pair(made, params)
    assert np.allclose(
        library.as_scipy(model._get_state()["similarity"].get()).toarray(),
        bare.similarity.toarray(),
        rtol=1e-6,
    )
    frame = model.similarity
    assert list(frame.columns) == ["item_idx_one", "item_idx_two", "similarity"]
    assert (frame.item_idx_one != frame.item_idx_two).all()
    assert np.allclose(model.model_.similarity.toarray(), bare.similarity.toarray(), rtol=1e-6)


@pytest.mark.parametrize(("made", "params"), FACTORS + ITEMS)
@pytest.mark.parametrize("filtered", [True, False])
def test_lists_are_those_of_the_library(made: type, params: dict, filtered: bool) -> None:
    bare, model = fitted_pair(made, params)
    matrix, users, items = matrix_of(LOG)
    recs = model.predict(LOG, 4, filter_seen_items=filtered)
    for row, user in enumerate(users):
        codes, scores = bare.recommend(row, matrix[row], N=4, filter_already_liked_items=filtered)
        real = scores > -1e30  # the rest is filler
        mine = recs[recs.user_idx == user]
        assert np.allclose(mine.relevance, scores[real], rtol=1e-5, atol=1e-6)
        gaps = np.abs(np.diff(scores[real], prepend=np.inf, append=-np.inf))
        apart = (gaps[:-1] > 1e-5) & (gaps[1:] > 1e-5)
        apart[-1:] = False  # an item beyond the list may be as good
        assert np.array_equal(mine.item_idx.to_numpy()[apart], items[codes[real]][apart])


def test_the_example_of_the_original() -> None:
    log = pd.DataFrame({"user_idx": [1, 1, 2, 2], "item_idx": [1, 2, 2, 3], "relevance": 1.0})
    model = ImplicitWrap(AlternatingLeastSquares(factors=5, random_state=0))
    assert model.fit_predict(log, 1, users=[1]).item_idx.tolist() == [3]


def test_the_model_that_is_given_is_not_changed() -> None:
    given = BayesianPersonalizedRanking(factors=3, random_state=1)
    model = ImplicitWrap(given).fit(LOG)
    assert given.item_factors is None
    assert model.model == {
        "class": "implicit.cpu.bpr.BayesianPersonalizedRanking",
        "params": {
            "factors": 3, "learning_rate": 0.01, "regularization": 0.01, "dtype": "float32",
            "iterations": 100, "num_threads": 0, "verify_negative_samples": True,
            "random_state": 1,
        },
    }  # fmt: skip


def test_a_model_that_was_fitted_starts_anew() -> None:
    used = AlternatingLeastSquares(factors=3, random_state=1, iterations=2)
    used.fit(matrix_of(LOG)[0], show_progress=False)
    fresh = AlternatingLeastSquares(factors=3, random_state=1, iterations=2)
    assert_same(ImplicitWrap(used).fit_predict(LOG, 3), ImplicitWrap(fresh).fit_predict(LOG, 3))


def test_more_conjugate_gradient_steps_are_kept() -> None:
    given = AlternatingLeastSquares(factors=3, random_state=1)
    given.cg_steps = 7
    assert ImplicitWrap(given).fit(L5).model_.cg_steps == 7


def test_the_default_is_als() -> None:
    assert isinstance(ImplicitWrap().fit(L5).model_, AlternatingLeastSquares)


def test_double_precision_is_kept() -> None:
    model = ImplicitWrap(AlternatingLeastSquares(factors=3, random_state=1, dtype=np.float64))
    assert model.model["params"]["dtype"] == "float64"
    assert model.fit(L5).item_factors_.get().dtype == np.float64
    assert np.isfinite(model.predict(L5, 2).relevance).all()


def test_the_relevance_of_a_history_weighs_its_neighbours() -> None:
    model = ImplicitWrap(ItemItemRecommender(K=10)).fit(LOG)
    one = model.predict(LOG, 30)
    doubled = model.predict(LOG.assign(relevance=2 * LOG.relevance), 30)
    assert_same(doubled.assign(relevance=doubled.relevance / 2), one)
    with pytest.raises(ValueError, match="infinite relevance"):
        model.predict(LOG.assign(relevance=np.inf), 3)


def test_new_users_of_als_are_solved_from_their_history() -> None:
    bare = AlternatingLeastSquares(factors=6, random_state=3, alpha=0.5, num_threads=1)
    matrix, _, items = matrix_of(LOG)
    bare.fit(matrix, show_progress=False)
    given = AlternatingLeastSquares(factors=6, random_state=3, alpha=0.5, num_threads=1)
    model = ImplicitWrap(given, recalculate_user=True).fit(LOG)
    history = sp.csr_matrix(
        (np.array([3, 1, -2], np.float32), ([0, 0, 0], [2, 5, 9])), shape=(1, matrix.shape[1])
    )
    codes, scores = bare.recommend(0, history, N=5, recalculate_user=True)
    log = pd.DataFrame({"user_idx": 999, "item_idx": items[[2, 5, 9]], "relevance": [3, 1, -2.0]})
    recs = model.predict(log, 5)
    assert recs.item_idx.tolist() == items[codes].tolist()
    assert np.allclose(recs.relevance, scores, atol=1e-5)
    with pytest.raises(ValueError, match=r"^log is not provided"):
        model.predict(None, 1)


def test_a_singular_problem_has_finite_factors() -> None:
    given = AlternatingLeastSquares(factors=6, random_state=3, regularization=0.0)
    model = ImplicitWrap(given, recalculate_user=True).fit(L5)
    assert np.isfinite(model.predict(L5, 3, filter_seen_items=False).relevance).all()


def test_others_have_no_factors_for_a_history() -> None:
    with pytest.raises(ValueError, match="recalculate_user=True is for ALS"):
        ImplicitWrap(LogisticMatrixFactorization(), recalculate_user=True)
    assert ImplicitWrap(CosineRecommender(), recalculate_user=True).can_predict_cold_users


@pytest.mark.parametrize(("made", "params"), ITEMS)
def test_items_of_no_weight_are_no_neighbours(made: type, params: dict[str, Any]) -> None:
    nothing = LOG.item_idx == LOG.item_idx.value_counts().index[0]
    log = LOG.assign(relevance=LOG.relevance.where(~nothing, 0.0))
    model = ImplicitWrap(made(**params)).fit(log)
    item = LOG.item_idx[nothing].iloc[0]
    near = model.similarity
    assert item not in near[["item_idx_one", "item_idx_two"]].to_numpy()
    assert np.isfinite(near.similarity).all()
    kept = log[~nothing]
    if made is CosineRecommender:
        other = ImplicitWrap(made(**params)).fit(kept).similarity
        pd.testing.assert_frame_equal(near, other)


def test_what_is_no_model_of_implicit_is_refused() -> None:
    class Mine(AlternatingLeastSquares):
        pass

    for wrong in (Mine(), 3, {"class": "os.system"}, {"class": "implicit.utils.check_csr"}):
        with pytest.raises(ValueError, match="takes a model of implicit"):
            ImplicitWrap(wrong)
    good = {"class": "implicit.bpr.BayesianPersonalizedRanking"}
    with pytest.raises(ValueError, match="'class' and 'params'"):
        ImplicitWrap({**good, "extra": 1})
    with pytest.raises(ValueError, match="random_state of the model must be None"):
        ImplicitWrap(BayesianPersonalizedRanking(random_state=np.random.default_rng(0)))
    with pytest.raises(ValueError, match="no_such_name"):
        ImplicitWrap({**good, "params": {"no_such_name": 1}}).fit(L5)


def test_a_model_of_the_gpu_says_what_is_missing() -> None:
    model = ImplicitWrap({"class": "implicit.gpu.als.AlternatingLeastSquares"})
    if implicit.gpu.HAS_CUDA:
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="train on GPU"):
        model.fit(L5)


class OnDevice:
    """Factors as implicit keeps them on a GPU."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = np.asarray(values)

    def to_numpy(self) -> np.ndarray:
        return self.values


def test_factors_come_from_the_gpu_and_alpha_goes_there(monkeypatch) -> None:
    module = importlib.import_module("implicit.gpu.als")

    class Fake:
        """implicit's class of the GPU, whose fit does not read alpha."""

        def __init__(self, factors=64, alpha=1.0, regularization=0.01, random_state=None) -> None:
            self.factors, self.alpha, self.regularization = factors, alpha, regularization
            self.random_state = random_state

        def fit(self, ratings: Any, show_progress: bool) -> None:
            inner = AlternatingLeastSquares(
                self.factors, random_state=self.random_state, num_threads=1
            )
            inner.fit(ratings, show_progress=show_progress)
            self.user_factors = OnDevice(inner.user_factors)
            self.item_factors = OnDevice(inner.item_factors)

    Fake.__module__ = module.__name__
    monkeypatch.setattr(module, "AlternatingLeastSquares", Fake)
    monkeypatch.setattr(implicit.gpu, "Matrix", OnDevice, raising=False)
    params = {"factors": 3, "alpha": 4.0, "random_state": 1}
    spec = {"class": "implicit.gpu.als.AlternatingLeastSquares", "params": params}
    model = ImplicitWrap(spec).fit(LOG)
    host = ImplicitWrap(AlternatingLeastSquares(**params, num_threads=1)).fit(LOG)
    assert np.array_equal(model.item_factors_.get(), host.item_factors_.get())
    assert isinstance(model.model_.item_factors, OnDevice)
    half = library._host(OnDevice(np.ones((2, 3), np.float16)))
    assert half.dtype == np.float32
    recalculated = model.set_params(recalculate_user=True).predict(LOG, 3)
    assert_same(recalculated, host.set_params(recalculate_user=True).predict(LOG, 3))


def test_the_matrix_is_the_log_itself_and_stays_as_it_was() -> None:
    rows = read_log(random_log(users=300, items=50, rows=4_000))
    data = encode.encode_training(rows, blocks=5)
    assert len(data) > 1
    first = data.parts[0].get().matrix
    before = [part.get().matrix.data.copy() for part in data.parts]
    seen = []

    def look(matrix: Any) -> None:
        seen.append(np.shares_memory(library.as_scipy(matrix).data, first.data))
        seen.append(np.shares_memory(library.as_scipy(matrix).indices, first.indices))

    from daskrec.data.whole import on_whole

    on_whole(data, look, label="")
    assert seen == [True, True]
    for made, params in FACTORS + ITEMS:
        ImplicitWrap(made(**params))._fit(data)
    for part, values in zip(data.parts, before, strict=True):
        assert np.array_equal(part.get().matrix.data, values)


def test_threads_and_random_numbers_stay_as_they_were() -> None:
    spec = {"class": "implicit.cpu.als.AlternatingLeastSquares", "params": {"factors": 2}}
    with threadpool_limits(2):
        ImplicitWrap().fit(L5)  # brings the libraries in
        before = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
        state = np.random.get_state()[1].copy()
        ImplicitWrap(spec).fit(LOG)
        assert [(p["filepath"], p["num_threads"]) for p in threadpool_info()] == before
        assert (np.random.get_state()[1] == state).all()


def test_a_saved_model_answers_without_the_library(tmp_path, monkeypatch) -> None:
    for made, params in (FACTORS[2], ITEMS[1]):
        model = ImplicitWrap(made(**params)).fit(LOG)
        model.save(tmp_path / made.__name__)
        expected = model.predict(LOG, 3)
        with monkeypatch.context() as patch:
            for name in [n for n in sys.modules if n.partition(".")[0] == "implicit"]:
                patch.setitem(sys.modules, name, None)
            again = daskrec.load(tmp_path / made.__name__)
            assert_same(again.predict(LOG, 3), expected)
            for call in (lambda again=again: again.fit(LOG), lambda again=again: again.model_):
                with pytest.raises(ImportError, match=r"pip install 'daskrec\[wrappers\]'"):
                    call()


def test_vectors_of_users_and_items() -> None:
    model = ImplicitWrap(LogisticMatrixFactorization(factors=3, random_state=1)).fit(LOG)
    frame, length = model.get_features(LOG[["item_idx"]])
    assert length == 5
    assert np.array_equal(np.stack(list(frame.item_factors)), model.item_factors_.get())
    assert Vectors.of(model).rank == 5
    near = ImplicitWrap(CosineRecommender()).fit(LOG)
    assert near.get_features(LOG[["item_idx"]]) == (None, None)
    assert Vectors.of(near) is None
    with pytest.raises(ValueError, match="has no similarity"):
        _ = model.similarity


def test_another_model_takes_effect_at_the_next_fit() -> None:
    model = ImplicitWrap(CosineRecommender(K=5)).fit(LOG)
    expected = model.predict(LOG, 3)
    model.set_params(model=BayesianPersonalizedRanking(factors=3, random_state=1))
    assert_same(model.predict(LOG, 3), expected)
    assert model.can_predict_cold_users
    assert isinstance(model.model_, CosineRecommender)
    model.fit(LOG)
    assert not model.can_predict_cold_users
    assert model._get_state().keys() == {"user_factors", "item_factors"}
