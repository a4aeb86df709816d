"""The rows of each group in an order: grouped by counting, then sorted group by group.

Groups are short as a rule, and sorting each by itself touches the memory of one group at a
time: several times faster than one sort of all rows by the group and the keys.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.data import ids as id_tools
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.ranking import group_rows, rank_rows


def sort_groups(codes: Vector, count: int, keys: Sequence[Vector]) -> tuple[Vector, Vector]:
    """Bring the rows of each group together, and in order inside a group.

    Parameters
    ----------
    codes
        The group of each row, from 0.
    count
        Number of groups.
    keys
        int64 or float64 arrays, the one that counts most first: the highest value comes first.
        Rows that agree in all keys stay in their order. See ``sort_key``.

    Returns
    -------
    starts, rows : ndarray of int64
        Where each group starts in ``rows``, and the end of the last; the rows.

    Notes
    -----
    Linear in the rows, and a stable sort of each group for each key.
    """
    starts, rows = group_rows(codes, count)
    for key in reversed(keys):
        sorted_by: Any = key  # kernels are compiled for int64 too, where floats are not exact
        rank_rows(starts, rows, sorted_by)
    return starts, rows


def sort_key(values: Array, ascending: bool) -> Vector:
    """Return numbers, times or strings as a key for ``sort_groups``.

    Parameters
    ----------
    values
        Integers, floats, times or strings; none is missing.
    ascending
        Whether the lowest value is to come first.

    Returns
    -------
    ndarray of int64 or float64
        In the order of the values, or turned round.
    """
    if not isinstance(values, np.ndarray):
        values = id_tools.factorize(values)[1]
    if values.dtype.kind == "f":
        floats = values.astype(np.float64, copy=False)
        return -floats if ascending else floats
    if values.dtype == np.uint64:
        values = values ^ np.uint64(1 << 63)
        whole = values.view(np.int64)
    elif values.dtype.kind == "M":
        whole = values.view(np.int64)
    else:
        whole = values.astype(np.int64, copy=False)
    key: Vector = ~whole if ascending else whole  # no integer overflows by it
    return key


def ranks(starts: Vector) -> Vector:
    """Return the place of each sorted row in its group, from 0."""
    places: Vector = np.arange(starts[-1]) - np.repeat(starts[:-1], np.diff(starts))
    return places


def first_of_groups(codes: Vector, count: int, keys: Sequence[Vector], limit: Any) -> Vector:
    """Tell which rows are among the first of their group.

    Parameters
    ----------
    codes, count, keys
        As for ``sort_groups``.
    limit
        How many are; one number, or one a group.
    """
    starts, rows = sort_groups(codes, count, keys)
    if isinstance(limit, np.ndarray):
        limit = np.repeat(limit, np.diff(starts))
    chosen: Vector = np.empty(len(codes), dtype=bool)
    chosen[rows] = ranks(starts) < limit
    return chosen
