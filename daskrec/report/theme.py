"""Colours of models, for light and dark backgrounds, and the look of figures.

The seven colours of each theme were searched so that the least distance of any two (in OKLab)
stays large for normal, protanope, deuteranope and tritanope vision (Machado et al. 2009), at
a contrast of 3 to the background. Symbols and dashes differ besides, so that no line is told
by its colour alone.
"""

from copy import deepcopy
from typing import Any

LIGHT = ("#1a739a", "#b17321", "#6c2c98", "#21a68d", "#b1285e", "#145e1b", "#9966e5")
DARK = ("#0aaee0", "#ad9e1c", "#8d64e7", "#80e0ef", "#cb436d", "#cfdb64", "#f89b9b")
NEUTRAL = "#8a8f98"  # what is no model: the log

# Seven, nine and four of them: their combinations repeat late.
SYMBOLS = (
    "circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "star",
    "pentagon", "hexagon",
)  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot")

FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', "
    "'Liberation Sans', Arial, sans-serif"
)
_INK, _GRID, _LINE = "#1c2024", "#e6e8eb", "#8b9097"


def colour(series: int, palette: tuple[str, ...] = LIGHT) -> str:
    """Return the colour of a model by its number."""
    return palette[series % len(palette)]


def marks(series: int) -> dict[str, Any]:
    """Return what tells a model's traces apart besides their colour."""
    return {
        "meta": {"series": series},
        "marker": {"symbol": SYMBOLS[series % len(SYMBOLS)], "size": 9},
        "line": {"dash": DASHES[series % len(DASHES)], "width": 2},
    }


def axis(title: str, **options: Any) -> dict[str, Any]:
    """Return an axis."""
    return {"title": {"text": title, "standoff": 8}, "automargin": True, **options}


def paint(figure: dict[str, Any], title: str = "") -> dict[str, Any]:
    """Return a figure in the light theme, for notebooks; a report paints its own."""
    painted = deepcopy(figure)
    for trace in painted["data"]:
        series = trace.get("meta", {}).get("series")
        hue = NEUTRAL if series is None else colour(series)
        for part in ("marker", "line", "error_x", "error_y"):
            if part in trace:
                trace[part].setdefault("color", hue)
    layout = painted["layout"]
    layout.update(
        font={"family": FONT, "size": 13, "color": _INK},
        paper_bgcolor="#ffffff",
        plot_bgcolor="#ffffff",
        hoverlabel={"font": {"family": FONT}},
    )
    for name in ("xaxis", "yaxis"):
        layout[name] = {"gridcolor": _GRID, "linecolor": _LINE, "zeroline": False, **layout[name]}
    if title:
        layout["title"] = {"text": title, "x": 0, "xref": "paper", "font": {"size": 17}}
        layout["margin"] = {**layout.get("margin", {}), "t": 56}
    return painted
