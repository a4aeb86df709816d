"""The base of models that rate items by outcomes: relevance is 1 for a success, 0 for none."""

import numpy as np

from daskrec.data.blocks import UserBlock
from daskrec.data.log import Needs
from daskrec.engine.arrays import Vector
from daskrec.models.non_personalized import Counter, NonPersonalizedRecommender


class OutcomeRecommender(NonPersonalizedRecommender):
    """A model of the successes and the trials of each item; every row of the log is a trial."""

    def _log_needs(self) -> Needs:
        return Needs(binary=True)

    @property
    def _counter(self) -> Counter:
        return count_outcomes


def count_outcomes(block: UserBlock, item_count: int) -> Vector:
    """Return for each item its positive rows, and all of its rows."""
    matrix = block.matrix
    times = block.repeats if len(block.repeats) else None
    return np.stack(
        [
            np.bincount(matrix.indices, matrix.values(), minlength=item_count),
            np.bincount(matrix.indices, times, minlength=item_count).astype(np.float64),
        ]
    )
