"""Saving and loading fitted models: one folder format for all of them, without pickle.

::

    model/
      manifest.json       format, class, parameters, names of columns, the trials of
                          ``optimize``, and for each array its shards with type, shape and
                          SHA-256
      state/<name>/       arrays of the fitted state (.npy, Arrow IPC for strings)
      users/  items/      the ids

A path is any local path or fsspec URL. The folder is written beside its place and renamed.
"""

import hashlib
import importlib
import json
import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import daskrec
from daskrec.data.columns import Names
from daskrec.data.log import Layout
from daskrec.engine.arrays import Array, Arrays, open_folder, raw_bytes, read_arrays, write_arrays
from daskrec.errors import FormatError, NotFittedError
from daskrec.models.state import TYPES, collect, restore

FORMAT = "daskrec-model"
VERSION = 1


def save(model: Any, path: Any, overwrite: bool = False) -> None:
    """Save a fitted model to a folder.

    Parameters
    ----------
    model
        A fitted model.
    path
        Local path or fsspec URL.
    overwrite
        Replace what is there.

    Raises
    ------
    NotFittedError
        The model is not fitted.
    FileExistsError
        The path exists and ``overwrite`` is not set.
    """
    if model._catalogue is None:
        raise NotFittedError(f"{model} is not fitted: there is nothing to save")
    fs, target = open_folder(str(path))
    target = target.rstrip("/")
    if fs.exists(target) and not overwrite:
        raise FileExistsError(f"{path} exists: pass overwrite=True to replace it")
    beside = f"{target}.part-{uuid.uuid4().hex}"
    try:
        manifest = _describe(model)
        manifest["arrays"] = {
            name: _write(fs.unstrip_protocol(beside), name, kind, shards)
            for name, (kind, shards) in collect(model).items()
        }
        with fs.open(f"{beside}/manifest.json", "w") as sink:
            json.dump(manifest, sink, indent=1)
        old = f"{target}.old-{uuid.uuid4().hex}"
        if fs.exists(target):
            fs.mv(target, old, recursive=True)
        fs.mv(beside, target, recursive=True)
        if fs.exists(old):
            fs.rm(old, recursive=True)
    finally:
        if fs.exists(beside):
            fs.rm(beside, recursive=True)


def load(path: Any) -> Any:
    """Load a model that ``save`` wrote.

    Parameters
    ----------
    path
        Local path or fsspec URL.

    Returns
    -------
    model
        A fitted model of the class that was saved. Local arrays are memory-mapped.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    FormatError
        The folder is no model, was written by a newer version, or is damaged.
    """
    fs, root = open_folder(str(path))
    root = root.rstrip("/")
    if not fs.exists(root):
        raise FileNotFoundError(f"no model is at {path}")
    manifest = _read_manifest(fs, root, path)
    arrays = {
        name: _read(fs.unstrip_protocol(root), name, entry, path)
        for name, entry in manifest["arrays"].items()
    }
    model = _model_class(manifest["class"], path)(**manifest["params"])
    restore(model, _layout(manifest["layout"]), arrays)
    model._learned_with = manifest["params"] | manifest.get("learned_with", {})
    model._take_study(manifest.get("study"))
    return model


def _read_manifest(fs: Any, root: str, path: Any) -> dict[str, Any]:
    try:
        with fs.open(f"{root}/manifest.json", "r") as source:
            manifest: dict[str, Any] = json.load(source)
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError) as error:
        raise FormatError(f"{path} is not a model saved by daskrec: {error}") from error
    if manifest.get("format") != FORMAT:
        raise FormatError(f"{path} is not a model saved by daskrec")
    if manifest["version"] > VERSION:
        raise FormatError(
            f"{path} has format {FORMAT} {manifest['version']}, written by daskrec "
            f"{manifest['daskrec']}; this version reads up to {VERSION}: install a newer daskrec"
        )
    return manifest


def _model_class(name: str, path: Any) -> Any:
    """Return a class of ``daskrec.models`` by name, and nothing else."""
    found = getattr(importlib.import_module("daskrec.models"), name, None)
    if not (isinstance(found, type) and hasattr(found, "_set_state")):
        raise FormatError(f"{path} holds a model of an unknown class {name!r}")
    return found


def _describe(model: Any) -> dict[str, Any]:
    layout = model._fitted.layout
    names = layout.names
    return {
        "format": FORMAT,
        "version": VERSION,
        "daskrec": daskrec.__version__,
        "class": type(model).__name__,
        "params": _plain_params(model.get_params()),
        "learned_with": _plain_params(model._learned_with or {}),
        "study": model._recorded_study(),
        "layout": {
            "kind": layout.kind,
            "part": layout.part,
            "names": [names.user, names.item, names.relevance],
            "dtypes": [_dtype_name(layout.user), _dtype_name(layout.item)],
        },
    }


def _plain_params(params: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in params.items()
    }


def _dtype_name(dtype: Any) -> str | None:
    """Return the name of a pandas dtype that its name alone makes again."""
    import pandas as pd

    try:
        return str(dtype) if pd.api.types.pandas_dtype(str(dtype)) == dtype else None
    except (TypeError, ValueError):
        return None


def _write(root: str, name: str, kind: str, shards: list[Any]) -> dict[str, Any]:
    entries = []
    for number, value in enumerate(shards):
        arrays: Arrays = {"value": value} if TYPES[kind] is None else value.to_arrays()
        folder = f"{name}/{number:05d}"
        write_arrays(f"{root}/{folder}", arrays)
        entries.append({key: _fingerprint(array) for key, array in arrays.items()})
    return {"kind": kind, "shards": entries}


def _fingerprint(array: Array) -> dict[str, Any]:
    dtype = array.dtype if isinstance(array, np.ndarray) else array.type
    shape = list(array.shape) if isinstance(array, np.ndarray) else [len(array)]
    return {"dtype": str(dtype), "shape": shape, "sha256": _sha256(array)}


def _sha256(array: Array) -> str:
    digest = hashlib.sha256()
    if isinstance(array, np.ndarray):
        digest.update(raw_bytes(array))
    else:
        # Slices share buffers: hash what the array means, not what lies behind it.
        lengths = pc.binary_length(array).to_numpy(zero_copy_only=False)
        digest.update(lengths.astype(np.int64).tobytes())
        digest.update("".join(array.to_pylist()).encode())
    return digest.hexdigest()


def _read(root: str, name: str, entry: dict[str, Any], path: Any) -> list[Any]:
    made = TYPES[entry["kind"]]
    values = []
    for number, wanted in enumerate(entry["shards"]):
        try:
            arrays = read_arrays(f"{root}/{name}/{number:05d}", tuple(wanted))
        except (OSError, ValueError, pa.ArrowInvalid) as error:
            raise FormatError(f"{path} is damaged: {name} cannot be read ({error})") from error
        for key, array in arrays.items():
            if _sha256(array) != wanted[key]["sha256"]:
                raise FormatError(f"{path} is damaged: {name} is not what was saved")
        values.append(arrays["value"] if made is None else made.from_arrays(arrays))
    return values


def _layout(saved: dict[str, Any]) -> Layout:
    user, item = (_pandas_dtype(name) for name in saved["dtypes"])
    return Layout(saved["kind"], Names(*saved["names"]), user, item, saved["part"])


def _pandas_dtype(name: str | None) -> Any:
    import pandas as pd

    return None if name is None else pd.api.types.pandas_dtype(name)
