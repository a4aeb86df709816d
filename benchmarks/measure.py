"""Interleaved rounds of several contenders, and what follows from them."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

Seconds: TypeAlias = list[float]
_RESAMPLES = 2000


@dataclass(frozen=True)
class Contender:
    """One way to do a job.

    Parameters
    ----------
    run
        The job; it is called with what ``prepare`` returned.
    prepare
        What comes before it, off the clock.
    """

    run: Callable[[Any], Any]
    prepare: Callable[[], Any] = lambda: None

    def time(self) -> tuple[float, Any]:
        """Do the job once; return its seconds and its result."""
        given = self.prepare()
        begin = perf_counter()
        result = self.run(given)
        return perf_counter() - begin, result


def call(function: Callable[..., Any], *args: Any) -> Contender:
    """Make a contender of a function and its arguments."""
    return Contender(lambda _: function(*args))


def interleave(contenders: Sequence[Contender], rounds: int) -> tuple[list[Seconds], list[Any]]:
    """Run contenders in turn, A B A B; return their seconds and their first results.

    The first turn of each is a warm-up that does not count.
    """
    results = [contender.time()[1] for contender in contenders]
    seconds: list[Seconds] = [[] for _ in contenders]
    for _ in range(rounds):
        for contender, mine in zip(contenders, seconds, strict=True):
            gc.collect()
            mine.append(contender.time()[0])
    return seconds, results


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as its peer something is, with a 95 % interval."""

    value: float
    low: float
    high: float


def paired_ratio(ours: Seconds, peer: Seconds) -> Ratio:
    """Return the median of the ratios of the rounds, with a bootstrap interval over rounds."""
    ratios = np.array(peer) / np.array(ours)
    picks = np.random.default_rng(0).integers(len(ratios), size=(_RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(ratios[picks], axis=1), [0.025, 0.975])
    return Ratio(float(median(ratios)), float(low), float(high))
