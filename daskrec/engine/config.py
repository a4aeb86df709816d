"""The settings of daskrec, read from Dask's configuration.

They live under ``daskrec`` there, so that YAML files, environment variables
(``DASKREC`` settings as Dask spells them: ``DASK_DASKREC__TILE_BYTES``) and
``dask.config.set`` all work. Nothing here ever writes to the configuration.
"""

from typing import Any

import dask
from dask.utils import parse_bytes

DEFAULTS: dict[str, Any] = {
    # Bytes of one tile of scores or of one tile of an item-item product, per task; a tile
    # that stays in the cache is the fastest.
    "tile-bytes": "2 MiB",
    # Largest array that a task may hold as a whole; above it, tasks take only the rows
    # that they need.
    "share-limit": "4 GiB",
    # Dense items x items arrays that one fit may hold at a time, all together.
    "dense-limit": "8 GiB",
    # "auto" works on a GPU where there is one and the work is worth it; "cpu", "cuda" and
    # "cuda:<number>" say where.
    "device": "auto",
    # Folder or fsspec URL that every worker sees; a temporary folder when not set.
    "storage-path": None,
    # "auto" shows progress on long work when standard error is a terminal.
    "progress": "auto",
    # Distinct user ids that are kept as one array on the driver; more are kept in shards.
    "user-id-limit": 5_000_000,
    # Frames of Spark that take more bytes stay in files and are read part by part.
    "collect-limit": "128 MiB",
    # Models that count keep the encoded log, so that ``update`` works; False keeps none.
    "keep-history": True,
}


def get(name: str) -> Any:
    """Return a setting, or its default when the user has not set it."""
    return dask.config.get(f"daskrec.{name}", DEFAULTS[name])


def get_bytes(name: str) -> int:
    """Return a setting that is a number of bytes (``"2 MiB"`` or an integer)."""
    return int(parse_bytes(get(name)))
