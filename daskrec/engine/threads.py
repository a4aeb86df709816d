"""One BLAS thread a task, as long as tasks run side by side in threads."""

import os
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
def single_threaded_blas(openmp: bool = True) -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread until the last user of this context has left.

    The limit belongs to the process, and tasks enter and leave in any order: the first one
    in keeps the user's numbers, the last one out puts them back.

    Parameters
    ----------
    openmp
        Limit OpenMP too; False for a library that has threads of its own and calls BLAS in
        them. Who is in already decides for those who come in later.
    """
    global _depth, _limiter
    with _lock:
        _depth += 1
        if _depth == 1:
            _take_control()
            kinds = None if openmp else "blas"
            _limiter = _controller(len(sys.modules)).limit(limits=1, user_api=kinds)
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


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
