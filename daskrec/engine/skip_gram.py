"""Skip-gram: vectors of items that predict what lies near them in a sequence.

Two float32 tables are learned, each a flat array of rows of a multiple of 16 numbers: the
*inputs*, which are the vectors, and the *outputs*, those of the predicted items (negative
sampling) or of the inner nodes of a Huffman tree (hierarchical softmax). The item in the middle
of a window is the input, and its neighbours are predicted: with negative sampling several at
once against the same negatives, each of which then counts as often as there are neighbours.
That has the same expectation, and loads fewer rows.

T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, Distributed representations of words
and phrases and their compositionality, NIPS 2013. Negatives that are shared: S. Ji, N. Satish,
S. Li and P. Dubey, Parallelizing word2vec in shared and distributed memory, IEEE TPDS 30(9),
2019.
"""

from typing import Any, NamedTuple

import numpy as np

from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.huffman import NO_TREE, Tree
from daskrec.engine.jit import kernel
from daskrec.engine.random import alias_draw, hash64, lane, uniform, unit, word
from daskrec.engine.sentences import Sentences
from daskrec.engine.shared import as_array
from daskrec.engine.skip_gram_merge import Tables
from daskrec.engine.skip_gram_rows import inner_products, update_rows
from daskrec.engine.solve.simd import T

ROW = 16  # a row is a multiple of so many numbers
_GROUP = 8  # neighbours that share negatives
_REACH, _CELLS = 16.0, 2048  # the logistic function is looked up from -16 to 16
_LEAST_RATE = 1e-4  # of the first learning rate, at the end
_ROWS_DRAWN = 4096  # at a time
_ONE = np.uint64(1)
_NO_CELLS = np.empty(0, dtype=np.uint64)


def row_length(rank: int) -> int:
    """Return the length of a row of a table: the rank, and zeros to a multiple of 16."""
    return -(-rank // ROW) * ROW


class Targets:
    """What is predicted, and which occurrences of items are passed over.

    Parameters
    ----------
    keep
        float32 chance that an occurrence of an item is kept; empty where all are.
    cells
        uint64 alias table of the negatives; empty for a tree.
    tree
        The ways to the items of a tree; empty for negatives.
    """

    __slots__ = ("cells", "keep", "tree")

    def __init__(self, keep: Vector, cells: Vector = _NO_CELLS, tree: Tree = NO_TREE) -> None:
        self.keep = keep
        self.cells = cells
        self.tree = tree

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return {"keep": self.keep, "cells": self.cells, **self.tree._asdict()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Targets":
        """Make the object of its arrays."""
        keep, cells, *tree = (as_array(arrays[n]) for n in ("keep", "cells", *Tree._fields))
        return cls(keep, cells, Tree(*tree))


class Text(NamedTuple):
    """What is read: arrays of ``Sentences`` and of ``Targets``."""

    tokens: Vector
    offsets: Vector
    keys: Vector
    keep: Vector


class Work(NamedTuple):
    """What is written, and the logistic function.

    Parameters
    ----------
    inputs, outputs
        The tables.
    places, steps
        Where the rows of the targets at hand begin, and how far they move.
    logistic
        See ``logistic_table``.
    """

    inputs: Vector
    outputs: Vector
    places: Vector
    steps: Vector
    logistic: Vector


class Course(NamedTuple):
    """How training goes.

    Parameters
    ----------
    row
        Length of a row of the tables.
    window
        The most items on either side of one that are its neighbours.
    negatives
        Negatives of a group of neighbours; 0 for a tree.
    rate
        The first learning rate; it falls in proportion to what is done, to 1e-4 of it.
    epochs
        How often all sentences are gone through.
    shuffle
        Whether the order of a sentence is drawn anew each time.
    """

    row: int
    window: int
    negatives: int
    rate: float
    epochs: int
    shuffle: bool = False


def first_inputs(seed: int, count: int, rank: int) -> Vector:
    """Return the inputs that training starts from: uniform within +-1 / (2 rank).

    Parameters
    ----------
    seed
        Any integer.
    count, rank
        Number of items, and length of their vectors.

    Returns
    -------
    ndarray of float32, flat
        Rows of ``row_length(rank)`` numbers. Outputs start as zeros.
    """
    table = np.zeros((count, row_length(rank)), dtype=np.float32)
    columns = np.arange(rank)
    for start in range(0, count, _ROWS_DRAWN):
        rows = np.arange(start, min(start + _ROWS_DRAWN, count))
        table[rows, :rank] = (uniform(seed, rows[:, None], columns) - 0.5) / rank
    return table.ravel()


def logistic_table() -> Vector:
    """Return the logistic function at even steps; between them it is read to 4e-6."""
    steps = np.linspace(-_REACH, _REACH, _CELLS + 1)
    return (1.0 / (1.0 + np.exp(-steps))).astype(np.float32)


def learn(
    sentences: Sentences,
    first: int,
    stop: int,
    tables: Tables,
    targets: Targets,
    course: Course,
    epoch: int,
    seed: int,
) -> None:
    """Train on some of the sentences, one after another.

    Parameters
    ----------
    sentences
        All that these tables see in an epoch: they say how far the learning rate is.
    first, stop
        Which of them.
    tables
        Changed in place.
    targets
        What is predicted.
    course
        How.
    epoch
        Number of the pass, from 0.
    seed
        Of all draws.

    Notes
    -----
    For each neighbour ``6 rank`` operations, and as many for each negative of its group, or
    for each node on the way to it. Draws depend on the seed, the epoch and the key of the
    sentence alone.
    """
    text = Text(sentences.tokens, sentences.offsets, sentences.keys, targets.keep)
    work = Work(
        tables.inputs,
        tables.outputs,
        np.empty(max(_GROUP + course.negatives, _deepest(targets.tree)), dtype=np.int64),
        np.empty(max(_GROUP + course.negatives, _deepest(targets.tree)), dtype=np.float32),
        logistic_table(),
    )
    lengths = np.diff(sentences.offsets[first : stop + 1])
    kept = np.empty(lengths.max(initial=0), dtype=np.int32)
    draws = np.uint64(hash64(seed, epoch))
    _learn(text, first, stop, work, kept, targets.cells, targets.tree, course, draws, epoch)


def _deepest(tree: Tree) -> int:
    return int(np.diff(tree.indptr).max(initial=0))


@kernel(inline=True)
def _logistic(value: Any, table: Vector) -> Any:
    place = (value + np.float32(_REACH)) * np.float32(_CELLS / (2 * _REACH))
    place = min(max(place, np.float32(0)), np.float32(_CELLS - 1))
    cell = np.int64(place)
    return table[cell] + (place - np.float32(cell)) * (table[cell + 1] - table[cell])


@kernel()
def _learn(
    text: Any,
    first: int,
    stop: int,
    work: Any,
    kept: Vector,
    cells: Vector,
    tree: Any,
    course: Any,
    seed: Any,
    epoch: int,
) -> None:
    total = np.float64(text.offsets[len(text.offsets) - 1])
    for s in range(first, stop):
        start, drawn = lane(seed, text.keys[s]), np.uint64(0)
        left = 1.0 - (epoch + text.offsets[s] / total) / course.epochs
        rate = np.float32(course.rate * max(left, _LEAST_RATE))
        length = 0
        for at in range(text.offsets[s], text.offsets[s + 1]):
            token = text.tokens[at]
            if len(text.keep) > 0 and text.keep[token] < 1:
                drawn += _ONE
                if unit(word(start, drawn)) >= text.keep[token]:
                    continue
            kept[length] = token
            length += 1
        if course.shuffle:
            drawn = _shuffle(kept, length, start, drawn)
        for middle in range(length):
            reach = 1
            if course.window > 1:
                drawn += _ONE
                reach = _distance(word(start, drawn), course.window)
            at, end = max(0, middle - reach), min(length, middle + reach + 1)
            if course.negatives > 0:
                while at < end:
                    at, drawn = _predict_some(
                        kept, at, end, middle, work, cells, course, rate, start, drawn
                    )
                continue
            for near in range(at, end):
                if near != middle:
                    _predict_one(kept[middle], kept[near], work, tree, course, rate)


@kernel()
def _shuffle(kept: Vector, length: int, start: Any, drawn: Any) -> Any:
    """Put the items of a sentence in an order at random (Fisher and Yates)."""
    for last in range(length - 1, 0, -1):
        drawn += _ONE
        other = np.int64(word(start, drawn) % np.uint64(last + 1))
        kept[last], kept[other] = kept[other], kept[last]
    return drawn


@kernel(inline=True)
def _distance(value: Any, most: int) -> Any:
    """Return a distance from 1 to ``most``."""
    return np.int64(value % np.uint64(most)) + 1


@kernel(inline=True)
def _predict_some(
    kept: Vector,
    at: int,
    end: int,
    middle: int,
    work: Any,
    cells: Vector,
    course: Any,
    rate: Any,
    start: Any,
    drawn: Any,
) -> Any:
    """Predict neighbours, as many as share negatives; return the next one."""
    chunks, near = course.row // T, 0
    while at < end and near < _GROUP:
        if at != middle:
            work.places[near] = np.int64(kept[at]) * course.row
            near += 1
        at += 1
    count = near
    if near > 0:
        for _ in range(course.negatives):
            drawn += _ONE
            place = np.int64(alias_draw(word(start, drawn), cells)) * course.row
            here = False
            for n in range(near):
                here |= work.places[n] == place
            if not here:
                work.places[count] = place
                count += 1
    centre = np.int64(kept[middle]) * course.row
    inner_products(work.inputs, centre, work.outputs, work.places, count, chunks, work.steps)
    for n in range(near):
        work.steps[n] = (np.float32(1) - _logistic(work.steps[n], work.logistic)) * rate
    for n in range(near, count):
        work.steps[n] = -_logistic(work.steps[n], work.logistic) * (rate * np.float32(near))
    update_rows(work.inputs, centre, work.outputs, work.places, count, chunks, work.steps)
    return at, drawn


@kernel(inline=True)
def _predict_one(centre: int, near: int, work: Any, tree: Any, course: Any, rate: Any) -> None:
    """Predict the turns on the way to a neighbour."""
    chunks, begin = course.row // T, tree.indptr[near]
    count = tree.indptr[near + 1] - begin
    for n in range(count):
        work.places[n] = np.int64(tree.nodes[begin + n]) * course.row
    row = np.int64(centre) * course.row
    inner_products(work.inputs, row, work.outputs, work.places, count, chunks, work.steps)
    for n in range(count):
        turn = tree.turns[begin + n]
        work.steps[n] = (turn - _logistic(work.steps[n], work.logistic)) * rate
    update_rows(work.inputs, row, work.outputs, work.places, count, chunks, work.steps)
