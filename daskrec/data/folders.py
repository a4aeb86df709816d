"""Folders of arrays with a manifest: what is saved is written whole, and checked when read.

::

    folder/
      manifest.json        format and version, and for each value its shards, with type, shape
                           and SHA-256 of every array
      <name>/00000/ ...    the arrays of a shard (.npy, Arrow IPC for strings, safetensors for
                       the weights of networks)

A path is any local path or fsspec URL. Nothing in a folder is a pickle.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

import daskrec
from daskrec.data.blocks import UserBlock
from daskrec.data.features import FeatureBlock
from daskrec.data.ids import Ids
from daskrec.engine.arrays import Array, Arrays, open_folder, raw_bytes, read_arrays, write_arrays
from daskrec.engine.csr import Csr
from daskrec.engine.dense import DenseRows
from daskrec.engine.weights import Weights
from daskrec.errors import FormatError

# What a folder may hold; None is an array. Manifests name them by these words alone.
TYPES: dict[str, Any] = {
    "array": None,
    "csr": Csr,
    "dense": DenseRows,
    "ids": Ids,
    "block": UserBlock,
    "features": FeatureBlock,
    "weights": Weights,  # a safetensors file
}
_MANIFEST = "manifest.json"
_ARROW = "arrow:"  # before the names of types of Arrow
Manifest = dict[str, Any]


@dataclass(frozen=True)
class Format:
    """A kind of folder.

    Parameters
    ----------
    name
        What manifests call it.
    version
        The newest that is read, and the one that is written.
    what
        What errors call it, such as ``"a model"``.
    """

    name: str
    version: int
    what: str

    def write(self, path: Any, overwrite: bool, fill: Callable[[str], Manifest]) -> None:
        """Write a folder beside its place, and put it there when it is whole.

        Parameters
        ----------
        path
            Where.
        overwrite
            Replace what is there.
        fill
            ``fill(url)`` writes into the folder, and returns what the manifest says.

        Raises
        ------
        FileExistsError
            The path exists and ``overwrite`` is not set.
        """
        fs, target = open_folder(str(path))
        target = target.rstrip("/")
        if fs.exists(target) and not overwrite:
            raise FileExistsError(f"{path} exists: pass overwrite=True to replace it")
        beside = f"{target}.part-{uuid.uuid4().hex}"
        old = f"{target}.old-{uuid.uuid4().hex}"
        head = {"format": self.name, "version": self.version, "daskrec": daskrec.__version__}
        try:
            fs.makedirs(beside, exist_ok=True)
            manifest = head | fill(fs.unstrip_protocol(beside))
            with fs.open(f"{beside}/{_MANIFEST}", "w") as sink:
                json.dump(manifest, sink, indent=1)
            if fs.exists(target):
                fs.mv(target, old, recursive=True)
            fs.mv(beside, target, recursive=True)
            if fs.exists(old):
                fs.rm(old, recursive=True)
        finally:
            if fs.exists(beside):
                fs.rm(beside, recursive=True)

    def read(self, path: Any) -> tuple[str, Manifest]:
        """Return the URL of a folder and its manifest.

        Raises
        ------
        FileNotFoundError
            Nothing is there.
        FormatError
            It is another kind of folder, or was written by a newer version.
        """
        url, manifest = open_manifest(path, self.what)
        if manifest.get("format") != self.name:
            raise FormatError(f"{path} is not {self.what} saved by daskrec")
        if manifest["version"] > self.version:
            raise FormatError(
                f"{path} has format {self.name} {manifest['version']}, written by daskrec "
                f"{manifest['daskrec']}; this version reads up to {self.version}: install a newer "
                "daskrec"
            )
        return url, manifest


def open_manifest(path: Any, what: str) -> tuple[str, Manifest]:
    """Return the URL of a folder of any format, and its manifest; see ``Format.read``."""
    fs, root = open_folder(str(path))
    root = root.rstrip("/")
    if not fs.exists(root):
        raise FileNotFoundError(f"no {what.partition(' ')[2]} is at {path}")
    try:
        with fs.open(f"{root}/{_MANIFEST}", "r") as source:
            manifest: Manifest = json.load(source)
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError) as error:
        raise FormatError(f"{path} is not {what} saved by daskrec: {error}") from error
    return fs.unstrip_protocol(root), manifest


def write_shards(url: str, name: str, kind: str, shards: list[Any]) -> dict[str, Any]:
    """Write the shards of a value, of a word of ``TYPES``; return what the manifest says."""
    entries = []
    for number, value in enumerate(shards):
        arrays: Arrays = {"value": value} if TYPES[kind] is None else value.to_arrays()
        folder = f"{url}/{name}/{number:05d}"
        if isinstance(value, Weights):
            value.write(folder)
        else:
            write_arrays(folder, arrays)
        entries.append({key: _fingerprint(array) for key, array in arrays.items()})
    return {"kind": kind, "shards": entries}


def read_shards(url: str, name: str, entry: dict[str, Any], path: Any) -> list[Any]:
    """Read what ``write_shards`` wrote; local arrays are memory-mapped.

    Parameters
    ----------
    url, name
        As they were there.
    entry
        What it returned.
    path
        What errors call the folder.

    Raises
    ------
    FormatError
        An array is missing, or not what was written.
    """
    made = TYPES[entry["kind"]]
    values = []
    for number, wanted in enumerate(entry["shards"]):
        try:
            folder = f"{url}/{name}/{number:05d}"
            if made is Weights:
                arrays = Weights.read(folder, tuple(wanted)).to_arrays()
            else:
                arrays = read_arrays(folder, tuple(wanted))
        except (OSError, ValueError, pa.ArrowInvalid) as error:
            raise FormatError(f"{path} is damaged: {name} cannot be read ({error})") from error
        for key, array in arrays.items():
            if _sha256(array) != wanted[key]["sha256"]:
                raise FormatError(f"{path} is damaged: {name} is not what was saved")
        values.append(arrays["value"] if made is None else made.from_arrays(arrays))
    return values


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


def dtype_name(dtype: Any) -> str | None:
    """Return the name of a type of pandas or Arrow that its name alone makes again, else None."""
    if isinstance(dtype, pa.DataType):
        name = f"{_ARROW}{dtype}"
        return name if _arrow_named(name) == dtype else None
    try:
        return str(dtype) if pd.api.types.pandas_dtype(str(dtype)) == dtype else None
    except (TypeError, ValueError):
        return None


def named_dtype(name: str | None) -> Any:
    """Return the dtype that ``dtype_name`` gave a name."""
    if name is None or name.startswith(_ARROW):
        return _arrow_named(name)
    return pd.api.types.pandas_dtype(name)


def _arrow_named(name: str | None) -> pa.DataType | None:
    """Return the Arrow type of a name; None for types that have parts or parameters."""
    found = (name or "").removeprefix(_ARROW)
    decimal = re.fullmatch(r"decimal128\((\d+), (\d+)\)", found)
    if decimal:
        return pa.decimal128(*map(int, decimal.groups()))
    try:
        return pa.type_for_alias(found)
    except ValueError:
        return None
