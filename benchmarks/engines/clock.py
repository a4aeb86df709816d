"""Seconds of a tree of processes: wall, and CPU of all that it ran (``/proc``, so Linux)."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
# Places in /proc/PID/stat after the name: user and system time, and those of children that ended.
_TIMES = slice(11, 15)


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Do work; return its wall and CPU seconds, and its result."""
    cpu, wall = cpu_seconds(), perf_counter()
    result = work()
    return {"wall": perf_counter() - wall, "cpu": max(cpu_seconds() - cpu, 0.0)}, result


def cpu_seconds(pid: int | None = None) -> float:
    """Return the CPU seconds of a process, of those that it started, and so on."""
    total = 0
    for member in tree(os.getpid() if pid is None else pid):
        try:
            text = Path(f"/proc/{member}/stat").read_text()
        except OSError:  # it ended meanwhile
            continue
        fields = text.rpartition(")")[2].split()
        total += sum(int(field) for field in fields[_TIMES])
    return total / _TICKS


def tree(pid: int) -> list[int]:
    """Return a process and all that it and its children started, as long as they run."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(OSError):  # it ended meanwhile
                parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
                children.setdefault(int(parent), []).append(int(path.name))
    found = [pid]
    for member in found:  # it grows while it is walked
        found += children.get(member, [])
    return found
