"""daskrec recommends items to users, on a laptop and on a Dask cluster.

::

    from daskrec.models import ALSWrap

    recs = ALSWrap(rank=64, seed=0).fit_predict(log, k=10)

``log`` is a pandas, polars, Arrow, Dask or Spark frame with the columns ``user_idx`` and
``item_idx`` (and ``relevance``, if there is one), or a path of Parquet or CSV files;
``recs`` is a frame of the same kind with the ten best items of each user.
"""

from typing import Any

__version__ = "0.1.0"

__all__ = ["__version__", "compare", "load", "save"]


def save(model: Any, path: Any, overwrite: bool = False) -> None:
    """Save a fitted model, scenario or indexer to a folder; see ``daskrec.store.save``."""
    model.save(path, overwrite)


def load(path: Any) -> Any:
    """Load what ``save`` wrote; see ``daskrec.store.load``."""
    from daskrec import store

    return store.load(path)


def compare(models: Any, train: Any, test: Any, *args: Any, **options: Any) -> Any:
    """Fit models and compare what they recommend; see ``daskrec.comparison.compare``."""
    from daskrec import comparison

    return comparison.compare(models, train, test, *args, **options)
