"""Rows of ALS solved exactly, by a blocked Cholesky factorisation in float32.

A row with many entries gets its `d` x `d` matrix, built from packed panels of entries (see
`daskrec.engine.solve.tiles`) and factored in place.

A row with fewer entries than factors is solved in the dual. With G + lambda I = Q D Q^T and
the scaled rows P = sqrt(W) Y_u Q D^(-1/2), the solution is (Woodbury's identity in the form
without a difference of large numbers)

    x = Q D^(-1/2) P^T (I + P P^T)^-1 W^(-1/2) t

The rotated factors Y Q are shared by all rows and D is diagonal whatever the lambda of the
row, so that n entries cost n^2 d / 2 + n^3 / 6 + d^2 multiply-adds, not n d^2 / 2 + d^3 / 6.
"""

import math
from typing import NamedTuple

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel
from daskrec.engine.solve.cholesky import factor, substitute
from daskrec.engine.solve.simd import TILE, T
from daskrec.engine.solve.tiles import (
    LINE,
    carve,
    prefetch,
    product,
    row_dots,
    scaled_add,
    scaled_copy,
    transpose_tile,
)

# Entries of a row that are packed at a time: the two panels in use stay in the first cache.
DEPTH = 256
# Entries between a request for a row of Y and its use.
AHEAD = 16
# A pivot that lost all but this part of its diagonal element is mostly rounding error.
TINY_PIVOT = 2e-6
# The dual divides by the eigenvalues of G + lambda I, which must not be rounding error.
TINY_EIGENVALUE = 1e-6
# The dual divides by the square roots of weights.
TINY_WEIGHT = 1e-30


class Entries(NamedTuple):
    """A block of rows in CSR form and what turns its values into weights and targets."""

    indptr: Vector
    indices: Vector
    values: Vector
    regularization: Vector
    alpha: np.float32
    implicit: bool


class Rotated(NamedTuple):
    """Eigenvalues of G (ascending), packed Q^T and Y Q padded to tiles; empty where unused."""

    spectrum: Vector
    back: Vector
    factors: Vector


class Space(NamedTuple):
    """Working space of `exact_rows` for one number of factors: an array and its parts."""

    work: Vector
    gram: int
    base: int
    panels: int
    matrix: int
    inverse: int
    diagonal: int
    x: int
    y: int
    scale: int
    roots: int
    spare: int
    batch: int


def pack(matrix: Vector, packed: Vector, diagonal: float = 0.0) -> None:
    """Write a square matrix as float32 panels, padded to tiles with `diagonal` on the diagonal."""
    width = matrix.shape[0]
    blocks = -(-width // T)
    padded = np.zeros((blocks * T, blocks * T), dtype=np.float32)
    np.fill_diagonal(padded, diagonal)
    padded[:width, :width] = matrix
    packed[: padded.size] = padded.reshape(-1, blocks, T).transpose(1, 0, 2).reshape(-1)


def make_space(gram: Vector) -> Space:
    """Allocate the working space for a `d` x `d` matrix G: about `3 d^2 + 256 d` numbers."""
    size = -(-gram.shape[0] // T) * T
    space: Space = carve(
        Space,
        gram=size * size,
        base=2 * TILE,
        panels=size * max(size, DEPTH),
        matrix=size * size,
        inverse=size,
        diagonal=size,
        x=size,
        y=size,
        scale=size,
        roots=size,
        spare=TILE,
        batch=size * T,
    )
    # Two tiles to add a product to: the identity and zeros.
    space.work[space.base : space.base + TILE : T + 1] = 1.0
    pack(gram, space.work[space.gram :], diagonal=1.0)
    return space


@kernel()
def weigh(value: np.float32, alpha: np.float32, implicit: bool) -> tuple[np.float32, np.float32]:
    """Return the weight and the target of an entry."""
    if not implicit:
        return np.float32(1.0), value
    weight = alpha * abs(value)
    return weight, (np.float32(1.0) + weight if value > 0 else np.float32(0.0))


@kernel()
def fetch_ahead(indices: Vector, entry: int, factors: Vector, width: int) -> None:
    """Start to load the row of Y that is gathered some entries later, of this row or a next."""
    if entry + AHEAD < indices.size:
        source = np.int64(indices[entry + AHEAD]) * width
        for column in range(0, width, LINE):
            prefetch(factors, source + column)


@kernel()
def _solve(space: Space, width: int, ridge: np.float32) -> bool:
    """Solve for the negated right-hand side in `space.x`; False where A is nearly singular."""
    work, blocks = space.work, (width + T - 1) // T
    panel = blocks * TILE
    for k in range(width):
        at = space.matrix + k // T * panel + k * T + k % T
        work[at] += ridge
        work[space.diagonal + k] = work[at]
    factor(work, space.matrix, blocks, panel, space.inverse)
    substitute(work, space.matrix, blocks, panel, space.inverse, space.x, space.spare)
    sound = True
    for k in range(width):
        # The part that the pivot kept is 1 / (inverse^2 diagonal); false for NaN.
        lost = work[space.inverse + k] * work[space.inverse + k] * work[space.diagonal + k]
        sound = sound and lost * np.float32(TINY_PIVOT) < np.float32(1.0)
    return sound


@kernel()
def _gather(
    entries: Entries, start: int, stop: int, factors: Vector, width: int, space: Space
) -> None:
    """Pack the rows of Y of some entries times sqrt(w), and take t y from `space.x`."""
    full = width // T
    work, indices, values = space.work, entries.indices, entries.values
    for entry in range(start, stop):
        fetch_ahead(indices, entry, factors, width)
        weight, target = weigh(values[entry], entries.alpha, entries.implicit)
        root = np.float32(math.sqrt(weight))
        source = np.int64(indices[entry]) * width
        at = space.panels + (entry - start) * T
        for block in range(full):
            scaled_copy(work, at + block * DEPTH * T, factors, source + block * T, root)
            scaled_add(work, space.x + block * T, factors, source + block * T, -target)
        at += full * DEPTH * T
        for column in range(full * T, width):
            work[at + column - full * T] = root * factors[source + column]
            work[space.x + column] -= target * factors[source + column]
        if full * T < width:
            # A short row may have left something else here.
            work[at + width - full * T : at + T] = np.float32(0.0)


@kernel()
def _build(entries: Entries, row: int, factors: Vector, width: int, space: Space) -> None:
    """Build the `d` x `d` matrix of a row and its negated right-hand side, in `space.x`."""
    blocks = (width + T - 1) // T
    first, last = entries.indptr[row], entries.indptr[row + 1]
    work, source = space.work, space.gram
    work[space.x : space.x + blocks * T] = np.float32(0.0)
    for start in range(first, last, DEPTH):
        stop = min(start + DEPTH, last)
        _gather(entries, start, stop, factors, width, space)
        for j in range(blocks):
            right = space.panels + j * DEPTH * T
            for i in range(j + 1):
                left, at = space.panels + i * DEPTH * T, (j * blocks + i) * TILE
                product(
                    work,
                    space.matrix + at,
                    work,
                    source + at,
                    work,
                    left,
                    work,
                    right,
                    stop - start,
                )
        source = space.matrix


@kernel()
def _pack_dual(entries: Entries, row: int, rotated: Rotated, size: int, space: Space) -> None:
    """Pack P^T, entries as columns, and write -W^(-1/2) t to `space.x`."""
    start, stop = entries.indptr[row], entries.indptr[row + 1]
    work, indices, values, factors = space.work, entries.indices, entries.values, rotated.factors
    count = stop - start
    padded = (count + T - 1) // T * T
    work[space.x : space.x + padded] = np.float32(0.0)
    for k in range(count):
        fetch_ahead(indices, start + k, factors, size)
        weight, target = weigh(values[start + k], entries.alpha, entries.implicit)
        root = np.float32(math.sqrt(weight))
        work[space.roots + k] = root
        if target != 0:
            work[space.x + k] = -target / root
    for first in range(0, padded, T):
        for column in range(0, size, T):
            for k in range(T):
                if first + k < count:
                    at = np.int64(indices[start + first + k]) * size + column
                    root = work[space.roots + first + k]
                    scaled_copy(work, space.spare + k * T, factors, at, root)
                else:
                    scaled_copy(work, space.spare + k * T, work, space.base + TILE, 0.0)
            packed = space.panels + first * size + column * T
            transpose_tile(work, packed, work, space.spare, work, space.scale + column)


@kernel()
def _build_dual(entries: Entries, row: int, rotated: Rotated, width: int, space: Space) -> None:
    """Build the matrix of the entries of a row and its negated right-hand side, in `space.x`."""
    work, size = space.work, (width + T - 1) // T * T
    blocks = (entries.indptr[row + 1] - entries.indptr[row] + T - 1) // T
    _pack_dual(entries, row, rotated, size, space)
    for j in range(blocks):
        right = space.panels + j * size * T
        for i in range(j + 1):
            left, at = space.panels + i * size * T, space.matrix + (j * blocks + i) * TILE
            start = space.base if i == j else space.base + TILE
            product(work, at, work, start, work, left, work, right, width)


@kernel()
def _leave_dual(space: Space, blocks: int, width: int, slot: np.int64) -> None:
    """Turn the solution for the entries of a row into Q^T x, a column of `space.batch`."""
    work, size = space.work, (width + T - 1) // T * T
    for column in range(0, size, T):
        tiles = space.panels + column * T
        row_dots(work, space.y + column, work, tiles, size * T, blocks, work, space.x)
    for column in range(width):
        value = work[space.y + column] * work[space.scale + column]
        work[space.batch + column * T + slot] = value


@kernel()
def _rotate_back(
    space: Space, rotated: Rotated, width: int, slots: Vector, used: np.int64, out: Vector
) -> None:
    """Write Q times the columns of `space.batch` to rows of `out`."""
    work, back, zeros = space.work, rotated.back, space.base + TILE
    size = (width + T - 1) // T * T
    for column in range(0, width, T):
        product(work, space.spare, work, zeros, work, space.batch, back, column * size, width)
        for slot in range(used):
            for lane in range(min(T, width - column)):
                out[slots[slot], column + lane] = work[space.spare + slot * T + lane]


@kernel()
def survey(entries: Entries, row: int) -> tuple[bool, bool]:
    """Return whether the solution is not zero, and whether the weights suit the dual."""
    some, suits, values = False, True, entries.values
    for entry in range(entries.indptr[row], entries.indptr[row + 1]):
        weight, target = weigh(values[entry], entries.alpha, entries.implicit)
        if target != 0:
            some = True
            suits = suits and bool(weight > TINY_WEIGHT)
    return some, suits


@kernel()
def _rescale(space: Space, rotated: Rotated, ridge: np.float32) -> bool:
    """Set D^(-1/2); False where G + lambda I is nearly singular."""
    low, high = rotated.spectrum[0], rotated.spectrum[-1]
    if not low + ridge > np.float32(TINY_EIGENVALUE) * (high + ridge):
        return False
    work, spectrum = space.work, rotated.spectrum
    for k in range(spectrum.size):
        work[space.scale + k] = np.float32(1.0) / math.sqrt(spectrum[k] + ridge)
    return True


@kernel()
def exact_rows(
    entries: Entries,
    factors: Vector,
    width: int,
    rotated: Rotated,
    space: Space,
    out: Vector,
    failed: Vector,
) -> None:
    """Solve all rows of a block; `failed` tells the rows that float32 cannot solve."""
    work, blocks = space.work, (width + T - 1) // T
    slots = np.empty(T, dtype=np.int64)
    used, ridge, regular = np.int64(0), np.float32(-1.0), False
    for row in range(entries.indptr.size - 1):
        some, suits = survey(entries, row)
        if not some:
            out[row, :] = np.float32(0.0)
            continue
        count = entries.indptr[row + 1] - entries.indptr[row]
        suits = suits and rotated.spectrum.size > 0 and (count + T - 1) // T < blocks
        if suits and entries.regularization[row] != ridge:
            ridge = entries.regularization[row]
            regular = _rescale(space, rotated, ridge)
        dual = suits and regular
        if dual:
            _build_dual(entries, row, rotated, width, space)
        else:
            _build(entries, row, factors, width, space)
        extra = np.float32(0.0) if dual else entries.regularization[row]
        failed[row] = not _solve(space, count if dual else width, extra)
        if not dual:
            # A loop, because an assignment of slices compiles to code many times as long.
            for column in range(width):
                out[row, column] = work[space.x + column]
            continue
        _leave_dual(space, (count + T - 1) // T, width, used)
        slots[used] = row
        used += 1
        if used == T:
            _rotate_back(space, rotated, width, slots, used, out)
            used = np.int64(0)
    if used > 0:
        _rotate_back(space, rotated, width, slots, used, out)
