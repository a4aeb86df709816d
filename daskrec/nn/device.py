"""Where a network is trained: the device, its number type, the threads."""

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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


def check_device(device: Any) -> None:
    """Raise ValueError unless a parameter names a device: ``"auto"``, ``"cpu"``, ``"cuda:1"``."""
    kind, colon, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    numbered = not colon or (kind == "cuda" and number.isdigit())
    if kind not in {"auto", "cpu", "cuda"} or not numbered:
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda' or 'cuda:<n>', not {device!r}")


def choose(device: str) -> "torch.device":
    """Return the device of a parameter, where the work is done.

    Raises
    ------
    RuntimeError
        A GPU is asked for, and there is none.
    """
    library = require()
    there = library.cuda.is_available()
    name = device if device != "auto" else "cuda" if there else "cpu"
    chosen: torch.device = library.device(name)
    if chosen.type == "cuda" and (not there or (chosen.index or 0) >= library.cuda.device_count()):
        count = library.cuda.device_count() if there else 0
        raise RuntimeError(f"device={device!r} was asked for, but torch sees {count} GPUs here")
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
