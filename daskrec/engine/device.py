"""Where scores are computed: by numpy here, or by torch on a GPU.

Nothing here imports torch unless a GPU asks for it: the import takes seconds, and scoring on a
CPU needs none.
"""

import ctypes
import importlib.util
import sys
from functools import lru_cache


def scoring_device(device: str) -> str | None:
    """Return the torch device on which this process scores; None for numpy.

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
    if device == "cpu":
        return None
    if device == "auto":
        return "cuda" if _usable_gpus() else None
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number.isdigit() or device == kind):
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda' or 'cuda:<number>', not {device!r}")
    if int(number or 0) >= _usable_gpus():
        raise RuntimeError(
            f"device is {device!r}, and torch finds no such GPU on this machine: "
            "set_params(device='auto') scores on the CPU where there is none"
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
