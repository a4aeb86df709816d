"""How cost grows with work: an exponent and how well it fits."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Growth(NamedTuple):
    """A power of the work.

    Parameters
    ----------
    exponent
        1 where cost is proportional to work.
    r2
        Share of the variance of the logarithms that the line explains.
    last
        The exponent of the last step alone, where what does not grow weighs least.
    """

    exponent: float
    r2: float
    last: float

    def __str__(self) -> str:
        return f"{self.exponent:.2f} (R² {self.r2:.3f}, last {self.last:.2f})"


def growth(work: Sequence[float], cost: Sequence[float]) -> Growth:
    """Fit a line through the logarithms of work and cost by least squares.

    Parameters
    ----------
    work, cost
        Of at least three sizes, positive, in the order of work.
    """
    x, y = np.log(work), np.log(cost)
    slope, at_zero = np.polyfit(x, y, 1)
    residual = y - (slope * x + at_zero)
    total = float(((y - y.mean()) ** 2).sum())
    r2 = 1 - float((residual**2).sum()) / total if total else 1.0
    return Growth(float(slope), r2, float((y[-1] - y[-2]) / (x[-1] - x[-2])))
