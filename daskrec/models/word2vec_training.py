"""Training of Word2VecRec: sentences in shards, rounds of all shards, one pair of tables.

Sentences are dealt to a fixed number of shards by a hash of the code of the user. In a round
every shard trains on a part of its sentences, all from the same tables, and what they change is
merged in a fixed order. Tasks are pure, so neither partitions nor workers, nor the loss of one,
change the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np

from daskrec import progress
from daskrec.data.blocks import Interactions, UserBlock
from daskrec.engine import runtime
from daskrec.engine.arrays import Vector
from daskrec.engine.huffman import build_tree
from daskrec.engine.random import alias_tables, hash64, stream
from daskrec.engine.sentences import Sentences, join_sentences, split_sentences
from daskrec.engine.shared import Shared
from daskrec.engine.skip_gram import Course, Targets, first_inputs, learn, row_length
from daskrec.engine.skip_gram_merge import Tables, merge_moves

_TOKENS_PER_SHARD = 250_000
_MOST_SHARDS = 32
# A merge goes through all rows, a token through some: so many tokens for each row, at least.
_TOKENS_PER_PART, _TOKENS_PER_ROW = 1_000_000, 16

Updates: TypeAlias = tuple[Vector, Vector]


@dataclass(frozen=True)
class Plan:
    """What training needs to know of the model."""

    rank: int
    shards: int | None
    seed: int
    window: int
    rate: float
    epochs: int
    negatives: int  # 0 for hierarchical softmax
    exponent: float
    sample: float
    shuffle: bool = False


def train(data: Interactions, chosen: Vector, counts: Vector, plan: Plan) -> Vector:
    """Learn vectors of items.

    Parameters
    ----------
    data
        The log, with sequences.
    chosen
        int32 codes of the items that get a vector, ascending.
    counts
        int64 log rows of each of them.
    plan
        How.

    Returns
    -------
    ndarray of float32
        One row of ``rank`` numbers for each chosen item.
    """
    total, row = int(counts.sum()), row_length(plan.rank)
    number = plan.shards or min(max(total // _TOKENS_PER_SHARD, 1), _MOST_SHARDS)
    shards = _deal(data, chosen, number, plan)
    targets, updates = _targets(counts, plan, sum(pairs for _, pairs in shards))
    start = Tables(
        first_inputs(stream(plan.seed, "word2vec.items"), len(counts), plan.rank),
        np.zeros(len(updates[1]) * row, dtype=np.float32),
    )
    course = Course(row, plan.window, plan.negatives, plan.rate, plan.epochs, plan.shuffle)
    parts = total // number // max(_TOKENS_PER_PART, _TOKENS_PER_ROW * len(counts))
    rounds = _Rounds(
        [one for one, _ in shards],
        Shared(targets),
        course,
        max(parts, 1),
        updates,
        stream(plan.seed, "word2vec.draws"),
    )
    learned = rounds.run(start)
    rounds.release()
    return learned.inputs.reshape(len(counts), row)[:, : plan.rank].copy()


def _deal(
    data: Interactions, chosen: Vector, number: int, plan: Plan
) -> list[tuple[Shared[Sentences], float]]:
    """Return the sentences of each shard, and the pairs to expect of them."""
    places = np.full(data.item_count, -1, dtype=np.int32)
    places[chosen] = np.arange(len(chosen), dtype=np.int32)
    seed = stream(plan.seed, "word2vec.users")
    firsts, shared = data.offsets[:-1].tolist(), Shared(places)
    split = runtime.tasks(
        _split,
        [
            (part, first, shared, seed, number)
            for part, first in zip(data.parts, firsts, strict=True)
        ],
    )
    folder = runtime.storage()
    tasks = [
        runtime.task(_join, pieces, plan.window, folder) for pieces in runtime.pieces(split, number)
    ]
    found: list[tuple[Shared[Sentences], float]] = runtime.compute(tasks, "dealing sentences")
    return found


def _split(
    part: Any, first: int, places: Shared[Vector], seed: int, number: int
) -> list[Sentences]:
    """Cut the sequences of a block, whose first user has a code, into those of each shard."""
    block: UserBlock = part.get() if isinstance(part, Shared) else part
    keys = hash64(seed, np.arange(first, first + len(block)))
    sequence = block.sequence
    if len(sequence) == 0:  # whose order is drawn
        matrix, repeats = block.matrix, block.repeats
        sequence = np.repeat(matrix.indices, repeats) if len(repeats) else matrix.indices
    return split_sentences(sequence, block.row_starts, keys, places.get(), number)


def _join(
    pieces: Sequence[Sentences], window: int, folder: str | None
) -> tuple[Shared[Sentences], float]:
    joined = join_sentences(pieces)
    return Shared.stored(joined, folder), joined.pairs(window)


def _targets(counts: Vector, plan: Plan, pairs: float) -> tuple[Targets, Updates]:
    """Return what is predicted, and how often each row of the tables is moved in an epoch."""
    share = counts / counts.sum()
    keep = np.empty(0, dtype=np.float32)
    if plan.sample > 0:
        chance = np.sqrt(plan.sample / share) + plan.sample / share
        keep = np.minimum(chance, 1.0).astype(np.float32)
    if plan.negatives:
        weights = counts.astype(np.float64) ** plan.exponent
        weights /= weights.sum()
        targets = Targets(keep, alias_tables(weights[None])[0])
        met = pairs * (share + plan.negatives * weights)
        return targets, (pairs * share * (1 + plan.negatives), met)
    tree = build_tree(counts)
    lengths = np.diff(tree.indptr)
    met = pairs * np.bincount(tree.nodes, np.repeat(share, lengths), len(counts) - 1)
    return Targets(keep, tree=tree), (pairs * share * lengths, met)


class _Rounds:
    """The rounds of one training.

    Parameters
    ----------
    shards
        Handles on sentences.
    targets
        What is predicted.
    course
        How.
    parts
        Rounds of an epoch.
    updates
        Expected updates of the rows of both tables in an epoch.
    seed
        Of all draws.
    """

    def __init__(
        self,
        shards: list[Shared[Sentences]],
        targets: Shared[Targets],
        course: Course,
        parts: int,
        updates: Updates,
        seed: int,
    ) -> None:
        self.shards, self.targets, self.course, self.parts = shards, targets, course, parts
        self.seed = seed
        steps = len(shards) * parts
        self.updates = updates[0] / steps, updates[1] / steps

    def run(self, tables: Tables) -> Tables:
        """Return the tables after all epochs."""
        with progress.bar("Word2Vec", self.course.epochs * self.parts) as step:
            for epoch in range(self.course.epochs):
                for part in range(self.parts):
                    tables = self._round(tables, epoch, part)
                    step()
        return tables

    def _round(self, tables: Tables, epoch: int, part: int) -> Tables:
        start, alone = Shared(tables), len(self.shards) == 1
        place = self.seed, epoch, part, self.parts
        level = runtime.tasks(
            _train,
            [(shard, start, self.targets, self.course, *place, alone) for shard in self.shards],
        )
        while len(level) > 1:
            pairs = runtime.tasks(_add, zip(level[::2], level[1::2], strict=False))
            level = pairs + level[len(level) - len(level) % 2 :]
        (found,) = runtime.compute(level, "Word2Vec")
        start.release()
        if alone:
            return cast(Tables, found)
        done = (epoch + (part + 0.5) / self.parts) / self.course.epochs
        rate = self.course.rate * (1.0 - done)
        return merge_moves(tables, found, len(self.shards), self.updates, rate)

    def release(self) -> None:
        """Remove what lies in storage."""
        for shard in self.shards:
            shard.release()
        self.targets.release()


def _train(
    shard: Shared[Sentences],
    start: Shared[Tables],
    targets: Shared[Targets],
    course: Course,
    seed: int,
    epoch: int,
    part: int,
    parts: int,
    alone: bool,
) -> Tables:
    """Train on a part of a shard; return the tables, or their moves."""
    before, sentences = start.get(), shard.get()
    tables = before.copy()
    first, stop = sentences.part(part, parts)
    learn(sentences, first, stop, tables, targets.get(), course, epoch, seed)
    return tables if alone else tables - before


def _add(left: Tables, right: Tables) -> Tables:
    return left + right
