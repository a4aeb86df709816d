"""Tests that need a CUDA device: what is skipped says why, and what ran is told."""

import importlib.util
import os
from collections import Counter
from typing import Any

import pytest

_marked: set[str] = set()
REQUIRED = "DASKREC_REQUIRE_GPU"  # where it is set, a test that finds no GPU fails


def found() -> dict[str, str]:
    """Return the name of the device by each library that sees one."""
    names = {}
    if importlib.util.find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            names["torch"] = torch.cuda.get_device_name()
    if importlib.util.find_spec("cupy"):
        import cupy

        if cupy.cuda.is_available():
            names["cupy"] = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    if "cupy" in names and importlib.util.find_spec("cudf"):
        names["cudf"] = names["cupy"]
        if importlib.util.find_spec("dask_cuda"):
            names["dask_cuda"] = names["cupy"]
    return names


def skip_without(items: list[pytest.Item]) -> None:
    """Skip the tests that need a GPU where there is none, with the reason."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    seen = found() if marked else {}
    _marked.update(item.nodeid for item in marked)
    for item in marked:
        needed = item.get_closest_marker("gpu").kwargs.get("library", "torch")
        if needed not in seen and not os.environ.get(REQUIRED):
            item.add_marker(pytest.mark.skip(reason=f"{needed} finds no CUDA device here"))


def summary(reporter: Any) -> None:
    """Tell what tests on a GPU covered."""
    counts = Counter[tuple[str, str]]()
    for outcome in ("passed", "failed", "skipped", "error"):
        for report in reporter.stats.get(outcome, []):
            ended = report.when == "call" or outcome != "passed"
            if ended and getattr(report, "nodeid", "") in _marked:
                counts[report.nodeid.partition("::")[0], outcome] += 1
    if not counts:
        return
    names = ", ".join(f"{name} by {library}" for library, name in found().items())
    reporter.section("tests on a GPU")
    reporter.write_line(names or f"none is here; {REQUIRED}=1 makes their tests fail")
    for file in sorted({file for file, _ in counts}):
        shown = ", ".join(f"{n} {what}" for (f, what), n in sorted(counts.items()) if f == file)
        reporter.write_line(f"{file}: {shown}")
