"""Word2Vec: training beside gensim's, the quality of both, and predict for all users."""

import os
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd
from gensim.models import Word2Vec

from benchmarks import THREADS
from benchmarks import leaderboard_data as board
from benchmarks.data import Dataset
from benchmarks.measure import Contender, call, interleave
from benchmarks.report import Goal, SpeedTable, Table
from daskrec.data.encode import encode_training
from daskrec.data.log import Needs, read_log
from daskrec.metrics import NDCG
from daskrec.models import Word2VecRec
from daskrec.models.word2vec_training import train

RANK, NEGATIVES, LEAST, RATE = 100, 5, 5, 0.025
WINDOWS = (1, 5)
_SEEDS = (1, 2, 3)
_SPEED, _PREDICT = Goal(ratio=1.5), Goal(seconds=1.0)


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable("word2vec: skip-gram with 5 negatives, rank 100, one pass")
    folder = os.environ.get("DASKREC_DATA")
    if not folder:
        table.notes.append("DASKREC_DATA is not set: nothing was measured.")
        return table
    bench = _Bench(board.load(Path(folder), "ml-1m"))
    for window in WINDOWS:
        _compare(table, bench, window, rounds)
    _predict(table, bench, rounds)
    table.notes.append(
        f"Training on {bench.tokens} tokens: ours deals sentences and trains, from user blocks; "
        f"gensim's is `train` with {THREADS} workers, on lists and a vocabulary made off the "
        "clock. Fit: from a pandas log; and gensim's vocabulary and training, from lists. "
        "Quality is NDCG@10 on the date split of the leaderboard, the mean of "
        f"{len(_SEEDS)} seeds; both kinds of vectors are scored by Word2VecRec."
    )
    return table


class _Bench:
    """The training log as both libraries take it."""

    def __init__(self, split: board.Split) -> None:
        self.split = split
        self.data = encode_training(read_log(split.train, needs=Needs(time=True)))
        self.counts = np.bincount(
            np.concatenate(self.data.map(_sequence, label="sequences")),
            minlength=self.data.item_count,
        )
        self.frequent = np.flatnonzero(self.counts >= LEAST).astype(np.int32)
        self.tokens = int(self.counts[self.frequent].sum())
        ordered = split.train.sort_values(["user_id", "timestamp", "item_id"])
        words = ordered["item_id"].astype(str).groupby(ordered["user_id"]).agg(list)
        self.sentences: list[list[str]] = words.tolist()

    def ours(self, window: int, seed: int) -> Word2VecRec:
        """Return our model, not fitted."""
        return Word2VecRec(RANK, LEAST, RATE, window_size=window, seed=seed, negatives=NEGATIVES)

    def train(self, window: int) -> Any:
        """Train ours."""
        plan = self.ours(window, _SEEDS[0])._plan()
        return train(self.data, self.frequent, self.counts[self.frequent], plan)

    def theirs(self, window: int, seed: int) -> Any:
        """Return gensim's model with its vocabulary."""
        model = Word2Vec(
            vector_size=RANK,
            window=window,
            min_count=LEAST,
            alpha=RATE,
            sg=1,
            negative=NEGATIVES,
            sample=0,
            epochs=1,
            workers=THREADS,
            seed=seed,
        )
        model.build_vocab(self.sentences)
        return model

    def train_theirs(self, model: Any) -> Any:
        """Train gensim's."""
        model.train(self.sentences, total_examples=model.corpus_count, epochs=1)
        return model

    def quality(self, model: Any) -> float:
        """Return the NDCG@10 of a fitted model."""
        recs: pd.DataFrame = model.predict(self.split.train, board.K, users=self.split.users)
        return float(NDCG()(recs, self.split.test, board.K))


def _sequence(block: Any) -> Any:
    return block.sequence


def _compare(table: SpeedTable, bench: _Bench, window: int, rounds: int) -> None:
    ours = [bench.quality(bench.ours(window, s).fit(bench.split.train)) for s in _SEEDS]
    theirs = [
        bench.quality(
            Word2VecRec(vectors=bench.train_theirs(bench.theirs(window, s))).fit(bench.split.train)
        )
        for s in _SEEDS
    ]
    seconds, _ = interleave(
        [
            call(bench.train, window),
            Contender(bench.train_theirs, lambda: bench.theirs(window, _SEEDS[0])),
        ],
        rounds,
    )
    table.compare(
        f"training, window {window}",
        seconds,
        "gensim",
        goal=_SPEED,
        equal=mean(ours) >= mean(theirs),
        tokens=bench.tokens,
        ndcg=[ours, theirs],
    )
    speeds = [bench.tokens / np.median(side) / 1e6 for side in seconds]
    table.notes.append(
        f"Window {window}: {speeds[0]:.2f} M tokens a second, gensim {speeds[1]:.2f}; NDCG@10 "
        f"{mean(ours):.4f}, gensim {mean(theirs):.4f}."
    )
    seconds, _ = interleave(
        [
            call(lambda: bench.ours(window, _SEEDS[0]).fit(bench.split.train)),
            call(lambda: bench.train_theirs(bench.theirs(window, _SEEDS[0]))),
        ],
        rounds,
    )
    table.compare(f"fit, window {window}", seconds, "gensim")


def _predict(table: SpeedTable, bench: _Bench, rounds: int) -> None:
    model = bench.ours(1, _SEEDS[0]).fit(bench.split.train)
    seconds, _ = interleave([call(model.predict, bench.split.train, board.K)], rounds)
    users = bench.split.train["user_id"].nunique()
    table.compare(f"predict, k = {board.K}, {users} users", seconds, goal=_PREDICT)
