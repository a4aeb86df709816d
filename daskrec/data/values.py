"""Columns of frames as the few kinds of arrays that daskrec works on.

Numbers are numpy arrays, strings one Arrow ``large_string`` array, and integers with
missing values stay Arrow arrays, so that nothing is lost before it was checked.
"""

import contextlib
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from daskrec.engine.arrays import Array
from daskrec.errors import LogError


def pandas_array(series: "pd.Series[Any]") -> Array:
    """Return a pandas column as an array; missing values of non-floats stay missing."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iufb":
        return series.to_numpy()
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "M":
        return series.to_numpy()
    try:
        return plain_array(pa.array(series, from_pandas=True))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            if all(isinstance(value, int) for value in series):
                return np.array(series.tolist(), dtype=np.uint64)
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
        if array.type.value_type == pa.string_view():
            words = array.dictionary.cast(pa.large_string())
            array = pa.DictionaryArray.from_arrays(array.indices, words)
        return plain_array(array.dictionary_decode())
    if _is_string(array.type):
        return array.cast(pa.large_string())
    if pa.types.is_decimal(array.type):
        array = _from_decimal(array)
    if pa.types.is_temporal(array.type) and array.null_count == 0:
        return cast(Array, array.to_numpy(zero_copy_only=False))
    if pa.types.is_null(array.type):
        return array
    if pa.types.is_decimal(array.type):  # beyond 64 bits
        return array
    if pa.types.is_floating(array.type) or array.null_count == 0:
        return cast(Array, array.to_numpy(zero_copy_only=False))
    return array


def _from_decimal(array: pa.Array) -> pa.Array:
    if array.type.scale > 0:
        return array.cast(pa.float64())
    for kind in (pa.int64(), pa.uint64()):
        with contextlib.suppress(pa.ArrowInvalid):
            return array.cast(kind)
    return array


def _is_string(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or getattr(pa.types, "is_string_view", lambda _: False)(kind)
    )


def arrow_typed(array: Array, wanted: Any) -> pa.Array:
    """Return an array in an Arrow type, where one is wanted."""
    column = pa.array(array)
    if wanted is None or column.type == wanted:
        return column
    if pa.types.is_dictionary(wanted):
        return column.cast(wanted.value_type).dictionary_encode().cast(wanted)
    if pa.types.is_decimal(wanted) and pa.types.is_integer(column.type):
        column = column.cast(pa.decimal128(38, 0))  # Arrow asks for room for any integer first
    return column.cast(wanted)


def as_category(series: "pd.Series[Any]", wanted: pd.CategoricalDtype) -> Any:
    """Return a column with the categories of the log, and behind them ids that are not in them."""
    known = wanted.categories
    if "__UNKNOWN_CATEGORIES__" in known:  # Dask: each partition has its own
        return series.astype("category")
    with contextlib.suppress(TypeError, ValueError):
        series = series.astype(known.dtype)
    more = series[~series.isin(known)].unique()
    return series.astype(pd.CategoricalDtype([*known, *more], wanted.ordered))
