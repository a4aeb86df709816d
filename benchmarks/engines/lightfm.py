"""LightFM: factors by sampled losses; it scores, and has no lists of its own."""

from typing import Any

import numpy as np
from lightfm import LightFM

from benchmarks.engines import tables

LIBRARIES = ("lightfm-next", "numpy", "scipy")
load, frame = tables.load, tables.frame


def fit(log: Any, job: dict[str, Any]) -> Any:
    """Return the fitted model of a job."""
    params = dict(job["params"])
    epochs = params.pop("epochs")
    return LightFM(**params).fit(log, epochs=epochs, num_threads=job["threads"])


def predict(model: Any, log: Any, job: dict[str, Any]) -> Any:
    """Return lists from the factors, by products of blocks of users."""
    user_bias, users = model.get_user_representations()
    item_bias, items = model.get_item_representations()
    table = np.ascontiguousarray(items.T)
    return tables.best(
        lambda block: users[block] @ table + user_bias[block, None] + item_bias, log, job["k"]
    )
