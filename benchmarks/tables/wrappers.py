"""Wrapped libraries: what a fit costs beside the bare one, and lists for all users."""

from collections.abc import Sequence
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from lightfm import LightFM
from threadpoolctl import threadpool_limits

from benchmarks import THREADS
from benchmarks.data import Dataset
from benchmarks.measure import Contender, Seconds, call, interleave, paired_ratio
from benchmarks.report import Goal, SpeedTable, Table
from daskrec.models import ImplicitWrap, LightFMWrap

RANK, K, NEAR = 64, 10, 100
_EPOCHS, _ROUNDS = 2, 15  # of LightFM and of ALS: enough to be most of the time
_OVERHEAD = Goal(ratio=1 / 1.03)
_CALL = 500  # users of a call, where many are asked for at once
_TOLERANCE = 1e-4


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable(f"wrappers: fits, and lists of {K} for all users, rank {RANK}")
    with threadpool_limits(1, "blas"):  # implicit warns of more
        _light(table, dataset, rounds)
        _als(table, dataset, rounds)
        _cosine(table, dataset, rounds)
    table.notes.append(
        "Fits: ours from user blocks, the peer from a matrix made off its clock, with the same "
        "parameters and the same seed. Lists: ours is `predict` from frame to frame."
    )
    return table


def _timed(
    table: SpeedTable, what: str, contenders: Sequence[Contender], rounds: int
) -> tuple[list[Seconds], list[Any]]:
    """Run fits in turn, and note their CPU time, which other work on the machine hardly moves."""
    used: list[Seconds] = [[] for _ in contenders]

    def metered(contender: Contender, mine: Seconds) -> Contender:
        def run(given: Any) -> Any:
            begin = process_time()
            result = contender.run(given)
            mine.append(process_time() - begin)
            return result

        return Contender(run, contender.prepare)

    found = interleave([metered(*pair) for pair in zip(contenders, used, strict=True)], rounds)
    ours, peer = (mine[1:] for mine in used)  # without the warm-up
    ratio = paired_ratio(peer, ours)
    table.notes.append(
        f"{what}, fit: {ratio.value:.3f} times the CPU time of the bare library "
        f"({ratio.low:.3f} to {ratio.high:.3f}; {median(ours):.2f} and {median(peer):.2f} s)."
    )
    return found


def _light(table: SpeedTable, dataset: Dataset, rounds: int) -> None:
    ours = LightFMWrap(RANK, random_state=0, epochs=_EPOCHS)
    bare = LightFM(RANK, loss="warp", random_state=0)

    def fit_bare(model: LightFM) -> LightFM:
        return model.fit(dataset.matrix, epochs=_EPOCHS, num_threads=1)

    def start() -> LightFM:
        return LightFM(RANK, loss="warp", random_state=0)

    contenders = [call(ours._fit, dataset.blocks), Contender(fit_bare, start)]
    seconds, (_, bare) = _timed(table, "LightFM", contenders, rounds)
    same = np.array_equal(ours._held["item_vectors"].get()[:, :RANK], bare.item_embeddings)
    table.compare(
        f"LightFM, fit, {_EPOCHS} epochs", seconds, "LightFM, 1 thread", goal=_OVERHEAD, equal=same
    )
    ours.fit(dataset.frame)
    for what, users, goal in (("one user", 1, Goal(ratio=10.0)), (f"{_CALL} users", _CALL, None)):
        seconds, (recs, lists) = interleave(
            [call(ours.predict, dataset.frame, K), call(_light_lists, bare, dataset, users)], rounds
        )
        error = _difference(recs.iloc[:, 2].to_numpy(), lists)
        table.compare(
            "LightFM, lists",
            seconds,
            f"`LightFM.predict`, {what} a call",
            goal=goal,
            equal=error <= _TOLERANCE,
            error=error,
        )


def _light_lists(bare: LightFM, dataset: Dataset, step: int) -> Any:
    """Score all items for some users a call, and take the best that each has not seen."""
    matrix = dataset.matrix
    count, width = matrix.shape
    items = np.arange(width, dtype=np.int32)
    best = np.empty((count, K), dtype=np.float32)
    for first in range(0, count, step):
        users = np.arange(first, min(first + step, count), dtype=np.int32)
        pairs = np.repeat(users, width), np.tile(items, len(users))
        scores = bare.predict(*pairs, num_threads=THREADS).reshape(len(users), width)
        for row, user in enumerate(users):
            scores[row, matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]]] = -np.inf
        top = np.argpartition(scores, width - K, axis=1)[:, -K:]
        best[users] = -np.sort(-np.take_along_axis(scores, top, axis=1), axis=1)
    return best


def _als(table: SpeedTable, dataset: Dataset, rounds: int) -> None:
    params = {"factors": RANK, "iterations": _ROUNDS, "random_state": 0, "num_threads": THREADS}
    ours = ImplicitWrap(AlternatingLeastSquares(**params))

    def fit_bare(model: Any) -> Any:
        model.fit(dataset.matrix, show_progress=False)
        return model

    def start() -> Any:
        return AlternatingLeastSquares(**params)

    contenders = [call(ours._fit, dataset.blocks), Contender(fit_bare, start)]
    seconds, (_, bare) = _timed(table, "ALS", contenders, rounds)
    factors = ours.item_factors_
    assert factors is not None
    same = np.array_equal(factors.get(), bare.item_factors)
    table.compare(f"ALS, fit, {_ROUNDS} rounds", seconds, "implicit", goal=_OVERHEAD, equal=same)
    ours.fit(dataset.frame)
    seconds, (recs, lists) = interleave(
        [call(ours.predict, dataset.frame, K), call(_implicit_lists, bare, dataset)], rounds
    )
    _lists(table, "ALS, lists", seconds, recs, lists)


def _cosine(table: SpeedTable, dataset: Dataset, rounds: int) -> None:
    ours = ImplicitWrap(CosineRecommender(K=NEAR, num_threads=THREADS))
    bare = CosineRecommender(K=NEAR, num_threads=THREADS)
    contenders = [call(ours._fit, dataset.blocks), call(_fit_quietly, bare, dataset.matrix)]
    seconds, _ = _timed(table, "cosine", contenders, rounds)
    near = ours._get_state()["similarity"].get()
    same = np.allclose(np.sort(near.data), np.sort(bare.similarity.data), rtol=1e-6)
    table.compare(
        f"cosine, fit, {NEAR} neighbours", seconds, "implicit", goal=_OVERHEAD, equal=same
    )
    ours.fit(dataset.frame)
    seconds, (recs, lists) = interleave(
        [call(ours.predict, dataset.frame, K), call(_implicit_lists, bare, dataset)], rounds
    )
    _lists(table, "cosine, lists", seconds, recs, lists)


def _fit_quietly(model: Any, matrix: Any) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a conversion that the library itself makes
        model.fit(matrix, show_progress=False)


def _implicit_lists(bare: Any, dataset: Dataset) -> Any:
    users = np.arange(dataset.matrix.shape[0])
    return bare.recommend(users, dataset.matrix, N=K)[1]


def _lists(
    table: SpeedTable, what: str, seconds: Sequence[list[float]], recs: Any, lists: Any
) -> None:
    error = _difference(recs.iloc[:, 2].to_numpy(), lists)
    table.compare(what, seconds, "implicit `recommend`", equal=error <= _TOLERANCE, error=error)


def _difference(ours: Any, peer: Any) -> float:
    """Return the largest relative difference of the scores of lists."""
    known = np.asarray(peer, dtype=np.float64).ravel()
    if len(known) != len(ours):
        return float("inf")
    return float(np.abs(ours - known).max() / np.abs(known).max())
