"""How interactions and recommendations are spread over items and users, and pictures of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from daskrec.data import frames, ids
from daskrec.data.groups import Groups
from daskrec.data.ids import Ids
from daskrec.data.once import reading_once
from daskrec.data.rows import read_ids
from daskrec.data.tables import Table, call
from daskrec.engine import runtime
from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.topk import rank_in_row
from daskrec.errors import LogError
from daskrec.params import check_whole
from daskrec.report.draw import draw, require_plotly
from daskrec.report.figures import Figure, numbers
from daskrec.report.theme import axis, marks

_TENTHS = 10


@dataclass(frozen=True)
class ItemCounts:
    """Items, and a number of each.

    Parameters
    ----------
    items
        The items.
    counts
        int64, one an item.
    """

    items: Ids
    counts: Vector

    def merge(self, other: "ItemCounts") -> "ItemCounts":
        """Return the sums of both."""
        items = ids.union([self.items, other.items])
        counts = np.zeros(len(items), np.int64)
        for one in (self, other):
            counts[items.encode(one.items.values)] += one.counts
        return ItemCounts(items, counts)

    def of(self, items: Ids) -> Vector:
        """Return the number of each of some items, 0 for those that are not here."""
        if not len(self.items):
            return np.zeros(len(items), np.int64)
        codes = self.items.encode(items.values)
        return np.where(codes >= 0, self.counts[codes], 0)


@reading_once()
def item_distribution(log: Any, recommendations: Any, k: int) -> pd.DataFrame:
    """Count the users of each item in a log and in recommendations.

    Parameters
    ----------
    log
        Interactions: a frame of any kind, or a path.
    recommendations
        A frame of any kind, or a path; without a column of relevance the rows of a user are
        taken to be in order.
    k
        Length of a list: only the k rows of each user with the highest relevance count, and
        among equal ones those that come first.

    Returns
    -------
    DataFrame
        A row an item of either, with its id under the name that it has in ``log``,
        ``user_count`` and ``rec_count`` (int64: distinct users); sorted by ``user_count``,
        then item.

    Raises
    ------
    LogError
        A frame has no column of users or items, or ids cannot be used.
    ValueError
        ``k`` is no whole number, or below 1.

    Notes
    -----
    A sort of the rows; rows of lazy frames travel once, to their items and to their users. The
    result lies in this process.

    Examples
    --------
    >>> log = pd.DataFrame({"user_idx": [1, 1, 2], "item_idx": [1, 2, 2]})
    >>> recs = pd.DataFrame({"user_idx": [1, 2], "item_idx": [3, 1], "relevance": [0.5, 0.4]})
    >>> item_distribution(log, recs, k=1)
       item_idx  user_count  rec_count
    0         3           0          1
    1         1           1          1
    2         2           2          0
    """
    check_whole("k", k, 1)
    name = Table.of(log).role("item")
    had = _by_group(log, "the log", "item", _count_users)
    shown = _by_group(recommendations, "recommendations", "user", _count_shown, int(k))
    items = ids.union([had.items, shown.items])
    users = had.of(items)
    order = np.argsort(users, kind="stable")  # ids are sorted
    columns: Arrays = {
        name: items.values.take(order),
        "user_count": users[order],
        "rec_count": shown.of(items)[order],
    }
    built: pd.DataFrame = frames.kind_named("pandas").build(columns, {})
    return built


def count_items(source: Any, what: str) -> ItemCounts:
    """Count the rows of each item of a frame or a path: one pass."""
    table = Table.of(source, what)
    name = table.role("item")
    tasks = table.only([name]).arrays([name])
    return _merged([call(table.lazy, _count_rows, part, name, what) for part in tasks], table.lazy)


def _merged(parts: list[Any], lazy: bool) -> ItemCounts:
    found: ItemCounts = (
        runtime.reduce(parts, ItemCounts.merge, "counting items")
        if lazy
        else runtime.tree_reduce(parts, ItemCounts.merge)
    )
    return found


def _count_rows(columns: Arrays, name: str, what: str) -> ItemCounts:
    known, codes = ids.factorize(read_ids(columns[name], name, what))
    return ItemCounts(known, np.bincount(codes, minlength=len(known)))


def _by_group(source: Any, what: str, role: str, function: Any, *args: Any) -> ItemCounts:
    """Bring rows together by user or item, and count items there."""
    table = Table.of(source, what)
    names = {each: table.role(each) for each in ("user", "item")}
    score = table.find("relevance") if role == "user" else None
    wanted = [*names.values(), *([score] if score else [])]
    parts = table.only(wanted).arrays(wanted)
    groups = Groups.by(parts, names[role], table.lazy, what)
    other = names["user" if role == "item" else "item"]
    return _merged(groups.map(function, other, score, what, *args), table.lazy)


def _count_users(
    columns: Arrays, codes: Vector, items: Ids, user: str, score: None, what: str
) -> ItemCounts:
    """Count distinct users; rows are together by item."""
    users, owners = ids.factorize(read_ids(columns[user], user, what))
    pairs = np.unique(codes * len(users) + owners) // max(len(users), 1)
    return ItemCounts(items, np.bincount(pairs, minlength=len(items)))


def _count_shown(
    columns: Arrays, codes: Vector, users: Ids, item: str, score: str | None, what: str, k: int
) -> ItemCounts:
    """Count the users to whom items are shown; rows are together by user."""
    order = np.argsort(codes, kind="stable")
    if score is not None:
        values = columns[score]
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "iufb":
            raise LogError(f"{what}: column {score!r} holds no numbers, or misses some")
        order = np.lexsort((-values.astype(np.float64), codes))  # stable
    kept = order[rank_in_row(codes[order]) < k]
    items, shown = ids.factorize(read_ids(columns[item], item, what).take(kept))
    pairs = np.unique(shown.astype(np.int64) * len(users) + codes[kept]) // max(len(users), 1)
    return ItemCounts(items, np.bincount(pairs, minlength=len(items)))


def plot_user_dist(user_dist: pd.DataFrame, window: int = 1, title: str = "") -> Any:
    """Draw a metric by the number of interactions of users.

    Parameters
    ----------
    user_dist
        What ``metric.user_distribution`` returned: columns ``count`` and ``value``, and ``k``
        where several lengths were asked for (a line each).
    window
        Number of neighbouring values whose mean is drawn.
    title
        Of the figure.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    ImportError
        plotly is not installed: ``pip install 'daskrec[viz]'``.
    """
    check_whole("window", window, 1)
    parts = {"": user_dist}
    if "k" in user_dist:
        parts = {f"k = {k}": user_dist[user_dist["k"] == k] for k in user_dist["k"].unique()}
    traces = []
    for number, (name, part) in enumerate(parts.items()):
        smooth = part["value"].rolling(window, center=True).mean()
        trace = {"type": "scatter", "mode": "lines", "name": name, **marks(number)}
        traces.append(trace | {"x": numbers(part["count"]), "y": numbers(smooth)})
    figure: Figure = {
        "data": traces,
        "layout": {
            "xaxis": axis("number of interactions", type="log"),
            "yaxis": axis("value" if window == 1 else f"mean of {window} values"),
            "showlegend": len(parts) > 1,
        },
    }
    return draw(figure, title)


def plot_item_dist(item_dist: pd.DataFrame, palette: str = "magma", col: str = "rec_count") -> Any:
    """Draw which share falls to the least popular tenth of the items, two tenths, and so on.

    Parameters
    ----------
    item_dist
        What ``item_distribution`` returned.
    palette
        A colour scale of plotly.
    col
        The column that is added up.

    Returns
    -------
    plotly.graph_objects.Figure
        Ten bars; the last is 1. With fewer than ten items, tenths without one repeat the bar
        before.

    Raises
    ------
    ImportError
        plotly is not installed: ``pip install 'daskrec[viz]'``.
    LogError
        The column sums up to nothing.
    """
    sums = np.concatenate([[0.0], np.cumsum(item_dist[col].to_numpy(np.float64))])
    if not sums[-1] > 0:
        raise LogError(f"column {col!r} sums up to nothing: there is no distribution to draw")
    ends = np.arange(1, _TENTHS + 1) * len(item_dist) // _TENTHS
    scale = require_plotly("plotly.colors").sample_colorscale(
        palette, [(place + 0.5) / _TENTHS for place in range(_TENTHS)]
    )
    bars = {
        "type": "bar",
        "x": list(range(1, _TENTHS + 1)),
        "y": numbers(sums[ends] / sums[-1]),
        "marker": {"color": scale},
        "hovertemplate": "least popular %{x}0%: %{y:.1%}<extra></extra>",
    }
    layout = {
        "xaxis": axis("tenths of the items, least popular first", dtick=1),
        "yaxis": axis("share", tickformat=".0%", range=[0, 1.02]),
    }
    return draw({"data": [bars], "layout": layout}, "Popularity distribution")
