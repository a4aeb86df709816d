"""Models of the library implicit: as plain values, fitted, and as arrays.

A model is described by a dict of its class and its parameters, so that it can be saved, cloned
and sent to a worker without being pickled, and is made anew for every fit.
"""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from daskrec import progress
from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr
from daskrec.engine.shared import Shared
from daskrec.engine.threads import cores, single_threaded_blas
from daskrec.params import check_plain

ALS, FACTORS, ITEMS = "als", "factors", "items"
# The classes, and the functions that choose one of them by whether there is a GPU.
KINDS = {
    "implicit.als.AlternatingLeastSquares": ALS,
    "implicit.cpu.als.AlternatingLeastSquares": ALS,
    "implicit.gpu.als.AlternatingLeastSquares": ALS,
    "implicit.bpr.BayesianPersonalizedRanking": FACTORS,
    "implicit.cpu.bpr.BayesianPersonalizedRanking": FACTORS,
    "implicit.gpu.bpr.BayesianPersonalizedRanking": FACTORS,
    "implicit.lmf.LogisticMatrixFactorization": FACTORS,
    "implicit.cpu.lmf.LogisticMatrixFactorization": FACTORS,
    "implicit.nearest_neighbours.ItemItemRecommender": ITEMS,
    "implicit.nearest_neighbours.CosineRecommender": ITEMS,
    "implicit.nearest_neighbours.TFIDFRecommender": ITEMS,
    "implicit.nearest_neighbours.BM25Recommender": ITEMS,
}
DEFAULT: Mapping[str, Any] = {"class": "implicit.als.AlternatingLeastSquares", "params": {}}


def describe(model: Any) -> Any:
    """Return a model as a dict of ``class`` and ``params``; a dict is checked and returned.

    Raises
    ------
    ValueError
        It is no model of implicit, or a parameter is no plain value (a random generator).
    """
    if isinstance(model, Mapping):
        _check(model)
        return model
    made = type(model)
    name = f"{made.__module__}.{made.__qualname__}"
    _check_class(name)
    params = {
        key: np.dtype(getattr(model, key)).name if key == "dtype" else _plain(getattr(model, key))
        for key in inspect.signature(made.__init__).parameters
        if hasattr(model, key)
    }
    if KINDS[name] == ALS:
        params["cg_steps"] = model.cg_steps
    found = {"class": name, "params": params}
    _check(found)
    return found


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _check_class(name: Any) -> None:
    if name not in KINDS:
        raise ValueError(
            f"ImplicitWrap takes a model of implicit, or a dict {{'class': ..., 'params': ...}} of "
            f"one, and not {name!r}: the classes are {', '.join(KINDS)}"
        )


def _check(spec: Mapping[str, Any]) -> None:
    _check_class(spec.get("class"))
    extra = sorted(set(spec) - {"class", "params"}, key=str)
    params = spec.get("params", {})
    if extra or not isinstance(params, Mapping):
        raise ValueError(f"a model is a dict of 'class' and 'params' (a dict), not {dict(spec)!r}")
    for key, value in params.items():
        check_plain(f"{key} of the model", value)


def build(spec: Mapping[str, Any]) -> Any:
    """Make the model of a description, which was not fitted.

    Raises
    ------
    ImportError
        implicit is not installed.
    ValueError
        The class does not take these parameters, or needs a GPU that is not there.
    """
    module, _, name = spec["class"].rpartition(".")
    try:
        made = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise ImportError(
            "ImplicitWrap fits models of implicit, which is not installed: "
            "pip install 'daskrec[wrappers]'"
        ) from error
    params = dict(spec.get("params", {}))
    later = {key: params.pop(key) for key in ("cg_steps",) if key in params}
    if "dtype" in params:
        params["dtype"] = np.dtype(params["dtype"]).type
    with single_threaded_blas(openmp=False):  # of more threads it warns
        try:
            model = made(**params)
        except TypeError as error:
            raise ValueError(f"{spec['class']} cannot be made of {params}: {error}") from error
    vars(model).update(later)
    if getattr(model, "num_threads", 1) == 0:  # workers tell OpenMP to use one
        model.num_threads = cores()
    return model


def fit(matrix: Csr, spec: Mapping[str, Any], folder: str | None) -> dict[str, Shared[Any]]:
    """Fit a model on all interactions; return what it has learned, by name.

    Parameters
    ----------
    matrix
        Users x items, float32 relevance; it is not changed.
    spec
        The model.
    folder
        Where the arrays go; None for this process.

    Returns
    -------
    dict
        ``similarity``, or ``user_factors``, ``item_factors`` and, of ALS, ``rule``: its
        penalty and the weight of the relevance.
    """
    model = build(spec)
    with single_threaded_blas(openmp=False):
        if KINDS[spec["class"]] == ITEMS:
            found: dict[str, Any] = {"similarity": _fit_items(model, matrix)}
        else:
            found = _fit_factors(model, matrix)
    return {name: Shared.stored(value, folder) for name, value in found.items()}


def _fit_factors(model: Any, matrix: Csr) -> dict[str, Vector]:
    rule, ratings = {}, as_scipy(matrix)
    if hasattr(model, "alpha"):
        rule = {"rule": np.array([model.regularization, model.alpha], dtype=np.float64)}
        if ".gpu." in type(model).__module__:  # its fit does not read alpha
            ratings, model.alpha = as_scipy(matrix, model.alpha), 1.0
    model.fit(ratings, show_progress=progress.enabled())
    return {
        "user_factors": _host(model.user_factors),
        "item_factors": _host(model.item_factors),
        **rule,
    }


def _host(factors: Any) -> Vector:
    """Return factors as a numpy array; those of a GPU are copied from it."""
    found: Vector = factors.to_numpy() if hasattr(factors, "to_numpy") else factors
    if found.dtype == np.float16:  # no kernel takes it
        found = found.astype(np.float32)
    return np.ascontiguousarray(found)


def _fit_items(model: Any, matrix: Csr) -> Csr:
    """Fit an item-item model on weights that are numbers.

    The weights are those that the ``fit`` of the class makes; an item of no weight has 0 / 0
    there, which would come into the neighbour lists of others.
    """
    from implicit import nearest_neighbours as library

    counts = as_scipy(matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        if isinstance(model, library.BM25Recommender):
            weighted = library.bm25_weight(counts.T, model.K1, model.B).T.tocsr()
        elif isinstance(model, library.TFIDFRecommender):
            weighted = library.normalize(library.tfidf_weight(counts.T)).T.tocsr()
        elif isinstance(model, library.CosineRecommender):
            weighted = library.normalize(counts.T).T.tocsr()
        else:
            weighted = counts.astype(np.float64)
    weighted.data[~np.isfinite(weighted.data)] = 0
    library.ItemItemRecommender.fit(model, weighted, show_progress=progress.enabled())
    near = model.similarity
    near.eliminate_zeros()
    near.sort_indices()
    return Csr(
        near.indptr.astype(np.int64),
        near.indices.astype(np.int32),
        near.data.astype(np.float32),
        near.shape[1],
    )


def as_scipy(matrix: Csr, factor: float = 1.0) -> Any:
    """Return a matrix as scipy holds it, on the same arrays where the factor is 1."""
    from scipy.sparse import csr_matrix

    values = matrix.values() if factor == 1 else matrix.values() * np.float32(factor)
    shape = (len(matrix), matrix.width)
    return csr_matrix((values, matrix.indices, matrix.indptr), shape=shape)


def filled(spec: Mapping[str, Any], held: Mapping[str, Any]) -> Any:
    """Return a model of implicit with what it had learned put back."""
    model = build(spec)
    if "similarity" in held:
        from implicit.nearest_neighbours import NearestNeighboursScorer

        model.similarity = as_scipy(held["similarity"].get()).astype(np.float64)
        model.scorer = NearestNeighboursScorer(model.similarity)
        return model
    users, items = held["user_factors"].whole(), held["item_factors"].get()
    if ".gpu." in type(model).__module__:
        from implicit.gpu import Matrix

        users, items = Matrix(users), Matrix(items)
    model.user_factors, model.item_factors = users, items
    return model
