"""Folders that Spark and daskrec both see, for as long as something refers to them."""

import os
import tempfile
import uuid
import weakref
from typing import Any

from daskrec.data.once import on_failure
from daskrec.engine import config
from daskrec.engine.arrays import open_folder
from daskrec.errors import StorageError

_HERE = {"localhost", "127.0.0.1", "::1"}
_HADOOP = {"s3": "s3a", "gcs": "gs", "abfs": "abfss"}  # what fsspec calls otherwise


class Staging:
    """A folder for the files of one frame, which is removed with the last reference to it.

    It is removed as well if the call fails that it is made in (see ``data.once``).

    Parameters
    ----------
    session
        The Spark session whose executors write or read there.

    Raises
    ------
    StorageError
        The executors run elsewhere, and ``daskrec.storage-path`` names no folder.

    Notes
    -----
    Copies in other processes remove nothing.
    """

    def __init__(self, session: Any) -> None:
        root = config.get("storage-path") or _folder_here(session)
        self.url = f"{str(root).rstrip('/')}/daskrec-spark-{uuid.uuid4().hex}"
        self._removal = weakref.finalize(self, _remove, self.url, os.getpid())
        on_failure(self.remove)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Copy, (self.url,)

    def __dask_tokenize__(self) -> str:
        return self.url

    @property
    def spark_url(self) -> str:
        """The folder as Spark names it."""
        return self.for_spark(self.url)

    @staticmethod
    def for_spark(url: str) -> str:
        """Return what Spark calls a path or a URL of fsspec."""
        scheme, separator, rest = url.partition("://")
        if not separator:
            return "file://" + os.path.abspath(url)
        return f"{_HADOOP.get(scheme, scheme)}://{rest}"

    @property
    def compression(self) -> str:
        """What Parquet files are packed by: nothing on a disk of this machine."""
        return "lz4" if "://" in self.url else "none"

    def file(self, number: int) -> str:
        """Return the name of a file of the folder."""
        return f"{self.url}/part-{number:05d}.parquet"

    def make(self) -> None:
        """Make the folder."""
        fs, inside = open_folder(self.url)
        fs.makedirs(inside, exist_ok=True)

    def files(self) -> list[str]:
        """Return the Parquet files in the folder, in the order of their names."""
        fs, inside = open_folder(self.url)
        found = (str(path) for path in fs.ls(inside, detail=False))
        return [fs.unstrip_protocol(path) for path in sorted(found) if path.endswith(".parquet")]

    def remove(self) -> None:
        """Remove the folder now."""
        self._removal()


class _Copy:
    """What a staging folder is in another process."""

    def __init__(self, url: str) -> None:
        self.url = url


def _folder_here(session: Any) -> str:
    """Return the folder of temporary files, where the executors of Spark see it too."""
    master = str(session.conf.get("spark.master", "local"))
    connected = type(session).__module__.startswith("pyspark.sql.connect")
    host = session.client.host if connected else "localhost"
    if not master.startswith("local") or host not in _HERE:
        raise StorageError(
            f"Spark runs at {master!r}: set daskrec.storage-path (Dask configuration) to a folder "
            "or a URL that its executors and this process see, through which frames go"
        )
    return tempfile.gettempdir()


def _remove(url: str, owner: int) -> None:
    if os.getpid() != owner:
        return
    fs, inside = open_folder(url)
    if fs.exists(inside):
        fs.rm(inside, recursive=True)
