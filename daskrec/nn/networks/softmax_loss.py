"""The softmax over all items of a catalogue, its likelihood and its gradient, tile by tile.

A batch of users has users x items logits: at a million items that is too much to hold, and at
any size the passes over it cost as much as they move. Here a tile of users is carried from the
last hidden layer to the gradient while it is at hand: logits by one matrix product, log-softmax,
the likelihood at the entries, then the gradient of the logits in the same buffer, and from it
two more products. The tile is overwritten by the next one.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE_BYTES = {"cpu": 1 << 25, "cuda": 1 << 28}  # a tile of logits: most of it in the cache of a CPU
MIN_ROWS = 128  # of a tile however many items there are: the weights are read once a tile
_ALIGNED = 32  # items: rows of a tile begin at multiples of 64 bytes, in bfloat16 too


def tile_rows(users: int, items: int, device: torch.device) -> int:
    """Return the number of users of a tile."""
    size = TILE_BYTES.get(device.type, TILE_BYTES["cuda"])
    return max(1, min(users, max(MIN_ROWS, size // (4 * items))))


def row_sums(values: Tensor, indptr: Tensor) -> Tensor:
    """Sum the entries of each row; an empty row has the sum 0."""
    return torch.segment_reduce(values, "sum", offsets=indptr, initial=0.0)


def rows_of_entries(indptr: Tensor, entries: int) -> Tensor:
    """Return the row of each entry of a CSR matrix."""
    rows = torch.arange(indptr.numel() - 1, device=indptr.device)
    return rows.repeat_interleave(indptr.diff(), output_size=entries)


class _Tiles:
    """The buffers and sums of one pass over a batch.

    Rows of a buffer are aligned: a product that writes others takes up to 1.4 times as long. What
    lies behind the last item is minus infinity among logits and stays so, and 0 among shares.
    """

    def __init__(self, hidden: Tensor, weight: Tensor, bias: Tensor, mixed: bool) -> None:
        self.items = weight.shape[0]
        self.rows = tile_rows(hidden.shape[0], self.items, hidden.device)
        self.stride = -(-self.items // _ALIGNED) * _ALIGNED
        shape = (self.rows, self.stride)
        self.kind = torch.bfloat16 if mixed else hidden.dtype
        self.hidden, self.weight = hidden.to(self.kind), weight.to(self.kind)
        self.bias = bias.to(self.kind)
        self.logits = torch.full(shape, -torch.inf, dtype=self.kind, device=hidden.device)
        self.log_shares = torch.empty(shape, dtype=hidden.dtype, device=hidden.device)

    def score(self, start: int, stop: int) -> Tensor:
        """Fill the buffer with the log-softmax of users; return it, (users, stride)."""
        logits, shares = self.logits[: stop - start], self.log_shares[: stop - start]
        found = logits[:, : self.items]
        torch.addmm(self.bias, self.hidden[start:stop], self.weight.t(), out=found)
        return torch.log_softmax(logits, 1, dtype=shares.dtype, out=shares)


class _Gradients:
    """Gradients of the likelihood, made as the tiles come by."""

    def __init__(self, tiles: _Tiles, weight: Tensor, totals: Tensor) -> None:
        self.tiles, self.totals = tiles, totals
        self.hidden = torch.empty(
            totals.numel(), weight.shape[1], dtype=totals.dtype, device=weight.device
        )
        # The first tile writes it; there is none without users.
        self.weight = torch.empty_like(weight) if totals.numel() else torch.zeros_like(weight)
        self.bias = torch.zeros(weight.shape[0], dtype=weight.dtype, device=weight.device)

    def add(self, start: int, stop: int, shares: Tensor) -> None:
        """Take up a tile: ``shares``, (users, items), is softmax minus the shares of entries.

        The gradient of the logits is ``totals * shares``. The factor goes to the sides of
        the products, which are narrow, rather than to the tile.
        """
        tiles, totals = self.tiles, self.totals[start:stop, None]
        self.bias.addmv_(shares.t(), totals[:, 0])
        if tiles.kind != shares.dtype:
            shares = tiles.logits[: stop - start, : tiles.items].copy_(shares)
        scaled = (tiles.hidden[start:stop] * totals).to(tiles.kind)
        torch.mul(shares @ tiles.weight, totals, out=self.hidden[start:stop])
        if tiles.kind != self.weight.dtype:
            part = shares.t() @ scaled
            self.weight = self.weight.copy_(part) if start == 0 else self.weight.add_(part)
        elif start == 0:
            torch.mm(shares.t(), scaled, out=self.weight)
        else:
            self.weight.addmm_(shares.t(), scaled)


def _cuts(indptr: Tensor, users: int, rows: int) -> list[tuple[int, int, int, int]]:
    """Return the first and last user and entry of each tile."""
    starts = [*range(0, users, rows), users]
    entries = indptr[torch.tensor(starts, device=indptr.device)].tolist()
    return list(zip(starts[:-1], starts[1:], entries[:-1], entries[1:], strict=True))


class _SoftmaxLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor,
        indptr: Tensor, indices: Tensor, values: Tensor, mixed: bool, wanted: bool,
    ) -> Tensor:  # fmt: skip
        """Return the likelihood of the users, and its gradient where ``wanted``."""
        users, tiles = hidden.shape[0], _Tiles(hidden, weight, bias, mixed)
        totals, rows = row_sums(values, indptr), rows_of_entries(indptr, indices.numel())
        divisors = totals.clamp(min=torch.finfo(totals.dtype).tiny)  # of users without entries
        shares_of_entries = values / divisors.index_select(0, rows)
        places = rows.remainder_(tiles.rows).mul_(tiles.stride).add_(indices)
        gradients = _Gradients(tiles, weight, totals) if wanted else None
        loss = torch.zeros((), dtype=torch.float64, device=hidden.device)
        for start, stop, first, last in _cuts(indptr, users, tiles.rows):
            shares = tiles.score(start, stop)
            flat, at = shares.view(-1), places[first:last]
            found = flat.index_select(0, at)
            loss -= torch.dot(found, values[first:last])
            if gradients is not None:
                shares.exp_()
                # Items of a row differ, so no place is written twice.
                flat.scatter_(0, at, found.exp_().sub_(shares_of_entries[first:last]))
                gradients.add(start, stop, shares[:, : tiles.items])
        if gradients is not None:
            ctx.gradients = gradients.hidden, gradients.weight, gradients.bias
        return loss.to(hidden.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient times the upstream number."""
        made, ctx.gradients = ctx.gradients, None
        if made is None:
            raise RuntimeError("the gradient of this loss was used: compute the loss again")
        return (*(part.mul_(upstream) for part in made), None, None, None, None, None)


def softmax_loss(
    hidden: Tensor, weight: Tensor, bias: Tensor,
    indptr: Tensor, indices: Tensor, values: Tensor, *, mixed: bool = False,
) -> Tensor:  # fmt: skip
    """Sum the multinomial negative log-likelihood of users over all items.

    ``-sum_u sum_j values_uj log softmax(hidden_u @ weight.T + bias)_j``

    Parameters
    ----------
    hidden
        (users, width) output of the last hidden layer.
    weight, bias
        (items, width) and (items,): the output layer.
    indptr, indices, values
        The entries of the users in CSR: int64 (users + 1,), int64 and the type of ``hidden``.
        Items of a row differ; values are 0 or above.
    mixed
        Products in bfloat16, with the softmax and all sums over tiles in the type of ``hidden``.

    Returns
    -------
    Tensor
        A number, summed in double precision. Differentiable once in the first three.

    Notes
    -----
    The gradient is made in the forward pass, while a tile is at hand, unless gradients are off;
    ``backward`` multiplies it by the upstream number, in place, and so works once. Time
    ``6 users items width``; memory two tiles of ``TILE_BYTES`` (or of ``MIN_ROWS`` users) and
    the gradient. The same on every run: nothing is added atomically.
    """
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in (hidden, weight, bias))
    options = indptr, indices, values, mixed, wanted
    result: Tensor = _SoftmaxLoss.apply(hidden, weight, bias, *options)  # type: ignore[no-untyped-call]
    return result
