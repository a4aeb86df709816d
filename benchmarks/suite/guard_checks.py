"""What the regression guard times: a kernel of daskrec, and work of numpy, scipy and others.

The other side is no rival: it is work of about the same size that no change of daskrec can make
slower, timed in turns with ours, so that the ratio moves less than either. What else runs still
moves it: a kernel on two threads loses more to other work than a yardstick on one.
"""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.linalg import lapack

from benchmarks.data import Dataset
from benchmarks.engines import tables
from benchmarks.measure import Contender, call
from daskrec.data.blocks import Features, UserBlock
from daskrec.data.encode import encode_training
from daskrec.data.log import read_log
from daskrec.datasets import synthetic
from daskrec.engine.score import Request, Scorer
from daskrec.metrics import MAP, NDCG, Coverage, HitRate, evaluate
from daskrec.models import EASE, KNN, SLIM, ALSWrap, AssociationRulesItemRec, PopRec, Word2VecRec
from daskrec.splitters import DateSplitter

USERS, ITEMS, ROWS, SHORT = 12_000, 4_000, 1_000_000, 100_000
K, RANK = 10, 64
_SIDE = 1024  # of the square tables that stand for dense work


@dataclass(frozen=True)
class Check:
    """Something that must not become slower.

    Parameters
    ----------
    name
        What it is called.
    ours
        The work of daskrec.
    yardstick
        The work that it is compared with.
    """

    name: str
    ours: Contender
    yardstick: Contender


class Bench:
    """The log of all checks, in the forms that they take."""

    def __init__(self) -> None:
        frame = synthetic(USERS, ITEMS, ROWS, as_frame="pandas", seed=0)
        frame["relevance"] = ((frame["item_idx"] + frame["user_idx"]) % 3 // 2).astype(float)
        self.frame = frame.sample(frac=1.0, random_state=0, ignore_index=True)
        columns = ["user_idx", "item_idx", "relevance"]
        log = self.frame[columns].set_axis(["user_id", "item_id", "rating"], axis=1)
        self.data = Dataset("generated", log)
        self.ones = self.data.ones
        self.short = self.frame.iloc[:SHORT]
        self.square = np.ones((_SIDE, _SIDE), np.float32)

    def products(self, count: int) -> Contender:
        """Return so many products of square tables."""
        return call(lambda: [self.square @ self.square for _ in range(count)])

    def fit(self, model: Any) -> Contender:
        """Return the fit of a model from blocks."""
        return call(lambda: model._fit(self.data.blocks))


def checks(bench: Bench) -> list[Check]:
    """Return all checks, those of optional parts where they are installed."""
    frame, ones = bench.frame, bench.ones
    found = [
        Check("blocks", call(lambda: encode_training(read_log(frame))), call(_factorised, frame)),
        Check("PopRec, fit and predict", call(_pop, frame), call(_counted, frame)),
        Check("KNN, fit from blocks", bench.fit(KNN(100)), call(_multiplied, ones)),
        Check("rules, fit from blocks", bench.fit(_rules(bench)), call(_multiplied, ones)),
        Check("ALS, fit from blocks", bench.fit(_als()), bench.products(100)),
        Check("SLIM, fit from blocks", bench.fit(SLIM(0.01, 0.01)), call(_multiplied, ones)),
        Check("EASE, fit from blocks", bench.fit(EASE(500.0)), call(_inverted, ones.shape[1])),
        Check("Word2Vec, fit", call(lambda: Word2VecRec(seed=0).fit(frame)), bench.products(100)),
        _lists(bench),
        _metrics(bench),
        Check("DateSplitter", call(_split, frame), call(_sorted, frame)),
        Check("Dask, fit of KNN on 1e5 rows", *_lazy(bench)),
    ]
    if importlib.util.find_spec("torch"):
        found.append(_neural(bench))
    return found


def _als() -> ALSWrap:
    return ALSWrap(rank=RANK, seed=0, iterations=2)


def _rules(bench: Bench) -> AssociationRulesItemRec:
    model = AssociationRulesItemRec()
    model.fit(bench.short)  # it has to know the column of sessions
    return model


def _factorised(frame: pd.DataFrame) -> Any:
    codes = [pd.factorize(frame[name])[0] for name in ("user_idx", "item_idx")]
    return sp.csr_matrix((frame["relevance"].to_numpy(), (codes[0], codes[1])))


def _pop(frame: pd.DataFrame) -> Any:
    return PopRec().fit(frame).predict(frame, K)


def _counted(frame: pd.DataFrame) -> Any:
    return frame.groupby("item_idx")["user_idx"].nunique()


def _multiplied(ones: Any) -> Any:
    return ones.T @ ones


def _inverted(items: int) -> Any:
    table = np.eye(items, dtype=np.float32)
    factor, _ = lapack.spotrf(table, overwrite_a=1)
    return lapack.spotri(factor, overwrite_c=1)[0]


def _lists(bench: Bench) -> Check:
    model = ALSWrap(rank=RANK, seed=0, iterations=1).fit(bench.data.frame)
    scorer = model._scorer(Features())
    users, items = model.user_factors_.whole(), model.item_factors_.get()
    return Check(
        "lists of all users from factors",
        call(lambda: bench.data.blocks.map(_best, scorer, Request(K), label="scoring")),
        call(tables.best, lambda block: users[block] @ items.T, bench.ones, K),
    )


def _best(block: UserBlock, scorer: Scorer, request: Request) -> Any:
    return scorer.top(block, request)


def _metrics(bench: Bench) -> Check:
    recs = PopRec().fit(bench.frame).predict(bench.frame, min(100, ITEMS))
    truth = bench.short[["user_idx", "item_idx"]]
    kinds = [NDCG(), MAP(), HitRate(), Coverage(bench.frame)]
    recs = recs[recs["user_idx"].isin(truth["user_idx"])]
    return Check(
        "metrics of 1e6 rows",
        call(lambda: evaluate(kinds, recs, truth, [5, 10])),
        call(lambda: recs.merge(truth)),
    )


def _split(frame: pd.DataFrame) -> Any:
    return DateSplitter(0.2, drop_cold_items=True, drop_cold_users=True).split(frame)


def _sorted(frame: pd.DataFrame) -> Any:
    return frame.sort_values("timestamp")


def _lazy(bench: Bench) -> tuple[Contender, Contender]:
    """Return the fit on a Dask frame, and a shuffle of its rows that Dask makes without daskrec."""
    lazy = dd.from_pandas(bench.short, npartitions=4)
    shuffled = lazy.groupby("user_idx")["item_idx"].nunique(split_out=4)
    return call(lambda: KNN(10).fit(lazy)), call(shuffled.compute)


def _neural(bench: Bench) -> Check:
    from daskrec.models import MultVAE

    torch = importlib.import_module("torch")
    model = MultVAE(epochs=1, hidden_dim=200, latent_dim=64, seed=0, device="cpu")
    square = torch.ones(_SIDE, _SIDE)
    products: Callable[[], Any] = partial(_multiply, square, 50)
    return Check("MultVAE, an epoch", bench.fit(model), call(products))


def _multiply(square: Any, count: int) -> None:
    for _ in range(count):
        square @ square
