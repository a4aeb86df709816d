"""From any frame to user blocks, and from results back to the same kind of frame.

The names that today's scripts of the original import from its ``data`` are here too.
"""

import importlib
from typing import Any

_PLACES = {
    "Dataset": "daskrec.data.dataset",
    "FeatureHint": "daskrec.data.schema",
    "FeatureInfo": "daskrec.data.schema",
    "FeatureSchema": "daskrec.data.schema",
    "FeatureSource": "daskrec.data.schema",
    "FeatureType": "daskrec.data.schema",
}
__all__ = ["Dataset", "FeatureHint", "FeatureInfo", "FeatureSchema", "FeatureSource", "FeatureType"]


def __getattr__(name: str) -> Any:
    # A room that lower rooms are imported from: its modules are loaded when they are asked for.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
