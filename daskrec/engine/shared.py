"""Values that every task reads: by reference in one process, by file everywhere else.

A fitted array handed to a graph as an argument is copied into it once a partition. A
``Shared`` is a handle instead: in the process that made it, it holds the value itself;
when a graph that mentions it is pickled for another process, the value is written to
storage once and the handle travels as a path. No array is ever part of a graph.
"""

import atexit
import os
import shutil
import tempfile
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar, cast

import numpy as np
import pyarrow as pa

from daskrec.engine import config
from daskrec.engine.arrays import Array, Arrays, Vector, open_folder, read_arrays, write_arrays


class Shareable(Protocol):
    """A class whose instances are some named arrays."""

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Shareable":
        """Make the object of its arrays."""


T = TypeVar("T")
R = TypeVar("R")

_lock = threading.Lock()
_sessions: dict[str, str] = {}
_opened: "OrderedDict[str, Any]" = OrderedDict()
_joining = threading.Lock()
_joined: "OrderedDict[tuple[str, ...], np.ndarray[Any, Any]]" = OrderedDict()
_JOINED_LIMIT = 2  # a half round of ALS reads one table and no older one
_made: "OrderedDict[tuple[str, ...], Any]" = OrderedDict()
_MADE_LIMIT = 1

_OPENED_LIMIT = 64  # handles; a value that came from a file is mapped, not held


def session_folder() -> str:
    """Return this process's folder for values that tasks in other processes read.

    It lies in ``daskrec.storage-path``, else in the temporary folder, and is removed when
    the process ends.
    """
    base = config.get("storage-path")
    key = str(base).rstrip("/") if base else ""
    with _lock:
        if key not in _sessions:
            made = (
                f"{key}/daskrec-{uuid.uuid4().hex}" if key else tempfile.mkdtemp(prefix="daskrec-")
            )
            atexit.register(_remove_folder, made, os.getpid())
            _sessions[key] = made
        return _sessions[key]


def _remove_folder(folder: str, owner: int) -> None:
    if os.getpid() != owner:  # a forked child must not take its parent's files away
        return
    remove_folder(folder)


def remove_folder(folder: str) -> None:
    """Remove a folder with all that is in it; a folder that is not there is no error."""
    fs, root = open_folder(folder)
    if isinstance(folder, str) and os.path.isdir(root):
        shutil.rmtree(root, ignore_errors=True)
    elif fs.exists(root):
        fs.rm(root, recursive=True)


class Shared(Generic[T]):
    """A handle on one value: a numpy array, an Arrow array, or a ``Shareable`` object.

    Parameters
    ----------
    value
        The value; it must not change afterwards.
    """

    __slots__ = ("__weakref__", "_folder", "_lock", "_names", "_type", "_value", "uid")

    def __init__(self, value: T) -> None:
        self.uid = uuid.uuid4().hex
        self._value: T | None = value
        self._type = _type_of(value)
        self._folder: str | None = None
        self._names: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def get(self) -> T:
        """Return the value; from a file, it is opened once in a process."""
        if self._value is not None:
            return self._value
        with _lock:
            if self.uid in _opened:
                _opened.move_to_end(self.uid)
                return cast(T, _opened[self.uid])
        assert self._folder is not None
        value = _assemble(self._type, read_arrays(self._folder, self._names))
        with _lock:
            _opened[self.uid] = value
            while len(_opened) > _OPENED_LIMIT:
                _opened.popitem(last=False)
        return cast(T, value)

    @property
    def here(self) -> bool:
        """Whether the handle holds the value itself."""
        return self._value is not None

    @classmethod
    def stored(cls, value: T, folder: str | None) -> "Shared[T]":
        """Make a handle whose value lies in a folder already; by reference without one.

        A task in a worker calls this to leave a large result in storage: only the handle
        goes back, and the result outlives the worker.
        """
        shared = cls(value)
        if folder is not None:
            shared._store(folder)
            shared._value = None
        return shared

    def close(self) -> None:
        """Let go of a value that was opened from a file; ``get`` opens it again.

        Pages of a mapped file that were read count as memory of the process while it is open.
        """
        with _lock:
            _opened.pop(self.uid, None)

    def release(self) -> None:
        """Remove the files of a value that no task reads any more."""
        if self._folder is not None:
            remove_folder(self._folder)
            if self._value is not None:
                self._folder = None
        self.close()

    def _store(self, base: str) -> None:
        with self._lock:
            if self._folder is None:
                arrays = _arrays_of(self._value)
                folder = f"{base}/{self.uid}"
                write_arrays(folder, arrays)
                self._folder, self._names = folder, tuple(arrays)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Pickle as a path: the value goes to storage, and stays out of the pickle."""
        if self._folder is None:
            self._store(session_folder())
        return _reopen, (self.uid, self._type, self._folder, self._names)

    def __dask_tokenize__(self) -> str:
        return self.uid


def _reopen(uid: str, kind: Any, folder: str, names: tuple[str, ...]) -> "Shared[Any]":
    shared: Shared[Any] = Shared.__new__(Shared)
    shared.uid, shared._type, shared._folder, shared._names = uid, kind, folder, names
    shared._value, shared._lock = None, threading.Lock()
    return shared


def _type_of(value: Any) -> Any:
    return None if isinstance(value, np.ndarray | pa.Array) else type(value)


def _arrays_of(value: Any) -> Arrays:
    if isinstance(value, np.ndarray | pa.Array):
        return {"value": value}
    return cast(Shareable, value).to_arrays()


def _assemble(kind: Any, arrays: Arrays) -> Any:
    return arrays["value"] if kind is None else kind.from_arrays(arrays)


class RowShards:
    """A table of rows cut into shards by ranges of row numbers, such as factors of users.

    Parameters
    ----------
    shards
        Handles on arrays (rows of the shard x columns).
    offsets
        int64 array, one longer than ``shards``: the first row number of each shard, then
        the number of rows.
    """

    __slots__ = ("__weakref__", "offsets", "shards")

    def __init__(self, shards: "Sequence[Shared[np.ndarray[Any, Any]]]", offsets: Vector) -> None:
        self.shards = list(shards)
        self.offsets = np.asarray(offsets, dtype=np.int64)

    def __len__(self) -> int:
        return int(self.offsets[-1])

    @classmethod
    def of(cls, array: Vector) -> "RowShards":
        """Hold one array as a single shard."""
        return cls([Shared(array)], np.array([0, len(array)]))

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        first = self.shards[0].get()
        return len(self) * int(np.prod(first.shape[1:])) * int(first.dtype.itemsize)

    @property
    def uid(self) -> str:
        """A name that no other table has."""
        return "-".join(shard.uid for shard in self.shards)

    @property
    def here(self) -> bool:
        """Whether the handles hold the values themselves."""
        return all(shard.here for shard in self.shards)

    def get(self) -> Vector:
        """Return ``whole()``: the value, as that of a handle."""
        return self.whole()

    def whole(self) -> Vector:
        """Return all rows as one array.

        Several shards are joined once in a process; only the last tables that were asked
        for are kept.
        """
        if len(self.shards) == 1:
            return self.shards[0].get()
        key = tuple(shard.uid for shard in self.shards)
        return cast(Vector, _kept(_joined, _JOINED_LIMIT, key, self._join))

    def _join(self) -> Vector:
        return np.concatenate([shard.get() for shard in self.shards])

    def made(self, what: str, make: Callable[[Vector], R]) -> R:
        """Return what a function makes of all rows, once in a process for all its tasks.

        Only what was made last is kept.

        Parameters
        ----------
        what
            A name of the result.
        make
            Called with ``whole()``.
        """
        whole = self.whole()  # first: it takes the same lock
        key = (*(shard.uid for shard in self.shards), what)
        return cast(R, _kept(_made, _MADE_LIMIT, key, lambda: make(whole)))

    def take(self, rows: Vector) -> Vector:
        """Return the rows of the given numbers, reading only the shards that hold them."""
        first = self.shards[0].get()
        if len(self.shards) == 1:
            return cast(Vector, first[rows])
        out = np.empty((len(rows), *first.shape[1:]), dtype=first.dtype)
        home = np.searchsorted(self.offsets, rows, side="right") - 1
        for shard in np.unique(home):
            here = home == shard
            out[here] = self.shards[shard].get()[rows[here] - self.offsets[shard]]
        return out


def _kept(
    cache: "OrderedDict[tuple[str, ...], Any]",
    limit: int,
    key: tuple[str, ...],
    make: Callable[[], Any],
) -> Any:
    """Return a value of a cache, made where it is not there; the oldest ones go."""
    with _joining:
        if key not in cache:
            cache[key] = make()
            while len(cache) > limit:
                cache.popitem(last=False)
        return cache[key]


def as_array(value: Array) -> Vector:
    """Return a numpy array from an array that is known to be one."""
    assert isinstance(value, np.ndarray)
    return value
