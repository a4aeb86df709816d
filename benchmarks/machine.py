"""What a run was made on, so that its figures can be read later."""

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from benchmarks import THREADS

_LIBRARIES = [
    *("daskrec", "dask", "numba", "numpy", "pandas", "pyarrow", "scipy"),
    *("implicit", "sparse_dot_topn"),
]
_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "amx_tile")
BUSY = 0.5  # load average above which a run is not a quiet one
STEAL = 0.02  # the same for the share of CPU time that other guests of the host took


def facts() -> dict[str, Any]:
    """Return facts of the machine and of the libraries, and how busy the machine is."""
    info = _cpu_info()
    return {
        "cpu": info.get("model name", platform.processor() or platform.machine()),
        "flags": [flag for flag in _FLAGS if flag in info.get("flags", "").split()],
        "cores": os.cpu_count(),
        "threads": THREADS,
        "load_at_start": round(os.getloadavg()[0], 2),
        "sgemm_gflops": round(sgemm_rate() / 1e9),
        "copy_gbytes_per_s": round(copy_rate() / 1e9, 1),
        "blas": sorted(
            {f"{x['internal_api']} {x.get('version')}" for x in threadpool_info() if "version" in x}
        ),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _LIBRARIES},
    }


def _cpu_info() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().split("\n\n")[0].splitlines() if path.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _version(name: str) -> str | None:
    if name == "daskrec":
        import daskrec

        return daskrec.__version__
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def sgemm_rate() -> float:
    """Return float32 operations a second of a large product, on all threads."""
    square = np.ones((2048, 2048), dtype=np.float32)
    return 2 * 2048.0**3 / min(_time(lambda: square @ square) for _ in range(4))


def copy_rate(threads: int = 1) -> float:
    """Return bytes a second, read and written, of copies out of cache, one on each thread."""
    tables = [(np.ones(2**24), np.zeros(2**24)) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        seconds = min(
            _time(lambda: list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), tables)))
            for _ in range(4)
        )
    return sum(2.0 * source.nbytes for source, _ in tables) / seconds


def _time(function: Any) -> float:
    begin = perf_counter()
    function()
    return perf_counter() - begin


def busy_ticks() -> tuple[int, int]:
    """Return the stolen and all ticks of the CPUs since boot; zeros where unknown."""
    path = Path("/proc/stat")
    if not path.exists():
        return 0, 0
    ticks = [int(x) for x in path.read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[7], sum(ticks)


def peak() -> int:
    """Return the most bytes that this process had resident so far (Linux)."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
