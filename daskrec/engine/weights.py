"""Named arrays of a network as one value, and what is made of them once."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from daskrec.engine.arrays import Arrays, Vector
from daskrec.engine.shared import Shared


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
