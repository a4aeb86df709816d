"""Where work is done: the setting ``daskrec.device``, the parameter, and what this machine has.

Nothing here imports torch or CuPy unless a GPU is there: the imports take seconds, and work on a
CPU needs neither.
"""

import ctypes
import importlib.util
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from daskrec.engine import config

_travelled: ContextVar[str | None] = ContextVar("daskrec-device", default=None)


def check_device(device: Any) -> None:
    """Raise ValueError unless a value names a device: ``"auto"``, ``"cpu"``, ``"cuda:1"``."""
    kind, colon, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    numbered = not colon or (kind == "cuda" and number.isdigit())
    if kind not in {"auto", "cpu", "cuda"} or not numbered:
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda' or 'cuda:<number>', not {device!r}")


def asked() -> str:
    """Return the device that work is asked to be done on.

    That is the setting of the process that made the task, else the one of this process.

    Raises
    ------
    ValueError
        The setting names none.
    """
    device = _travelled.get() or config.get("device")
    check_device(device)
    return str(device)


def travelling() -> str | None:
    """Return the device that tasks take along, or None where each worker has its own setting."""
    device = asked()
    return None if device == config.DEFAULTS["device"] else device


def call_on(device: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function whose work is asked to be done on a device."""
    before = _travelled.set(device)
    try:
        return function(*args)
    finally:
        _travelled.reset(before)


def device_number(device: str) -> int:
    """Return the number of a GPU; ``"cuda"`` is the first one that the process sees."""
    return int(device.partition(":")[2] or 0)


def chosen_gpu(device: str) -> str | None:
    """Return the GPU that torch works on in this process, as it names it; None for the CPU.

    Parameters
    ----------
    device
        ``"cpu"``; ``"cuda"`` or ``"cuda:<number>"``; or ``"auto"``: what the setting
        ``daskrec.device`` says, and where that is ``"auto"`` too, a GPU where torch can use
        one. Workers that differ decide each for itself.

    Raises
    ------
    ValueError
        The name is another one.
    RuntimeError
        A GPU is asked for, and torch can use none of that number here.
    """
    check_device(device)
    if device == "auto":
        device = asked()
    if device == "cpu":
        return None
    count = _usable_gpus()
    if device == "auto":
        return "cuda" if count else None
    if device_number(device) >= count:
        raise RuntimeError(
            f"device is {device!r}, and there is no such GPU on this machine: torch sees {count} "
            "GPUs here; 'auto' (set_params(device='auto'), or the setting daskrec.device) works "
            "on the CPU where there is none"
        )
    return device


@lru_cache(maxsize=1)
def _usable_gpus() -> int:
    """Count the GPUs that torch can use."""
    loaded = sys.modules.get("torch") is not None
    if not loaded and not (has_driver() and importlib.util.find_spec("torch")):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


@lru_cache(maxsize=1)
def has_driver() -> bool:
    """Tell whether there is a driver of GPUs, without a library that uses it."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:  # torch built for ROCm answers to the same name
        return bool(importlib.util.find_spec("torch")) and _has_rocm()
    return True


def _has_rocm() -> bool:
    try:
        ctypes.CDLL("libamdhip64.so")
    except OSError:
        return False
    return True
