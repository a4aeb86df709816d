"""Top-10 for all users from given factors, seen items left out: against implicit."""

from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from benchmarks import THREADS
from benchmarks.data import Dataset
from benchmarks.measure import call, interleave
from benchmarks.report import Goal, SpeedTable, Table
from daskrec.data.blocks import Features, UserBlock
from daskrec.engine.score import Request, Scorer
from daskrec.models import ALSWrap

RANK = 64
_TOLERANCE = 1e-4


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable(f"topk: lists for all users from factors of rank {RANK}, seen left out")
    model = ALSWrap(rank=RANK, seed=0, iterations=2).fit(dataset.frame)
    scorer = model._scorer(Features())
    with threadpool_limits(1, "blas"):  # it warns of more
        peer = AlternatingLeastSquares(factors=RANK, num_threads=THREADS)
    peer.user_factors, peer.item_factors = model.user_factors_.whole(), model.item_factors_.get()
    blas = _faster_blas(peer, dataset)
    for k, goal in ((10, Goal(ratio=4.0)), (100, None)):
        seconds, (ours, theirs) = interleave(
            [call(_ours, dataset, scorer, k), call(_peer, peer, dataset, k, blas)], rounds
        )
        same, error = _agreement(ours, theirs)
        table.compare(
            f"k = {k}, from blocks and factors",
            seconds,
            "implicit `recommend`",
            goal=goal,
            equal=error <= _TOLERANCE,
            error=error,
            same_items=same,
        )
        table.notes.append(
            f"k = {k}: largest relative difference of a score {error:.1e}; {same:.3%} of the "
            "items at the same place (equal scores may change places)."
        )
    seconds, _ = interleave(
        [call(model.predict, dataset.frame, 10), call(_peer, peer, dataset, 10, blas)], rounds
    )
    table.compare("k = 10, `predict` from frame to frame", seconds, "implicit `recommend`")
    table.notes.append(
        f"implicit had {THREADS} threads of its own and {blas} of BLAS, whichever number was "
        "faster; `predict` also reads the log, makes blocks and builds the frame."
    )
    return table


def _ours(dataset: Dataset, scorer: Scorer, k: int) -> list[Any]:
    return dataset.blocks.map(_top, scorer, Request(k), label="scoring")


def _top(block: UserBlock, scorer: Scorer, request: Request) -> Any:
    return scorer.top(block, request)


def _peer(peer: Any, dataset: Dataset, k: int, blas: int) -> Any:
    users = np.arange(dataset.ones.shape[0])
    with threadpool_limits(blas, "blas"):
        return peer.recommend(users, dataset.ones, N=k, filter_already_liked_items=True)


def _faster_blas(peer: Any, dataset: Dataset) -> int:
    """Return the number of BLAS threads with which the peer is faster."""
    numbers = (1, THREADS)
    seconds, _ = interleave([call(_peer, peer, dataset, 10, n) for n in numbers], 3)
    return min(zip(map(min, seconds), numbers, strict=True))[1]


def _agreement(ours: list[Any], peer: Any) -> tuple[float, float]:
    """Return the share of equal items, and the largest relative difference of scores."""
    items, scores = (np.concatenate([part[n] for part in ours]) for n in (1, 2))
    if len(items) != peer[0].size:
        return 0.0, float("inf")
    known = peer[1].ravel()
    error = float(np.abs(scores - known).max() / np.abs(known).max())
    return float(np.mean(items == peer[0].ravel())), error
