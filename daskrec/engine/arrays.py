"""Named arrays in a folder: the only form in which daskrec puts data on disk.

A numpy array is an ``.npy`` file (never with pickled objects inside), an array of strings
an Arrow IPC file. Local files are memory-mapped when they are read, so that any number of
tasks on one host hold the bytes once.
"""

import io
from collections.abc import Mapping
from typing import Any, TypeAlias

import fsspec
import numpy as np
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

Vector: TypeAlias = np.ndarray[Any, Any]
Array: TypeAlias = np.ndarray[Any, Any] | pa.Array
Arrays: TypeAlias = dict[str, Array]


def open_folder(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the file system that a path or URL names, and the path inside it."""
    fs, inside = fsspec.core.url_to_fs(path)
    return fs, inside


def write_arrays(folder: str, arrays: Mapping[str, Array]) -> None:
    """Write each array to its own file in a folder, which is made when it is not there."""
    fs, root = open_folder(folder)
    fs.makedirs(root, exist_ok=True)
    for name, array in arrays.items():
        if isinstance(array, np.ndarray):
            with fs.open(f"{root}/{name}.npy", "wb") as sink:
                _write_npy(sink, array)
        else:
            table = pa.table({"values": array})
            with (
                fs.open(f"{root}/{name}.arrow", "wb") as sink,
                pa.ipc.new_file(sink, table.schema) as writer,
            ):
                writer.write_table(table)


def _write_npy(sink: Any, array: Vector) -> None:
    """Write the header, then the bytes of the array without a copy of them."""
    array = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    sink.write(header.getvalue())
    sink.write(raw_bytes(array))


def raw_bytes(array: Vector) -> memoryview:
    """Return the bytes of an array, without a copy where it is contiguous."""
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def read_array(folder: str, name: str) -> Array:
    """Read one array; a local file is memory-mapped."""
    fs, root = open_folder(folder)
    path = f"{root}/{name}.npy"
    if not fs.exists(path):
        return _read_arrow(fs, f"{root}/{name}.arrow")
    if isinstance(fs, LocalFileSystem):
        # An empty file cannot be mapped. Copy-on-write rather than read-only: kernels are
        # compiled once more for read-only arrays.
        empty = fs.size(path) <= 128
        return np.asarray(np.load(path, mmap_mode=None if empty else "c", allow_pickle=False))
    with fs.open(path, "rb") as source:
        return np.asarray(np.load(io.BytesIO(source.read()), allow_pickle=False))


def _read_arrow(fs: fsspec.AbstractFileSystem, path: str) -> pa.Array:
    if isinstance(fs, LocalFileSystem):
        table = pa.ipc.open_file(pa.memory_map(path)).read_all()
    else:
        with fs.open(path, "rb") as source:
            table = pa.ipc.open_file(pa.BufferReader(source.read())).read_all()
    column = table.column("values").combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column


def read_arrays(folder: str, names: "list[str] | tuple[str, ...]") -> Arrays:
    """Read several arrays of one folder."""
    return {name: read_array(folder, name) for name in names}
