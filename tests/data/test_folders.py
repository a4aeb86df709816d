"""Types of columns by name, as folders keep them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from daskrec.data.folders import dtype_name, named_dtype

TYPES = [
    np.dtype("int32"),
    pd.Int64Dtype(),
    pa.int32(),
    pa.string(),
    pa.large_string(),
    pa.decimal128(12, 0),
]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_types_have_names_that_make_them_again(dtype) -> None:
    name = dtype_name(dtype)
    assert isinstance(name, str)
    found = named_dtype(name)
    assert found == dtype
    assert isinstance(found, pa.DataType) == isinstance(dtype, pa.DataType)


@pytest.mark.parametrize("dtype", [None, pa.dictionary(pa.int32(), pa.string()), "no type"])
def test_others_have_none(dtype) -> None:
    assert dtype_name(dtype) is None
    assert named_dtype(None) is None
