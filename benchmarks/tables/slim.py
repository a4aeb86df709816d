"""SLIM: columns of weights, against scikit-learn's ``ElasticNet`` as the original calls it."""

from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.linear_model import ElasticNet
from threadpoolctl import threadpool_limits

from benchmarks import COLUMNS, THREADS
from benchmarks.data import Dataset
from benchmarks.measure import Contender, call, interleave
from benchmarks.report import Goal, SpeedTable, Table
from daskrec.data.encode import encode_training
from daskrec.data.log import read_log
from daskrec.engine import runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.solve.elastic_net import Choice, ColumnSolver, Penalty, RowTable
from daskrec.models.slim_products import DenseProducts

_SAMPLED = 300
_SETTINGS = ((0.01, 0.01, Goal(ratio=5.0)), (4.65, 2e-4, Goal(ratio=2.0)))
_MOST_ROUNDS = 3  # the peer takes half a minute
_WORSE = 1e-5  # than the peer's objective, relative
_VIOLATION = 1e-3  # of the conditions of an optimum, in parts of the l1 weight
_PIECES = 16  # of the columns, for a thread
_GROWTH = 1.1


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable(f"slim: {_SAMPLED} columns, {THREADS} threads against one core")
    bench = _Bench(dataset)
    counting, (products,) = interleave([call(DenseProducts, dataset.blocks)], rounds)
    share = median(counting[0]) * _SAMPLED / bench.items
    for beta, weight, goal in _SETTINGS:
        _compare(table, bench, products, beta, weight, goal, share, min(rounds, _MOST_ROUNDS))
    _double(table, dataset, products, rounds)
    table.notes.append(
        f"Ours holds {_SAMPLED} parts in {bench.items} of the {median(counting[0]):.2f} s that the "
        "products of all items take. Peer: a column at a time on one core, the column itself set "
        "to zero in the matrix, alpha = beta + lambda, positive, at most 5000 sweeps in random "
        f"order, its own tolerance. Results agree where no objective is above the peer's x (1 + "
        f"{_WORSE:g}) and no violation of the conditions of an optimum above {_VIOLATION:g} of the "
        "l1 weight."
    )
    return table


class _Bench:
    """Some columns of the log, in the forms that both take, and what they minimise."""

    def __init__(self, dataset: Dataset) -> None:
        self.matrix = sp.csc_matrix(dataset.matrix.astype(np.float64))
        self.users, self.items = self.matrix.shape
        rng = np.random.default_rng(0)
        self.columns = rng.choice(self.items, min(_SAMPLED, self.items), replace=False)
        self.gram = (self.matrix.T @ self.matrix).toarray()

    def ours(self, products: DenseProducts, beta: float, weight: float) -> Vector:
        """Return the columns, solved on all threads."""
        penalty = Penalty(self.users * beta, self.users * weight)
        gram = products.gram
        table = RowTable([part.get() for part in gram.parts], gram.diagonal, gram.nonnegative)
        pieces = np.array_split(self.columns, _PIECES * THREADS)
        tasks = [runtime.task(_columns, piece, table, penalty) for piece in pieces]
        return np.concatenate(runtime.compute(tasks, "weights"))

    def peer(self, beta: float, weight: float) -> Vector:
        """Return the columns as the original solves them, one at a time."""
        matrix, found = self.matrix, np.empty((len(self.columns), self.items))
        with threadpool_limits(1):
            for place, j in enumerate(self.columns):
                own = slice(matrix.indptr[j], matrix.indptr[j + 1])
                values = matrix.data[own].copy()
                target = matrix[:, [j]].toarray().ravel()
                matrix.data[own] = 0
                net = ElasticNet(
                    alpha=beta + weight, l1_ratio=weight / (beta + weight), fit_intercept=False,
                    positive=True, max_iter=5000, selection="random", random_state=0,
                )  # fmt: skip
                found[place] = net.fit(matrix, target).coef_
                matrix.data[own] = values
        return found

    def objectives(self, columns: Vector, beta: float, weight: float) -> Vector:
        """Return what is minimised, for each column."""
        fit = np.einsum("ij,ij->i", columns @ self.gram - 2 * self.gram[self.columns], columns)
        fit += np.diag(self.gram)[self.columns]
        ridge, lasso = (columns**2).sum(axis=1), np.abs(columns).sum(axis=1)
        found: Vector = fit / (2 * self.users) + beta / 2 * ridge + weight * lasso
        return found

    def violation(self, columns: Vector, beta: float, weight: float) -> float:
        """Return the largest violation of the conditions, in parts of the l1 weight."""
        slope = (self.gram[self.columns] - columns @ self.gram) / self.users - beta * columns
        slope[np.arange(len(columns)), self.columns] = 0
        far = np.where(columns > 0, np.abs(slope - weight), np.maximum(slope - weight, 0))
        far[np.arange(len(columns)), self.columns] = 0
        return float(far.max() / weight)


def _columns(columns: Vector, table: RowTable, penalty: Penalty) -> Vector:
    """Return columns of weights, dense."""
    found = np.zeros((len(columns), len(table)))
    solver = ColumnSolver(len(table), penalty)
    for place, j in enumerate(columns):
        items, values, _ = solver.solve(table, j)
        found[place, items] = values
    return found


def _compare(
    table: SpeedTable, bench: _Bench, products: DenseProducts, beta: float, weight: float,
    goal: Goal, share: float, rounds: int,
) -> None:  # fmt: skip
    seconds, (ours, peer) = interleave(
        [call(bench.ours, products, beta, weight), call(bench.peer, beta, weight)], rounds
    )
    seconds[0] = [share + taken for taken in seconds[0]]
    objectives = [bench.objectives(one, beta, weight) for one in (ours, peer)]
    worse = float((objectives[0] / objectives[1]).max() - 1)
    far = [bench.violation(one, beta, weight) for one in (ours, peer)]
    kept = (ours > 0).sum(axis=1).mean()
    what = f"beta {beta:g}, lambda {weight:g}, {kept:.0f} weights a column"
    table.compare(
        what,
        seconds,
        "ElasticNet, one core",
        goal=goal,
        equal=worse <= _WORSE and far[0] <= _VIOLATION,
        objective=worse,
        violations=far,
    )
    table.notes.append(
        f"{what}: objectives at most {worse:.1e} above the peer's, relative; largest violation "
        f"{far[0]:.1e} of the l1 weight, the peer's {far[1]:.1e}."
    )


def _double(table: SpeedTable, dataset: Dataset, products: DenseProducts, rounds: int) -> None:
    """Compare the time after the products with that of the log with every user twice."""
    user = COLUMNS[0]
    moved = dataset.frame[user] + dataset.frame[user].max() + 1
    frame = pd.concat([dataset.frame, dataset.frame.assign(**{user: moved})])
    data = encode_training(read_log(frame))
    twice: Any = DenseProducts(data)
    users = dataset.blocks.user_count
    jobs = [(twice, 2 * users), (products, users)]
    seconds, (double, single) = interleave(
        [
            Contender(
                lambda job: job[0].columns(Penalty(job[1] * 0.01, job[1] * 0.01), Choice()),
                lambda job=job: job,  # type: ignore[misc]
            )
            for job in jobs
        ],
        rounds,
    )
    equal = np.array_equal(double[0].indices, single[0].indices)
    table.compare(
        "all columns after the products, every user twice",
        seconds,
        "every user once",
        goal=Goal(ratio=1 / _GROWTH),
        equal=equal and np.allclose(double[0].data, single[0].data, atol=1e-5),
    )
