"""Frames that behave as cuDF's do towards the host, without a GPU.

They are pandas frames that refuse what cuDF refuses: to turn into a numpy array unasked, and to be
iterated. What cuDF has and pandas lacks is added: ``to_arrow`` and ``from_arrow``, and with a
backend that is lent, arrays of its device.
"""

import sys
import types
from contextlib import contextmanager

import pandas as pd
import pyarrow as pa
from dask.dataframe import backends, dispatch
from dask.sizeof import sizeof
from dask.utils import Dispatch

from daskrec.engine import backend


def _refuse(method):
    """Return a method that daskrec may not call; pandas works on its own frames as it likes."""

    def refuse(self, *args, **kwargs):
        if sys._getframe(1).f_globals.get("__name__", "").startswith("daskrec"):
            raise TypeError(f"Implicit conversion to the host is not allowed: {method.__name__}")
        return method(self, *args, **kwargs)

    return refuse


class Series(pd.Series):
    """A column."""

    __module__ = "cudf.core.series"
    __array__ = _refuse(pd.Series.__array__)
    __iter__ = _refuse(pd.Series.__iter__)
    tolist = _refuse(pd.Series.tolist)

    @property
    def _constructor(self):
        return Series

    @property
    def _constructor_expanddim(self):
        return DataFrame

    def factorize(self):
        codes, values = pd.Series(self._values, copy=False).factorize()
        return backend.gpu(0).asarray(codes.astype("int8" if len(values) < 99 else "int32")), (
            Series(values)
        )

    def to_cupy(self):
        assert not self.isna().any()
        return backend.gpu(0).asarray(pd.Series(self._values, copy=False).to_numpy())

    def to_arrow(self):
        column = pd.Series(self._values, copy=False)
        found = pa.array(column, from_pandas=True)
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


class DataFrame(pd.DataFrame):
    """A frame."""

    __module__ = "cudf.core.dataframe"
    __array__ = _refuse(pd.DataFrame.__array__)

    @property
    def _constructor(self):
        return DataFrame

    @property
    def _constructor_sliced(self):
        return Series

    @classmethod
    def from_arrow(cls, table):
        assert isinstance(table, pa.Table)
        return cls(table.to_pandas())

    def to_arrow(self):
        return pa.Table.from_pandas(self.to_pandas(), preserve_index=False)

    def to_pandas(self):
        return pd.DataFrame(self)


@contextmanager
def installed(monkeypatch):
    """Let imports find the stand-in; Dask takes its frames for the pandas frames that they are."""
    module = types.ModuleType("cudf")
    module.DataFrame, module.Series = DataFrame, Series
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "cudf", module)
        patch.setitem(sys.modules, "dask_cudf", types.ModuleType("dask_cudf"))
        for table in [*vars(dispatch).values(), *vars(backends).values(), sizeof]:
            if isinstance(table, Dispatch):  # who is told of cuDF once is not asked again
                patch.setattr(table, "_lazy", dict(table._lazy))
        yield module
