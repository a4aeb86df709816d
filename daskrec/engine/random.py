"""Randomness by key: a draw is a hash of what it is for, never of where it is computed.

A generator with a state gives different numbers when the work is cut differently. Here every
draw is a pure function of ``(seed, a, b)``, for instance of a seed, a user and an item, so a
block of users gives the same numbers alone, in any order and under any partitioning. Nothing
reads or writes a global random state.

The hash is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014) with Stafford's "Mix13" finaliser, used as a counter: ``lane(seed, a)``
is the start of a sequence and ``word(lane, b)`` is its ``b``-th output. It passes BigCrush as a
sequence, and is not meant for cryptography.

``mix64``, ``lane``, ``word``, ``unit``, ``gauss``, ``break_sticks`` and ``alias_draw`` are compiled
functions, to call from other kernels; ``hash64``, ``uniform``, ``normal``, ``unit_rows``,
``dirichlet`` and ``alias_tables`` work on arrays.
"""

import hashlib
import math
import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from daskrec.engine.jit import kernel

# The odd integer nearest 2**64 / golden ratio: steps of it visit all 64-bit words evenly.
GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLY_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLY_2 = np.uint64(0x94D049BB133111EB)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
_ONE, _DROP, _HALF = np.uint64(1), np.uint64(12), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
MOST_PIECES = 4096  # room for ``break_sticks``: enough for a total of 100
_STICK_END = 1e-9  # the length below which the rest of the stick is left in one piece
_TO_UNIT, _TWO_PI = 2.0**-52, 2.0 * math.pi


@kernel()
def mix64(value: np.uint64) -> np.uint64:
    """Scramble a 64-bit word, one to one."""
    value = np.uint64(value)
    value = (value ^ (value >> _SHIFT_1)) * _MULTIPLY_1
    value = (value ^ (value >> _SHIFT_2)) * _MULTIPLY_2
    return value ^ (value >> _SHIFT_3)


@kernel()
def lane(seed: np.uint64, a: np.uint64) -> np.uint64:
    """Start of the sequence of words that belongs to ``(seed, a)``."""
    return mix64(mix64(np.uint64(seed) + GAMMA) + (np.uint64(a) + _ONE) * GAMMA)


@kernel()
def word(start: np.uint64, b: np.uint64) -> np.uint64:
    """Word ``b`` of the sequence that starts at ``start``."""
    return mix64(np.uint64(start) + (np.uint64(b) + _ONE) * GAMMA)


@kernel()
def unit(value: np.uint64) -> float:
    """Map a word to the open interval (0, 1)."""
    # 52 bits and a half step: with 53 the largest word would round to 1, and its log to 0.
    return (np.float64(value >> _DROP) + 0.5) * _TO_UNIT


@kernel()
def gauss(start: np.uint64, b: np.uint64) -> float:
    """Return the standard normal number ``b`` of the sequence that starts at ``start``."""
    # Box-Muller makes numbers in pairs: 2k and 2k + 1 share the words 2k and 2k + 1.
    even = np.uint64(b) & ~_ONE
    radius = math.sqrt(-2.0 * math.log(unit(word(start, even))))
    angle = _TWO_PI * unit(word(start, even + _ONE))
    return radius * (math.sin(angle) if np.uint64(b) & _ONE else math.cos(angle))


@kernel()
def break_sticks(start: np.uint64, total: float, parts: int, ends: Any, who: Any) -> int:
    """Cut (0, 1) into pieces of random parts; return the number of pieces.

    Piece k is ends[k - 1]..ends[k] and belongs to part who[k]. The sums over the parts are
    Dirichlet, each of concentration ``total / parts``: sticks of a Dirichlet process over the
    uniform distribution of the parts (Sethuraman 1994). Where most parts are tiny this needs
    few pieces, and unlike gamma variates no rejection. About ``21 * total`` pieces are used.
    """
    left, pieces = 1.0, 0
    while pieces < ends.size and left > _STICK_END:
        left *= unit(word(start, np.uint64(2 * pieces))) ** (1.0 / total)
        high = word(start, np.uint64(2 * pieces + 1)) >> _HALF
        who[pieces] = np.int64((high * np.uint64(parts)) >> _HALF)
        ends[pieces] = 1.0 - left
        pieces += 1
    ends[pieces - 1] = 1.0
    return pieces


@kernel()
def _build_alias(probabilities: Any, cells: Any) -> None:
    """Fill cells from which ``alias_draw`` draws in constant time (Walker 1977, Vose 1991).

    A cell holds the 32-bit chance to keep the column and, in its low half, the column drawn
    otherwise: one word, so that a draw misses the cache once.
    """
    size = probabilities.size
    share, alias = probabilities * size, np.arange(size)
    stack = np.empty(size, np.int64)  # light columns from the left, heavy from the right
    light, heavy = 0, size
    for i in range(size):
        if share[i] < 1.0:
            stack[light] = i
            light += 1
        else:
            heavy -= 1
            stack[heavy] = i
    while light > 0 and heavy < size:
        light -= 1
        small, large = stack[light], stack[heavy]
        alias[small] = large
        share[large] -= 1.0 - share[small]
        if share[large] < 1.0:
            heavy += 1
            stack[light] = large
            light += 1
    for i in range(size):
        keep = np.uint64(min(share[i] * 4294967296.0, 4294967295.0))
        cells[i] = (keep << _HALF) | np.uint64(alias[i])


@kernel()
def alias_draw(value: np.uint64, cells: Any) -> np.int64:
    """Map a word to a column, with the probabilities the cells were built from."""
    column = np.int64(((value >> _HALF) * np.uint64(cells.size)) >> _HALF)
    cell = cells[column]
    if (value & _LOW) >= (cell >> _HALF):
        column = np.int64(cell & _LOW)
    return column


@kernel()
def _dirichlet_rows(seed: np.uint64, keys: Any, total: float, out: Any) -> None:
    ends, who = np.empty(MOST_PIECES), np.empty(MOST_PIECES, np.int64)
    for r in range(keys.size):
        pieces = break_sticks(lane(seed, keys[r]), total, out.shape[1], ends, who)
        before = 0.0
        for k in range(pieces):
            out[r, who[k]] += ends[k] - before
            before = ends[k]


@kernel()
def _hash_all(seed: np.uint64, a: Any, b: Any, out: Any) -> None:
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[i, j] = word(lane(seed, a[i, j]), b[i, j])


@kernel()
def _normal_all(seed: np.uint64, a: Any, b: Any, out: Any) -> None:
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[i, j] = gauss(lane(seed, a[i, j]), b[i, j])


@kernel()
def _unit_rows(seed: np.uint64, first: int, out: Any) -> None:
    count, rank = out.shape
    row = np.empty(rank + rank % 2, np.float64)
    for r in range(count):
        start, square = lane(seed, np.uint64(first + r)), 0.0
        for k in range(0, rank, 2):  # the pairs of ``gauss``, both numbers of each
            radius = math.sqrt(-2.0 * math.log(unit(word(start, np.uint64(k)))))
            # The result is single precision: so is the angle, at half the cost.
            angle = np.float32(_TWO_PI * unit(word(start, np.uint64(k + 1))))
            row[k] = radius * math.cos(angle)
            row[k + 1] = radius * math.sin(angle)
        for k in range(rank):
            square += row[k] * row[k]
        scale = 1.0 / math.sqrt(square)
        for k in range(rank):
            out[r, k] = row[k] * scale


def seed_word(seed: int) -> np.uint64:
    """Return a seed as the word the kernels take: any integer, modulo 2**64."""
    return np.uint64(operator.index(seed) % (1 << 64))


def stream(seed: int, name: str) -> int:
    """Derive the seed of a named stream, so that unrelated draws never share a key.

    Parameters
    ----------
    seed
        Any integer, taken modulo 2**64.
    name
        What it is for, such as ``"als.users"``.

    Returns
    -------
    int
        A seed.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int(hash64(seed, np.frombuffer(digest, "<u8"))[0])


def _words(values: ArrayLike, name: str) -> NDArray[np.uint64]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, not {array.dtype}")
    return array.astype(np.uint64, copy=False)


def _apply(loop: Any, seed: int, a: ArrayLike, b: ArrayLike, dtype: type) -> NDArray[Any]:
    keys = _words(a, "a"), _words(b, "b")
    shape = np.broadcast_shapes(keys[0].shape, keys[1].shape)
    out: NDArray[Any] = np.empty(shape, dtype)
    if out.size:
        # Two dimensions keep the common outer product (column of a, row of b) free of copies.
        flat = (-1, shape[-1]) if shape else (1, 1)
        left, right = (np.broadcast_to(key, shape).reshape(flat) for key in keys)
        loop(seed_word(seed), left, right, out.reshape(flat))
    return out


def hash64(seed: int, a: ArrayLike, b: ArrayLike = 0) -> NDArray[np.uint64]:
    """Hash keys to words, uniform over all 64-bit words.

    Parameters
    ----------
    seed
        Any integer, taken modulo 2**64; see ``stream``.
    a, b
        Integers of any width, broadcast against each other; negative ones are allowed.

    Returns
    -------
    ndarray of uint64
        One word for each key, with the broadcast shape.

    Notes
    -----
    Three rounds of ``mix64`` a word.
    """
    return _apply(_hash_all, seed, a, b, np.uint64)


def uniform(seed: int, a: ArrayLike, b: ArrayLike = 0) -> NDArray[np.float64]:
    """Draw uniform numbers by key, as ``hash64`` does words.

    Returns
    -------
    ndarray of float64
        Odd multiples of 2**-53 in the open interval (0, 1), of the broadcast shape.
    """
    return np.asarray(((hash64(seed, a, b) >> _DROP) + 0.5) * _TO_UNIT)


def normal(seed: int, a: ArrayLike, b: ArrayLike = 0) -> NDArray[np.float64]:
    """Draw standard normal numbers by key, as ``hash64`` does words.

    Returns
    -------
    ndarray of float64
        With the broadcast shape of ``a`` and ``b``.

    Notes
    -----
    Box and Muller (1958): the numbers ``b = 2k`` and ``2k + 1`` are a pair, and use the words that
    ``uniform`` would for these keys, so give the two kinds of draw different streams.
    """
    return _apply(_normal_all, seed, a, b, np.float64)


def unit_rows(seed: int, first: int, count: int, rank: int) -> NDArray[np.float32]:
    """Draw the directions of a range of rows: uniform on the unit sphere.

    Row ``r`` is ``normal(seed, first + r, range(rank))`` over its length, to single
    precision, and the same whatever range it is drawn in.

    Parameters
    ----------
    seed
        Any integer, taken modulo 2**64; see ``stream``.
    first, count
        Index of the first row, and number of rows.
    rank
        Length of a row, at least 1.

    Returns
    -------
    ndarray of float32, shape (count, rank)
        Rows of unit L2 norm, C-contiguous.

    Notes
    -----
    Muller (1959), "A note on a method for generating points uniformly on n-dimensional
    spheres". Linear in ``count * rank``.
    """
    if count < 0 or rank < 1:
        raise ValueError(f"need count >= 0 and rank >= 1, got {count} and {rank}")
    out = np.empty((count, rank), np.float32)
    _unit_rows(seed_word(seed), first, out)
    return out


def dirichlet(seed: int, keys: ArrayLike, total: float, parts: int) -> NDArray[np.float64]:
    """Draw a symmetric Dirichlet vector for each key.

    Parameters
    ----------
    seed, keys
        As ``seed`` and ``a`` of ``hash64``; n keys.
    total
        Sum of the concentrations, each of them ``total / parts``; above 0 and at most 100.
    parts
        Length of a row, at least 1.

    Returns
    -------
    ndarray of float64, shape (n, parts)
        Rows that sum to 1, made from the pieces of ``break_sticks``.
    """
    if not 0.0 < total <= 100.0 or parts < 1:
        raise ValueError(f"need 0 < total <= 100 and parts >= 1, got {total} and {parts}")
    rows = _words(keys, "keys").ravel()
    out = np.zeros((rows.size, parts))
    _dirichlet_rows(seed_word(seed), rows, float(total), out)
    return out


def alias_tables(probabilities: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Prepare rows of probabilities for ``alias_draw``, which takes a row of the result.

    Parameters
    ----------
    probabilities
        Shape (rows, columns), fewer than 2**32 columns; each row sums to 1.

    Returns
    -------
    ndarray of uint64, shape (rows, columns)
        Linear time. Probabilities are kept to 2**-32.
    """
    cells = np.empty(probabilities.shape, np.uint64)
    for row, out in zip(probabilities, cells, strict=True):
        _build_alias(row, out)
    return cells
