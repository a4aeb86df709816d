"""Whether one model is better than another on the same users, or was lucky with them.

Tests are paired: they look at the differences of two models user by user. Several models
against one are corrected together (Holm).
"""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.errors import LogError

TESTS = ("t", "permutation", "wilcoxon")
_RESAMPLES = 9_999
_BATCH_CELLS = 1 << 22  # differences that the permutation test holds at a time


def paired_p(first: Vector, second: Vector, test: str = "t", seed: int = 0) -> float:
    """Return the two-sided p-value of a difference between two models.

    Parameters
    ----------
    first, second
        float64 arrays: the values of the same users under two models. Users for whom one of
        them is NaN are left out.
    test
        ``"t"``, the paired t test: it asks about the difference of the means, which are what
        a leaderboard shows, and takes one pass. Per-user values are many zeros and a few
        steps, far from normal, but their mean over hundreds of users is not; in information
        retrieval it agrees with the permutation test. ``"permutation"`` swaps the models at
        random, user by user (exact for few users, and right without the normal limit; 9,999
        passes). ``"wilcoxon"``, the signed-rank test, asks about the signs and ranks of
        differences and drops users without one, who are the most: it can call two models
        with equal means different, and is here for those who expect it.
    seed
        Of the permutations.

    Returns
    -------
    float
        1 where no user has a difference; NaN for fewer than two users.

    Raises
    ------
    LogError
        There is no such test.

    References
    ----------
    Smucker, Allan and Carterette, "A comparison of statistical significance tests for
    information retrieval evaluation", CIKM 2007; Urbano, Lima and Hanjalic, "Statistical
    significance testing in information retrieval: an empirical analysis", SIGIR 2019.
    """
    check_test(test)
    both = ~(np.isnan(first) | np.isnan(second))
    a, b = first[both], second[both]
    difference = a - b
    if len(difference) < 2:
        return float("nan")
    if not difference.any():
        return 1.0
    from scipy import stats

    if test == "permutation":
        found = stats.permutation_test(
            (a, b),
            _mean_difference,
            permutation_type="samples",
            vectorized=True,
            n_resamples=_RESAMPLES,
            batch=max(1, _BATCH_CELLS // len(a)),
            rng=np.random.default_rng(abs(seed)),
        )
        return float(found.pvalue)
    if test == "wilcoxon":
        return float(stats.wilcoxon(difference).pvalue)
    if np.ptp(difference) <= 1e-12 * np.abs(difference).max():
        return 0.0  # the same for all users: the t statistic is infinite
    return float(stats.ttest_1samp(difference, 0.0).pvalue)


def _mean_difference(a: Vector, b: Vector, axis: int) -> Vector:
    return np.asarray(np.mean(a - b, axis=axis))


def check_test(test: str) -> None:
    """Raise ``LogError`` unless a test of this name is there."""
    if test not in TESTS:
        raise LogError(f"no test is called {test!r}: there are {list(TESTS)}")


def holm(p_values: Vector) -> Vector:
    """Correct p-values for their number (Holm 1979).

    Parameters
    ----------
    p_values
        float64 array; NaN entries stay so and do not count.

    Returns
    -------
    ndarray of float64
        The k-th smallest times the number of those not smaller, made monotone, at most 1:
        with those below alpha taken as differences, the chance of any false one is at most
        alpha.
    """
    corrected = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return corrected
