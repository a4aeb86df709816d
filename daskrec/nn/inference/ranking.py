"""Exact top-k of tiles of scores on a device, by torch.

The order is that of ``engine.topk``: score descending, then item ascending; minus infinity and
NaN are never selected. A score and its column make one int64 key, which a plain top-k ranks: in
the high half the bits of the float32 as an int32 of the same order, in the low half the column
counted down.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr

TILE_BYTES = 256 * 2**20
_CELL_BYTES = 32  # a score, its key, and what making and ranking keys takes
_LOWEST = -(2**63)
_LAST = 2**31 - 1
_FLIP = 0x7FFFFFFF  # turns negative floats round: the larger their bits, the smaller they are


def keys_of(scores: Tensor, first: int = 0) -> Tensor:
    """Return keys whose order is that of scores; column c of ``scores`` is ``first + c``."""
    bits = (scores + 0.0).view(torch.int32)  # -0.0 becomes 0.0, which it equals
    high = torch.where(bits < 0, bits ^ _FLIP, bits).to(torch.int64)
    columns = torch.arange(first, first + scores.shape[1], device=scores.device)
    return torch.where(scores > -torch.inf, high * 2**32 + (_LAST - columns), _LOWEST)


def entries_of(keys: Vector) -> tuple[Vector, Vector, Vector]:
    """Return rows int64, columns int32 and scores float32 of the keys that stand for some."""
    rows, places = np.nonzero(keys != _LOWEST)
    valid = keys[rows, places]
    high = (valid >> 32).astype(np.int32)
    bits = np.where(high < 0, high ^ np.int32(_FLIP), high)
    return rows, (_LAST - (valid & _FLIP)).astype(np.int32), bits.view(np.float32)


def tile_shape(rows: int, columns: int, tile_bytes: int = TILE_BYTES) -> tuple[int, int]:
    """Return the rows and columns of a tile that is ranked within ``tile_bytes``."""
    cells = max(1, tile_bytes // _CELL_BYTES)
    width = max(1, min(columns, max(1, cells // 128)))
    return max(1, min(rows, cells // width)), width


def rank_tiles(
    fill: Callable[[slice, slice], Tensor],
    shape: tuple[int, int],
    k: int,
    seen: Csr | None,
    device: str,
    tile: tuple[int, int],
) -> tuple[Vector, Vector, Vector]:
    """Rank scores that are made a tile at a time.

    Parameters
    ----------
    fill
        ``fill(rows, columns)`` returns a new float32 tensor of scores, which is changed here.
        Tiles of the same rows come one after the other, by ascending columns.
    shape
        Number of rows and of columns.
    k
        Length of a result list.
    seen
        Columns to leave out, a row for each; None leaves out nothing.
    device
        Where the scores are.
    tile
        Rows and columns of a tile.

    Returns
    -------
    tuple
        Row numbers int64, columns int32 and scores float32, in order.
    """
    found = [np.empty((0, 0), np.int64)]
    for top in range(0, shape[0] if k > 0 else 0, tile[0]):
        rows = slice(top, min(top + tile[0], shape[0]))
        past = None if seen is None else _coordinates(seen.rows(rows.start, rows.stop), device)
        best: Tensor | None = None
        for first in range(0, shape[1], tile[1]):
            columns = slice(first, min(first + tile[1], shape[1]))
            scores = fill(rows, columns)
            if past is not None:
                _mask(scores, past, first)
            keys = _largest(keys_of(scores, first), k)
            best = keys if best is None else _largest(torch.cat([best, keys], dim=1), k)
        if best is not None:
            found.append(best.cpu().numpy())
    parts = [entries_of(keys) for keys in found]
    starts = np.cumsum([0, *(len(keys) for keys in found)])
    rows_of = [part[0] + start for part, start in zip(parts, starts[:-1], strict=True)]
    columns_of, scores_of = ([part[n] for part in parts] for n in (1, 2))
    return np.concatenate(rows_of), np.concatenate(columns_of), np.concatenate(scores_of)


def _largest(keys: Tensor, k: int) -> Tensor:
    """Return the k largest keys of each row, in descending order."""
    return keys.topk(min(k, keys.shape[1]), dim=1).values


def _coordinates(seen: Csr, device: str) -> tuple[Tensor, Tensor]:
    lengths = torch.from_numpy(np.diff(seen.indptr)).to(device)
    rows = torch.arange(len(seen), device=device)
    columns = torch.from_numpy(seen.indices.astype(np.int64)).to(device)
    return rows.repeat_interleave(lengths, output_size=seen.nnz), columns


def _mask(scores: Tensor, seen: tuple[Tensor, Tensor], first: int) -> None:
    """Write minus infinity over the seen entries of a tile."""
    rows, columns = seen[0], seen[1] - first
    inside = (columns >= 0) & (columns < scores.shape[1])
    scores[rows[inside], columns[inside]] = -torch.inf
