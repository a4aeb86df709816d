"""The weights of a network: arrays by name."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from daskrec.engine.arrays import Arrays, Vector, open_folder

_FILE = "weights.safetensors"


class Weights(Mapping[str, Vector]):
    """Arrays by name, in the order of the network.

    Parameters
    ----------
    arrays
        float32 arrays.
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
