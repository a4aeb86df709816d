"""Against the limit: how near the heavy kernels come to what this machine can do at best."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from benchmarks import floors
from benchmarks.data import Dataset
from benchmarks.measure import Contender, interleave
from benchmarks.report import Table
from daskrec.data import transpose
from daskrec.data.blocks import Features, UserBlock
from daskrec.engine.score import Request, Scorer
from daskrec.engine.shared import RowShards
from daskrec.models import EASE, KNN, SLIM, ALSWrap
from daskrec.models.als_rounds import Rule, half_round, whole_gram

RANKS, LIST_RANK, K = (64, 128), 64, 10
_SLIM = ((0.01, 0.01), (4.65, 2e-4))
_COLUMNS = (
    *("job", "10⁹ operations", "GB", "least, s", "ours, s", "times the least"),
    *("10⁹ operations/s", "GB/s", ""),
)


@dataclass(frozen=True)
class Job:
    """Something that is timed, and what it cannot do without.

    Parameters
    ----------
    name
        What it is.
    contender
        The job.
    need
        Operations and bytes, from what it returned.
    """

    name: str
    contender: Contender
    need: Callable[[Any], floors.Need]


def run(dataset: Dataset, rounds: int) -> Table:
    """Measure the ceilings, then each job."""
    best = floors.host_ceiling()
    table = Table("limit: kernels against the ceilings of the machine", list(_COLUMNS))
    for job in _jobs(dataset):
        (seconds,), (found,) = interleave([job.contender], rounds)
        _add(table, job.name, job.need(found), median(seconds), best)
    table.notes.append(
        f"Ceilings, measured in this run on all threads: {best.flops / 1e9:.0f} x 10⁹ operations "
        f"a second of a product of float32 matrices (BLAS), {best.bandwidth / 1e9:.1f} GB a second "
        "read and written by a copy. Least: operations by the one, or bytes by the other, "
        "whichever takes longer (the formulas are in `floors.py`). No code reaches both: sums over "
        "sparse histories gather, which BLAS does not, and each product of the Gram matrix is an "
        "addition at an address that is only known then."
    )
    return table


def _add(table: Table, name: str, need: floors.Need, taken: float, best: floors.Ceiling) -> None:
    least = best.seconds(need)
    cells = [need.operations / 1e9, need.nbytes / 1e9, least, taken, taken / least]
    cells += [need.operations / taken / 1e9, need.nbytes / taken / 1e9]
    record = {
        "what": name,
        "operations": need.operations,
        "bytes": need.nbytes,
        "least": least,
        "ours": taken,
        "ceiling": [best.flops, best.bandwidth],
    }
    shown = ("{:.2f}", "{:.3f}", "{:.4f}", "{:.4f}", "{:.1f}", "{:.0f}", "{:.1f}")
    table.add([name, *(s.format(c) for s, c in zip(shown, cells, strict=True))], record, None)


def _jobs(dataset: Dataset) -> list[Job]:
    data = dataset.blocks
    size = floors.Size.of(data)
    gram = floors.gram(size)
    jobs = [
        Job(f"ALS, a round, rank {rank}", _als(dataset, rank), _fixed(floors.als_round(size, rank)))
        for rank in RANKS
    ]
    jobs.append(Job("Gram: KNN, fit from blocks", _fit(KNN(100), data), _fixed(gram)))
    for beta, weight in _SLIM:
        need = partial(_slim_need, size)
        jobs.append(
            Job(f"SLIM, beta {beta:g}, lambda {weight:g}", _fit(SLIM(beta, weight), data), need)
        )
    ease = floors.plus(gram, floors.inverse(size))
    jobs.append(Job("EASE, fit from blocks", _fit(EASE(1000.0), data), _fixed(ease)))
    lists = floors.lists(size, LIST_RANK)
    jobs.append(Job(f"top-{K} of all users, rank {LIST_RANK}", _top(dataset), _fixed(lists)))
    return jobs


def _fixed(need: floors.Need) -> Callable[[Any], floors.Need]:
    return lambda _: need


def _slim_need(size: floors.Size, model: Any) -> floors.Need:
    similarity = model.similarity_.get()
    return floors.slim(size, np.bincount(similarity.indices, minlength=size.items))


def _fit(model: Any, data: Any) -> Contender:
    def run(_: Any) -> Any:
        model._fit(data)
        return model

    return Contender(run)


def _als(dataset: Dataset, rank: int) -> Contender:
    data = dataset.blocks
    by_user, by_item = transpose.user_side(data), transpose.item_side(data)
    rule = Rule(ALSWrap(rank=rank, solver="exact"))
    rng = np.random.default_rng(0)
    users, items = (
        RowShards.of((rng.standard_normal((count, rank)) / rank).astype(np.float32))
        for count in (data.user_count, data.item_count)
    )
    gram = whole_gram(users)

    def round_of(_: Any) -> None:
        new, of_items = half_round(by_item, users, items, gram, rule)
        half_round(by_user, new, users, of_items, rule)

    return Contender(round_of)


def _top(dataset: Dataset) -> Contender:
    model = ALSWrap(rank=LIST_RANK, seed=0, iterations=2).fit(dataset.frame)
    scorer = model._scorer(Features())
    return Contender(lambda _: dataset.blocks.map(_best, scorer, Request(K), label="scoring"))


def _best(block: UserBlock, scorer: Scorer, request: Request) -> Any:
    return scorer.top(block, request)
