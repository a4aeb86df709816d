"""The leaderboard of a report, as HTML."""

from html import escape

import numpy as np
import pandas as pd

from daskrec.report.figures import Scores, split_column
from daskrec.report.pieces import key, megabytes, seconds

COSTS = {
    "fit_seconds": ("fit", "seconds that the fit took"),
    "predict_seconds": ("predict", "seconds until all recommendations were there"),
    "metric_seconds": ("metrics", "seconds that the metrics took"),
    "peak_mb": ("memory", "most resident memory of all processes while fitting and predicting"),
}


def marks(p_value: float) -> str:
    """Return one to three stars for a p-value below 0.05, 0.01 and 0.001."""
    return "*" * sum(p_value < level for level in (0.05, 0.01, 0.001))


def render_table(
    scores: Scores,
    tests: pd.DataFrame,
    costs: pd.DataFrame,
    errors: dict[str, str],
    primary: str,
) -> str:
    """Render the leaderboard.

    Parameters
    ----------
    scores
        What was measured, best model first.
    tests
        Columns ``model``, ``metric`` (such as ``"NDCG@10"``), ``best``, ``p_holm``.
    costs
        A row a model with the columns of ``COSTS``.
    errors
        What went wrong, for models that failed.
    primary
        The column that the rows are ordered by; columns of other lengths are hidden.
    """
    shown = split_column(primary)[1]
    head = _head("Model", "text")
    for column in scores.means.columns:
        metric, k = split_column(column)
        head += _head(column, "score", metric=metric, k=k, shown=shown, sorted_by=column == primary)
    for label, hint in COSTS.values():
        head += _head(label, "cost", hint=hint)
    rows = [_row(place, scores, tests, costs, shown) for place in range(len(scores.means))] + [
        _failed_row(name, text) for name, text in errors.items()
    ]
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Leaderboard"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _head(
    label: str,
    kind: str,
    *,
    metric: str = "",
    k: int | None = None,
    shown: int | None = None,
    sorted_by: bool = False,
    hint: str = "",
) -> str:
    parts = [f'data-kind="{kind}"', f'aria-sort="{"descending" if sorted_by else "none"}"']
    if kind == "cost":
        parts.append('class="cost"')
    if hint:
        parts.append(f'title="{escape(hint)}"')
    if metric:
        parts.append(f'data-metric="{escape(metric)}" {_only(k, shown)}')
    text = escape(label)
    if metric:
        text = f'{escape(metric)}<span class="small">@{k}</span>'
    elif kind == "cost":
        text += '<span class="small">&nbsp;</span>'
    return f'<th scope="col" {" ".join(parts)}><button type="button">{text}</button></th>'


def _only(k: int | None, shown: int | None) -> str:
    """Return the attributes of a cell that is there for one length of lists."""
    return f'data-k="{k}"' + ("" if k == shown else " hidden")


def _row(place: int, scores: Scores, tests: pd.DataFrame, costs: pd.DataFrame, shown: int) -> str:
    name = scores.models[place]
    cells = [_name_cell(name, key(place))]
    for column in scores.means.columns:
        cells.append(_score_cell(place, column, scores, tests, shown))
    for number, column in enumerate(COSTS):
        cells.append(_cost_cell(column, costs.iloc[place], first=number == 0))
    return f"<tr>{''.join(cells)}</tr>"


def _name_cell(name: str, symbol: str) -> str:
    return f'<th scope="row" data-value="{escape(name)}">{symbol}{escape(name)}</th>'


def _failed_row(name: str, text: str) -> str:
    return (
        f'<tr class="failed-row">{_name_cell(name, "")}'
        f'<td class="failed" colspan="99">failed. {escape(text)}</td></tr>'
    )


def _score_cell(place: int, column: str, scores: Scores, tests: pd.DataFrame, shown: int) -> str:
    k = split_column(column)[1]
    value = float(scores.means[column].iloc[place])
    if not np.isfinite(value):
        return f"<td {_only(k, shown)}>&ndash;</td>"
    largest = float(scores.means[column].abs().max()) or 1.0
    kind, mark = _verdict(place, column, scores, tests)
    return (
        f'<td data-value="{value!r}" class="{kind}" {_only(k, shown)}>'
        f'<span class="value"><span>{value:.4f}</span>{mark}</span>'
        f"{_interval(scores, column, place)}"
        f'<span class="track"><i style="width:{100 * max(value, 0) / largest:.1f}%;'
        f'background:var(--series-{place % 7})"></i></span></td>'
    )


def _verdict(place: int, column: str, scores: Scores, tests: pd.DataFrame) -> tuple[str, str]:
    """Return the class of a cell, and the stars of its difference to the best."""
    values = scores.means[column]
    if values.max() - values.min() < 1e-12:
        return "", ""  # where all are the same, none is best
    if values.iloc[place] == values.max():
        return "best", ""
    found = tests[(tests["model"] == scores.models[place]) & (tests["metric"] == column)]
    if not len(found) or np.isnan(found["p_holm"].iloc[0]):
        return "", ""
    p_value = float(found["p_holm"].iloc[0])
    hint = escape(f"against {found['best'].iloc[0]}: p = {p_value:.2g} (Holm)")
    stars = marks(p_value)
    if not stars:
        return "tied", ""
    return "", f'<span class="mark" title="{hint}">{stars}</span>'


def _interval(scores: Scores, column: str, place: int) -> str:
    if scores.spread(column) is None:
        return '<span class="small">&nbsp;</span>'
    low, high = scores.low[column].iloc[place], scores.high[column].iloc[place]
    return f'<span class="small">{low:.3f}&ndash;{high:.3f}</span>'


def _cost_cell(column: str, costs: pd.Series, *, first: bool) -> str:
    value = float(costs[column])
    kind = "cost first-cost" if first else "cost"
    if not np.isfinite(value):
        return f'<td class="{kind}">&ndash;</td>'
    if column != "peak_mb":
        return f'<td data-value="{value!r}" class="{kind}">{seconds(value)}</td>'
    added = f'<span class="small">+{megabytes(costs["added_mb"])}</span>'
    return f'<td data-value="{value!r}" class="{kind}">{megabytes(value)}{added}</td>'
