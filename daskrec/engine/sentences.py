"""Sentences: the sequences of users, in an order that no partitioning changes.

Users are hashed with the seed of a training; shards are ranges of the hash, and sentences stand
in its order. So a shard holds the same sentences wherever their users lay.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.jit import kernel
from daskrec.engine.shared import as_array

_HALF = np.uint64(32)


class Sentences:
    """Sequences of items, one a user, in the order of their keys.

    Parameters
    ----------
    tokens
        int32 numbers of items, end to end.
    offsets
        int64, one longer than the sentences.
    keys
        uint64 key of each sentence, for draws.
    """

    __slots__ = ("keys", "offsets", "tokens")

    def __init__(self, tokens: Vector, offsets: Vector, keys: Vector) -> None:
        self.tokens = tokens
        self.offsets = offsets
        self.keys = keys

    def __len__(self) -> int:
        return len(self.keys)

    def part(self, number: int, count: int) -> tuple[int, int]:
        """Return the first and the end of the sentences of one of ``count`` even parts."""
        goals = len(self.tokens) * np.array([number, number + 1]) // count
        first, stop = np.searchsorted(self.offsets, goals)
        return int(first), int(stop)

    def pairs(self, window: int) -> float:
        """Return the expected number of pairs of an item and a neighbour.

        Neighbours are those within a distance that is drawn evenly from 1 to ``window``.
        """
        length = np.diff(self.offsets).astype(np.float64)
        far = np.minimum(window, length - 1)
        # The sum over distances d to `far` of 2 (length - d) (window + 1 - d) / window.
        total = far * length * (window + 1) - (length + window + 1) * far * (far + 1) / 2
        total += far * (far + 1) * (2 * far + 1) / 6
        return float(2 / window * total.sum())

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return {"tokens": self.tokens, "offsets": self.offsets, "keys": self.keys}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Sentences":
        """Make the object of its arrays."""
        return cls(*(as_array(arrays[name]) for name in ("tokens", "offsets", "keys")))


def split_sentences(
    sequence: Vector, starts: Vector, keys: Vector, places: Vector, count: int
) -> list[Sentences]:
    """Cut the sequences of a block of users into sentences of each shard.

    Parameters
    ----------
    sequence
        int32 item codes of all users, end to end.
    starts
        int64, one longer than the users: where each begins.
    keys
        uint64 hash of each user.
    places
        int32 number that each item code has in the training, -1 for one that is left out.
    count
        Number of shards: even ranges of the hash.

    Returns
    -------
    list of Sentences
        Those of two items or more.
    """
    lengths = np.empty(len(keys), dtype=np.int64)
    _count_kept(sequence, starts, places, lengths)
    order = np.argsort(keys, kind="stable")
    order = order[lengths[order] > 1]
    home = ((keys[order] >> _HALF) * np.uint64(count)) >> _HALF
    cuts = np.searchsorted(home, np.arange(count + 1).astype(np.uint64))
    found = []
    for first, stop in itertools.pairwise(cuts):
        rows = order[first:stop]
        offsets = np.concatenate([[0], np.cumsum(lengths[rows])]).astype(np.int64)
        tokens = np.empty(offsets[-1], dtype=np.int32)
        _copy_kept(sequence, starts, places, rows, tokens)
        found.append(Sentences(tokens, offsets, keys[rows]))
    return found


@kernel()
def _count_kept(sequence: Vector, starts: Vector, places: Vector, lengths: Vector) -> None:
    for user in range(len(lengths)):
        count = 0
        for row in range(starts[user], starts[user + 1]):
            count += places[sequence[row]] >= 0
        lengths[user] = count


@kernel()
def _copy_kept(
    sequence: Vector, starts: Vector, places: Vector, users: Vector, tokens: Vector
) -> None:
    at = 0
    for n in range(len(users)):
        for row in range(starts[users[n]], starts[users[n] + 1]):
            place = places[sequence[row]]
            if place >= 0:
                tokens[at] = place
                at += 1


def join_sentences(pieces: Sequence[Sentences]) -> Sentences:
    """Merge the sentences of a shard from all blocks, given in the order of users, by key."""
    keys = np.concatenate([piece.keys for piece in pieces])
    lengths = np.concatenate([np.diff(piece.offsets) for piece in pieces])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    order = np.argsort(keys, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(lengths[order])]).astype(np.int64)
    tokens = np.empty(offsets[-1], dtype=np.int32)
    every = np.concatenate([piece.tokens for piece in pieces])
    _reorder(every, starts, order, tokens)
    return Sentences(tokens, offsets, keys[order])


@kernel()
def _reorder(tokens: Vector, starts: Vector, order: Vector, out: Vector) -> None:
    at = 0
    for n in range(len(order)):
        for place in range(starts[order[n]], starts[order[n] + 1]):
            out[at] = tokens[place]
            at += 1
