"""Where a network is trained: the device, its number type, the threads."""

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from daskrec.engine.device import chosen_gpu

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "single", "mixed")
_lock = threading.Lock()
_depth, _before = 0, 1


def require(package: str = "torch") -> Any:
    """Import a package of the extra ``neural``.

    Raises
    ------
    ImportError
        It is not installed; the error names the extra.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(f"neural models need {package}: pip install 'daskrec[neural]'") from error


def choose(device: str) -> "torch.device":
    """Return the device of a parameter, where the work is done; see ``chosen_gpu``."""
    chosen: torch.device = require().device(chosen_gpu(device) or "cpu")
    return chosen


def is_mixed(precision: str, device: "torch.device") -> bool:
    """Tell whether products are of bfloat16: on a GPU by default, on a CPU where asked for."""
    return precision == "mixed" or (precision == "auto" and device.type == "cuda")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many threads; the last user of this context puts its own number back.

    The number belongs to the process: of several trainings side by side the last to come
    decides.
    """
    global _depth, _before
    torch = require()
    with _lock:
        if _depth == 0:
            _before = torch.get_num_threads()
        _depth += 1
    torch.set_num_threads(max(1, count))
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                torch.set_num_threads(_before)
