"""Tables of skip-gram that were trained side by side, made one.

Shards start from one pair of tables and move it, each by its own sentences. Rows that few
sentences touch are best moved by the sum of these moves, as one shard after another would have;
but a row of a popular item comes near its optimum in every shard, and the sum would carry it as
many times too far. A gradient step on a loss of curvature h leaves ``1 - rate h`` of the way to
the optimum, so after n of them ``exp(-x)``, where ``x = n rate h``: one shard covers
``1 - exp(-x)`` of the way, and all S of them in a row ``1 - exp(-x S)``. Their sum is scaled by
the ratio, which runs from 1 (the sum, for small x) to 1 / S (the mean).
"""

import numpy as np

from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.shared import as_array

# The logistic loss of a product a . b has at most this curvature times |b|^2 along a.
_CURVATURE = 0.25
_TINY = 1e-9
# Tables that grew beyond float32 are told of once, when training ends.
_quiet = np.errstate(over="ignore", invalid="ignore")


class Tables:
    """The inputs and the outputs of skip-gram, or moves of them: flat float32 arrays."""

    __slots__ = ("inputs", "outputs")

    def __init__(self, inputs: Vector, outputs: Vector) -> None:
        self.inputs = inputs
        self.outputs = outputs

    def copy(self) -> "Tables":
        """Return tables that can be changed."""
        return Tables(np.array(self.inputs), np.array(self.outputs))

    @_quiet
    def __add__(self, other: "Tables") -> "Tables":
        return Tables(self.inputs + other.inputs, self.outputs + other.outputs)

    @_quiet
    def __sub__(self, other: "Tables") -> "Tables":
        return Tables(self.inputs - other.inputs, self.outputs - other.outputs)

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return {"inputs": self.inputs, "outputs": self.outputs}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Tables":
        """Make the object of its arrays."""
        return cls(as_array(arrays["inputs"]), as_array(arrays["outputs"]))


@_quiet
def merge_moves(
    start: Tables, moves: Tables, shards: int, updates: tuple[Vector, Vector], rate: float
) -> Tables:
    """Return where shards lead together.

    Parameters
    ----------
    start
        The tables that all of them started from.
    moves
        The sum of their moves.
    shards
        How many they are.
    updates
        Expected updates of each row of the inputs, and of the outputs, by one shard.
    rate
        The learning rate meanwhile.

    Returns
    -------
    Tables
        New ones. Linear in the numbers of the tables.
    """
    sides = [
        (begin.reshape(len(count), -1), move.reshape(len(count), -1))
        for begin, move, count in (
            (start.inputs, moves.inputs, updates[0]),
            (start.outputs, moves.outputs, updates[1]),
        )
        if len(count)
    ]
    if len(sides) < 2:  # a tree of one leaf
        return start
    # The squared length of the rows that an update meets, halfway.
    lengths = [
        float(np.square(begin + move / np.float32(shards)).sum(axis=1) @ count / count.sum())
        for (begin, move), count in zip(sides, updates, strict=True)
    ]
    found = []
    for (begin, move), count, met in zip(sides, updates, reversed(lengths), strict=True):
        x = np.maximum(_CURVATURE * met * rate * count, _TINY)
        scale = (np.expm1(-x * shards) / (shards * np.expm1(-x))).astype(np.float32)
        found.append((begin + scale[:, None] * move).ravel())
    return Tables(*found)
