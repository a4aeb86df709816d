"""Saving and loading an indexer: a folder in the manner of saved models, without pickle.

::

    indexer/
      manifest.json          format, names of columns, types of ids, and for each array its
                             type, shape and SHA-256
      users/  items/         the ids (.npy, Arrow IPC for strings)
      user_numbers/ ...      the number of each id
"""

import json
import uuid
from typing import Any

from daskrec.data.ids import Ids
from daskrec.engine.arrays import open_folder
from daskrec.errors import FormatError, NotFittedError
from daskrec.preparation.indexer import ROLES, Indexer
from daskrec.preparation.labels import Labels

FORMAT = "daskrec-indexer"
VERSION = 1


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
    fs, target = open_folder(str(path))
    target = target.rstrip("/")
    if fs.exists(target) and not overwrite:
        raise FileExistsError(f"{path} exists: pass overwrite=True to replace it")
    beside = f"{target}.part-{uuid.uuid4().hex}"
    try:
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "columns": {"user": indexer.user_col, "item": indexer.item_col},
            "dtypes": dict(indexer._dtypes),
            "arrays": _write_labels(indexer, fs.unstrip_protocol(beside)),
        }
        with fs.open(f"{beside}/manifest.json", "w") as sink:
            json.dump(manifest, sink, indent=1)
        if fs.exists(target):
            fs.rm(target, recursive=True)
        fs.mv(beside, target, recursive=True)
    finally:
        if fs.exists(beside):
            fs.rm(beside, recursive=True)


def _write_labels(indexer: Indexer, root: str) -> dict[str, Any]:
    from daskrec import store  # brings the models, which filters and times do without

    arrays = {}
    for role in ROLES:
        labels = indexer._labels[role]
        arrays[f"{role}s"] = store._write(root, f"{role}s", "ids", [labels.known])
        arrays[f"{role}_numbers"] = store._write(root, f"{role}_numbers", "array", [labels.numbers])
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
    from daskrec import store

    fs, root = open_folder(str(path))
    root = root.rstrip("/")
    if not fs.exists(root):
        raise FileNotFoundError(f"no indexer is at {path}")
    manifest = _read_manifest(fs, root, path)
    indexer = Indexer(manifest["columns"]["user"], manifest["columns"]["item"])
    url, arrays = fs.unstrip_protocol(root), manifest["arrays"]
    for role in ROLES:
        (known,) = store._read(url, f"{role}s", arrays[f"{role}s"], path)
        (numbers,) = store._read(url, f"{role}_numbers", arrays[f"{role}_numbers"], path)
        indexer._labels[role] = Labels(Ids(known.values), numbers)
        indexer._dtypes[role] = manifest["dtypes"][role]
    return indexer


def _read_manifest(fs: Any, root: str, path: Any) -> dict[str, Any]:
    try:
        with fs.open(f"{root}/manifest.json", "r") as source:
            manifest: dict[str, Any] = json.load(source)
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError) as error:
        raise FormatError(f"{path} is not an indexer saved by daskrec: {error}") from error
    if manifest.get("format") != FORMAT:
        raise FormatError(f"{path} is not an indexer saved by daskrec")
    if manifest["version"] > VERSION:
        raise FormatError(
            f"{path} was saved in format {manifest['version']}, newer than {VERSION}, which this "
            "version of daskrec reads: update daskrec"
        )
    return manifest
