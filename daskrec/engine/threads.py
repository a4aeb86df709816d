"""One BLAS thread a task, as long as tasks run side by side in threads."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import OpenBLASController, ThreadpoolController

_lock = threading.Lock()
_depth = 0
_limiter: Any = None


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread until the last user of this context has left.

    The limit belongs to the process, and tasks enter and leave in any order: the first one
    in keeps the user's numbers, the last one out puts them back.
    """
    global _depth, _limiter
    with _lock:
        _depth += 1
        if _depth == 1:
            _take_control()
            _limiter = _controller(len(sys.modules)).limit(limits=1)
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _take_control()
                _limiter.restore_original_limits()
                _take_control()
                _limiter = None


@lru_cache(maxsize=1)
def _controller(modules: int) -> Any:
    """Return the libraries of the process; they are looked for anew after an import.

    The search takes milliseconds, which is what a small stage takes.
    """
    return ThreadpoolController()


def _take_control() -> None:
    """Let this thread set the number: since 3.8, threadpoolctl obeys one thread alone."""
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)
