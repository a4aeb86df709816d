"""Pages of results: JSON lines, Markdown and HTML, with plots."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.report import Table
from benchmarks.suite import plots

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 78rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 9px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
th { border-bottom: 2px solid #8b9097; }
td { border-bottom: 1px solid #8b909755; }
figure { margin: 1.5rem 0; background: #fff; color: #1c2024; border-radius: 6px; padding: 8px; }
figure { overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 40rem; height: auto; }
.note { font-size: 13px; max-width: 60rem; }
"""


def write(folder: Path, title: str, facts: Mapping[str, Any], tables: Sequence[Table]) -> None:
    """Write ``results.jsonl``, ``page.md``, ``page.html`` and ``plots/*.svg`` into a folder.

    Parameters
    ----------
    folder
        It is made where it is missing.
    title
        Of the pages.
    facts
        Of the machine (``benchmarks.machine.facts``).
    tables
        What the pages show; their records are the lines, after one of the machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records = [{"table": "machine", **facts}, *(one for table in tables for one in table.records)]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "results.jsonl").write_text(lines)
    told = [f"{name}: {_plain(value)}" for name, value in facts.items()]
    if facts.get("load_at_start", 0) > machine.BUSY:
        told.append(f"**other work ran here** (load above {machine.BUSY}): expect noise")
    try:
        drawn = plots.draw(records[1:])
    except ImportError as error:  # the tables are there all the same
        drawn = {}
        told.append(str(error))
    place = folder / "plots"
    for name, text in drawn.items():
        place.mkdir(exist_ok=True)
        (place / f"{name}.svg").write_text(text)
    (folder / "page.md").write_text(_markdown(title, told, tables, drawn))
    (folder / "page.html").write_text(_html(title, told, tables, drawn))


def _markdown(
    title: str, told: Sequence[str], tables: Sequence[Table], drawn: Mapping[str, str]
) -> str:
    parts = [f"# {title}", "\n".join(f"- {line}" for line in told)]
    parts += [str(table).rstrip() for table in tables]
    parts += [f"![{plots.caption(name)}](plots/{name}.svg)" for name in drawn]
    return "\n\n".join(parts) + "\n"


def _html(
    title: str, told: Sequence[str], tables: Sequence[Table], drawn: Mapping[str, str]
) -> str:
    head = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}"
    head += f"</title><meta name='viewport' content='width=device-width'><style>{_STYLE}</style>"
    parts = [head, f"<h1>{html.escape(title)}</h1>", _list(told)]
    parts += [_table(table) for table in tables]
    parts += [
        f"<figure><figcaption>{html.escape(plots.caption(name))}</figcaption>{text}</figure>"
        for name, text in drawn.items()
    ]
    return "\n".join(parts) + "</html>\n"


def _table(table: Table) -> str:
    rows = [_row(table.columns, "th"), *(_row(row, "td") for row in table.rows)]
    body = f"<div class='table'><table>{''.join(rows)}</table></div>"
    return f"<h2>{html.escape(table.title)}</h2>{body}{_list(table.notes)}"


def _row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in cells) + "</tr>"


def _list(lines: Sequence[str]) -> str:
    return "<ul class='note'>" + "".join(f"<li>{_inline(line)}</li>" for line in lines) + "</ul>"


def _inline(text: str) -> str:
    """Return the little Markdown that tables hold as HTML: code and bold."""
    safe = html.escape(text)
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", safe)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
