"""The most memory that a tree of processes holds, seen from outside while it runs."""

import threading
from pathlib import Path
from time import monotonic, perf_counter
from types import TracebackType

from benchmarks.engines.clock import tree

_PERIOD = 0.05  # seconds between two looks
_FAMILY = 0.5  # and between two searches for new processes
_GROWTH = 1.01
_REST = 20  # times as long as an exact look took, until the next one
_PAGE = 4096


class Watch:
    """Watch a tree of processes as long as a context lasts.

    A page that several processes share counts once (proportional set size, ``smaps_rollup``).
    Reading that walks the tables of all pages, which the watched work would feel: it is done where
    the plain sum of resident pages has grown, and takes at most a twentieth of the time. Between
    two such looks the plain sum counts, times their ratio at the last one. A peak shorter than
    50 ms may be missed.

    Attributes
    ----------
    peak
        Bytes, the most that was seen.
    """

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
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

    def _run(self) -> None:
        family: list[int] = []
        searched, exact, share, rested = -_FAMILY, 0.0, 1.0, 0.0
        while not self._over.wait(_PERIOD):
            now = monotonic()
            if now - searched >= _FAMILY:
                family, searched = tree(self._pid), now
            resident = sum(_resident(pid) for pid in family)
            if resident > exact * _GROWTH and now >= rested:
                begin = perf_counter()
                share = sum(_proportional(pid) for pid in family) / resident
                exact, rested = resident, now + _REST * (perf_counter() - begin)
            self.peak = max(self.peak, round(share * resident))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):  # it ended meanwhile
        return 0


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
