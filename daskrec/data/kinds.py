"""What daskrec asks of a kind of frame; ``data.frames`` knows which kinds there are."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from dask.delayed import Delayed

from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.backend import DeviceArray

Dtypes: TypeAlias = dict[str, Any]


class Kind(Protocol):
    """What daskrec asks of a kind of frame that lies in memory."""

    name: str
    partitioned: bool

    def owns(self, frame: Any) -> bool:
        """Tell whether an object is a frame of this kind."""

    def columns(self, frame: Any) -> list[str]:
        """Return the names of the columns."""

    def dtypes(self, frame: Any, names: Sequence[str]) -> Dtypes:
        """Return the types of columns, as this kind spells them."""

    def arrays(self, frame: Any, names: Sequence[str]) -> Arrays:
        """Return columns as arrays."""

    def build(self, columns: Arrays, dtypes: Dtypes) -> Any:
        """Make a frame; a column of ``dtypes`` gets its type there."""

    def filter(self, frame: Any, mask: Vector) -> Any:
        """Return the rows where a mask is true."""

    def assign(self, frame: Any, columns: Arrays, dtypes: Dtypes, drop: Sequence[str]) -> Any:
        """Return the frame without some columns and with others added, or replaced."""


class PartitionedKind(Protocol):
    """What daskrec asks of a kind of frame whose rows lie in lazy partitions."""

    name: str
    partitioned: bool

    def owns(self, frame: Any) -> bool:
        """Tell whether an object is a frame of this kind."""

    def columns(self, frame: Any) -> list[str]:
        """Return the names of the columns."""

    def dtypes(self, frame: Any, names: Sequence[str]) -> Dtypes:
        """Return the types of columns, as this kind spells them."""

    def part_kind(self, frame: Any) -> str:
        """Return the name of the kind of the partitions."""

    def empty(self, frame: Any, names: Sequence[str]) -> Any:
        """Return a partition without rows, with the named columns alone."""

    def parts(self, frame: Any, names: Sequence[str]) -> list[Delayed]:
        """Return the partitions, with the named columns alone, as tasks."""

    def held(self, frame: Any) -> Any:
        """Return a frame that can be read several times at little cost."""

    def assemble(self, parts: Sequence[Delayed], empty: Any) -> Any:
        """Make a lazy frame of partitions that look like ``empty``."""


@runtime_checkable
class EvaluatedKind(Protocol):
    """What daskrec asks besides of a kind whose rows are computed anew whenever they are read."""

    def opened(self, frame: Any, names: Sequence[str]) -> Any:
        """Evaluate columns of a frame, and return a frame that holds them."""


@runtime_checkable
class GpuKind(Protocol):
    """What daskrec asks besides of a kind whose rows lie on a GPU."""

    def factorize(self, frame: Any, name: str) -> tuple[DeviceArray, Array] | None:
        """Return the code of each row, on the GPU, and the distinct ids in the order of the codes.

        None where values are missing.
        """

    def numbers(self, frame: Any, name: str) -> DeviceArray | None:
        """Return a column as float32 on the GPU; None for other types, or missing values."""
