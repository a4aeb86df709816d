"""What pairs of a user and an item do to tables of them: gathers, and sums of gradients.

c users stand against S items each, ``items[p * S : (p + 1) * S]`` against ``users[p]``. Each
operation is there twice: a loop compiled for the CPU, which reads rows where they are and makes
no table of pairs in between, and one of array operations for other devices. Both add in a fixed
order. The loops take one core, at the speed of its cache.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from daskrec.engine.jit import kernel

COMPILED = {"cpu"}  # devices whose memory the loops can read


@kernel(fast=True)
def _gather_relu(left: Any, right: Any, users: Any, items: Any, out: Any) -> None:
    slots, zero = items.size // users.size, np.zeros(1, left.dtype)[0]
    for p in range(users.size):
        a = left[users[p]]
        for s in range(p * slots, (p + 1) * slots):
            b, row = right[items[s]], out[s]
            for k in range(a.size):
                value = a[k] + b[k]
                row[k] = zero if value <= zero else value


@kernel(fast=True)
def _scatter_masked(
    flow: Any, values: Any, users: Any, items: Any, d_left: Any, d_right: Any
) -> None:
    slots, zero = items.size // users.size, np.zeros(1, flow.dtype)[0]
    for p in range(users.size):
        a = d_left[users[p]]
        for s in range(p * slots, (p + 1) * slots):
            b, slope, value = d_right[items[s]], flow[s], values[s]
            for k in range(a.size):
                part = zero if value[k] <= zero else slope[k]
                a[k] += part
                b[k] += part


@kernel(fast=True)
def _add_dots(left: Any, right: Any, users: Any, items: Any, out: Any) -> None:
    for p in range(out.shape[0]):
        a = left[users[p]]
        for s in range(out.shape[1]):
            b = right[items[p * out.shape[1] + s]]
            total = a[0] * b[0]
            for k in range(1, a.size):
                total += a[k] * b[k]
            out[p, s] += total


@kernel(fast=True)
def _scatter_dots(
    slopes: Any, left: Any, right: Any, users: Any, items: Any, d_left: Any, d_right: Any
) -> None:
    for p in range(slopes.shape[0]):
        a, d_a = left[users[p]], d_left[users[p]]
        for s in range(slopes.shape[1]):
            item, slope = items[p * slopes.shape[1] + s], slopes[p, s]
            b, d_b = right[item], d_right[item]
            for k in range(a.size):
                d_a[k] += slope * b[k]
                d_b[k] += slope * a[k]


@kernel(fast=True)
def _biased_rows(table: Any, biases: Any, ids: Any, out: Any) -> None:
    for r in range(ids.size):
        for k in range(out.shape[1]):
            out[r, k] = table[ids[r], k] + biases[ids[r], 0]


@kernel(fast=True)
def _spread(rows: Any, ids: Any, factor: Any, table: Any, biases: Any) -> None:
    done, zero, scale = 0, np.zeros(1, rows.dtype)[0], factor[0]
    for r in range(table.shape[0]):
        total = zero
        if done < ids.size and ids[done] == r:
            for k in range(rows.shape[1]):
                part = scale * rows[done, k]
                table[r, k] = part
                total += part
            done += 1
        else:
            table[r] = zero
        biases[r, 0] = total


@kernel(fast=True)
def _add_spread(rows: Any, ids: Any, factor: float, table: Any, biases: Any) -> None:
    for r in range(ids.size):
        total = rows[r, 0] * 0
        for k in range(rows.shape[1]):
            part = factor * rows[r, k]
            table[ids[r], k] += part
            total += part
        biases[ids[r], 0] += total


def _arrays(*tensors: Tensor) -> list[Any]:
    return [tensor.numpy() for tensor in tensors]


def _compiled(tensor: Tensor) -> bool:
    return tensor.device.type in COMPILED


def add_rows(table: Tensor, places: Tensor, rows: Tensor) -> None:
    """Add rows (m, width) to those at places (m,) of a table; repeated places add up."""
    if _compiled(table):
        table.index_add_(0, places, rows)
    else:
        # index_add_ is atomic on CUDA; the gradient of an embedding sorts the places.
        table += torch.ops.aten.embedding_dense_backward(rows, places, len(table), -1, False)


def gather_relu(left: Tensor, right: Tensor, users: Tensor, items: Tensor) -> Tensor:
    """Return ``relu(left[user] + right[item])`` of each pair, (c * S, width)."""
    if not _compiled(left):
        values = right.index_select(0, items)
        values.view(len(users), -1, left.shape[1]).add_(left.index_select(0, users)[:, None])
        return values.relu_()
    values = left.new_empty(len(items), left.shape[1])
    _gather_relu(*_arrays(left, right, users, items, values))
    return values


def scatter_masked(
    flow: Tensor, values: Tensor, users: Tensor, items: Tensor, d_left: Tensor, d_right: Tensor
) -> None:
    """Add the gradient ``flow`` of ``gather_relu``'s ``values`` to those of its tables."""
    if _compiled(flow):
        _scatter_masked(*_arrays(flow, values, users, items, d_left, d_right))
        return
    flow = torch.where(values > 0, flow, 0.0)
    add_rows(d_right, items, flow)
    add_rows(d_left, users, flow.view(len(users), -1, flow.shape[1]).sum(1))


def add_dots(left: Tensor, right: Tensor, users: Tensor, items: Tensor, out: Tensor) -> None:
    """Add ``left[user] @ right[item]`` to the place of each pair in ``out``, (c, S)."""
    if _compiled(left):
        _add_dots(*_arrays(left, right, users, items, out))
        return
    rows = right.index_select(0, items).view(*out.shape, -1)
    out += torch.bmm(rows, left.index_select(0, users)[:, :, None])[:, :, 0]


def scatter_dots(
    slopes: Tensor, left: Tensor, right: Tensor,
    users: Tensor, items: Tensor, d_left: Tensor, d_right: Tensor,
) -> None:  # fmt: skip
    """Add the gradient of ``add_dots`` to those of its tables; slopes (c, S)."""
    if _compiled(left):
        _scatter_dots(*_arrays(slopes, left, right, users, items, d_left, d_right))
        return
    rows = right.index_select(0, items).view(*slopes.shape, -1)
    add_rows(d_left, users, torch.bmm(slopes[:, None], rows)[:, 0])
    rows = slopes[:, :, None] * left.index_select(0, users)[:, None]
    add_rows(d_right, items, rows.view(len(items), -1))


def biased_rows(table: Tensor, biases: Tensor, ids: Tensor) -> Tensor:
    """Return the rows (n, width) of a table with these ids, each with its bias added."""
    if not _compiled(table):
        return table.index_select(0, ids).add_(biases.index_select(0, ids))
    rows = table.new_empty(len(ids), table.shape[1])
    _biased_rows(*_arrays(table.detach(), biases.detach(), ids, rows))
    return rows


def spread(rows: Tensor, ids: Tensor, factor: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the gradients of a table and its biases from that of ``biased_rows``.

    Parameters
    ----------
    rows
        (n, width).
    ids
        int64 (n,), ascending and different.
    factor
        What to multiply by, a number.
    count
        Rows of the table.
    """
    if _compiled(rows):
        table, biases = rows.new_empty(count, rows.shape[1]), rows.new_empty(count, 1)
        _spread(*_arrays(rows, ids, factor.reshape(1), table, biases))
        return table, biases
    rows = rows * factor
    parts = rows, rows.sum(1, keepdim=True)
    table, biases = (part.new_zeros(count, part.shape[1]) for part in parts)
    return table.index_copy_(0, ids, parts[0]), biases.index_copy_(0, ids, parts[1])


def add_spread(rows: Tensor, ids: Tensor, factor: float, table: Tensor, biases: Tensor) -> None:
    """Add what ``spread`` returns to the gradients of a table and of its biases."""
    if _compiled(rows):
        places, own = _arrays(rows, ids), _arrays(table, biases)
        _add_spread(*places, factor, *own)  # type: ignore[call-arg]
        return
    rows = rows * factor
    for to, part in ((table, rows), (biases, rows.sum(1, keepdim=True))):
        # The ids are different: no place is written twice, as an atomic addition may be.
        to.index_copy_(0, ids, to.index_select(0, ids).add_(part))
