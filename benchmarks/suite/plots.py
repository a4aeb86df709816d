"""Plots of results as SVG: quality against time, memory, how cost grows."""

import importlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any, TypeAlias

from daskrec.report.theme import LIGHT, NEUTRAL

Record: TypeAlias = Mapping[str, Any]
MISSING = "plots need matplotlib: pip install matplotlib"
_MARKS = ("o", "s", "D", "^", "P", "v", "*", "p", "h", "X", "<", ">")
_DASHES = ("-", "--", ":", "-.")
_WIDTH, _SHIFTS = 0.3, 6  # of a name, in powers of ten; and how often it moves at most
_SALT = {"svg.hashsalt": "daskrec", "svg.fonttype": "none", "font.size": 9}


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
    found = {}
    judged = [one for one in records if one.get("quality") and one.get("rounds")]
    with matplotlib.rc_context(_SALT):
        for data in dict.fromkeys(one["data"] for one in judged):
            mine = [one for one in judged if one["data"] == data]
            found[f"quality-{data}"] = _svg(matplotlib, partial(_quality, records=mine))
            bars = partial(_memory, records=mine)
            found[f"memory-{data}"] = _svg(matplotlib, bars, _height(mine))
        grown = [one for one in records if one.get("size") and one.get("rounds")]
        for part in ("fit", "predict", "peak") if grown else ():
            lines = partial(_growth, records=grown, part=part)
            found[f"growth-{part}"] = _svg(matplotlib, lines)
    return found


def _svg(matplotlib: Any, paint: Callable[[Any], None], height: float = 5.0) -> str:
    """Return one figure; nothing in it depends on when or where it is drawn."""
    figure = matplotlib.figure.Figure(figsize=(9.0, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#e6e8eb", linewidth=0.7)
    axes.set_axisbelow(True)
    paint(axes)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]  # without what a page cannot hold


def _quality(axes: Any, records: Sequence[Record]) -> None:
    """Draw NDCG against seconds of fit and predict; a model's points of all engines are joined."""
    engines = list(dict.fromkeys(one["engine"] for one in records))
    names = list(dict.fromkeys(_name(one) for one in records))
    for name in names:
        points = sorted((_total(one), _ndcg(one)) for one in records if _name(one) == name)
        axes.plot(*zip(*points, strict=True), color=NEUTRAL, linewidth=0.6, zorder=1)
    for number, engine in enumerate(engines):
        mine = [one for one in records if one["engine"] == engine]
        axes.errorbar(
            [_total(one) for one in mine],
            [_ndcg(one) for one in mine],
            yerr=[one.get("interval", 0.0) for one in mine],
            fmt=_MARKS[number % len(_MARKS)],
            color=LIGHT[number % len(LIGHT)],
            elinewidth=0.6,
            markersize=5,
            label=engine,
        )
    _label(axes, records, names)
    axes.set_xscale("log")
    axes.set_xlabel("seconds of fit and predict")
    axes.set_ylabel("NDCG@10, with its 95 % interval")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _label(axes: Any, records: Sequence[Record], names: Sequence[str]) -> None:
    """Write the name of each model beside its slowest point, moved up where another name is."""
    taken: list[tuple[float, float]] = []
    line = 0.03 * (max(_ndcg(one) for one in records) or 1.0)
    for name in names:
        slowest = max((one for one in records if _name(one) == name), key=_total)
        x, y = _total(slowest), _ndcg(slowest)
        shift = 0
        while shift < _SHIFTS and any(
            abs(math.log10(x / other)) < _WIDTH and abs(y + shift * line - height) < line
            for other, height in taken
        ):
            shift += 1
        taken.append((x, y + shift * line))
        axes.annotate(
            name, (x, y), xytext=(6, 9 * shift - 3), textcoords="offset points", fontsize=7,
            color="#4a4f57",
        )  # fmt: skip


def _memory(axes: Any, records: Sequence[Record]) -> None:
    """Draw the peak of each model and engine as bars."""
    engines = list(dict.fromkeys(one["engine"] for one in records))
    names = list(dict.fromkeys(_name(one) for one in records))
    width = 0.8 / len(engines)
    for number, engine in enumerate(engines):
        mine = {_name(one): one["peak"] / 1e6 for one in records if one["engine"] == engine}
        places = [names.index(name) + number * width - 0.4 + width / 2 for name in mine]
        axes.barh(
            places, list(mine.values()), width * 0.9, color=LIGHT[number % len(LIGHT)], label=engine
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("peak of all processes, MB")
    axes.margins(y=0.01)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _height(records: Sequence[Record]) -> float:
    bars = len({_name(one) for one in records}) * len({one["engine"] for one in records})
    return max(3.0, 1.0 + 0.16 * bars)


def _growth(axes: Any, records: Sequence[Record], part: str) -> None:
    """Draw seconds or memory against rows, a line a model and mode."""
    models = list(dict.fromkeys(one["model"] for one in records))
    modes = list(dict.fromkeys(one["mode"] for one in records))
    for number, model in enumerate(models):
        for kind, mode in enumerate(modes):
            mine = sorted(
                (one["rows"], _cost(one, part))
                for one in records
                if one["model"] == model and one["mode"] == mode
            )
            if mine:
                axes.plot(
                    *zip(*mine, strict=True),
                    _DASHES[kind % len(_DASHES)],
                    color=LIGHT[number % len(LIGHT)],
                    marker=_MARKS[number % len(_MARKS)],
                    markersize=4,
                    linewidth=1.2,
                    label=f"{model}, {mode}",
                )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("interactions")
    axes.set_ylabel("peak of all processes, MB" if part == "peak" else f"seconds of {part}")
    axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _name(record: Record) -> str:
    return str(record.get("family") or record["model"])


def _ndcg(record: Record) -> float:
    return float(record["quality"]["NDCG"])


def _total(record: Record) -> float:
    parts = ("fit", "predict")
    return float(sum(median(one[part]["wall"] for one in record["rounds"]) for part in parts))


def _cost(record: Record, part: str) -> float:
    if part == "peak":
        return float(record["peak"]) / 1e6
    return float(median(one[part]["wall"] for one in record["rounds"]))
