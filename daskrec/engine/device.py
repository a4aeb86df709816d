"""The parameter ``device``: whether this process works on a GPU by torch, and on which.

Nothing here imports torch unless a GPU asks for it: the import takes seconds, and scoring on a
CPU needs none.
"""

import ctypes
import importlib.util
import sys
from functools import lru_cache
from typing import Any


def check_device(device: Any) -> None:
    """Raise ValueError unless a parameter names a device: ``"auto"``, ``"cpu"``, ``"cuda:1"``."""
    kind, colon, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    numbered = not colon or (kind == "cuda" and number.isdigit())
    if kind not in {"auto", "cpu", "cuda"} or not numbered:
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda' or 'cuda:<number>', not {device!r}")


def chosen_gpu(device: str) -> str | None:
    """Return the GPU that this process works on, as torch names it; None for the CPU.

    Parameters
    ----------
    device
        ``"cpu"``; ``"cuda"`` or ``"cuda:<number>"``; or ``"auto"``: a GPU where torch can use
        one. Workers that differ decide each for itself.

    Raises
    ------
    ValueError
        The name is another one.
    RuntimeError
        A GPU is asked for, and torch can use none of that number here.
    """
    check_device(device)
    if device == "cpu":
        return None
    count = _usable_gpus()
    if device == "auto":
        return "cuda" if count else None
    if int(device.partition(":")[2] or 0) >= count:
        raise RuntimeError(
            f"device is {device!r}, and there is no such GPU on this machine: torch sees {count} "
            "GPUs here; set_params(device='auto') works on the CPU where there is none"
        )
    return device


@lru_cache(maxsize=1)
def _usable_gpus() -> int:
    """Count the GPUs that torch can use."""
    loaded = sys.modules.get("torch") is not None
    if not loaded and not (_has_driver() and importlib.util.find_spec("torch")):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _has_driver() -> bool:
    """Tell whether there is a driver of GPUs, without torch."""
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
