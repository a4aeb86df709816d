"""The depths at which lists are cut: one number, or any iterable of them."""

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

_DEEPEST = 2**31 - 1


def is_depth(value: Any) -> bool:
    """Tell whether a value is one integer, of Python's or of numpy's."""
    if isinstance(value, bool | np.bool_):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def read_depths(k: Any) -> list[int]:
    """Return distinct depths in the order in which they were given.

    Parameters
    ----------
    k
        A positive integer, or an iterable of them.

    Raises
    ------
    ValueError
        A depth is no positive integer, or there is none.
    """
    if is_depth(k):
        values = [k]
    elif isinstance(k, str | bytes) or not isinstance(k, Iterable):
        raise ValueError(f"k must be a positive integer or several of them, not {k!r}")
    else:
        values = list(k)
    if not values:
        raise ValueError("k is empty: give at least one depth")
    for value in values:
        if not is_depth(value) or not 1 <= operator.index(value) <= _DEEPEST:
            raise ValueError(f"k must be positive integers below 2**31, not {value!r}")
    return list(dict.fromkeys(operator.index(value) for value in values))


def are_depths(value: Any) -> bool:
    """Tell whether a value is meant as depths, and not as a frame or a path."""
    if is_depth(value):
        return True
    if isinstance(value, str | bytes) or hasattr(value, "columns") or hasattr(value, "schema"):
        return False
    return isinstance(value, float | list | tuple | set | frozenset | range | np.ndarray) or (
        isinstance(value, Iterable) and not hasattr(value, "__fspath__")
    )
