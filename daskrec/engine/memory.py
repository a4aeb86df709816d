"""Memory that was freed, given back to the machine."""

import ctypes
import sys

import pyarrow as pa


def release_unused() -> None:
    """Give memory back that was freed in this process, before a long work that needs much.

    Reading a log leaves a few times its size with the allocators of Arrow and of the C library.
    """
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
        if trim is not None:
            trim(0)
