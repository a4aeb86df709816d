"""Rows of ALS improved by conjugate gradients, without the matrices of the rows.

The matrix of a row is applied as G p + lambda p + Y_u^T W (Y_u p). The rows of Y are gathered
once into tiles, T entries by T factors, which stay in the second cache for all steps; a row
too long for that is gathered again at each.
"""

from typing import NamedTuple

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel
from daskrec.engine.solve.direct import Entries, fetch_ahead, pack, survey, weigh
from daskrec.engine.solve.simd import TILE, T
from daskrec.engine.solve.tiles import carve, combine, multiply, row_dots, scaled_add, scaled_copy

# Numbers of gathered factors that a core's second cache holds beside G.
_HELD = 1 << 17
# Squared residual, relative to the first one, that float32 hardly goes below.
_CONVERGED = 1e-13


class CgSpace(NamedTuple):
    """Working space of `cg_rows` for one number of factors: an array, its parts, their sizes."""

    work: Vector
    gram: int
    tiles: int
    weights: int
    targets: int
    x: int
    direction: int
    image: int
    residual: int
    spare: int
    size: int = 0
    depth: int = 0
    explicit: bool = False


def make_cg_space(gram: Vector, longest: int) -> CgSpace:
    """Allocate the working space for a `d` x `d` matrix G and rows of at most `longest` entries."""
    size = -(-gram.shape[0] // T) * T
    depth = T * max(1, min(-(-longest // T), _HELD // (size * T)))
    space: CgSpace = carve(
        CgSpace,
        gram=size * size,
        tiles=depth * size,
        weights=depth,
        targets=depth,
        x=size,
        direction=size,
        image=size,
        residual=size,
        spare=T,
    )
    pack(gram, space.work[space.gram :])
    return space._replace(size=size, depth=depth, explicit=not np.any(gram))


@kernel()
def _gather(
    entries: Entries, start: int, stop: int, factors: Vector, width: int, space: CgSpace
) -> None:
    """Copy the rows of Y of some entries to tiles, zeros after the last one."""
    work, indices, values = space.work, entries.indices, entries.values
    for k in range((stop - start + T - 1) // T * T):
        weight, target, source = np.float32(0.0), np.float32(0.0), np.int64(0)
        if start + k < stop:
            fetch_ahead(indices, start + k, factors, width)
            weight, target = weigh(values[start + k], entries.alpha, entries.implicit)
            source = np.int64(indices[start + k]) * width
        work[space.weights + k], work[space.targets + k] = weight, target
        # Past the last entry any row will do, its weight being zero.
        at = space.tiles + k // T * (space.size * T) + k % T * T
        for block in range(width // T):
            scaled_copy(work, at + block * TILE, factors, source + block * T, 1.0)
        for column in range(width // T * T, width):
            work[at + column // T * TILE + column % T] = factors[source + column]


@kernel()
def _apply(
    entries: Entries, row: int, factors: Vector, width: int, space: CgSpace, first: bool
) -> None:
    """Set `space.image` to A `space.direction`, minus b at the first application to a row."""
    work, spare, p = space.work, space.spare, space.direction
    begin, end = entries.indptr[row], entries.indptr[row + 1]
    blocks, ridge = space.size // T, entries.regularization[row]
    for block in range(blocks):
        image, gram = space.image + block * T, space.gram + block * T * space.size
        scaled_copy(work, image, work, p + block * T, ridge)
        if not space.explicit:
            combine(work, image, work, gram, TILE, blocks, work, p)
    for start in range(begin, end, space.depth):
        stop = min(start + space.depth, end)
        if first or end - begin > space.depth:
            _gather(entries, start, stop, factors, width, space)
        for group in range(0, stop - start, T):
            tiles = space.tiles + group * space.size
            row_dots(work, spare, work, tiles, TILE, blocks, work, p)
            multiply(work, spare, work, space.weights + group)
            if first:
                scaled_add(work, spare, work, space.targets + group, -1.0)
            for block in range(blocks):
                at = space.image + block * T
                combine(work, at, work, tiles + block * TILE, TILE, 1, work, spare)


@kernel(fast=True)
def _dot(work: Vector, left: int, right: int, size: int) -> np.float32:
    total = np.float32(0.0)
    for k in range(size):
        total += work[left + k] * work[right + k]
    return total


@kernel()
def _descend(
    entries: Entries, row: int, factors: Vector, width: int, space: CgSpace, steps: int
) -> None:
    """Run the conjugate gradients of a row from `space.x`."""
    work, size = space.work, space.size
    x, p, residual, image = space.x, space.direction, space.residual, space.image
    square, goal = np.float32(1.0), np.float32(0.0)
    for k in range(0, size, T):
        scaled_copy(work, p + k, work, x + k, 1.0)
    for step in range(steps + 1):
        if not square > goal:
            break
        _apply(entries, row, factors, width, space, step == 0)
        if step == 0:
            for k in range(0, size, T):
                scaled_copy(work, residual + k, work, image + k, -1.0)
                scaled_copy(work, p + k, work, image + k, -1.0)
            square = _dot(work, residual, residual, size)
            goal = np.float32(_CONVERGED) * square
            continue
        curvature = _dot(work, p, image, size)
        if not curvature > 0:
            break
        length = square / curvature
        for k in range(0, size, T):
            scaled_add(work, x + k, work, p + k, length)
            scaled_add(work, residual + k, work, image + k, -length)
        last, square = square, _dot(work, residual, residual, size)
        momentum = square / last
        for k in range(0, size, T):
            scaled_copy(work, p + k, work, p + k, momentum)
            scaled_add(work, p + k, work, residual + k, 1.0)


@kernel()
def cg_rows(
    entries: Entries, factors: Vector, width: int, space: CgSpace, out: Vector, steps: int
) -> None:
    """Run `steps` steps for each row of a block, from what `out` holds."""
    work, x = space.work, space.x
    for row in range(entries.indptr.size - 1):
        some, _ = survey(entries, row)
        if not some:
            out[row, :] = np.float32(0.0)
            continue
        # Loops, because an assignment of slices compiles to code many times as long.
        for column in range(width):
            work[x + column] = out[row, column]
        _descend(entries, row, factors, width, space, steps)
        for column in range(width):
            out[row, column] = work[x + column]
