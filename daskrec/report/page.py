"""The page of a report: everything in one file, which opens without a network."""

import importlib.resources
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from string import Template
from typing import Any

import numpy as np
import pandas as pd

from daskrec.engine.arrays import open_folder
from daskrec.report import figures
from daskrec.report.draw import require_plotly
from daskrec.report.figures import Curve, Figure, Scores, split_column
from daskrec.report.lists import UserLists, render_lists
from daskrec.report.pieces import colour_rules, data_script, legend, policy
from daskrec.report.table import render_table
from daskrec.report.theme import LIGHT

# What says how varied or new lists are, rather than how right: drawn against quality.
BEYOND_QUALITY = (
    "Surprisal", "Novelty", "Coverage", "Unexpectedness", "CategoricalDiversity",
)  # fmt: skip


@dataclass(frozen=True)
class Content:
    """What a report shows, as plain values. All text in it may come from anywhere.

    Parameters
    ----------
    title
        Heading of the page.
    scores
        Means and intervals, best model first, without models that failed.
    primary
        The column that models are ordered by.
    tests
        See ``render_table``.
    costs
        See ``render_table``.
    errors
        What went wrong, for models that failed.
    facts
        Numbers about the comparison, each with what it counts.
    curves
        How interactions and recommendations are spread over items.
    users
        Lists of some users.
    latest_first
        Whether histories are in the order of time.
    notes
        How it was measured, a paragraph each.
    level
        Of the intervals, such as 0.95.
    """

    title: str
    scores: Scores
    primary: str
    tests: pd.DataFrame
    costs: pd.DataFrame
    errors: dict[str, str] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()
    curves: Sequence[Curve] = ()
    users: Sequence[UserLists] = ()
    latest_first: bool = True
    notes: Sequence[str] = ()
    level: float = 0.95


def render(content: Content) -> str:
    """Return the page.

    Raises
    ------
    ImportError
        plotly, whose script becomes part of the page, is not installed.
    """
    plotly = str(require_plotly("plotly.offline").get_plotlyjs())
    script = _resource("report.js")
    drawn: dict[str, Figure] = {}
    sections = [
        _board(content),
        _tradeoffs(content, drawn),
        _lengths(content, drawn),
        _popularity(content, drawn),
        _users(content),
    ]
    facts = "".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>"
        for what, value in content.facts
    )
    return Template(_resource("report.html")).substitute(
        title=escape(content.title),
        policy=policy(plotly, script),
        style=colour_rules() + _resource("report.css"),
        lead=_lead(content),
        facts=facts,
        sections="\n".join(filter(None, sections)),
        notes="".join(f"<p>{escape(note)}</p>" for note in content.notes),
        data=data_script("figures", drawn) + data_script("palette", len(LIGHT)),
        plotly=plotly,
        script=script,
    )


def write(page: str, path: Any) -> str:
    """Write a page to a path or an fsspec URL; folders on the way are made."""
    fs, inside = open_folder(os.fspath(path))
    parent = inside.rpartition("/")[0]
    if parent:
        fs.makedirs(parent, exist_ok=True)
    with fs.open(inside, "wb") as sink:
        sink.write(page.encode())
    return str(os.fspath(path))


def _resource(name: str) -> str:
    return importlib.resources.files("daskrec.report").joinpath(name).read_text("utf-8")


def _lead(content: Content) -> str:
    """Say in a sentence or two who is best, and who may be as good."""
    values = content.scores.means[content.primary] if content.scores.models else pd.Series()
    if values.isna().all():
        return "No model could be measured."
    best, column = str(values.index[0]), content.primary
    text = f"<strong>{escape(best)}</strong> is best by {escape(column)}: {values.iloc[0]:.4f}"
    if content.scores.spread(column) is not None:
        low, high = (frame[column].iloc[0] for frame in (content.scores.low, content.scores.high))
        text += f" ({content.level:.0%} interval {low:.3f} to {high:.3f})"
    tests = content.tests[content.tests["metric"] == column]
    if not len(tests):
        return text + "."
    tied = tests.loc[tests["p_holm"] >= 0.05, "model"].map(escape).tolist()
    if not tied:
        return text + ". The difference to every other model is significant."
    return text + f". Not distinguishable from it on these users: {', '.join(tied)}."


def _board(content: Content) -> str:
    lengths = sorted({split_column(name)[1] for name in content.scores.means.columns})
    shown = split_column(content.primary)[1]
    options = "".join(f"<option{' selected' if k == shown else ''}>{k}</option>" for k in lengths)
    menu = (
        '<div class="pick"><label for="length">Length of lists, k</label>'
        f'<select id="length" autocomplete="off">{options}</select></div>'
        if len(lengths) > 1
        else ""
    )
    table = render_table(
        content.scores, content.tests, content.costs, content.errors, content.primary
    )
    return (
        '<section id="leaderboard"><div class="bar"><div><h2>Leaderboard</h2>'
        '<p class="about">The mean over users, and below it the '
        f"{content.level:.0%} bootstrap interval. Click a heading to sort.</p></div>{menu}</div>"
        f'<div class="card">{table}<p class="under">Tinted: best of the column. '
        "<span class='mark'>*</span>, <span class='mark'>**</span>, "
        "<span class='mark'>***</span>: differs from the best at p &lt; 0.05, 0.01, 0.001 (paired "
        "test, Holm correction). <span class='tied'><span class='value' style='display:inline'>"
        "<span>Dotted</span></span></span>: not distinguishable from the best.</p></div></section>"
    )


def _figure(drawn: dict[str, Figure], name: str, figure: Figure, title: str, note: str = "") -> str:
    drawn[name] = figure
    height = int(figure["layout"]["height"])
    sub = f"<span>{escape(note)}</span>" if note else ""
    return (
        f'<figure class="card"><figcaption>{escape(title)}{sub}</figcaption>'
        f'<div class="plot" data-figure="{escape(name)}" style="min-height:{height}px" role="img" '
        f'aria-label="{escape(title)}"><p class="no-script">Figures need JavaScript.</p></div>'
        "</figure>"
    )


def _grid(parts: Sequence[str], least: int) -> str:
    """Return figures beside each other, each at least so many pixels wide."""
    return f'<div class="grid" style="--least:{least}px">{"".join(parts)}</div>'


def _section(name: str, title: str, about: str, body: str) -> str:
    return (
        f'<section id="{name}"><h2>{title}</h2><p class="about" style="margin-bottom:12px">'
        f"{about}</p>{body}</section>"
    )


def _tradeoffs(content: Content, drawn: dict[str, Figure]) -> str:
    """Render bars of the primary metric, and it against novelty and coverage."""
    scores, k = content.scores, split_column(content.primary)[1]
    if not scores.models:
        return ""
    bars = figures.leaderboard(scores, content.primary)
    bars["layout"]["height"] = max(bars["layout"]["height"], 338)  # as those beside it
    bars["layout"]["xaxis"]["title"]["text"] = ""  # the caption says it
    note = f"with {content.level:.0%} intervals"
    parts = [_figure(drawn, "bars", bars, content.primary, note)]
    for metric in BEYOND_QUALITY:
        column = f"{metric}@{k}"
        if column not in scores.means or column == content.primary:
            continue
        if _flat(scores, [column]):
            continue  # the same for all models: there is no trade-off to see
        figure = figures.tradeoff(scores, column, content.primary)
        parts.append(
            _figure(drawn, f"against-{metric}", figure, f"Quality against {metric.lower()}")
        )
    body = legend(scores.models) + _grid(parts, 340 if len(parts) % 3 == 0 else 430)
    return _section(
        "tradeoffs", "Quality, novelty and coverage",
        "Up is more accurate, right is more novel or more varied.", body,
    )  # fmt: skip


def _flat(scores: Scores, columns: list[str]) -> bool:
    """Tell whether all values are the same, so that a figure would show nothing."""
    values = scores.means[columns].to_numpy(float)
    found = values[np.isfinite(values)]
    return not len(found) or bool(np.ptp(found) < 1e-12)


def _lengths(content: Content, drawn: dict[str, Figure]) -> str:
    scores = content.scores
    chosen = [
        metric
        for metric in scores.metrics
        if len(scores.lengths(metric)) > 1
        and not _flat(scores, [f"{metric}@{k}" for k in scores.lengths(metric)])
    ]
    if not scores.models or not chosen:
        return ""
    parts = []
    for metric in chosen:
        figure = figures.by_k(scores, metric)
        figure["layout"]["height"] = 250
        figure["layout"]["yaxis"]["title"]["text"] = ""  # the caption says it
        parts.append(_figure(drawn, f"by-k-{metric}", figure, metric))
    body = legend(scores.models) + _grid(parts, 310)
    return _section(
        "lengths", "By the length of lists", "How each metric grows or falls with k.", body
    )


def _popularity(content: Content, drawn: dict[str, Figure]) -> str:
    if not content.curves:
        return ""
    figure = figures.popularity(content.curves)
    figure["layout"]["height"] = 420
    body = legend(content.scores.models) + _figure(
        drawn,
        "popularity",
        figure,
        "Share of each item",
        "both axes are logarithmic; grey: the log",
    )
    return _section(
        "popularity", "Popularity",
        "Items in the order of how often the log, or a model, has them. A line that ends early "
        "recommends few items; one that is flat spreads its recommendations evenly.", body,
    )  # fmt: skip


def _users(content: Content) -> str:
    if not content.users:
        return ""
    lists = render_lists(content.users, content.scores.models, content.latest_first)
    return f'<section id="lists">{lists}</section>'
