"""Several models on one split: a leaderboard that tells luck from difference, and a report.

::

    from daskrec.comparison import compare

    found = compare([PopRec(), KNN(), ALSWrap(seed=0)], train, test, k=[5, 10])
    found.results                       # a pandas frame, best model first
    found.report("report.html", titles=items)
"""

from daskrec.comparison.compare import compare
from daskrec.comparison.outcome import Comparison

__all__ = ["Comparison", "compare"]
