"""Saving and loading fitted models: one folder format for all of them, without pickle.

::

    model/
      manifest.json       format, class, parameters, names of columns, and for each array
                          its shards with type, shape and SHA-256
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

import daskrec
from daskrec.data.columns import Names
from daskrec.data.ids import Ids, ShardedIds
from daskrec.data.log import Layout
from daskrec.engine.arrays import Array, Arrays, open_folder, raw_bytes, read_arrays, write_arrays
from daskrec.engine.csr import Csr
from daskrec.engine.shared import RowShards, Shared
from daskrec.errors import FormatError, NotFittedError
from daskrec.models.asked import Catalogue
from daskrec.models.base import BaseRecommender

FORMAT = "daskrec-model"
VERSION = 1

# The classes that a state may hold; a manifest names them by these words alone.
_TYPES: dict[str, Any] = {"array": None, "csr": Csr, "ids": Ids}


def save(model: BaseRecommender, path: Any, overwrite: bool = False) -> None:
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
            for name, (kind, shards) in _shards(model).items()
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
    _restore(model, manifest, arrays)
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
    if not (isinstance(found, type) and issubclass(found, BaseRecommender)):
        raise FormatError(f"{path} holds a model of an unknown class {name!r}")
    return found


def _describe(model: BaseRecommender) -> dict[str, Any]:
    layout = model._fitted.layout
    names = layout.names
    return {
        "format": FORMAT,
        "version": VERSION,
        "daskrec": daskrec.__version__,
        "class": type(model).__name__,
        "params": {name: _plain(value) for name, value in model.get_params().items()},
        "layout": {
            "kind": layout.kind,
            "part": layout.part,
            "names": [names.user, names.item, names.relevance],
            "dtypes": [_dtype_name(layout.user), _dtype_name(layout.item)],
        },
    }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _dtype_name(dtype: Any) -> str | None:
    """Return the name of a pandas dtype that its name alone makes again."""
    import pandas as pd

    try:
        return str(dtype) if pd.api.types.pandas_dtype(str(dtype)) == dtype else None
    except (TypeError, ValueError):
        return None


def _shards(model: BaseRecommender) -> dict[str, tuple[str, list[Any]]]:
    """Return everything that a fitted model holds: a kind and shards for each name."""
    fitted = model._fitted
    found: dict[str, tuple[str, list[Any]]] = {
        "users": ("ids", [shard.get() for shard in fitted.user_ids.shards]),
        "items": ("ids", [fitted.item_ids.get()]),
        "bounds": ("array", [fitted.bounds]),
    }
    for name, value in model._get_state().items():
        shards = value.shards if isinstance(value, RowShards) else [value]
        opened = [shard.get() for shard in shards]
        kind = "csr" if isinstance(opened[0], Csr) else "array"
        found[f"state/{name}"] = (kind, opened)
    return found


def _write(root: str, name: str, kind: str, shards: list[Any]) -> dict[str, Any]:
    entries = []
    for number, value in enumerate(shards):
        arrays: Arrays = {"value": value} if _TYPES[kind] is None else value.to_arrays()
        folder = f"{name}/{number:05d}"
        write_arrays(f"{root}/{folder}", arrays)
        entries.append({key: _fingerprint(array) for key, array in arrays.items()})
    lengths = [len(value) for value in shards]
    return {"kind": kind, "lengths": lengths, "shards": entries}


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
        lengths = pa.compute.binary_length(array).to_numpy(zero_copy_only=False)
        digest.update(lengths.astype(np.int64).tobytes())
        digest.update("".join(array.to_pylist()).encode())
    return digest.hexdigest()


def _read(root: str, name: str, entry: dict[str, Any], path: Any) -> list[Any]:
    made = _TYPES[entry["kind"]]
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


def _restore(model: BaseRecommender, manifest: dict[str, Any], arrays: dict[str, Any]) -> None:
    lengths = {name: entry["lengths"] for name, entry in manifest["arrays"].items()}
    layout = manifest["layout"]
    user, item = (_pandas_dtype(name) for name in layout["dtypes"])
    model._catalogue = Catalogue(
        _sharded_ids(arrays["users"]),
        Shared(arrays["items"][0]),
        arrays["bounds"][0],
        Layout(layout["kind"], Names(*layout["names"]), user, item, layout["part"]),
    )
    state = {}
    for name in arrays:
        if not name.startswith("state/"):
            continue
        shards = [Shared(value) for value in arrays[name]]
        offsets = np.concatenate([[0], np.cumsum(lengths[name])])
        sharded = name.removeprefix("state/") in model._sharded_state
        state[name.removeprefix("state/")] = RowShards(shards, offsets) if sharded else shards[0]
    model._set_state(state)


def _sharded_ids(parts: list[Ids]) -> ShardedIds:
    from daskrec.data.ids import concat

    firsts = [part.values[:1] for part in parts[1:]]
    bounds = concat(firsts) if firsts else parts[0].values[:0]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    return ShardedIds([Shared(part) for part in parts], bounds, offsets)


def _pandas_dtype(name: str | None) -> Any:
    import pandas as pd

    return None if name is None else pd.api.types.pandas_dtype(name)


def freeze(model: BaseRecommender) -> dict[str, Any]:
    """Return what a pickle of a model holds: its arrays themselves, and no handle."""
    if model._catalogue is None:
        return {"params": model.get_params()}
    held = {
        name: (kind, [{"value": v} if _TYPES[kind] is None else v.to_arrays() for v in shards])
        for name, (kind, shards) in _shards(model).items()
    }
    return {"params": model.get_params(), "layout": model._fitted.layout, "held": held}


def thaw(model: BaseRecommender, frozen: dict[str, Any]) -> None:
    """Make a model of what ``freeze`` returned."""
    for name, value in frozen["params"].items():
        setattr(model, name, value)
    if "held" not in frozen:
        return
    values = {
        name: [a["value"] if _TYPES[kind] is None else _TYPES[kind].from_arrays(a) for a in parts]
        for name, (kind, parts) in frozen["held"].items()
    }
    manifest = {
        "arrays": {name: {"lengths": [len(v) for v in parts]} for name, parts in values.items()},
        "layout": {"kind": "", "part": "", "names": ["", "", ""], "dtypes": [None, None]},
    }
    _restore(model, manifest, values)
    held = model._fitted
    model._catalogue = Catalogue(held.user_ids, held.item_ids, held.bounds, frozen["layout"])
