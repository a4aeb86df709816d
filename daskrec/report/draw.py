"""Figures for notebooks: plotly's objects, made of the plain data of ``figures``."""

import importlib
from html import escape
from typing import Any

from daskrec.report.figures import Figure, Scores, by_k, split_column, tradeoff
from daskrec.report.theme import paint


def draw_tradeoff(scores: Scores, against: str, metric: str) -> Any:
    """Make a plotly figure of ``tradeoff``; names may be of metrics or of columns."""
    up = scores.column(metric)
    if "@" not in against and f"{against}@{split_column(up)[1]}" in scores.means:
        against = f"{against}@{split_column(up)[1]}"
    across = scores.column(against)
    return draw(tradeoff(scores, across, up), f"{up} against {across}")


def draw_by_k(scores: Scores, metric: str) -> Any:
    """Make a plotly figure of ``by_k``."""
    name = split_column(scores.column(metric))[0]
    return draw(by_k(scores, name), f"{name} by k")


def draw(figure: Figure, title: str = "") -> Any:
    """Make a plotly figure.

    Raises
    ------
    ImportError
        plotly is not installed; the text names the extra.
    """
    return require_plotly("plotly.graph_objects").Figure(paint(figure, escape(title)))


def require_plotly(module: str) -> Any:
    """Import a module of plotly, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            "figures and reports are drawn with plotly: pip install 'daskrec[viz]'"
        ) from error
