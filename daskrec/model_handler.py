"""Saving and loading, under the name that scripts of the original import; see ``daskrec.store``."""

from daskrec.preparation import load_indexer, save_indexer
from daskrec.store import load, save

__all__ = ["load", "load_indexer", "save", "save_indexer"]
