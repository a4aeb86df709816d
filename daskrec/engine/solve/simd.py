"""Writers of vector instructions, for kernels that compilers do not find in nested loops.

The functions are called while numba compiles an operation of `tiles` and append LLVM
instructions to its code. A vector has `T` float32 lanes; LLVM splits those that a machine
lacks.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

# As many accumulators as a tile has rows hide the latency of a fused multiply-add; with the
# 16 registers of AVX2 a tile of 16 would be spilled to memory. The answer comes from the
# machine that numba compiles for, since that is what its cache of compiled code goes by.
_FEATURES: str = cpu_target.target_context.codegen().magic_tuple()[2]
T: int = 16 if "+avx512f" in _FEATURES.split(",") else 8
TILE: int = T * T

FLOAT = ir.FloatType()
LANE = ir.IntType(32)
VECTOR = ir.VectorType(FLOAT, T)
ZEROS = ir.Constant(VECTOR, [0.0] * T)
_CONTRACT = ("contract",)

Value = Any


def operation(definition: Callable[..., Any]) -> Any:
    """Make an operation that kernels call, out of a function that returns what `emit` does."""
    return intrinsic(definition)


def load(builder: Any, pointer: Value, offset: Value) -> Value:
    """Emit the load of T numbers."""
    at = builder.gep(pointer, [offset], source_etype=FLOAT)
    return builder.load(builder.bitcast(at, VECTOR.as_pointer()), align=4, typ=VECTOR)


def store(builder: Any, value: Value, pointer: Value, offset: Value) -> None:
    """Emit the store of T numbers."""
    at = builder.gep(pointer, [offset], source_etype=FLOAT)
    builder.store(value, builder.bitcast(at, VECTOR.as_pointer()), align=4)


def scalar(builder: Any, pointer: Value, offset: Value) -> Value:
    """Emit the load of one number."""
    at = builder.gep(pointer, [offset], source_etype=FLOAT)
    return builder.load(at, align=4, typ=FLOAT)


def shifted(builder: Any, offset: Value, amount: int) -> Value:
    """Emit an offset plus a constant."""
    return builder.add(offset, ir.Constant(offset.type, amount))


def mask(lanes: Sequence[int]) -> Value:
    """Return the lanes that a shuffle takes."""
    return ir.Constant(ir.VectorType(LANE, len(lanes)), list(lanes))


def splat(builder: Any, number: Value) -> Value:
    """Emit a vector of T times a number."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(LANE, 0))
    return builder.shuffle_vector(first, undefined, mask([0] * T))


def lane_of(builder: Any, vector: Value, lane: int) -> Value:
    """Emit the extraction of a lane."""
    return builder.extract_element(vector, ir.Constant(LANE, lane))


def spread(builder: Any, vector: Value, lane: int) -> Value:
    """Emit a vector of T times a lane of another."""
    return builder.shuffle_vector(vector, ir.Constant(VECTOR, ir.Undefined), mask([lane] * T))


def multiply_add(builder: Any, left: Value, right: Value, total: Value) -> Value:
    """Emit total + left * right, to be fused."""
    product = builder.fmul(left, right, flags=_CONTRACT)
    return builder.fadd(total, product, flags=_CONTRACT)


def multiply_subtract(builder: Any, left: Value, right: Value, total: Value) -> Value:
    """Emit total - left * right, to be fused."""
    product = builder.fmul(left, right, flags=_CONTRACT)
    return builder.fsub(total, product, flags=_CONTRACT)


def loop(
    builder: Any,
    count: Value,
    start: Sequence[Value],
    step: Callable[[Value, Sequence[Value]], Sequence[Value]],
) -> Sequence[Value]:
    """Emit `for i in range(count): values = step(i, values)`, the values in registers.

    The step may emit loops of its own.
    """
    before = builder.block
    body, after = (builder.append_basic_block(name) for name in ("tile.loop", "tile.done"))
    zero = ir.Constant(count.type, 0)
    builder.cbranch(builder.icmp_signed(">", count, zero), body, after)
    builder.position_at_end(body)
    index = builder.phi(count.type)
    values = [builder.phi(value.type) for value in start]
    updated = step(index, values)
    following = shifted(builder, index, 1)
    last = builder.block  # of the step: the body itself, or what follows a loop in it
    index.add_incoming(zero, before)
    index.add_incoming(following, last)
    builder.cbranch(builder.icmp_signed("<", following, count), body, after)
    builder.position_at_end(after)
    results = [builder.phi(value.type) for value in start]
    for phi, result, first, new in zip(values, results, start, updated, strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(new, last)
        result.add_incoming(first, before)
        result.add_incoming(new, last)
    return results


def emit(body: Callable[..., None], *kinds: Any) -> Any:
    """Return what an intrinsic returns: its signature and the writer of its code."""

    def code(context: Any, builder: Any, signature: Any, arguments: Sequence[Value]) -> Value:
        values = [
            make_array(kind)(context, builder, value).data  # type: ignore[no-untyped-call]
            if isinstance(kind, types.Array)
            else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        body(builder, *values)
        return context.get_dummy_value()

    settled = [types.intp if isinstance(kind, types.Integer) else kind for kind in kinds]
    return types.void(*settled), code


def rows_of(builder: Any, pointer: Value, at: Value) -> list[Value]:
    """Emit the load of the T rows of a tile."""
    return [load(builder, pointer, shifted(builder, at, row * T)) for row in range(T)]


def transposed(builder: Any, rows: Sequence[Value]) -> list[Value]:
    """Emit the transposition of T vectors by rounds that swap blocks of 1, 2, 4... lanes."""
    rows = list(rows)
    width = 1
    while width < T:
        for low in (row for row in range(T) if not row & width):
            pair = rows[low], rows[low + width]
            keep = [lane + T - width if lane & width else lane for lane in range(T)]
            swap = [lane + T if lane & width else lane + width for lane in range(T)]
            rows[low] = builder.shuffle_vector(*pair, mask(keep))
            rows[low + width] = builder.shuffle_vector(*pair, mask(swap))
        width *= 2
    return rows


def lane_sums(builder: Any, rows: Sequence[Value]) -> Value:
    """Emit the vector of the sums of the lanes of each of T vectors."""
    rows = list(rows)
    width = 1
    while width < T:
        # Lanes with the bit `width` belong to the second of a pair, the others to the first.
        left = [lane + T if lane & width else lane for lane in range(T)]
        right = [lane + T - width if lane & width else lane + width for lane in range(T)]
        halves = []
        for low in range(0, len(rows), 2):
            # The swapped lanes hold the other halves of the same two sums.
            first = builder.shuffle_vector(rows[low], rows[low + 1], mask(left))
            second = builder.shuffle_vector(rows[low], rows[low + 1], mask(right))
            halves.append(builder.fadd(first, second))
        rows = halves
        width *= 2
    return rows[0]
