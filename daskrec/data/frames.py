"""Any frame in, the same kind out: the one file that asks what a frame is.

A *kind* is registered once and nothing else changes: pandas and Arrow tables have their
own, every other frame in memory that narwhals knows (polars, Modin) shares one, and Dask
has the kind of partitioned frames. Inside daskrec a column is a numpy array (numbers) or
an Arrow array (strings, and whatever has missing values); the kinds translate.
"""

import importlib
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import dask
import numpy as np
import pandas as pd
import pyarrow as pa
from dask.delayed import Delayed

from daskrec.data.cudf_frames import CudfKind
from daskrec.data.kinds import Dtypes, EvaluatedKind, Kind, PartitionedKind
from daskrec.data.once import evaluated
from daskrec.data.values import arrow_typed, as_category, pandas_array, plain_array
from daskrec.engine.arrays import Arrays, Vector
from daskrec.errors import LogError


class PandasKind:
    """pandas DataFrames."""

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
                series = as_category(series, wanted)
            elif wanted is not None and series.dtype != wanted:
                series = series.astype(wanted)
            data[name] = series
        return pd.DataFrame(data, copy=False)

    def filter(self, frame: Any, mask: Vector) -> Any:
        """Return the rows where a mask is true, with their index."""
        return frame[mask]

    def assign(self, frame: Any, columns: Arrays, dtypes: Dtypes, drop: Sequence[str]) -> Any:
        """Return the frame without some columns and with others, under the same index."""
        new = self.build(columns, dtypes).set_axis(frame.index)
        kept = frame.drop(columns=list(drop))
        return kept.assign(**{name: new[name] for name in new.columns})


class NarwhalsKind:
    """Frames in memory by way of narwhals: polars, Modin."""

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
            if name in columns and frame.schema[name] != dtype and _fits(frame[name], dtype)
        ]
        return (frame.with_columns(*wanted) if wanted else frame).to_native()

    def filter(self, frame: Any, mask: Vector) -> Any:
        """Return the rows where a mask is true."""
        return self._wrap(frame)[np.flatnonzero(mask)].to_native()

    def assign(self, frame: Any, columns: Arrays, dtypes: Dtypes, drop: Sequence[str]) -> Any:
        """Return the frame without some columns and with others."""
        new = self._wrap(self.build(columns, dtypes))
        kept = self._wrap(frame).drop(*drop)
        return kept.with_columns(*(new[name] for name in new.columns)).to_native()

    @staticmethod
    def _wrap(frame: Any) -> Any:
        import narwhals.stable.v2 as nw

        return nw.from_native(frame, eager_only=True)


def _fits(column: Any, dtype: Any) -> bool:
    """Tell whether all values are in the categories of an Enum."""
    known = getattr(dtype, "categories", None)
    return known is None or bool(column.is_in(list(known)).all())


class ArrowKind:
    """Arrow tables."""

    name = "pyarrow"
    partitioned = False

    def owns(self, frame: Any) -> bool:
        """Tell whether an object is an Arrow table."""
        return isinstance(frame, pa.Table)

    def columns(self, frame: Any) -> list[str]:
        """Return the names of the columns."""
        return list(frame.column_names)

    def dtypes(self, frame: Any, names: Sequence[str]) -> Dtypes:
        """Return Arrow types."""
        return {name: frame.schema.field(name).type for name in names}

    def arrays(self, frame: Any, names: Sequence[str]) -> Arrays:
        """Return columns as arrays."""
        return {name: plain_array(frame.column(name)) for name in names}

    def build(self, columns: Arrays, dtypes: Dtypes) -> Any:
        """Make an Arrow table."""
        typed = {name: arrow_typed(array, dtypes.get(name)) for name, array in columns.items()}
        return pa.table(typed)

    def filter(self, frame: Any, mask: Vector) -> Any:
        """Return the rows where a mask is true."""
        return frame.filter(pa.array(mask))

    def assign(self, frame: Any, columns: Arrays, dtypes: Dtypes, drop: Sequence[str]) -> Any:
        """Return the table without some columns and with others."""
        table = frame.drop_columns(list(drop))
        for name, array in columns.items():
            column = arrow_typed(array, dtypes.get(name))
            place = table.schema.get_field_index(name)
            if place < 0:
                table = table.append_column(name, column)
            else:
                table = table.set_column(place, name, column)
        return table


class DaskKind:
    """Dask DataFrames, whatever their partitions are."""

    name = "dask"
    partitioned = True

    def owns(self, frame: Any) -> bool:
        """Tell whether an object is a Dask frame."""
        return (
            type(frame).__module__.startswith("dask")
            and hasattr(frame, "columns")
            and getattr(frame, "ndim", 0) == 2
        )

    def columns(self, frame: Any) -> list[str]:
        """Return the names of the columns."""
        return list(frame.columns)

    def dtypes(self, frame: Any, names: Sequence[str]) -> Dtypes:
        """Return the dtypes that the frame declares."""
        return {name: frame._meta[name].dtype for name in names}

    def part_kind(self, frame: Any) -> str:
        """Return the name of the kind of the partitions."""
        return str(kind_of(frame._meta).name)

    def empty(self, frame: Any, names: Sequence[str]) -> Any:
        """Return what the frame declares its partitions to be."""
        return frame._meta[list(names)]

    def parts(self, frame: Any, names: Sequence[str]) -> list[Delayed]:
        """Return the partitions as tasks; the source is read once for each."""
        return list(frame[list(names)].to_delayed())

    def held(self, frame: Any) -> Any:
        """Return the frame with its partitions computed, where they are."""
        return dask.persist(frame)[0]

    def assemble(self, parts: Sequence[Delayed], empty: Any) -> Any:
        """Make a lazy frame; ``empty`` is its declared and true form."""
        import dask.dataframe as dd

        return dd.from_delayed(list(parts), meta=empty, verify_meta=False)


# Libraries whose frames are known once the module that registers them is imported, with the first
# letters of the names of their kinds.
_LATER = {"pyspark": ("spark", "daskrec.spark")}

_KINDS: list[Any] = [
    CudfKind(),
    PandasKind(),
    NarwhalsKind("polars"),
    ArrowKind(),
    NarwhalsKind("modin"),
    DaskKind(),
]


def register(kind: Kind | PartitionedKind) -> None:
    """Make one more kind of frame known."""
    _KINDS.append(kind)


def kind_named(name: str) -> Any:
    """Return a registered kind by its name."""
    for prefix, module in _LATER.values():
        if name.startswith(prefix):
            importlib.import_module(module)
    for kind in _KINDS:
        if kind.name == name:
            return kind
    raise LogError(f"no kind of frame is called {name!r}: there are {[k.name for k in _KINDS]}")


def find_kind(frame: Any) -> Any | None:
    """Return the kind of a frame, or None when the object is not a known frame."""
    later = _LATER.get(type(frame).__module__.partition(".")[0])
    if later is not None:
        importlib.import_module(later[1])
    return next((kind for kind in _KINDS if kind.owns(frame)), None)


def opened(frame: Any, names: Sequence[str] | None = None) -> Any:
    """Return a frame whose columns can be read more than once without being computed anew.

    A frame of Spark is evaluated here: the columns that are named, or all (see ``data.once``).
    Others are returned as they are: to read the partitions of a Dask frame twice, see ``held``.
    """
    kind = find_kind(frame)
    if not isinstance(kind, EvaluatedKind):
        return frame
    every = kind.columns(frame)  # type: ignore[attr-defined]
    found = evaluated(frame, partial(kind.opened, frame, every))
    wanted = every if names is None else list(dict.fromkeys(names))
    return kind.opened(frame, wanted) if found is None else found


def held(frame: Any) -> Any:
    """Return a frame that can be read several times at little cost."""
    frame = opened(frame)
    kind = find_kind(frame)
    return kind.held(frame) if kind is not None and kind.partitioned else frame


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
