"""What a training went through, as a frame and as a picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from daskrec.engine.arrays import Vector
from daskrec.nn.training.state import COLUMNS
from daskrec.report.draw import draw
from daskrec.report.figures import numbers
from daskrec.report.theme import axis, marks


def as_array(rows: Sequence[Sequence[float]]) -> Vector:
    """Return the history of a training as float64, epochs x ``COLUMNS``."""
    return np.array(rows, dtype=np.float64).reshape(-1, len(COLUMNS))


def as_frame(rows: Vector) -> pd.DataFrame:
    """Return the history of a training: a row an epoch."""
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"epoch": int})


def plot(history: pd.DataFrame, title: str) -> Any:
    """Draw the loss of training and validation by epoch; a plotly figure.

    Raises
    ------
    ImportError
        plotly is not installed: ``pip install 'daskrec[viz]'``.
    """
    traces = []
    for number, (name, column) in enumerate((("training", "loss"), ("validation", "val_loss"))):
        if history[column].notna().any():
            line = {"type": "scatter", "mode": "lines", "name": name, **marks(number)}
            values = {"x": numbers(history["epoch"]), "y": numbers(history[column])}
            traces.append(line | values)
    layout = {"xaxis": axis("epoch"), "yaxis": axis("loss")}
    return draw({"data": traces, "layout": layout}, title)
