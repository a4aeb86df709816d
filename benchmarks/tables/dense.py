"""EASE and ADMMSLIM from blocks, against the factorisations and products that they cannot avoid."""

from typing import Any

import numpy as np
from scipy.linalg import lapack

from benchmarks.data import Dataset
from benchmarks.measure import call, interleave
from benchmarks.report import Goal, SpeedTable, Table
from daskrec.engine.dense import DenseRows
from daskrec.engine.solve.admm import Problem, solve_columns, usual_rho
from daskrec.engine.solve.square import invert
from daskrec.models import ADMMSLIM, EASE
from daskrec.models.item_gram import item_gram

RIDGE, WEIGHT = 1000.0, 5.0
_GOAL = Goal(ratio=1 / 1.5)
_TOLERANCE = 1e-3  # of the largest weight, float32 against float64


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable("dense: EASE and ADMMSLIM in single precision")
    gram = item_gram(dataset.blocks, np.float64, use_relevance=False).table()
    ease = EASE(RIDGE)
    seconds, (ours, _) = interleave([call(_fit, ease, dataset), call(_ease_floor, dataset)], rounds)
    error = _error(ours, gram)
    table.compare(
        "EASE, fit from blocks", seconds, "products, potrf, potri",
        goal=_GOAL, equal=error <= _TOLERANCE, error=error,
    )  # fmt: skip
    model = ADMMSLIM(WEIGHT, RIDGE, precision="single")
    sizes = _columns_a_round(dataset)
    seconds, _ = interleave([call(_fit, model, dataset), call(_admm_floor, dataset, sizes)], rounds)
    table.compare(
        "ADMMSLIM, fit from blocks",
        seconds,
        "products, potrf, potri, product of each round",
        goal=_GOAL,
        rounds=sum(sizes) / len(gram),
    )
    for fitted in (ease.fit(dataset.frame), model.fit(dataset.frame)):
        seconds, _ = interleave([call(fitted.predict, dataset.frame, 10)], rounds)
        table.compare(f"{type(fitted).__name__}, `predict` for all users, k = 10", seconds)
    table.notes.append(
        "The peers are what no solution of the same size is without, alone and with all threads: "
        "the products of all pairs of items as the models count them, the factorisation and "
        f"inverse by LAPACK, and for ADMMSLIM a product of the columns at hand by that table for "
        f"each of its rounds, {sum(sizes) / len(gram):.1f} a column here. EASE's largest error "
        f"against float64, of the largest weight: {error:.1e}."
    )
    return table


def _fit(model: Any, dataset: Dataset) -> Any:
    model._fit(dataset.blocks)
    return model.similarity_.get()


def _invert(gram: Any) -> Any:
    gram[np.diag_indices(len(gram))] += np.float32(RIDGE)
    factor, _ = lapack.spotrf(gram.T, lower=0, clean=0, overwrite_a=1)
    return lapack.spotri(factor, lower=0, overwrite_c=1)[0]


def _ease_floor(dataset: Dataset) -> Any:
    return _invert(item_gram(dataset.blocks, np.float32, use_relevance=False).table())


def _admm_floor(dataset: Dataset, sizes: list[int]) -> None:
    inverse = _invert(item_gram(dataset.blocks, np.float32).table())
    columns = np.ones((sizes[0], len(inverse)), np.float32)
    out = np.empty_like(columns)
    for size in sizes:
        np.matmul(columns[:size], inverse, out=out[:size])


def _columns_a_round(dataset: Dataset) -> list[int]:
    """Return how many columns each round of a fit still has."""
    gram = item_gram(dataset.blocks, np.float32).table()
    rho = usual_rho(gram, RIDGE)
    gram[np.diag_indices(len(gram))] += np.float32(RIDGE + rho)
    invert(gram, "the ridge")
    problem = Problem(WEIGHT, RIDGE, rho, ADMMSLIM(precision="single")._stop)
    rounds = solve_columns(gram, 0, len(gram), problem).rounds
    return [int((rounds > number).sum()) for number in range(rounds.max())]


def _error(weights: DenseRows, gram: Any) -> float:
    """Return the largest difference from the closed form in float64, of the largest weight."""
    inverse = np.linalg.inv(gram + RIDGE * np.eye(len(gram)))
    truth = -inverse / np.diag(inverse)
    np.fill_diagonal(truth, 0)
    return float(np.abs(weights.table - truth).max() / np.abs(truth).max())
