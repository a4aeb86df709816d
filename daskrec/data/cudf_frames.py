"""cuDF DataFrames in and out, by way of Arrow: a kind of frame, see ``data.frames``.

Nothing here imports cuDF before one of its frames arrives. The columns of a log stay on the GPU
where models encode them (see ``data.gpu_rows``). Any other column that is read crosses to the host
once, as its type lies there; columns that nobody asks for stay where they are, and so do the rows
that are filtered or given columns.
"""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from daskrec.data.kinds import Dtypes
from daskrec.data.values import as_category, plain_array
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.engine.backend import DeviceArray


class CudfKind:
    """cuDF DataFrames, and the partitions of dask-cuDF ones."""

    name = "cudf"
    partitioned = False

    def owns(self, frame: Any) -> bool:
        """Tell whether an object is a cuDF frame."""
        kind = type(frame)
        return kind.__module__.partition(".")[0] == "cudf" and kind.__name__ == "DataFrame"

    def columns(self, frame: Any) -> list[str]:
        """Return the names of the columns."""
        return list(frame.columns)

    def dtypes(self, frame: Any, names: Sequence[str]) -> Dtypes:
        """Return cuDF dtypes; those of categories as pandas has them."""
        return {name: _dtype(frame[name]) for name in names}

    def arrays(self, frame: Any, names: Sequence[str]) -> Arrays:
        """Return columns as arrays on the host: a copy of each, and of no other column."""
        return {name: plain_array(frame[name].to_arrow()) for name in names}

    def factorize(self, frame: Any, name: str) -> tuple[DeviceArray, Array] | None:
        """Return the code of each row, on the GPU, and the distinct ids in the order of the codes.

        None where values are missing.
        """
        column = frame[name]
        if column.isnull().any():
            return None
        if type(column.dtype).__name__ == "CategoricalDtype":
            column = column.astype(column.dtype.categories.dtype)
        codes, values = column.factorize()
        return codes, plain_array(values.to_arrow())

    def numbers(self, frame: Any, name: str) -> DeviceArray | None:
        """Return a column as float32 on the GPU; None for other types, or missing values."""
        column = frame[name]
        if getattr(column.dtype, "kind", "O") not in "iufb" or column.isnull().any():
            return None
        return column.astype("float32").to_cupy()

    def build(self, columns: Arrays, dtypes: Dtypes) -> Any:
        """Make a cuDF frame with a fresh index; each column is copied to the GPU once."""
        cudf = importlib.import_module("cudf")
        typed = {name: _arrow(array, dtypes.get(name)) for name, array in columns.items()}
        frame = cudf.DataFrame.from_arrow(pa.table(typed))
        for name in columns:
            wanted = dtypes.get(name)
            if wanted is None or _is_category(wanted):
                continue
            if frame[name].dtype != wanted:
                frame[name] = frame[name].astype(wanted)
        return frame

    def filter(self, frame: Any, mask: Vector) -> Any:
        """Return the rows where a mask is true, with their index."""
        return frame.take(np.flatnonzero(mask))

    def assign(self, frame: Any, columns: Arrays, dtypes: Dtypes, drop: Sequence[str]) -> Any:
        """Return the frame without some columns and with others, under the same index."""
        new = self.build(columns, dtypes)
        new.index = frame.index
        kept = frame.drop(columns=list(drop)) if drop else frame
        return kept.assign(**{name: new[name] for name in columns})


def _dtype(column: Any) -> Any:
    if type(column.dtype).__name__ != "CategoricalDtype":
        return column.dtype
    words = column.iloc[:0].to_arrow()  # without rows, it has its categories
    return pd.CategoricalDtype(words.dictionary.to_pandas(), bool(words.type.ordered))


def _arrow(array: Array, wanted: Any) -> pa.Array:
    """Return a column for cuDF; categories are those of the log, then ids that are not in them."""
    found = pa.array(array)
    return pa.array(as_category(found.to_pandas(), wanted)) if _is_category(wanted) else found


def _is_category(dtype: Any) -> bool:
    return isinstance(dtype, pd.CategoricalDtype)
