"""Memory is watched in this process, in its children, and at workers elsewhere."""

import subprocess
import sys
import time
from typing import Any

import numpy as np

from daskrec.engine.footprint import Footprint

MEGABYTES = 200


def take_memory(megabytes: int) -> float:
    array = np.ones(megabytes * 125_000)
    time.sleep(0.3)
    return float(array.sum())


def test_a_peak_of_this_process_is_seen() -> None:
    with Footprint() as memory:
        take_memory(MEGABYTES)
    assert memory.peak - memory.start > 0.9 * MEGABYTES * 1e6
    with Footprint() as idle:
        time.sleep(0.1)
    assert idle.peak - idle.start < 0.3 * MEGABYTES * 1e6


def test_a_peak_of_a_child_is_seen() -> None:
    code = f"import numpy, time; a = numpy.ones({MEGABYTES} * 125_000); time.sleep(2)"
    with Footprint() as memory:
        subprocess.run([sys.executable, "-c", code], check=True)
    assert memory.peak - memory.start > 0.9 * MEGABYTES * 1e6


def test_a_peak_of_a_worker_is_seen(client: Any) -> None:
    with Footprint() as memory:
        client.submit(take_memory, MEGABYTES, pure=False).result()
    assert memory.peak - memory.start > 0.9 * MEGABYTES * 1e6


def test_workers_elsewhere_are_asked_through_the_scheduler(client: Any, monkeypatch) -> None:
    from daskrec.engine import footprint

    monkeypatch.setattr(footprint, "_whereabouts", lambda: ("another host", 1))
    with Footprint() as memory:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        told = sum(worker["metrics"]["memory"] for worker in workers)
    # As children they are in the sum once, and as workers elsewhere once more.
    assert memory.start > told > 0
    with Footprint() as memory:
        assert memory._elsewhere.bytes > 0.5 * told


def test_the_thread_ends_with_the_context_also_after_an_error() -> None:
    memory = Footprint()
    try:
        with memory:
            raise KeyError("x")
    except KeyError:
        pass
    assert not memory._thread.is_alive()
    assert memory.peak >= memory.start > 0
