"""Saving and loading an indexer: a folder in the manner of saved models, without pickle.

::

    indexer/
      manifest.json          names of columns, types of ids, and the checksums of the arrays
      users/  items/         the ids
      user_numbers/ ...      the number of each id
"""

from typing import Any

from daskrec.data.folders import Format, Manifest, read_shards, write_shards
from daskrec.data.ids import Ids
from daskrec.errors import NotFittedError
from daskrec.preparation.indexer import ROLES, Indexer
from daskrec.preparation.labels import Labels

FORMAT = Format("daskrec-indexer", 1, "an indexer")


def save_indexer(indexer: Indexer, path: Any, overwrite: bool = False) -> None:
    """Save a fitted indexer to a folder.

    Parameters
    ----------
    indexer
        The indexer.
    path
        Local path or fsspec URL. The folder is written beside its place and renamed.
    overwrite
        Replace what is there.

    Raises
    ------
    NotFittedError
        The indexer is not fitted.
    FileExistsError
        The path exists and ``overwrite`` is not set.
    """
    if not indexer._labels:
        raise NotFittedError("the Indexer is not fitted: there is nothing to save")

    def fill(url: str) -> Manifest:
        return {
            "columns": {"user": indexer.user_col, "item": indexer.item_col},
            "dtypes": dict(indexer._dtypes),
            "arrays": _write_labels(indexer, url),
        }

    FORMAT.write(path, overwrite, fill)


def _write_labels(indexer: Indexer, url: str) -> Manifest:
    arrays = {}
    for role in ROLES:
        labels = indexer._labels[role]
        arrays[f"{role}s"] = write_shards(url, f"{role}s", "ids", [labels.known])
        arrays[f"{role}_numbers"] = write_shards(url, f"{role}_numbers", "array", [labels.numbers])
    return arrays


def load_indexer(path: Any) -> Indexer:
    """Load an indexer that ``save_indexer`` wrote.

    Parameters
    ----------
    path
        Local path or fsspec URL.

    Returns
    -------
    Indexer
        With the ids, the numbers and the types of the one that was saved.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    FormatError
        The folder is no indexer, was written by a newer version, or is damaged.
    """
    url, manifest = FORMAT.read(path)
    indexer = Indexer(manifest["columns"]["user"], manifest["columns"]["item"])
    arrays = manifest["arrays"]
    for role in ROLES:
        (known,) = read_shards(url, f"{role}s", arrays[f"{role}s"], path)
        (numbers,) = read_shards(url, f"{role}_numbers", arrays[f"{role}_numbers"], path)
        indexer._labels[role] = Labels(Ids(known.values), numbers)
        indexer._dtypes[role] = manifest["dtypes"][role]
    return indexer


load = load_indexer  # as every room that saves has it
