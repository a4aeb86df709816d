"""Any frame in, the same kind out: the one file that asks what a frame is.

A *kind* is registered once and nothing else changes: pandas has its own, every other
frame in memory that narwhals knows (polars, Arrow tables, Modin) shares one, and Dask has
the kind of partitioned frames. Paths and globs of Parquet and CSV files are read as Dask
frames. Inside daskrec a column is a numpy array (numbers) or an Arrow array (strings, and
whatever has missing values); the kinds translate.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from dask.delayed import Delayed

from daskrec.engine.arrays import Array, Arrays
from daskrec.errors import LogError

Dtypes = dict[str, Any]


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

    def parts(self, frame: Any, names: Sequence[str]) -> list[Delayed]:
        """Return the partitions, with the named columns alone, as tasks."""

    def assemble(self, parts: Sequence[Delayed], empty: Any) -> Any:
        """Make a lazy frame of partitions that look like ``empty``."""


class PandasKind:
    """pandas DataFrames, and Series with a name."""

    name = "pandas"
    partitioned = False

    def owns(self, frame: Any) -> bool:
        """Tell whether an object is a pandas frame."""
        return isinstance(frame, pd.DataFrame)

    def columns(self, frame: Any) -> list[str]:
        """Return the names of the columns."""
        return list(frame.columns)

    def dtypes(self, frame: Any, names: Sequence[str]) -> Dtypes:
        """Return pandas dtypes."""
        return {name: frame[name].dtype for name in names}

    def arrays(self, frame: Any, names: Sequence[str]) -> Arrays:
        """Return columns as arrays, without a copy of plain numbers."""
        return {name: pandas_array(frame[name]) for name in names}

    def build(self, columns: Arrays, dtypes: Dtypes) -> Any:
        """Make a pandas frame with a fresh index."""
        data = {}
        for name, array in columns.items():
            values = array if isinstance(array, np.ndarray) else array.to_pandas()
            series = pd.Series(values, copy=False)
            wanted = dtypes.get(name)
            if isinstance(wanted, pd.CategoricalDtype):
                # The categories of the log stay, so that frames can be joined on them.
                series = series.astype(wanted.categories.dtype).astype(wanted)
            elif wanted is not None and series.dtype != wanted:
                series = series.astype(wanted)
            data[name] = series
        return pd.DataFrame(data, copy=False)


def pandas_array(series: "pd.Series[Any]") -> Array:
    """Return a pandas column as an array; missing values of non-floats stay missing."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iufb":
        return series.to_numpy()
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "M":
        return series.to_numpy().view(np.int64)
    try:
        return plain_array(pa.array(series, from_pandas=True))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        kinds = sorted({type(value).__name__ for value in series.head(1000)})
        raise LogError(
            f"column {series.name!r} (dtype {series.dtype}) mixes values of types {kinds}: "
            "convert it to integers or to strings"
        ) from error


def plain_array(array: "pa.Array | pa.ChunkedArray") -> Array:
    """Reduce an Arrow column to one of the few forms that daskrec works on.

    Numbers become numpy arrays (missing floats NaN), strings one ``large_string`` array,
    dictionaries their values; integers with missing values stay Arrow arrays.
    """
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # no chunk, or too many bytes for one
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        return plain_array(array.dictionary_decode())
    if _is_string(array.type):
        return array.cast(pa.large_string())
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.int64() if array.type.scale == 0 else pa.float64())
    if pa.types.is_temporal(array.type) and array.null_count == 0:
        return cast(Array, array.cast(pa.int64()).to_numpy(zero_copy_only=False))
    if pa.types.is_null(array.type):
        return array
    if pa.types.is_floating(array.type) or array.null_count == 0:
        return cast(Array, array.to_numpy(zero_copy_only=False))
    return array


def _is_string(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or getattr(pa.types, "is_string_view", lambda _: False)(kind)
    )


class NarwhalsKind:
    """Every frame in memory that narwhals knows: polars, Arrow tables, Modin."""

    partitioned = False

    def __init__(self, name: str) -> None:
        self.name = name

    def owns(self, frame: Any) -> bool:
        """Tell whether an object is a frame of the library of this kind."""
        root = type(frame).__module__.partition(".")[0]
        return root == self.name and type(frame).__name__ in {"DataFrame", "Table"}

    def columns(self, frame: Any) -> list[str]:
        """Return the names of the columns."""
        return list(self._wrap(frame).columns)

    def dtypes(self, frame: Any, names: Sequence[str]) -> Dtypes:
        """Return the types of columns as narwhals spells them."""
        schema = self._wrap(frame).schema
        return {name: schema[name] for name in names}

    def arrays(self, frame: Any, names: Sequence[str]) -> Arrays:
        """Return columns as arrays, by way of Arrow."""
        wrapped = self._wrap(frame)
        return {name: plain_array(wrapped[name].to_arrow()) for name in names}

    def build(self, columns: Arrays, dtypes: Dtypes) -> Any:
        """Make a frame of the library of this kind."""
        import narwhals.stable.v2 as nw

        table = pa.table({name: pa.array(array) for name, array in columns.items()})
        frame = nw.from_arrow(table, backend=cast(Any, self.name))
        wanted = [
            nw.col(name).cast(dtype)
            for name, dtype in dtypes.items()
            if name in columns and frame.schema[name] != dtype
        ]
        return (frame.with_columns(*wanted) if wanted else frame).to_native()

    @staticmethod
    def _wrap(frame: Any) -> Any:
        import narwhals.stable.v2 as nw

        return nw.from_native(frame, eager_only=True)


class DaskKind:
    """Dask DataFrames, whatever their partitions are."""

    name = "dask"
    partitioned = True

    def owns(self, frame: Any) -> bool:
        """Tell whether an object is a Dask frame."""
        return type(frame).__module__.startswith("dask") and hasattr(frame, "npartitions")

    def columns(self, frame: Any) -> list[str]:
        """Return the names of the columns."""
        return list(frame.columns)

    def dtypes(self, frame: Any, names: Sequence[str]) -> Dtypes:
        """Return the dtypes that the frame declares."""
        return {name: frame._meta[name].dtype for name in names}

    def part_kind(self, frame: Any) -> str:
        """Return the name of the kind of the partitions."""
        return str(kind_of(frame._meta).name)

    def parts(self, frame: Any, names: Sequence[str]) -> list[Delayed]:
        """Return the partitions as tasks; the source is read once for each."""
        return list(frame[list(names)].to_delayed())

    def assemble(self, parts: Sequence[Delayed], empty: Any) -> Any:
        """Make a lazy frame; ``empty`` is its declared and true form."""
        import dask.dataframe as dd

        return dd.from_delayed(list(parts), meta=empty, verify_meta=False)


_KINDS: list[Any] = [
    PandasKind(),
    NarwhalsKind("polars"),
    NarwhalsKind("pyarrow"),
    NarwhalsKind("modin"),
    DaskKind(),
]


def register(kind: "Kind | PartitionedKind") -> None:
    """Make one more kind of frame known."""
    _KINDS.append(kind)


def kind_named(name: str) -> Any:
    """Return a registered kind by its name."""
    for kind in _KINDS:
        if kind.name == name:
            return kind
    raise LogError(f"no kind of frame is called {name!r}: there are {[k.name for k in _KINDS]}")


def find_kind(frame: Any) -> Any | None:
    """Return the kind of a frame, or None when the object is not a known frame."""
    return next((kind for kind in _KINDS if kind.owns(frame)), None)


def kind_of(frame: Any, what: str = "the log") -> Any:
    """Return the kind of a frame.

    Raises
    ------
    LogError
        The object is not a frame that daskrec knows.
    """
    kind = find_kind(frame)
    if kind is None:
        hint = "; call .collect() on it first" if type(frame).__name__ == "LazyFrame" else ""
        raise LogError(
            f"{what} is a {type(frame).__module__}.{type(frame).__qualname__}{hint}: give a "
            f"frame of one of {[k.name for k in _KINDS]}, or a path of Parquet or CSV files"
        )
    return kind


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
    if not (fs.glob(inside) if "*" in inside else fs.exists(inside)):
        raise FileNotFoundError(f"{what}: no file is at {source}")
    if {".csv", ".tsv"} & set(suffixes):
        packed = suffixes[-1] not in {".csv", ".tsv"}
        options = {"blocksize": None} if packed else {}
        return dd.read_csv(source, sep="\t" if ".tsv" in suffixes else ",", **options)
    if {".parquet", ".pq", ".parq"} & set(suffixes) or fs.isdir(inside):
        return dd.read_parquet(source)
    raise LogError(f"{what}: {source} is neither a Parquet (.parquet) nor a CSV (.csv) path")
