"""Plots of results as SVG: quality against time, memory, how cost grows."""

import importlib
import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any, TypeAlias

from benchmarks.suite import labels
from daskrec.report.theme import LIGHT, NEUTRAL

Record: TypeAlias = Mapping[str, Any]
MISSING = "plots need matplotlib: pip install matplotlib"
_CAPTIONS = {
    "quality": "Quality against time",
    "memory": "Memory",
    "growth": "How cost grows",
}
_MODES = {
    "direct": "a frame of pandas, one process",
    "path": "files, one process",
    "1": "files, 1 worker process",
    "2": "files, 2 worker processes",
}
_MARKS = ("o", "s", "D", "^", "P", "v", "*", "p", "h", "X", "<", ">")
_INK, _SMALL = "#4a4f57", 7.5
_WIDTH, _BAR = 9.0, 0.17  # inches of a plot, and of a bar
_DPI = 72  # of SVG: its pixels are points
_LOOK = {"svg.fonttype": "none", "font.size": 9}
_ASIDE: dict[str, Any] = {"frameon": False, "loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}


def draw(records: Sequence[Record]) -> dict[str, str]:
    """Return the plots that records have the numbers for, as SVG by name.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    try:
        matplotlib = importlib.import_module("matplotlib")
        importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ImportError(MISSING) from error
    wanted: dict[str, Callable[[Any], None]] = {}
    judged = [one for one in records if one.get("quality") and one.get("rounds")]
    for data in dict.fromkeys(one["data"] for one in judged):
        mine = [one for one in judged if one["data"] == data]
        wanted[f"quality-{data}"] = partial(_quality, records=mine)
        wanted[f"memory-{data}"] = partial(_memory, records=mine)
    grown = [one for one in records if one.get("size") and one.get("rounds")]
    for part in ("fit", "predict", "peak") if grown else ():
        wanted[f"growth-{part}"] = partial(_growth, records=grown, part=part)
    return {name: _svg(matplotlib, name, paint) for name, paint in wanted.items()}


def caption(name: str) -> str:
    """Return what a plot shows, in words."""
    kind, _, of = name.partition("-")
    return f"{_CAPTIONS[kind]}: {of}"


def _svg(matplotlib: Any, name: str, paint: Callable[[Any], None]) -> str:
    """Return one figure; nothing in it depends on when or where it is drawn."""
    # A page holds several: a salt of its own keeps the names of their parts apart.
    with matplotlib.rc_context({**_LOOK, "svg.hashsalt": name}):
        figure = matplotlib.figure.Figure(figsize=(_WIDTH, 6.0), dpi=_DPI, layout="constrained")
        paint(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]  # without what a page cannot hold


def _clean(axes: Any) -> Any:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#e6e8eb", linewidth=0.7)
    axes.set_axisbelow(True)
    return axes


def _quality(figure: Any, records: Sequence[Record]) -> None:
    """Draw NDCG against seconds of fit and predict; a model's points of all engines are joined."""
    axes = _clean(figure.subplots())
    engines = list(dict.fromkeys(one["engine"] for one in records))
    models = {
        name: sorted((_total(one), _ndcg(one)) for one in records if _name(one) == name)
        for name in dict.fromkeys(_name(one) for one in records)
    }
    for points in models.values():
        axes.plot(*zip(*points, strict=True), color=NEUTRAL, linewidth=0.6, zorder=1)
    for number, engine in enumerate(engines):
        mine = [one for one in records if one["engine"] == engine]
        axes.errorbar(
            [_total(one) for one in mine],
            [_ndcg(one) for one in mine],
            yerr=[one.get("interval", 0.0) for one in mine],
            fmt=_MARKS[number % len(_MARKS)],
            color=LIGHT[number % len(LIGHT)],
            # Colours that come a second time are hollow.
            markerfacecolor=LIGHT[number % len(LIGHT)] if number < len(LIGHT) else "#ffffff",
            elinewidth=0.6,
            markersize=5,
            label=engine,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.09)
    axes.set_xlabel("seconds of fit and predict")
    axes.set_ylabel("NDCG@10, with its 95 % interval")
    axes.legend(**_ASIDE)
    figure.draw_without_rendering()  # names need to know where points are
    figure.set_layout_engine("none")
    _write_names(axes, models, records)


def _write_names(
    axes: Any, models: Mapping[str, Sequence[labels.Place]], records: Sequence[Record]
) -> None:
    """Write the name of each model beside its slowest or fastest point."""

    def at(x: float, y: float) -> labels.Place:
        across, up = axes.transData.transform((x, y))
        return float(across), float(up)

    bars = []
    for one in records:
        reach = one.get("interval", 0.0)
        (x, low), (_, high) = (at(_total(one), _ndcg(one) + side) for side in (-reach, reach))
        bars.append(labels.Box(x - 1, low, x + 1, high))
    names = {name: [at(*one) for one in mine] for name, mine in models.items()}
    frame = labels.Box(*map(float, axes.bbox.extents))
    for name, (point, box) in labels.place(names, frame, bars, _SMALL).items():
        middle = (box.low + box.high) / 2
        if box.left > point[0]:
            end, align = box.left, "left"
        elif box.right < point[0]:
            end, align = box.right, "right"
        else:
            end, align = point[0], "center"
        line = {"arrowstyle": "-", "color": NEUTRAL, "linewidth": 0.4, "shrinkB": 3}
        axes.annotate(
            name,
            point,
            xytext=(end, middle),
            xycoords="figure points",
            textcoords="figure points",
            fontsize=_SMALL,
            color=_INK,
            ha=align,
            va="center",
            arrowprops=line if abs(middle - point[1]) > 1 else None,
            bbox={"facecolor": "#ffffff", "edgecolor": "none", "pad": 0.5},
            zorder=1.5,  # over the lines that join points, under the points
        )


def _memory(figure: Any, records: Sequence[Record]) -> None:
    """Draw the peak of each model and engine as a bar that says what it is."""
    engines = list(dict.fromkeys(one["engine"] for one in records))
    models = list(dict.fromkeys(_name(one) for one in records))
    figure.set_size_inches(_WIDTH, 1.0 + _BAR * (len(records) + len(models)))
    axes = _clean(figure.subplots())
    ticks, place = [], 0.0
    for model in models:
        mine = [one for one in records if _name(one) == model]
        ticks.append(place + (len(mine) - 1) / 2)
        for one in mine:
            peak, number = one["peak"] / 1e6, engines.index(one["engine"])
            axes.barh(place, peak, 0.85, color=LIGHT[number % len(LIGHT)])
            twice = sum(other["engine"] == one["engine"] for other in mine) > 1
            who = f"{one['engine']}, {one['model']}" if twice else one["engine"]
            axes.annotate(
                f"{who}  {peak:.0f}", (peak, place), xytext=(3, 0), textcoords="offset points",
                va="center", fontsize=_SMALL, color=_INK,
            )  # fmt: skip
            place += 1
        place += 1
    axes.set_yticks(ticks, models)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(place - 1.3, -0.7)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("peak of all processes, MB")
    axes.margins(x=0.2)
    axes.set_xlim(left=0)


def _growth(figure: Any, records: Sequence[Record], part: str) -> None:
    """Draw seconds or memory against rows: a plot a mode, a line a model."""
    models = list(dict.fromkeys(one["model"] for one in records))
    found = dict.fromkeys(one["mode"] for one in records)
    modes = [mode for mode in dict.fromkeys([*_MODES, *found]) if mode in found]
    rows = (len(modes) + 1) // 2
    figure.set_size_inches(_WIDTH, 0.6 + 3.2 * rows)
    plots = figure.subplots(rows, min(len(modes), 2), sharex=True, sharey=True, squeeze=False)
    plots = list(plots.flat)
    for axes in plots[len(modes) :]:
        axes.set_axis_off()
    for axes, mode in zip(plots, modes, strict=False):
        _clean(axes).set_title(_MODES.get(mode, mode), fontsize=9)
        for number, model in enumerate(models):
            mine = sorted(
                (one["rows"], _cost(one, part))
                for one in records
                if one["model"] == model and one["mode"] == mode
            )
            axes.plot(
                *zip(*mine, strict=True) if mine else ([], []),
                color=LIGHT[number % len(LIGHT)],
                linestyle="-" if number < len(LIGHT) else "--",
                marker=_MARKS[number % len(_MARKS)],
                markersize=4,
                linewidth=1.2,
                label=model,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    figure.supxlabel("interactions", fontsize=9)
    figure.supylabel(
        "peak of all processes, MB" if part == "peak" else f"seconds of {part}", fontsize=9
    )
    lines, names = plots[0].get_legend_handles_labels()
    figure.legend(lines, names, frameon=False, loc="outside right upper")


def _name(record: Record) -> str:
    return str(record.get("family") or record["model"])


def _ndcg(record: Record) -> float:
    return float(record["quality"]["NDCG"])


def _total(record: Record) -> float:
    return sum(_cost(record, part) for part in ("fit", "predict"))


def _cost(record: Record, part: str) -> float:
    if part == "peak":
        return float(record["peak"]) / 1e6
    return float(median(one[part]["wall"] for one in record["rounds"]))
