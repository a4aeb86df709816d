"""Paths, globs and URLs of Parquet and CSV files, read as Dask frames."""

import os
from pathlib import Path
from typing import Any

from daskrec.errors import LogError


def open_frame(source: Any, what: str = "the log") -> Any:
    """Return a frame as it is, and what a path or a glob names as a Dask frame.

    Raises
    ------
    LogError
        The path ends in neither a Parquet nor a CSV suffix.
    FileNotFoundError
        No file is there.
    """
    if isinstance(source, os.PathLike):
        source = os.fspath(source)
    if not isinstance(source, str):
        return source
    import dask.dataframe as dd
    import fsspec

    suffixes = [suffix.lower() for suffix in Path(source.rstrip("/*")).suffixes]
    fs, inside = fsspec.core.url_to_fs(source)
    paths: Any = source
    if not fs.exists(inside):
        # Dask itself knows of no pattern but a star.
        paths = [fs.unstrip_protocol(path) for path in sorted(fs.glob(inside))]
        if not paths:
            raise FileNotFoundError(f"{what}: no file is at {source}")
    if {".csv", ".tsv"} & set(suffixes):
        packed = suffixes[-1] not in {".csv", ".tsv"}
        options = {"blocksize": None} if packed else {}
        return dd.read_csv(paths, sep="\t" if ".tsv" in suffixes else ",", **options)
    if {".parquet", ".pq", ".parq"} & set(suffixes) or fs.isdir(inside):
        return dd.read_parquet(paths)
    raise LogError(f"{what}: {source} is neither a Parquet (.parquet) nor a CSV (.csv) path")
