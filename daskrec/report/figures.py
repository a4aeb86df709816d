"""Figures as plain data: dictionaries of traces and layout, as plotly spells them.

Nothing here needs plotly. A report puts the dictionaries into its page, and
``daskrec.report.draw`` makes plotly figures of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from daskrec.engine.arrays import Vector
from daskrec.errors import LogError
from daskrec.report.theme import axis, marks

Figure: TypeAlias = dict[str, Any]

_COLUMN = re.compile(r"(?P<metric>.+)@(?P<k>\d+)")
_CURVE_POINTS = 160
# Shares of an axis: what a label takes, what lies on its level, and how near the right and the
# left edge it no longer fits.
_BESIDE, _LEVEL = 0.24, 0.15
_EDGE, _ROOM = 0.65, 0.05


@dataclass(frozen=True)
class Scores:
    """Means of metrics, and intervals where there are some.

    Parameters
    ----------
    means
        A row a model, a column ``NDCG@10`` a metric and length; nothing else.
    low, high
        The ends of intervals, in frames of the same form; NaN where there is none.
    """

    means: pd.DataFrame
    low: pd.DataFrame = field(default_factory=pd.DataFrame)
    high: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def models(self) -> list[str]:
        """Names of the models, in order: the number of a model is its place here."""
        return [str(name) for name in self.means.index]

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, each once, in the order of the columns."""
        return list(dict.fromkeys(split_column(name)[0] for name in self.means.columns))

    def lengths(self, metric: str) -> list[int]:
        """Return the lengths of lists at which a metric was measured, ascending."""
        pairs = [split_column(name) for name in self.means.columns]
        return sorted(k for name, k in pairs if name == metric)

    def column(self, name: str) -> str:
        """Return a column by its name, or by that of a metric: then at its largest k.

        Raises
        ------
        LogError
            There is none of that name.
        """
        if name in self.means.columns:
            return name
        lengths = self.lengths(name)
        if not lengths:
            raise LogError(f"no metric {name!r} was measured: there are {list(self.means)}")
        return f"{name}@{lengths[-1]}"

    def spread(self, column: str) -> Figure | None:
        """Return the error bars of a column, or None where it has no interval."""
        if column not in self.low or self.low[column].isna().all():
            return None
        means = self.means[column]
        return {
            "above": numbers(self.high[column] - means),
            "below": numbers(means - self.low[column]),
        }


def split_column(name: str) -> tuple[str, int]:
    """Return the metric and the length of lists that a column is named after."""
    found = _COLUMN.fullmatch(name)
    if found is None:
        raise LogError(f"column {name!r} is not named after a metric and a length, as NDCG@10 is")
    return found["metric"], int(found["k"])


def numbers(values: Any) -> list[float | None]:
    """Return values as JSON takes them: None for what is not finite."""
    found = np.asarray(values, dtype=np.float64)
    return [float(value) if np.isfinite(value) else None for value in found]


def leaderboard(scores: Scores, column: str) -> Figure:
    """Draw bars of one metric, best first, with intervals.

    Parameters
    ----------
    scores
        What was measured.
    column
        Which metric and length, such as ``"NDCG@10"``.
    """
    values = scores.means[column]
    spread = scores.spread(column)
    # The first of a plotly axis is at its bottom.
    order = np.argsort(values.to_numpy(), kind="stable")
    traces, notes = [], []
    for place in order:
        name, value = escape(scores.models[place]), float(values.iloc[place])
        if not np.isfinite(value):
            continue
        trace = _trace(place, "bar", x=[value], y=[name], orientation="h", name=name, width=0.6)
        trace["hovertemplate"] = f"<b>{name}</b><br>{escape(column)} %{{x:.4f}}"
        if spread is not None:
            trace["error_x"] = _error_bar(spread, [place])
            trace["hovertemplate"] += _interval_text(scores, column, place)
        trace["hovertemplate"] += "<extra></extra>"
        traces.append(trace)
        notes.append(
            {
                "x": 1, "xref": "paper", "xanchor": "left", "xshift": 8, "y": name,
                "text": f"{value:.4f}", "showarrow": False,
            }
        )  # fmt: skip
    layout = _layout(axis(column, rangemode="tozero"), axis("", showgrid=False, ticksuffix="  "))
    layout["annotations"] = notes
    layout["margin"]["r"] = 64
    layout["height"] = 110 + 38 * len(traces)
    return {"data": traces, "layout": layout}


def tradeoff(scores: Scores, x: str, y: str) -> Figure:
    """Draw one metric against another, a point a model, with intervals both ways.

    Parameters
    ----------
    scores
        What was measured.
    x, y
        Columns: usually novelty or coverage, and quality.
    """
    across, up = scores.means[x].to_numpy(float), scores.means[y].to_numpy(float)
    spreads = scores.spread(x), scores.spread(y)
    sides = _label_sides(across, up)
    traces = []
    for place, name in enumerate(map(escape, scores.models)):
        if not np.isfinite([across[place], up[place]]).all():
            continue
        trace = _trace(place, "scatter", x=[across[place]], y=[up[place]], name=name)
        trace |= {"mode": "markers+text", "text": [f" {name} "], "cliponaxis": False}
        trace["textposition"] = sides[place]
        trace["marker"]["size"] = 12
        for part, spread in zip(("error_x", "error_y"), spreads, strict=True):
            if spread is not None:
                trace[part] = _error_bar(spread, [place])
        trace["hovertemplate"] = (
            f"<b>{name}</b><br>{escape(y)} %{{y:.4f}}{_interval_text(scores, y, place)}"
            f"<br>{escape(x)} %{{x:.4f}}{_interval_text(scores, x, place)}<extra></extra>"
        )
        traces.append(trace)
    ranges = [_room(_ends(scores, column)) for column in (x, y)]
    layout = _layout(axis(x, range=ranges[0], nticks=6), axis(y, range=ranges[1], nticks=6))
    return {"data": traces, "layout": layout}


def by_k(scores: Scores, metric: str) -> Figure:
    """Draw a metric by the length of lists, a line a model."""
    lengths = scores.lengths(metric)
    columns = [f"{metric}@{k}" for k in lengths]
    traces = []
    for place, name in enumerate(map(escape, scores.models)):
        values = scores.means[columns].iloc[place].to_numpy(float)
        if not np.isfinite(values).any():
            continue
        trace = _trace(place, "scatter", x=lengths, y=numbers(values), name=name)
        trace["mode"] = "lines+markers"
        spreads = [scores.spread(column) for column in columns]
        if all(spread is not None for spread in spreads):
            trace["error_y"] = _error_bar(
                {
                    side: [spread[side][place] for spread in spreads if spread is not None]
                    for side in ("above", "below")
                },
                range(len(columns)),
            )
        trace["hovertemplate"] = f"<b>{name}</b><br>k = %{{x}}: %{{y:.4f}}<extra></extra>"
        traces.append(trace)
    # Lengths are often doubled from one to the next.
    scale = {"type": "log"} if lengths[-1] >= 8 * lengths[0] else {}
    ticks = {"tickvals": lengths, "ticktext": [str(k) for k in lengths]}
    layout = _layout(axis("k", **scale, **ticks), axis(metric, rangemode="tozero", nticks=6))
    layout["showlegend"] = True
    return {"data": traces, "layout": layout}


@dataclass(frozen=True)
class Curve:
    """How interactions or recommendations are spread over items.

    Parameters
    ----------
    name
        Of the model, or of the log.
    counts
        Number of them for each item that has any, descending.
    series
        Number of the model; None for the log.
    labels
        What the first items are called.
    """

    name: str
    counts: Vector
    series: int | None = None
    labels: Sequence[str] = ()


def popularity(curves: Sequence[Curve]) -> Figure:
    """Draw the share of each item, from the most frequent on, on logarithmic axes.

    Curves are thinned to 160 points, evenly on the axis, so that their size does not follow
    the number of items.
    """
    traces = []
    for curve in curves:
        if not len(curve.counts):
            continue
        ranks = np.unique(np.geomspace(1, len(curve.counts), _CURVE_POINTS).astype(np.int64))
        shares = curve.counts[ranks - 1] / curve.counts.sum()
        name = escape(curve.name)
        labels = [escape(curve.labels[r - 1]) if r <= len(curve.labels) else "" for r in ranks]
        trace = _trace(curve.series, "scatter", x=ranks.tolist(), y=numbers(shares), name=name)
        trace |= {"mode": "lines", "text": [f"<br>{label}" if label else "" for label in labels]}
        trace["line"]["width"] = 2.5
        trace["hovertemplate"] = (
            f"<b>{name}</b>: item %{{x}} of {len(curve.counts)} has %{{y:.2%}}"
            "%{text}<extra></extra>"
        )
        traces.append(trace)
    layout = _layout(
        axis("rank of the item", type="log", dtick=1),
        axis("share", type="log", tickformat=".2~p", dtick=1),
    )
    layout["showlegend"] = True
    return {"data": traces, "layout": layout}


def _trace(series: int | None, kind: str, **values: Any) -> dict[str, Any]:
    """Return a trace; that of a model has the model's number, symbol and dash."""
    own = {"line": {"dash": "solid"}} if series is None else marks(int(series))
    if kind == "bar":
        own = {"meta": own.get("meta", {}), "marker": {}}
    return {"type": kind, **own, **values}


def _layout(x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
    margin = {"l": 8, "r": 16, "t": 16, "b": 8}
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return {
        "xaxis": x, "yaxis": y, "margin": margin, "showlegend": False, "legend": legend,
        "height": 360, "hovermode": "closest", "bargap": 0.3,
    }  # fmt: skip


def _error_bar(spread: Figure, places: Any) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [spread["above"][place] for place in places],
        "arrayminus": [spread["below"][place] for place in places],
        "thickness": 1.2,
        "width": 3,
    }


def _interval_text(scores: Scores, column: str, place: int) -> str:
    if scores.spread(column) is None:
        return ""
    low, high = scores.low[column].iloc[place], scores.high[column].iloc[place]
    return f" ({low:.4f} to {high:.4f})" if np.isfinite([low, high]).all() else ""


def _ends(scores: Scores, column: str) -> Vector:
    """Return all that is drawn of a column: means and the ends of their intervals."""
    drawn = [scores.means[column]]
    if scores.spread(column) is not None:
        drawn += [scores.low[column], scores.high[column]]
    return np.concatenate([values.to_numpy(float) for values in drawn])


def _room(values: Vector) -> list[float] | None:
    """Return the range of an axis with room for labels at its ends."""
    found = values[np.isfinite(values)]
    if not len(found):
        return None
    width = float(np.ptp(found)) or abs(float(found[0])) or 1.0
    return [float(found.min()) - 0.16 * width, float(found.max()) + 0.16 * width]


def _label_sides(across: Vector, up: Vector) -> list[str]:
    """Return where the label of each point stands: where it meets no edge and no other point.

    To the right, else to the left; where neither has room, below other points or above them.
    """
    low, width = np.nanmin(across), float(np.nanmax(across) - np.nanmin(across)) or 1.0
    height = float(np.nanmax(up) - np.nanmin(up)) or 1.0
    places = np.column_stack([(across - low) / width, up / height])
    sides = []
    for x, y in places:
        gaps = places - [x, y]
        beside = gaps[(np.abs(gaps) < [_BESIDE, _LEVEL]).all(axis=1)]
        right = x > _EDGE or bool((beside[:, 0] > 0).any())
        left = x < _ROOM or bool((beside[:, 0] < 0).any())
        if right and left:
            sides.append("bottom center" if (beside[:, 1] > 0).any() else "top center")
        else:
            sides.append("middle left" if right else "middle right")
    return sides
