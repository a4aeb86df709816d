"""Memory that was freed is given back."""

import numpy as np

from daskrec.engine.footprint import Footprint
from daskrec.engine.memory import release_unused

MEGABYTES = 200


def test_what_was_freed_is_given_back() -> None:
    def resident() -> int:
        with Footprint() as memory:
            return memory.start

    release_unused()  # else what earlier tests freed would be taken again
    before = resident()
    small = [np.ones(8_000) for _ in range(MEGABYTES * 1_000_000 // 64_000)]
    kept = small[-1]  # at the end of the heap, which cannot shrink by itself
    assert resident() - before > 0.8 * MEGABYTES * 1e6
    del small
    release_unused()
    assert resident() - before < 0.3 * MEGABYTES * 1e6
    assert kept.sum() == 8_000
