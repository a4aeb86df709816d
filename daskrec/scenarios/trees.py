"""Boosted trees as plain arrays: what scikit-learn grew, scored without it.

scikit-learn saves its trees by pickle alone. Their nodes are arrays, so they are taken out
once after the fit: what is kept, sent to workers and saved is numbers.
"""

from typing import Any

import numpy as np

from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.jit import kernel
from daskrec.engine.shared import as_array

_FIELDS = ("feature", "threshold", "left", "right", "missing_left", "value")


class Trees:
    """An ensemble of binary regression trees whose values are added up.

    Parameters
    ----------
    starts
        int64, one longer than the number of trees: the first node of each, then the number
        of nodes.
    nodes
        For all nodes in order: ``feature`` (int32, -1 for a leaf), ``threshold`` (float64:
        values up to it go left), ``left`` and ``right`` (int32, counted from the first node of
        the tree), ``missing_left`` (bool: where missing values go), ``value`` (float64).
    baseline
        What the sum starts from.
    """

    __slots__ = ("baseline", "nodes", "starts")

    def __init__(self, starts: Vector, nodes: dict[str, Vector], baseline: float) -> None:
        self.starts = starts
        self.nodes = nodes
        self.baseline = baseline

    @classmethod
    def of(cls, model: Any) -> "Trees":
        """Take the trees out of a fitted ``HistGradientBoostingClassifier`` of two classes.

        Raises
        ------
        ValueError
            The trees split on categories, which have no threshold.
        """
        grown = [trees[0].nodes for trees in model._predictors]
        if any(bool(nodes["is_categorical"].any()) for nodes in grown):
            raise ValueError(
                "second_model_params has categorical_features: categories come as numbers here, "
                "leave it out"
            )
        starts = np.concatenate([[0], np.cumsum([len(nodes) for nodes in grown])]).astype(np.int64)
        every = np.concatenate(grown)
        leaf = every["is_leaf"].astype(bool)
        nodes: dict[str, Vector] = {
            "feature": np.where(leaf, -1, every["feature_idx"]).astype(np.int32),
            "threshold": every["num_threshold"].astype(np.float64),
            "left": every["left"].astype(np.int32),
            "right": every["right"].astype(np.int32),
            "missing_left": every["missing_go_to_left"].astype(np.bool_),
            "value": every["value"].astype(np.float64),
        }
        return cls(starts, nodes, float(np.ravel(model._baseline_prediction)[0]))

    def score(self, values: Vector) -> Vector:
        """Return the probability of each row.

        Parameters
        ----------
        values
            float64, rows x features; NaN where a value is missing.

        Returns
        -------
        ndarray of float64
            Takes rows x trees x depth steps.
        """
        out = np.full(len(values), self.baseline)
        rows = np.ascontiguousarray(values, dtype=np.float64)
        feature, threshold, left, right, missing, value = (self.nodes[n] for n in _FIELDS)
        _add_up(rows, self.starts, feature, threshold, left, right, missing, value, out)
        return np.asarray(1.0 / (1.0 + np.exp(-out)))

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return {"starts": self.starts, "baseline": np.array([self.baseline]), **self.nodes}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Trees":
        """Make the object of its arrays."""
        nodes = {name: as_array(arrays[name]) for name in _FIELDS}
        return cls(as_array(arrays["starts"]), nodes, float(as_array(arrays["baseline"])[0]))


@kernel()
def _add_up(
    values: Vector,
    starts: Vector,
    feature: Vector,
    threshold: Vector,
    left: Vector,
    right: Vector,
    missing_left: Vector,
    value: Vector,
    out: Vector,
) -> None:
    for tree in range(len(starts) - 1):
        first = starts[tree]
        for row in range(len(values)):
            node = first
            while feature[node] >= 0:
                number = values[row, feature[node]]
                lower = number <= threshold[node]
                goes_left = missing_left[node] if np.isnan(number) else lower
                node = first + (left[node] if goes_left else right[node])
            out[row] += value[node]
