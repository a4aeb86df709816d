"""Blocked Cholesky factorisation and solution of one positive definite float32 system.

A matrix of `blocks` x `blocks` tiles is stored as panels (see `daskrec.engine.solve.tiles`): tile
(i, j) starts at `j * panel + i * TILE`. Only the tiles of the upper triangle are read and
written. The factor is A = U^T U, by block rows, left-looking: a tile takes all its updates
in registers, and they are the same product of panels that built the matrix (Golub and Van
Loan, "Matrix Computations", 4th ed., section 4.2).
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel
from daskrec.engine.solve.simd import (
    FLOAT,
    LANE,
    TILE,
    ZEROS,
    T,
    Value,
    emit,
    lane_of,
    load,
    mask,
    multiply_subtract,
    operation,
    rows_of,
    scalar,
    shifted,
    splat,
    spread,
    store,
    transposed,
)
from daskrec.engine.solve.tiles import combine, row_dots, scaled_add, scaled_copy, subtract_product


@operation
def factor_tile(context: Any, a: Any, ia: Any, inverse: Any, iv: Any) -> Any:
    """Replace a symmetric tile by its upper Cholesky factor, zeros below the diagonal.

    The reciprocals of the diagonal go to `inverse`; they are not finite where the tile is
    not positive definite.
    """

    def body(builder: Any, a: Any, ia: Any, inverse: Any, iv: Any) -> None:
        root = builder.module.declare_intrinsic("llvm.sqrt", [FLOAT])
        one, zero = ir.Constant(FLOAT, 1.0), ZEROS
        rows, reciprocals = rows_of(builder, a, ia), ZEROS
        for k in range(T):
            pivot = builder.call(root, [lane_of(builder, rows[k], k)])
            scale = builder.fdiv(one, pivot)
            reciprocals = builder.insert_element(reciprocals, scale, ir.Constant(LANE, k))
            rows[k] = builder.fmul(rows[k], splat(builder, scale))
            for i in range(k + 1, T):
                rows[i] = multiply_subtract(builder, spread(builder, rows[k], i), rows[k], rows[i])
        for k, row in enumerate(rows):
            lanes = [lane + T if lane < k else lane for lane in range(T)]
            upper = builder.shuffle_vector(row, zero, mask(lanes))
            store(builder, upper, a, shifted(builder, ia, k * T))
        store(builder, reciprocals, inverse, iv)

    return emit(body, a, ia, inverse, iv)


@operation
def solve_tile(context: Any, x: Any, ix: Any, u: Any, iu: Any, inverse: Any, iv: Any) -> Any:
    """Tile `x` = U^-T x, for the triangular tile and reciprocals of `factor_tile`."""

    def body(builder: Any, x: Any, ix: Any, u: Any, iu: Any, inverse: Any, iv: Any) -> None:
        rows = rows_of(builder, x, ix)
        for k in range(T):
            scale = scalar(builder, inverse, shifted(builder, iv, k))
            rows[k] = builder.fmul(rows[k], splat(builder, scale))
            for i in range(k + 1, T):
                part = scalar(builder, u, shifted(builder, iu, k * T + i))
                rows[i] = multiply_subtract(builder, splat(builder, part), rows[k], rows[i])
        for k, row in enumerate(rows):
            store(builder, row, x, shifted(builder, ix, k * T))

    return emit(body, x, ix, u, iu, inverse, iv)


def _place(builder: Any, vector: Value, values: Value, lane: int) -> Value:
    lanes = [place + T if place == lane else place for place in range(T)]
    return builder.shuffle_vector(vector, values, mask(lanes))


@operation
def forward_tile(context: Any, x: Any, ix: Any, u: Any, iu: Any, inverse: Any, iv: Any) -> Any:
    """Vector `x` = U^-T x, for one triangular tile and its reciprocals."""

    def body(builder: Any, x: Any, ix: Any, u: Any, iu: Any, inverse: Any, iv: Any) -> None:
        rest, scales = load(builder, x, ix), load(builder, inverse, iv)
        solved = rest
        for k, row in enumerate(rows_of(builder, u, iu)):
            value = spread(builder, builder.fmul(rest, scales), k)
            solved = _place(builder, solved, value, k)
            rest = multiply_subtract(builder, value, row, rest)
        store(builder, solved, x, ix)

    return emit(body, x, ix, u, iu, inverse, iv)


@operation
def backward_tile(context: Any, x: Any, ix: Any, u: Any, iu: Any, inverse: Any, iv: Any) -> Any:
    """Vector `x` = U^-1 x, for one triangular tile and its reciprocals."""

    def body(builder: Any, x: Any, ix: Any, u: Any, iu: Any, inverse: Any, iv: Any) -> None:
        rest, scales = load(builder, x, ix), load(builder, inverse, iv)
        solved = rest
        columns = transposed(builder, rows_of(builder, u, iu))
        for k in reversed(range(T)):
            value = spread(builder, builder.fmul(rest, scales), k)
            solved = _place(builder, solved, value, k)
            rest = multiply_subtract(builder, value, columns[k], rest)
        store(builder, solved, x, ix)

    return emit(body, x, ix, u, iu, inverse, iv)


@kernel()
def factor(work: Vector, matrix: int, blocks: int, panel: int, inverse: int) -> None:
    """Replace the upper triangle of a matrix by its Cholesky factor U.

    Parameters
    ----------
    work
        The array, flat float32, that holds all that follows.
    matrix
        Where the panels of the matrix begin.
    blocks
        Rows of tiles. Cost: (blocks T)^3 / 6 multiply-adds.
    panel
        Numbers from one panel to the next.
    inverse
        Where to put the reciprocals of the diagonal of U (`blocks * T` numbers), some of them
        not finite where the matrix is not positive definite.
    """
    for i in range(blocks):
        above, diagonal = matrix + i * panel, matrix + i * panel + i * TILE
        for j in range(i, blocks):
            column = matrix + j * panel
            tile = column + i * TILE
            if i > 0:
                subtract_product(work, tile, work, above, work, column, i * T)
            if j == i:
                factor_tile(work, tile, work, inverse + i * T)
            else:
                solve_tile(work, tile, work, diagonal, work, inverse + i * T)


@kernel()
def substitute(
    work: Vector, matrix: int, blocks: int, panel: int, inverse: int, x: int, spare: int
) -> None:
    """Solve U^T U x = b in place, for what `factor` left.

    Parameters
    ----------
    work, matrix, blocks, panel, inverse
        As `factor` left them.
    x
        Where the negated right-hand side -b is (`blocks * T` numbers), replaced by the
        solution.
    spare
        Where T numbers of working space are.
    """
    for i in range(blocks):
        # The sign lets the sum over the tiles above be one addition to what is there.
        combine(work, x + i * T, work, matrix + i * panel, TILE, i, work, x)
        scaled_copy(work, x + i * T, work, x + i * T, -1.0)
        diagonal = matrix + i * panel + i * TILE
        forward_tile(work, x + i * T, work, diagonal, work, inverse + i * T)
    for i in range(blocks - 1, -1, -1):
        right = matrix + (i + 1) * panel + i * TILE
        row_dots(work, spare, work, right, panel, blocks - i - 1, work, x + (i + 1) * T)
        scaled_add(work, x + i * T, work, spare, -1.0)
        diagonal = matrix + i * panel + i * TILE
        backward_tile(work, x + i * T, work, diagonal, work, inverse + i * T)
