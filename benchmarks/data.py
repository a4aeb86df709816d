"""The log of the benchmarks: ml-1m where it is, else a generated one of its size."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks import COLUMNS
from daskrec.data.blocks import Interactions
from daskrec.data.encode import encode_training
from daskrec.data.log import read_log

_FILE = "ml-1m/ratings.parquet"
_USERS, _ITEMS, _ROWS = 6040, 3706, 1_000_209


@dataclass(frozen=True)
class Dataset:
    """A log, and the forms in which contenders take it.

    Parameters
    ----------
    name
        What it is.
    frame
        Columns ``COLUMNS``, integers.
    """

    name: str
    frame: pd.DataFrame

    @cached_property
    def blocks(self) -> Interactions:
        """The log as models of daskrec see it."""
        return encode_training(read_log(self.frame))

    @cached_property
    def matrix(self) -> Any:
        """The log as a sparse matrix of users by items, columns sorted, float32 ratings."""
        users, items = (np.unique(self.frame[c], return_inverse=True)[1] for c in COLUMNS[:2])
        matrix = sp.csr_matrix((self.frame["rating"].to_numpy(np.float32), (users, items)))
        matrix.sum_duplicates()
        matrix.sort_indices()
        return matrix

    @cached_property
    def ones(self) -> Any:
        """The same with 1 for every rating."""
        matrix = self.matrix.copy()
        matrix.data[:] = 1
        return matrix

    def save_columns(self, folder: str) -> None:
        """Write the columns for processes that load them (``benchmarks.child``)."""
        for name in COLUMNS:
            np.save(f"{folder}/{name}.npy", self.frame[name].to_numpy())


def load(folder: str | None = None) -> Dataset:
    """Return ml-1m from a folder of data sets, else a generated log of its size.

    Parameters
    ----------
    folder
        Where ``ml-1m/ratings.parquet`` is; by default the environment says it
        (``DASKREC_DATA``).
    """
    folder = folder or os.environ.get("DASKREC_DATA")
    if folder:
        return Dataset("ml-1m", pd.read_parquet(Path(folder) / _FILE, columns=COLUMNS))
    from daskrec.datasets import synthetic

    frame = synthetic(_USERS, _ITEMS, _ROWS, as_frame="pandas", timestamps=False, seed=0)
    frame.columns = pd.Index(COLUMNS)
    frame["rating"] = np.random.default_rng(0).integers(1, 6, len(frame))
    name = "generated log of the size of ml-1m (DASKREC_DATA is not set): goals are for ml-1m"
    return Dataset(name, frame)
