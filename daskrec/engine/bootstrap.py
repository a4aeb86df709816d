"""Bootstrap over users: how far means would move if other users had come.

Each replicate draws as many users as there are, with replacement (Efron and Tibshirani, "An
introduction to the bootstrap", 1993). One draw serves all columns of values, so that the
differences of two models are those on the same users.
"""

from collections.abc import Iterator

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.jit import kernel
from daskrec.engine.random import lane, seed_word, stream, word

_BLOCK_BYTES = 1 << 25  # of the counts of draws that are held at a time
_HALF = np.uint64(32)


@kernel()
def _count_draws(seed: np.uint64, first: int, counts: Vector) -> None:
    """Count how often each user is drawn, for the replicates ``first`` and on."""
    replicates, users = counts.shape
    for row in range(replicates):
        start = lane(seed, np.uint64(first + row))
        for draw in range(users):
            high = word(start, np.uint64(draw)) >> _HALF
            counts[row, np.int64((high * np.uint64(users)) >> _HALF)] += 1.0


def draw_counts(users: int, replicates: int, seed: int) -> Iterator[Vector]:
    """Draw users with replacement, some replicates at a time.

    Parameters
    ----------
    users
        Number of users, and of draws of a replicate; less than 2**32.
    replicates
        Number of replicates in all.
    seed
        Draw i of replicate b is a hash of (seed, b, i).

    Yields
    ------
    ndarray of float64, shape (some replicates, users)
        How often each user is drawn.
    """
    key = seed_word(stream(seed, "bootstrap"))
    step = max(1, _BLOCK_BYTES // (8 * max(users, 1)))
    for first in range(0, replicates, step):
        counts = np.zeros((min(step, replicates - first), users))
        _count_draws(key, first, counts)
        yield counts


def resampled_means(values: Vector, replicates: int, seed: int) -> Vector:
    """Return the mean of each column in each replicate.

    Parameters
    ----------
    values
        float64 array, shape (users, columns). NaN where a column has no value for a user: the
        mean of a replicate is over the users that are drawn and have one.
    replicates, seed
        As for ``draw_counts``.

    Returns
    -------
    ndarray of float64, shape (replicates, columns)
        NaN where no user with a value was drawn.

    Notes
    -----
    replicates x users draws, as many multiplications a column; 32 MiB beside a copy of the
    values.
    """
    users, columns = values.shape
    present = ~np.isnan(values)
    filled = np.where(present, values, 0.0)
    weights, which = _patterns(present)
    means = np.empty((replicates, columns))
    first = 0
    for counts in draw_counts(users, replicates, seed):
        with np.errstate(invalid="ignore"):  # 0 / 0: nobody with a value was drawn
            part = (counts @ filled) / (counts @ weights)[:, which]
        means[first : first + len(counts)] = part
        first += len(counts)
    return means


def _patterns(present: Vector) -> tuple[Vector, list[int]]:
    """Return the distinct columns of a table as float64, and which of them each column is.

    Most columns have values for all users, or for the same ones.
    """
    known: dict[bytes, int] = {}
    packed = np.packbits(present, axis=0)
    which = [known.setdefault(packed[:, at].tobytes(), len(known)) for at in range(len(packed.T))]
    firsts = [which.index(number) for number in range(len(known))]
    return present[:, firsts].astype(np.float64), which


def percentile_interval(means: Vector, level: float) -> tuple[Vector, Vector]:
    """Return the ends of the percentile interval of each column.

    Parameters
    ----------
    means
        What ``resampled_means`` returned, or differences of its columns.
    level
        Share of the replicates between the ends, such as 0.95.

    Returns
    -------
    low, high
        float64 arrays with an entry a column; NaN for a column without values.
    """
    tail = (1.0 - level) / 2.0
    some = ~np.isnan(means).all(axis=0)
    ends = np.full((2, means.shape[1]), np.nan)
    if some.any():
        ends[:, some] = np.nanquantile(means[:, some], [tail, 1.0 - tail], axis=0)
    return ends[0], ends[1]
