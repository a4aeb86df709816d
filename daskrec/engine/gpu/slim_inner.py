"""Small elastic nets, a stack of them at a time, by an accelerated proximal gradient method.

FISTA (A. Beck and M. Teboulle, SIAM J. Imaging Sciences 2, 2009) with a restart where momentum
leads uphill (B. O'Donoghue and E. Candes, Foundations of Computational Mathematics 15, 2015), in
coordinates in which all curvatures are 1. The step is that of the largest row sum, which bounds
the largest eigenvalue.
"""

from typing import Any

import numpy as np

from daskrec.engine.backend import Backend, DeviceArray
from daskrec.engine.solve.elastic_net import Penalty

_LOOK = 20  # steps between two looks at what is left


def violations(xp: Any, w: DeviceArray, slope: DeviceArray, penalty: Penalty) -> DeviceArray:
    """Return how far each weight is from the conditions of an optimum.

    Parameters
    ----------
    xp
        Namespace.
    w
        Weights.
    slope
        Minus the gradient of what is minimised, but for the absolute values.
    penalty
        Their weight, and whether weights may be negative.
    """
    none = xp.zeros_like(w)
    if penalty.signed:
        still = xp.maximum(xp.abs(slope) - penalty.weight, none)
    else:
        still = xp.maximum(slope - penalty.weight, none)
    return xp.where(w == 0, still, xp.abs(slope - penalty.weight * xp.sign(w)))


class Inner:
    """A stack of elastic nets.

    Parameters
    ----------
    backend
        Of the device.
    stack
        n x m x m products, float64.
    curvature
        n x m: their diagonals, with the weight of the squares.
    usable
        n x m: which weights may be other than 0.
    penalty
        What is minimised.
    """

    def __init__(
        self,
        backend: Backend,
        stack: DeviceArray,
        curvature: DeviceArray,
        usable: DeviceArray,
        penalty: Penalty,
    ) -> None:
        xp = backend.xp
        self.backend, self.stack, self.penalty = backend, stack, penalty
        # An item that is not used has no products: it stays where it is, at 0.
        self.usable = xp.astype(usable, stack.dtype)
        safe = xp.where(curvature > 0, curvature, xp.ones_like(curvature))
        scale = self.usable / xp.sqrt(safe)
        around = xp.sum(xp.abs(stack) * scale[:, None, :], axis=2) * scale
        ridge = penalty.ridge * scale * scale
        bound = xp.max(around + ridge, axis=1)[:, None]
        self.step = self.usable / (safe * xp.where(bound > 0, bound, xp.ones_like(bound)))
        self.metric = safe

    def solve(
        self, w: DeviceArray, left: DeviceArray, aims: DeviceArray, turns: int
    ) -> tuple[DeviceArray, int]:
        """Return better weights, and the steps that were taken.

        Parameters
        ----------
        w
            n x m weights to start from.
        left
            n x m residuals there: what the items would like, less their products with ``w``.
        aims
            Largest violation that is left in each net.
        turns
            Steps at most.
        """
        xp = self.backend.xp
        wanted = left + self._times(w)
        ahead, momentum = w, xp.ones_like(aims)[:, None]
        taken = 0
        while taken < turns:
            slope = wanted - self._times(ahead) - self.penalty.ridge * ahead
            new = self._shrunk(ahead + self.step * slope)
            moved = new - w
            uphill = xp.sum(self.metric * (ahead - new) * moved, axis=1)[:, None] > 0
            momentum = xp.where(uphill, xp.ones_like(momentum), momentum)
            following = (1 + xp.sqrt(1 + 4 * momentum * momentum)) / 2
            weight = xp.where(uphill, xp.zeros_like(momentum), (momentum - 1) / following)
            ahead, w, momentum = new + weight * moved, new, following
            taken += 1
            if taken % _LOOK == 0 and self._near(w, wanted, aims):
                break
        return w, taken

    def _near(self, w: DeviceArray, wanted: DeviceArray, aims: DeviceArray) -> bool:
        xp = self.backend.xp
        slope = wanted - self._times(w) - self.penalty.ridge * w
        found = violations(xp, w, slope, self.penalty) * self.usable
        return not bool(np.any(self.backend.to_host(xp.max(found, axis=1) > aims)))

    def _times(self, w: DeviceArray) -> DeviceArray:
        return self.backend.xp.matmul(self.stack, w[:, :, None])[:, :, 0]

    def _shrunk(self, w: DeviceArray) -> DeviceArray:
        """Take the step of the absolute values: weights that it crosses 0 with are exactly 0."""
        xp, cut = self.backend.xp, self.step * self.penalty.weight
        if not self.penalty.signed:
            return xp.maximum(w - cut, xp.zeros_like(w)) * self.usable
        return xp.sign(w) * xp.maximum(xp.abs(w) - cut, xp.zeros_like(w)) * self.usable
