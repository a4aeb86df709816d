"""The rounds of alternating least squares: one side is solved, then the other.

In this process the factors are one table that tasks fill in place. With workers each block
leaves its factors in storage and only a handle comes back, so that nothing the size of the
users passes through the driver, the graph of a half round never grows, and a lost worker
costs only the tasks that it was at.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from daskrec.data import transpose
from daskrec.engine import config, runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.backend import borrow, lends
from daskrec.engine.csr import Csr
from daskrec.engine.gpu.als_block import Feedback
from daskrec.engine.gpu.als_rounds import Method, RowsOfSide, fits, run_rounds, solve_block
from daskrec.engine.random import unit_rows
from daskrec.engine.shared import RowShards, Shared
from daskrec.engine.solve import Rotated, gramian, rotate, solve_cg, solve_exact

# Beyond this rank the cubes of the exact solver outweigh the better step that it makes.
EXACT_RANK = 128


class Rule:
    """What one row's problem is: small enough to travel with each task."""

    def __init__(self, model: Any) -> None:
        exact = int(model.rank) <= EXACT_RANK if model.solver == "auto" else model.solver == "exact"
        self.exact = exact
        self.implicit = bool(model.implicit_prefs)
        self.alpha = float(model.alpha)
        self.regularization = float(model.regularization)
        self.scaled = bool(model.scale_regularization)

    def penalties(self, matrix: Csr) -> Vector:
        """Return the float32 penalty of each row."""
        if not self.scaled:
            return np.full(len(matrix), self.regularization, dtype=np.float32)
        counted = np.diff(matrix.indptr)
        if self.implicit and len(matrix.data):
            below = np.concatenate([[0], np.cumsum(matrix.data <= 0)])
            counted = counted - np.diff(below[matrix.indptr])
        return (self.regularization * counted).astype(np.float32)

    @property
    def method(self) -> Method:
        """The rule, as kernels of a GPU take it."""
        return Method(Feedback(self.implicit, self.alpha), self.exact)

    def work(self, entries: int, rows: int, rank: int) -> float:
        """Return the multiply-adds of a half round, about."""
        return entries * rank**2 + rows * rank**3 / 3 if self.exact else 8.0 * entries * rank

    def solve(
        self, matrix: Csr, factors: Vector, gram: Vector, rotated: Rotated | None, out: Vector
    ) -> None:
        """Solve the rows of a block; ``out`` comes in with the last round's factors."""
        indptr, indices, values = matrix.indptr, matrix.indices, matrix.values()
        problem = (indptr, indices, values, factors, gram, self.penalties(matrix))
        if self.exact:
            solve_exact(
                *problem, alpha=self.alpha, implicit=self.implicit, out=out, rotated=rotated
            )
        else:
            solve_cg(*problem, alpha=self.alpha, implicit=self.implicit, out=out)


def first_factors(seed: int, count: int, rank: int, offsets: Vector) -> RowShards:
    """Draw Gaussian vectors of length 1, keyed by row."""
    folder = runtime.storage()
    if folder is None:
        return RowShards.of(unit_rows(seed, 0, count, rank))
    tasks = [
        runtime.task(_draw, seed, int(a), int(b - a), rank, folder)
        for a, b in itertools.pairwise(offsets)
    ]
    return RowShards(runtime.compute(tasks, "first factors"), offsets)


def _draw(seed: int, first: int, count: int, rank: int, folder: str) -> Shared[Vector]:
    return Shared.stored(unit_rows(seed, first, count, rank), folder)


def whole_gram(factors: RowShards) -> Vector:
    """Return the Gram matrix of factors, columns x columns."""
    tasks = [runtime.task(_gram_of, shard) for shard in factors.shards]
    return runtime.tree_reduce(runtime.compute(tasks, "first factors"), np.add)  # type: ignore[no-any-return]


def _gram_of(shard: Shared[Vector]) -> Vector:
    return gramian(shard.get())


def solve_rounds(
    by_item: transpose.Side,
    by_user: transpose.Side,
    users: RowShards,
    items: RowShards,
    rule: Rule,
    count: int,
    step: Callable[[], None],
) -> tuple[RowShards, RowShards]:
    """Solve items, then users, so many times; return the factors of users and of items.

    Parameters
    ----------
    by_item, by_user
        The log.
    users, items
        The first factors.
    rule
        What is solved.
    count
        Number of rounds.
    step
        Called behind each half round.
    """
    if runtime.storage() is None:
        found = _all_on_gpu((by_item, by_user), (items, users), rule, count, step)
        if found is not None:
            return found
    gram = whole_gram(users)
    for _ in range(count):
        items, gram = half_round(by_item, users, items, gram, rule)
        step()
        users, gram = half_round(by_user, items, users, gram, rule)
        step()
    return users, items


def _all_on_gpu(
    sides: tuple[transpose.Side, transpose.Side],
    first: tuple[RowShards, RowShards],
    rule: Rule,
    count: int,
    step: Callable[[], None],
) -> tuple[RowShards, RowShards] | None:
    """Solve all rounds on a GPU, if this process shall and the factors fit; None if not."""
    rows, rank = sum(len(table) for table in first), first[0].whole().shape[1]
    entries = 2 * sum(transpose.matrix_of(part).nnz for part in sides[0].parts)
    with borrow(count * rule.work(entries, rows, rank)) as gpu:
        if gpu is None or not fits(gpu, rows, rank):
            return None
        lists = [[transpose.matrix_of(part) for part in side.parts] for side in sides]
        solved = run_rounds(
            gpu,
            [RowsOfSide(list_, [rule.penalties(matrix) for matrix in list_]) for list_ in lists],
            [table.whole() for table in first],
            rule.method,
            count,
            step,
        )
    return RowShards.of(solved[1]), RowShards.of(solved[0])


def half_round(
    side: transpose.Side, fixed: RowShards, old: RowShards, gram: Vector, rule: Rule
) -> tuple[RowShards, Vector]:
    """Solve one side; return its factors and their Gram matrix."""
    folder = runtime.storage()
    if not rule.implicit:
        gram = np.zeros_like(gram)
    ranges = list(zip(side.offsets[:-1], side.offsets[1:], strict=True))
    if folder is None:
        table = old.whole()  # solved in place: rows do not depend on each other
        entries = sum(transpose.matrix_of(part).nnz for part in side.parts)
        on_cpu = not lends(rule.work(entries, len(table), table.shape[1]))
        rotated = rotate(fixed.whole(), gram) if rule.exact and on_cpu else None
        tasks = [
            runtime.task(_solve_here, part, fixed, gram, rotated, rule, table[a:b])
            for part, (a, b) in zip(side.parts, ranges, strict=True)
        ]
        grams = runtime.compute(tasks, "ALS")
        return RowShards.of(table), runtime.tree_reduce(grams, np.add)
    tasks = [
        runtime.task(_solve_there, part, fixed, gram, rule, shard, folder)
        for part, shard in zip(side.parts, old.shards, strict=True)
    ]
    solved = runtime.compute(tasks, "ALS")
    for shard in old.shards:
        shard.release()
    shards = RowShards([shard for shard, _ in solved], side.offsets)
    return shards, runtime.tree_reduce([gram for _, gram in solved], np.add)


def _solve_here(
    part: Any, fixed: RowShards, gram: Vector, rotated: Rotated | None, rule: Rule, out: Vector
) -> Vector:
    """Solve a block into ``out``; return the Gram matrix of what was found."""
    matrix = transpose.matrix_of(part)
    found = _solve_on_gpu(matrix, fixed, gram, rule, out)
    if found is None:
        rule.solve(matrix, fixed.whole(), gram, rotated, out)
        found = gramian(out)
    return found


def _solve_there(
    part: Any, fixed: RowShards, gram: Vector, rule: Rule, old: Shared[Vector], folder: str
) -> tuple[Shared[Vector], Vector]:
    """Solve a block and leave the result in storage."""
    out = np.array(old.get())
    matrix = transpose.matrix_of(part)
    found = _solve_on_gpu(matrix, fixed, gram, rule, out)
    if found is None:
        if fixed.nbytes <= config.get_bytes("share-limit"):
            turned = partial(rotate, gram=gram)
            rotated = fixed.made("rotated", turned) if rule.exact else None
            rule.solve(matrix, fixed.whole(), gram, rotated, out)
        else:
            compact, factors = _needed(matrix, fixed)
            rule.solve(compact, factors, gram, None, out)
        found = gramian(out)
    return Shared.stored(out, folder), found


def _solve_on_gpu(
    matrix: Csr, fixed: RowShards, gram: Vector, rule: Rule, out: Vector
) -> Vector | None:
    """Solve a block into ``out`` on the GPU of a task and return its Gram; None without one."""
    with borrow(rule.work(matrix.nnz, len(matrix), out.shape[1])) as gpu:
        if gpu is None:
            return None
        return solve_block(gpu, matrix, rule.penalties(matrix), fixed, gram, rule.method, out)


def _needed(matrix: Csr, fixed: RowShards) -> tuple[Csr, Vector]:
    """Return the factors that a block needs, and the block with their numbers for columns."""
    columns, indices = np.unique(matrix.indices, return_inverse=True)
    compact = Csr(matrix.indptr, indices.astype(np.int32), matrix.data, len(columns))
    return compact, fixed.take(columns)
