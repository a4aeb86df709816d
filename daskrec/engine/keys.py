"""Ids as keys of random draws: one 64-bit word an id, the same wherever it is computed.

Draws that are keyed by ids, and not by codes, stay what they are for a user when other users
come or go.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from daskrec.engine.arrays import Array, Vector
from daskrec.engine.jit import kernel
from daskrec.engine.random import mix64

# FNV-1a, 64 bits (Fowler, Noll and Vo): http://www.isthe.com/chongo/tech/comp/fnv
_FNV_START = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


@kernel()
def _hash_text(offsets: Vector, data: Vector, out: Vector) -> None:
    for row in range(len(out)):
        value = _FNV_START
        for place in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(data[place])) * _FNV_PRIME
        out[row] = mix64(value)


@kernel()
def _hash_words(words: Vector, out: Vector) -> None:
    for row in range(len(out)):
        out[row] = mix64(words[row])


def hash_ids(values: Array) -> NDArray[np.uint64]:
    """Hash ids to words.

    Parameters
    ----------
    values
        Ids: an integer array, or an Arrow ``large_string`` array without nulls. Integers
        hash by their value, whatever their type.

    Returns
    -------
    ndarray of uint64
        One word an id. Linear in the ids, for strings in their bytes.
    """
    out: NDArray[np.uint64] = np.empty(len(values), dtype=np.uint64)
    if isinstance(values, np.ndarray):
        _hash_words(values.astype(np.uint64), out)
        return out
    if len(values) == 0:
        return out
    column = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    _, offsets, data = column.buffers()
    starts = np.frombuffer(offsets, np.int64, len(column) + 1, column.offset * 8)
    text = (
        np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
    )
    _hash_text(starts, text, out)
    return out
