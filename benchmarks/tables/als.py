"""Alternating least squares: half rounds of daskrec against those of implicit."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from implicit.cpu import _als
from threadpoolctl import threadpool_limits

from benchmarks import THREADS
from benchmarks.data import Dataset
from benchmarks.measure import Contender, interleave
from benchmarks.report import Goal, SpeedTable, Table
from daskrec.data import transpose
from daskrec.engine import solve
from daskrec.engine.arrays import Vector
from daskrec.engine.shared import RowShards
from daskrec.models import ALSWrap
from daskrec.models.als_rounds import Rule, half_round, whole_gram

ALPHA, RIDGE = 1.0, 0.1
_FACTORS = 1e-4
# Objectives are equal up to this part. Float32 moves them by 2e-5 at rank 256, where the sums of
# both libraries differ as much from float64; a round lowers them by more than 1e-2 there.
_OBJECTIVE = 1e-4
_PEER_ROUNDS = 5
_MOST_ROUNDS = 2 * _PEER_ROUNDS
_CG_RANKS = (64, 128, 256)
_EXACT_GOAL, _CG_GOAL = Goal(ratio=4.0), Goal(ratio=1.0)


class Factors(NamedTuple):
    """The two tables of a model."""

    users: Vector
    items: Vector


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable("als: rounds of alternating least squares, implicit feedback")
    bench = _Bench(dataset)
    for rank in (64, 128):
        _compare_exact(table, bench, rank, rounds)
    for rank in _CG_RANKS:
        _compare_cg(table, bench, rank, rounds)
    table.notes.append(
        "Ours: `half_round`, as ALSWrap calls it. Peer: `least_squares` and `least_squares_cg` of "
        "implicit on matrices made off the clock, one BLAS thread for its small products; its "
        "confidences are those of ours. Every round starts from the same factors. "
        "CG must not be slower; 1.3 is what it aims at."
    )
    return table


class _Bench:
    """The log as both libraries take it."""

    def __init__(self, dataset: Dataset) -> None:
        data = dataset.blocks
        self.by_user, self.by_item = transpose.user_side(data), transpose.item_side(data)
        matrix = dataset.matrix.copy()
        matrix.data = (1 + ALPHA * matrix.data).astype(np.float32)
        self.peer_by_user, self.peer_by_item = matrix, matrix.T.tocsr()
        self.matrix: sp.csr_matrix = dataset.matrix

    def start(self, rank: int) -> Factors:
        """Return the first factors, fresh copies."""
        rng = np.random.default_rng(0)
        users, items = (
            (rng.standard_normal((count, rank)) / rank).astype(np.float32)
            for count in self.matrix.shape
        )
        return Factors(users, items)

    def ours(self, factors: Factors, solver: str) -> Iterator[Factors]:
        """Yield the factors after each round, which are changed in place."""
        rule = Rule(
            ALSWrap(
                rank=factors.users.shape[1],
                alpha=ALPHA,
                regularization=RIDGE,
                solver=solver,
                scale_regularization=False,
            )
        )
        users, items = RowShards.of(factors.users), RowShards.of(factors.items)
        gram = whole_gram(users)
        while True:
            items, gram = half_round(self.by_item, users, items, gram, rule)
            users, gram = half_round(self.by_user, items, users, gram, rule)
            yield Factors(users.whole(), items.whole())

    def peer(self, factors: Factors, solver: str) -> Iterator[Factors]:
        """Yield the factors after each round of implicit, which are changed in place."""
        exact = solver == "exact"
        step = _als.least_squares if exact else _als.least_squares_cg
        options = {"num_threads": THREADS} | ({} if exact else {"cg_steps": 3})
        while True:
            with threadpool_limits(1, "blas"):
                step(self.peer_by_item, factors.items, factors.users, RIDGE, **options)
                step(self.peer_by_user, factors.users, factors.items, RIDGE, **options)
            yield factors

    def objective(self, factors: Factors) -> float:
        """Return the loss of all pairs and the penalty of all factors."""
        rows = np.full(len(factors.users), RIDGE, dtype=np.float32)
        loss = solve.objective(
            self.matrix.indptr.astype(np.int64),
            self.matrix.indices,
            self.matrix.data,
            factors.users,
            factors.items,
            solve.gramian(factors.items),
            rows,
            alpha=ALPHA,
            implicit=True,
        )
        return loss + RIDGE * float(np.sum(factors.items.astype(np.float64) ** 2))


def _after(rounds: Iterator[Factors], number: int) -> Factors:
    """Return the factors after some rounds."""
    return next(factors for n, factors in enumerate(rounds, 1) if n == number)


def _compare_exact(table: SpeedTable, bench: _Bench, rank: int, rounds: int) -> None:
    seconds, (ours, peer) = interleave(
        [
            Contender(lambda f: next(bench.ours(f, "exact")), lambda: bench.start(rank)),
            Contender(lambda f: next(bench.peer(f, "exact")), lambda: bench.start(rank)),
        ],
        rounds,
    )
    errors = [
        float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(ours, peer, strict=True)
    ]
    table.compare(
        f"exact, rank {rank}, 1 round",
        seconds,
        "implicit, Cholesky",
        goal=_EXACT_GOAL,
        equal=max(errors) <= _FACTORS,
        errors=errors,
    )
    table.notes.append(
        f"Exact, rank {rank}: relative difference of the factors after the round "
        f"{errors[0]:.1e} (users), {errors[1]:.1e} (items)."
    )


def _compare_cg(table: SpeedTable, bench: _Bench, rank: int, rounds: int) -> None:
    theirs = bench.objective(_after(bench.peer(bench.start(rank), "cg"), _PEER_ROUNDS))
    target = theirs + _OBJECTIVE * abs(theirs)
    needed, reached = _MOST_ROUNDS, np.inf
    for number, factors in enumerate(bench.ours(bench.start(rank), "cg"), 1):
        reached = bench.objective(factors)
        if reached <= target or number == _MOST_ROUNDS:
            needed = number
            break
    seconds, _ = interleave(
        [
            Contender(lambda f: _after(bench.ours(f, "cg"), needed), lambda: bench.start(rank)),
            Contender(
                lambda f: _after(bench.peer(f, "cg"), _PEER_ROUNDS), lambda: bench.start(rank)
            ),
        ],
        rounds,
    )
    table.compare(
        f"CG, rank {rank}, to equal objective",
        seconds,
        "implicit, CG",
        goal=_CG_GOAL,
        equal=bool(reached <= target),
        objectives=[reached, theirs],
        needed=[needed, _PEER_ROUNDS],
    )
    table.notes.append(
        f"CG, rank {rank}: {needed} rounds of ours reach {reached:.6g}, {_PEER_ROUNDS} of the "
        f"peer {theirs:.6g} (equal within {_OBJECTIVE:g})."
    )
