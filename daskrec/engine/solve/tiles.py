"""Small dense linear algebra on tiles of `T` x `T` float32.

A tile is `T` rows of `T` numbers, one row one SIMD register, so that a whole tile lives in the
register file while it is worked on. The scheme is the usual one of packed panels and an
outer-product micro-kernel: K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix
Multiplication", ACM TOMS 34(3), 2008.

Every operation takes flat C-contiguous float32 arrays with the position in each, checks no
bounds, and is compiled into the kernel that calls it. A *panel* is a matrix of `T` columns, row
by row.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

from daskrec.engine.arrays import Vector
from daskrec.engine.solve.simd import (
    FLOAT,
    ZEROS,
    T,
    Value,
    emit,
    lane_sums,
    load,
    loop,
    multiply_add,
    operation,
    rows_of,
    scalar,
    shifted,
    splat,
    store,
    transposed,
)

# Numbers in a cache line.
LINE = 16


def aligned(size: int) -> Vector:
    """Return `size` float32 zeros that start on a cache line, so that no load straddles two."""
    raw = np.zeros(size + LINE, dtype=np.float32)
    skip = -raw.ctypes.data // 4 % LINE
    return raw[skip : skip + size]


def carve(kind: Callable[..., Any], **sizes: int) -> Any:
    """Return a tuple of a `work` array for parts of some sizes and where each of them begins.

    Kernels get all their working space as this one array, because every array that is passed
    to a compiled function costs two atomic updates of its reference count: more than the
    work on a short row.
    """
    ends = np.cumsum([-(-size // LINE) * LINE for size in sizes.values()])
    starts = [0, *ends[:-1].tolist()]
    return kind(work=aligned(int(ends[-1])), **dict(zip(sizes, starts, strict=True)))


def _outer(builder: Any, a: Value, ia: Value, b: Value, ib: Value, count: Value) -> Sequence[Value]:
    """Emit the sum over k of the outer products of row k of panel `a` and row k of panel `b`."""

    def step(k: Value, sums: Sequence[Value]) -> Sequence[Value]:
        moved = builder.mul(k, ir.Constant(k.type, T))
        right = load(builder, b, builder.add(ib, moved))
        left = builder.add(ia, moved)
        weights = [scalar(builder, a, shifted(builder, left, row)) for row in range(T)]
        return [
            multiply_add(builder, splat(builder, weight), right, total)
            for weight, total in zip(weights, sums, strict=True)
        ]

    return loop(builder, count, [ZEROS] * T, step)


@operation
def product(
    context: Any, c: Any, ic: Any, base: Any, ie: Any, a: Any, ia: Any, b: Any, ib: Any, count: Any
) -> Any:
    """Tile `c` = tile `base` + A^T B over the first `count` rows of the panels `a` and `b`."""

    def body(
        builder: Any, c: Any, ic: Any, base: Any, ie: Any, a: Any, ia: Any, b: Any, ib: Any, n: Any
    ) -> None:
        for row, total in enumerate(_outer(builder, a, ia, b, ib, n)):
            shift = load(builder, base, shifted(builder, ie, row * T))
            store(builder, builder.fadd(shift, total), c, shifted(builder, ic, row * T))

    return emit(body, c, ic, base, ie, a, ia, b, ib, count)


@operation
def subtract_product(
    context: Any, c: Any, ic: Any, a: Any, ia: Any, b: Any, ib: Any, count: Any
) -> Any:
    """Tile `c` -= A^T B over the first `count` rows of the panels `a` and `b`."""

    def body(builder: Any, c: Any, ic: Any, a: Any, ia: Any, b: Any, ib: Any, count: Any) -> None:
        for row, total in enumerate(_outer(builder, a, ia, b, ib, count)):
            at = shifted(builder, ic, row * T)
            store(builder, builder.fsub(load(builder, c, at), total), c, at)

    return emit(body, c, ic, a, ia, b, ib, count)


@operation
def transpose_tile(context: Any, c: Any, ic: Any, a: Any, ia: Any, scale: Any, js: Any) -> Any:
    """Tile `c` = the transposed tile `a`, row j of the result times `scale[j]`."""

    def body(builder: Any, c: Any, ic: Any, a: Any, ia: Any, scale: Any, js: Any) -> None:
        for j, column in enumerate(transposed(builder, rows_of(builder, a, ia))):
            times = splat(builder, scalar(builder, scale, shifted(builder, js, j)))
            store(builder, builder.fmul(column, times), c, shifted(builder, ic, j * T))

    return emit(body, c, ic, a, ia, scale, js)


@operation
def row_dots(
    context: Any, y: Any, iy: Any, a: Any, ia: Any, stride: Any, count: Any, x: Any, ix: Any
) -> Any:
    """Vector `y` = the products of the T rows of a block row with `x`.

    The block row is `count` tiles, `stride` numbers from one to the next.
    """

    def body(
        builder: Any, y: Any, iy: Any, a: Any, ia: Any, stride: Any, count: Any, x: Any, ix: Any
    ) -> None:
        def step(b: Value, sums: Sequence[Value]) -> Sequence[Value]:
            rows = rows_of(builder, a, builder.add(ia, builder.mul(b, stride)))
            right = load(builder, x, builder.add(ix, builder.mul(b, ir.Constant(b.type, T))))
            return [
                multiply_add(builder, row, right, total)
                for row, total in zip(rows, sums, strict=True)
            ]

        sums = loop(builder, count, [ZEROS] * T, step)
        store(builder, lane_sums(builder, sums), y, iy)

    return emit(body, y, iy, a, ia, stride, count, x, ix)


@operation
def combine(
    context: Any, y: Any, iy: Any, a: Any, ia: Any, stride: Any, count: Any, x: Any, ix: Any
) -> Any:
    """Vector `y` += the rows of a block column (`count` tiles) weighted by `x`."""

    def body(
        builder: Any, y: Any, iy: Any, a: Any, ia: Any, stride: Any, count: Any, x: Any, ix: Any
    ) -> None:
        def step(b: Value, sums: Sequence[Value]) -> Sequence[Value]:
            rows = rows_of(builder, a, builder.add(ia, builder.mul(b, stride)))
            left = builder.add(ix, builder.mul(b, ir.Constant(b.type, T)))
            totals = list(sums)
            for k, row in enumerate(rows):
                weight = splat(builder, scalar(builder, x, shifted(builder, left, k)))
                totals[k % 4] = multiply_add(builder, weight, row, totals[k % 4])
            return totals

        start = [load(builder, y, iy)] + [ZEROS] * 3
        a0, a1, a2, a3 = loop(builder, count, start, step)
        store(builder, builder.fadd(builder.fadd(a0, a1), builder.fadd(a2, a3)), y, iy)

    return emit(body, y, iy, a, ia, stride, count, x, ix)


@operation
def scaled_copy(context: Any, c: Any, ic: Any, a: Any, ia: Any, scale: Any) -> Any:
    """T numbers of `c` = those of `a` times a number."""

    def body(builder: Any, c: Any, ic: Any, a: Any, ia: Any, scale: Any) -> None:
        store(builder, builder.fmul(load(builder, a, ia), splat(builder, scale)), c, ic)

    return emit(body, c, ic, a, ia, types.float32)


@operation
def scaled_add(context: Any, c: Any, ic: Any, a: Any, ia: Any, scale: Any) -> Any:
    """T numbers of `c` += those of `a` times a number."""

    def body(builder: Any, c: Any, ic: Any, a: Any, ia: Any, scale: Any) -> None:
        row = load(builder, a, ia)
        total = multiply_add(builder, splat(builder, scale), row, load(builder, c, ic))
        store(builder, total, c, ic)

    return emit(body, c, ic, a, ia, types.float32)


@operation
def rectified_sum(context: Any, c: Any, ic: Any, a: Any, ia: Any, shift: Any) -> Any:
    """T numbers of `c` = those of `a` plus a number, and 0 where that is negative."""

    def body(builder: Any, c: Any, ic: Any, a: Any, ia: Any, shift: Any) -> None:
        total = builder.fadd(load(builder, a, ia), splat(builder, shift))
        above = builder.fcmp_ordered(">", total, ZEROS)
        store(builder, builder.select(above, total, ZEROS), c, ic)

    return emit(body, c, ic, a, ia, types.float32)


@operation
def multiply(context: Any, c: Any, ic: Any, a: Any, ia: Any) -> Any:
    """T numbers of `c` *= those of `a`."""

    def body(builder: Any, c: Any, ic: Any, a: Any, ia: Any) -> None:
        store(builder, builder.fmul(load(builder, c, ic), load(builder, a, ia)), c, ic)

    return emit(body, c, ic, a, ia)


@operation
def prefetch(context: Any, a: Any, ia: Any) -> Any:
    """Ask for the cache line of `a` that is read soon; a position past the end does no harm."""

    def body(builder: Any, a: Any, ia: Any) -> None:
        at = builder.gep(a, [ia], source_etype=FLOAT)
        number = ir.IntType(32)
        bytes_of = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [bytes_of, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [bytes_of], kind)
        # Read, keep in all caches, data.
        hints = [ir.Constant(number, hint) for hint in (0, 3, 1)]
        builder.call(function, [builder.bitcast(at, bytes_of), *hints])

    return emit(body, a, ia)
