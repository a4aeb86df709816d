"""Small pieces of HTML. Whatever comes from data is escaped here, or by who calls."""

import base64
import hashlib
import json
from html import escape
from typing import Any

from daskrec.report.theme import DARK, LIGHT, SYMBOLS

# What follows a model in a legend: the symbol of its points, on a field of 14 x 14.
_SHAPES = {
    "circle": '<circle cx="7" cy="7" r="5.5"/>',
    "square": '<rect x="2" y="2" width="10" height="10"/>',
    "diamond": '<path d="M7 .8 13.2 7 7 13.2.8 7z"/>',
    "triangle-up": '<path d="M7 1 13 12H1z"/>',
    "cross": '<path d="M4.8 1h4.4v3.8H13v4.4H9.2V13H4.8V9.2H1V4.8h3.8z"/>',
    "triangle-down": '<path d="M7 13 1 2h12z"/>',
    "star": '<path d="m7 .8 1.8 4 4.4.5-3.3 2.9 1 4.3L7 10.3l-3.9 2.2 1-4.3L.8 5.3l4.4-.5z"/>',
    "pentagon": '<path d="m7 1 6 4.5-2.3 7H3.3L1 5.5z"/>',
    "hexagon": '<path d="m7 .8 5.5 3.1v6.2L7 13.2l-5.5-3.1V3.9z"/>',
}


def key(series: int) -> str:
    """Return the symbol of a model in its colour."""
    shape = _SHAPES[SYMBOLS[series % len(SYMBOLS)]]
    hue = f"var(--series-{series % len(LIGHT)})"
    return (
        f'<svg class="key" viewBox="0 0 14 14" aria-hidden="true" style="fill:{hue}">{shape}</svg>'
    )


def legend(models: list[str]) -> str:
    """Return the list of models with their symbols."""
    entries = "".join(f"<li>{key(n)}{escape(name)}</li>" for n, name in enumerate(models))
    return f'<ul class="legend">{entries}</ul>'


def colour_rules() -> str:
    """Return the colours of models as CSS variables, for both themes."""
    light, dark = (
        " ".join(f"--series-{n}: {hue};" for n, hue in enumerate(palette))
        for palette in (LIGHT, DARK)
    )
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"


def data_script(name: str, value: Any) -> str:
    """Return data for the scripts of a page, as JSON that no value in it can leave."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Inside a script element only "<" could start something else; the two separators end a
    # line in old parsers.
    for sign in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" id="{name}">{text}</script>'


def policy(*scripts: str) -> str:
    """Return a content security policy: these scripts alone run, and nothing is fetched."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def seconds(value: float) -> str:
    """Return a duration with three digits, and hours, minutes or seconds."""
    if value >= 5_400:
        return f"{value / 3_600:.1f} h"
    if value >= 90:
        return f"{value / 60:.1f} min"
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s" if value >= 1 else f"{value:.2f} s"


def megabytes(value: float) -> str:
    """Return megabytes as MB or GB."""
    return f"{value / 1_000:.1f} GB" if value >= 1_000 else f"{value:.0f} MB"


def count(value: int, one: str, many: str | None = None) -> str:
    """Return a number of things: ``1 user``, ``12,345 users``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"
