"""How much memory work takes: the resident bytes of all processes that do it, at their peak.

A thread looks at this process and its children (where the workers of a ``LocalCluster`` are)
many times a second. Workers elsewhere tell the scheduler their memory about twice a second,
and it is taken from there.
"""

import importlib
import os
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any

from daskrec.engine import runtime

_PERIOD = 0.02  # seconds between two looks at local processes
_HEARTBEAT = 0.5  # and between two searches for new ones, and looks at workers elsewhere


class Footprint:
    """Watch memory as long as a context lasts.

    What is shared between processes (libraries, memory-mapped arrays) counts in each, and a
    peak shorter than the period of 20 ms may be missed.

    Attributes
    ----------
    start, peak
        Resident bytes when the context was entered, and the most until it was left.

    Examples
    --------
    >>> with Footprint() as memory:
    ...     _ = bytearray(1_000)
    >>> memory.peak >= memory.start > 0
    True
    """

    def __init__(self) -> None:
        self.start = 0
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="daskrec-footprint")

    def __enter__(self) -> "Footprint":
        self._family = _family()
        self._elsewhere = _Elsewhere()
        self.start = self.peak = self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self.peak = max(self.peak, self._look())

    def _watch(self) -> None:
        ticks = max(1, round(_HEARTBEAT / _PERIOD))
        tick = 0
        while not self._over.wait(_PERIOD):
            tick += 1
            if tick % ticks == 0:
                self._family = _family()
                self._elsewhere.refresh()
            self.peak = max(self.peak, self._look())

    def _look(self) -> int:
        total = self._elsewhere.bytes
        for process in self._family:
            with suppress(OSError, _psutil().Error):  # it ended meanwhile
                total += int(process.memory_info().rss)
        return total


def _family() -> list[Any]:
    """Return this process and its children."""
    own = _psutil().Process()
    return [own, *own.children(recursive=True)]


def _psutil() -> Any:
    """Return psutil, which comes with distributed; it is not needed before work is watched."""
    return importlib.import_module("psutil")


class _Elsewhere:
    """The workers of a client that are not among the children of this process."""

    def __init__(self) -> None:
        self.bytes = 0
        self._owner = runtime.client()
        self._here: set[str] = set()
        if self._owner is not None:
            family = {process.pid for process in _family()}
            places = self._owner.run(_whereabouts)
            self._here = {
                address
                for address, (host, pid) in places.items()
                if host == socket.gethostname() and pid in family
            }
            self.refresh()

    def refresh(self) -> None:
        """Ask the scheduler for what workers told it last."""
        if self._owner is None:
            return
        with suppress(OSError, TimeoutError, ValueError):  # the client closes
            workers: dict[str, Any] = self._owner.scheduler_info(n_workers=-1)["workers"]
            self.bytes = sum(
                int(worker["metrics"]["memory"])
                for address, worker in workers.items()
                if address not in self._here
            )


def _whereabouts() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()
