"""The GPU of this process, as kernels see it: arrays of the standard, and what that lacks.

A kernel of ``engine.gpu`` is written once against a ``Backend``: its ``xp`` is a namespace of
the array API standard, its methods are the few things outside of it (sparse products, top-k,
batched solves). CuPy is the backend of CUDA devices; the CPU has kernels of its own.

``borrow`` is how a task asks for it::

    with borrow(work) as gpu:
        if gpu is None: ...  # the kernel of the CPU
"""

import importlib
import importlib.util
import logging
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, TypeVar
from weakref import finalize

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.device import asked, device_number, has_driver

logger = logging.getLogger("daskrec")

DeviceArray: TypeAlias = Any
Work: TypeAlias = float | Callable[[], float]  # a function where it takes time to tell
T = TypeVar("T")

# Multiply-adds from which on a GPU is asked where the user does not say: a tenth of a second of
# a core, beside some milliseconds of copies and launches.
WORTH_MOVING = 1e9
_HELD = 0.5  # of a device that values of handles take, those that were asked for last

_turn = threading.RLock()  # tasks of one process take turns: the memory of a GPU is one task's


class Handle(Protocol):
    """What a value on a device is known by: a ``Shared``, or ``RowShards``."""

    @property
    def uid(self) -> str:
        """A name that no other value has."""

    def get(self) -> Any:
        """Return the value."""


class Backend(ABC):
    """Arrays on one device. Arguments and results are arrays of that device, unless said."""

    name: str  # of the device
    xp: Any  # namespace of the array API standard, for arrays that are on the device

    def __init__(self) -> None:
        self._held: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._gone: deque[Any] = deque()  # keys of handles that the garbage collector took

    @abstractmethod
    def active(self) -> AbstractContextManager[Any]:
        """Return a context in which arrays are made on the device."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Work on the device when no other task of this process does."""
        with _turn, self.active():
            yield

    @abstractmethod
    def asarray(self, array: Vector) -> DeviceArray:
        """Copy a numpy array to the device."""

    @abstractmethod
    def to_host(self, array: DeviceArray) -> Vector:
        """Copy an array to numpy."""

    @abstractmethod
    def zeros(self, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        """Return zeros; the type is one of numpy."""

    @abstractmethod
    def arange(self, start: int, stop: int) -> DeviceArray:
        """Return int64 numbers from ``start`` to before ``stop``."""

    @abstractmethod
    def order(self, keys: DeviceArray) -> DeviceArray:
        """Return the rows (int64) in ascending order of a key; equal keys stay in their order."""

    @abstractmethod
    def holds(self, array: DeviceArray) -> bool:
        """Tell whether an array of a GPU lies on this one."""

    @abstractmethod
    def scatter(
        self, target: DeviceArray, rows: DeviceArray, columns: DeviceArray, values: Any
    ) -> None:
        """Write ``target[rows, columns] = values``; no place comes twice."""

    @abstractmethod
    def sparse_dot(
        self, indptr: DeviceArray, indices: DeviceArray, data: DeviceArray, dense: DeviceArray
    ) -> DeviceArray:
        """Multiply a sparse matrix by rows, int32 pointers and indices, with a dense one.

        ``data`` and ``dense`` are of one type, float32 or float64.
        """

    @abstractmethod
    def counts(self, left: DeviceArray, right: DeviceArray) -> DeviceArray:
        """Multiply float32 tables of whole numbers below 2^11; sums below 2^24 are exact.

        Faster than ``xp.matmul`` where there are units for products of short numbers.
        """

    @abstractmethod
    def products(self, left: DeviceArray, right: DeviceArray) -> DeviceArray:
        """Multiply n pairs of tables of one type, float32 or float64, without copies of them.

        A transpose (``xp.matrix_transpose``) is read where it lies.
        """

    @abstractmethod
    def largest(self, scores: DeviceArray, k: int) -> tuple[DeviceArray, DeviceArray]:
        """Return the columns (int64) and values of the k largest of each row of float32 scores.

        Value descending, then column ascending: NaN counts as minus infinity.
        """

    @abstractmethod
    def solve(self, left: DeviceArray, right: DeviceArray) -> DeviceArray:
        """Solve positive definite systems: (n, d, d) and (n, d) give (n, d).

        Raises
        ------
        ArithmeticError
            A system is not positive definite in its precision.
        """

    @abstractmethod
    def inverse(self, table: DeviceArray) -> DeviceArray:
        """Return the inverse of a symmetric positive definite table.

        Raises
        ------
        ArithmeticError
            The table is not positive definite in its precision.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return the name of the hardware."""

    @abstractmethod
    def free_bytes(self) -> int:
        """Return the bytes of the device that an array could take now."""

    @abstractmethod
    def total_bytes(self) -> int:
        """Return the bytes of the device."""

    def chunk(self, bytes_each: float, at_least: int = 1) -> int:
        """Return how many pieces of so many bytes one step works on: an eighth of what is free."""
        self._let_go()
        return max(at_least, int(self.free_bytes() / 8 / max(bytes_each, 1.0)))

    def ahead(self, groups: Iterable[tuple[Vector, ...]]) -> Iterator[tuple[DeviceArray, ...]]:
        """Copy groups of numpy arrays to the device, each while the one before it is worked on.

        Two groups are on the device at a time. For what does not fit there as a whole.
        """
        for group in groups:
            yield tuple(self.asarray(array) for array in group)

    def held(self, handle: Handle, make: Callable[["Backend", Any], T]) -> T:
        """Return ``make(self, handle.get())``, which stays on the device for the next task.

        What was asked for last stays, up to a part of the device, and no longer than the handle
        where that holds the value itself.

        Parameters
        ----------
        handle
            A handle on a value.
        make
            A function at module level that copies what is needed of the value; its result says
            by ``nbytes`` what it takes.
        """
        self._let_go()
        key = (handle.uid, make)
        if key not in self._held:
            made = make(self, handle.get())
            # The standard gives arrays no nbytes; those of CuPy have it.
            self._held[key] = made, int(getattr(made, "nbytes", 0))
            if getattr(handle, "here", False):
                finalize(handle, self._gone.append, key)  # at any time, in any thread
        self._held.move_to_end(key)
        while len(self._held) > 1 and self._held_bytes() > _HELD * self.total_bytes():
            self._held.popitem(last=False)
        found: T = self._held[key][0]
        return found

    def make_room(self, needed: float) -> bool:
        """Let go of held values until there is room; return False if that would not do.

        Parameters
        ----------
        needed
            Bytes, those of values that are held already among them.
        """
        self._let_go()
        if needed > self.free_bytes() + self._held_bytes():
            return False
        while self._held and needed > self.free_bytes():
            self._held.popitem(last=False)
        return True

    def _held_bytes(self) -> int:
        return sum(nbytes for _, nbytes in self._held.values())

    def _let_go(self) -> None:
        while self._gone:
            self._held.pop(self._gone.popleft(), None)


def on_device(backend: Backend, array: DeviceArray) -> DeviceArray:
    """Copy an array to a device if it is one of the host.

    It is what ``Backend.held`` takes for a handle on an array.
    """
    return backend.asarray(np.asarray(array)) if isinstance(array, np.ndarray) else array


def on_host(array: DeviceArray) -> Vector:
    """Copy an array to numpy if it lies on the GPU that tasks here are asked to work on."""
    if isinstance(array, np.ndarray):
        return array
    return gpu(device_number(asked())).to_host(array)


@contextmanager
def borrow(work: Work, needed: float = 0.0) -> Iterator[Backend | None]:
    """Lend a task the GPU that it was asked to work on; None where it works on the CPU.

    Tasks of one process take turns on the GPU, and none on the CPU.

    Parameters
    ----------
    work
        Multiply-adds, about: with the device ``"auto"``, little work stays on the CPU.
    needed
        Bytes that have to be on the device at once. Where they do not fit, the work stays on the
        CPU, and that is logged.

    Raises
    ------
    RuntimeError
        ``daskrec.device`` is ``"cuda"``, and there is no such GPU here.
    ImportError
        CuPy is not installed.
    """
    if not lends(work):
        yield None
        return
    backend = gpu(device_number(asked()))
    with backend.turn():
        if backend.make_room(needed):
            yield backend
            return
    logger.info(
        "work that needs %d bytes on a GPU is done by the host: %s has no room for it",
        *(needed, backend.name),
    )
    yield None


def lends(work: Work) -> bool:
    """Tell whether ``borrow`` lends a GPU to a task of this process for so much work."""
    device = asked()
    if device == "auto":
        if not (has_driver() and usable()):
            return False
        return (work() if callable(work) else work) >= WORTH_MOVING
    return device != "cpu"


@lru_cache(maxsize=1)
def usable() -> bool:
    """Tell whether CuPy is installed and finds a GPU."""
    if importlib.util.find_spec("cupy") is None:
        return False
    return bool(importlib.import_module("cupy").cuda.is_available())


@lru_cache(maxsize=8)
def gpu(number: int) -> Backend:
    """Return the backend of a GPU of this machine.

    Raises
    ------
    RuntimeError
        There is no such GPU.
    ImportError
        CuPy is not installed.
    """
    from daskrec.engine.backend_cupy import CupyBackend

    return CupyBackend(number)
