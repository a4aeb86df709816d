"""Named arrays of a network as one value, and what is made of them once."""

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from daskrec.engine.arrays import Arrays, Vector, open_folder
from daskrec.engine.shared import Shared

_FILE = "weights.safetensors"


class Weights(Mapping[str, Vector]):
    """The weights of a network by name, for ``Shared``.

    Parameters
    ----------
    arrays
        float32 arrays by name. They must not change afterwards.
    """

    __slots__ = ("_arrays",)

    def __init__(self, arrays: Mapping[str, Vector]) -> None:
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> Vector:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def to_arrays(self) -> Arrays:
        """Return the arrays that make this object."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Weights":
        """Make the object of its arrays."""
        return cls({name: np.asarray(array) for name, array in arrays.items()})

    def write(self, folder: str) -> None:
        """Write a safetensors file into a folder, which is made when it is not there."""
        fs, root = open_folder(folder)
        fs.makedirs(root, exist_ok=True)
        plain = {name: np.ascontiguousarray(array) for name, array in self.items()}
        with fs.open(f"{root}/{_FILE}", "wb") as sink:
            sink.write(_library().save(plain))

    @classmethod
    def read(cls, folder: str, names: "tuple[str, ...]") -> "Weights":
        """Read what ``write`` wrote, in the order of the names.

        Raises
        ------
        ValueError
            The file is damaged, or an array is missing.
        """
        fs, root = open_folder(folder)
        with fs.open(f"{root}/{_FILE}", "rb") as source:
            content = source.read()
        try:
            found = _library().load(content)
            return cls({name: found[name] for name in names})
        except Exception as error:  # the library has an error of its own
            raise ValueError(f"{_FILE}: {error}") from error


def _library() -> Any:
    try:
        return importlib.import_module("safetensors.numpy")
    except ImportError as error:
        raise ImportError(
            "weights of neural models are saved with safetensors: pip install 'daskrec[neural]'"
        ) from error


T = TypeVar("T")
_lock = threading.Lock()
_made: "WeakKeyDictionary[Shared[Any], dict[Any, Any]]" = WeakKeyDictionary()


def derived(source: Shared[Any], make: Callable[[Any], T]) -> T:
    """Return ``make(source.get())``, which is made once and lives as long as the handle.

    Parameters
    ----------
    source
        A handle.
    make
        A function at module level. Large arrays in its result are behind handles, so that
        graphs may mention them.
    """
    with _lock:
        made = _made.setdefault(source, {})
        if make not in made:
            made[make] = make(source.get())
        found: T = made[make]
        return found
