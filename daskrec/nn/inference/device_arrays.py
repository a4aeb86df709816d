"""Arrays of handles on a device, moved there once in a process."""

import threading
from collections import OrderedDict
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from daskrec.engine.arrays import Vector
from daskrec.engine.shared import Shared

_lock = threading.Lock()
_held: "OrderedDict[tuple[str, str], dict[str, Tensor]]" = OrderedDict()
_LIMIT = 4  # handles: two models at least


def on_device(handle: Shared[Any], device: str, without: Collection[str] = ()) -> dict[str, Tensor]:
    """Return the arrays of a value on a device, by name; an array is called ``"value"``.

    Those of the last handles that were asked for stay there.

    Parameters
    ----------
    handle
        A handle on the value.
    device
        Where the arrays are wanted.
    without
        Names of those that nobody asks for.
    """
    key = (handle.uid, device)
    with _lock:
        if key not in _held:
            value = handle.get()
            arrays = value.to_arrays() if hasattr(value, "to_arrays") else {"value": value}
            _held[key] = {
                name: to_device(array, device)
                for name, array in arrays.items()
                if name not in without
            }
        _held.move_to_end(key)
        while len(_held) > _LIMIT:
            _held.popitem(last=False)
        return _held[key]


def to_device(array: Vector, device: str) -> Tensor:
    """Return a copy of an array on a device."""
    return torch.tensor(array, device=device)
