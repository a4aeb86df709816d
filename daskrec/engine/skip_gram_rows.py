"""Operations of skip-gram on rows of a table: many inner products, and many updates, at once.

A row is a multiple of 16 float32 long. One row, the *centre*, meets several *targets*, rows of
another table, whose positions come in an array. Numba finds no vector instructions in such
nested loops, so they are written out (see ``solve.simd``). No bounds are checked.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

from daskrec.engine.solve.simd import (
    FLOAT,
    VECTOR,
    ZEROS,
    T,
    Value,
    emit,
    lane_of,
    load,
    loop,
    mask,
    multiply_add,
    operation,
    scalar,
    splat,
    store,
)

_LONG = ir.IntType(64)
# What each row starts with is asked for this many targets ahead.
_T = ir.Constant(_LONG, T)


def _position(builder: Any, positions: Value, number: Value) -> Value:
    """Emit the load of the position of a target."""
    at = builder.gep(positions, [number], source_etype=_LONG)
    return builder.load(at, align=8, typ=_LONG)


def _sum(builder: Any, vector: Value) -> Value:
    """Emit the sum of the lanes of a vector."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    width = T // 2
    while width:
        lanes = [lane ^ width for lane in range(T)]
        vector = builder.fadd(vector, builder.shuffle_vector(vector, undefined, mask(lanes)))
        width //= 2
    return lane_of(builder, vector, 0)


def _emit_products(
    builder: Any,
    centres: Value,
    centre: Value,
    targets: Value,
    positions: Value,
    count: Value,
    chunks: Value,
    out: Value,
) -> None:
    def one_target(number: Value, _: Any) -> list[Value]:
        start = _position(builder, positions, number)

        def one_chunk(chunk: Value, sums: Any) -> list[Value]:
            skip = builder.mul(chunk, _T)
            left = load(builder, centres, builder.add(centre, skip))
            right = load(builder, targets, builder.add(start, skip))
            return [multiply_add(builder, left, right, sums[0])]

        (total,) = loop(builder, chunks, [ZEROS], one_chunk)
        at = builder.gep(out, [number], source_etype=FLOAT)
        builder.store(_sum(builder, total), at, align=4)
        return []

    loop(builder, count, [], one_target)


def _emit_updates(
    builder: Any,
    centres: Value,
    centre: Value,
    targets: Value,
    positions: Value,
    count: Value,
    chunks: Value,
    steps: Value,
) -> None:
    def one_chunk(chunk: Value, _: Any) -> list[Value]:
        skip = builder.mul(chunk, _T)
        here = builder.add(centre, skip)
        row = load(builder, centres, here)

        def one_target(number: Value, moved: Any) -> list[Value]:
            there = builder.add(_position(builder, positions, number), skip)
            step = splat(builder, scalar(builder, steps, number))
            target = load(builder, targets, there)
            store(builder, multiply_add(builder, step, row, target), targets, there)
            return [multiply_add(builder, step, target, moved[0])]

        (moved,) = loop(builder, count, [row], one_target)
        store(builder, moved, centres, here)
        return []

    loop(builder, chunks, [], one_chunk)


@operation
def inner_products(
    typing: Any,
    centres: Any,
    centre: Any,
    targets: Any,
    positions: Any,
    count: Any,
    chunks: Any,
    out: Any,
) -> Any:
    """Write ``out[j] = centre row . target row j`` for ``count`` targets.

    ``centre`` and ``positions`` (int64) are where rows start in flat float32 tables; a row has
    ``chunks`` vectors of T numbers.
    """
    return emit(
        _emit_products,
        centres, types.intp, targets, positions, types.intp, types.intp, out,
    )  # fmt: skip


@operation
def update_rows(
    typing: Any,
    centres: Any,
    centre: Any,
    targets: Any,
    positions: Any,
    count: Any,
    chunks: Any,
    steps: Any,
) -> Any:
    """Add ``steps[j]`` x centre row to target row j, and each x target row j to the centre row.

    Both sides are moved from where they were before: the centre row changes at the end. A
    target that comes twice is read as its first update left it.
    """
    return emit(
        _emit_updates,
        centres, types.intp, targets, positions, types.intp, types.intp, steps,
    )  # fmt: skip
