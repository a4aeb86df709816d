"""Compressed sparse rows of coded entries: the twin of ``engine.csr_build``."""

import numpy as np

from daskrec.engine.arrays import Vector
from daskrec.engine.backend import Backend, DeviceArray, on_device
from daskrec.engine.csr import Csr

BYTES = 96  # of the device that an entry takes while it is sorted


def build_csr(
    backend: Backend,
    rows: DeviceArray,
    columns: DeviceArray,
    values: DeviceArray | None,
    height: int,
    width: int,
) -> tuple[Csr, Vector]:
    """Sort coded entries into rows and join those that repeat a place.

    Arguments and results are those of the twin; the arrays lie on the host or on the device, and
    entries with a code of -1 are left out.

    Notes
    -----
    One sort of all entries by their place, and one more of the values where places are repeated:
    at most ``BYTES`` an entry.
    """
    xp = backend.xp
    rows, columns = (xp.astype(on_device(backend, a), xp.int64) for a in (rows, columns))
    known = xp.astype((rows >= 0) & (columns >= 0), xp.int64)
    places = (rows * width + columns) * known + (known - 1)
    order = backend.order(places)
    places = xp.take(places, order)
    unknown = rows.shape[0] - int(xp.sum(known))  # which come first
    places, order = places[unknown:], order[unknown:]
    count = places.shape[0]
    if values is not None:
        values = xp.take(on_device(backend, values), order)
    if count == 0:
        return _empty(height, width)
    first = backend.asarray(np.ones(1, dtype=bool))
    starts = xp.nonzero(xp.concat([first, places[1:] != places[:-1]]))[0]
    repeats = np.empty(0, dtype=np.int32)
    if starts.shape[0] < count:
        ends = xp.concat([starts[1:], backend.arange(count, count + 1)])
        repeats = backend.to_host(ends - starts).astype(np.int32)
        values = _sums(backend, places, values, starts) if values is not None else ends - starts
    places = xp.take(places, starts)
    row = places // width
    indptr = xp.searchsorted(row, backend.arange(0, height + 1))
    data = np.empty(0) if values is None else backend.to_host(values)
    matrix = Csr(
        backend.to_host(indptr).astype(np.int64, copy=False),
        backend.to_host(places - row * width).astype(np.int32),
        data.astype(np.float32, copy=False),
        width,
    )
    return matrix, repeats


def _empty(height: int, width: int) -> tuple[Csr, Vector]:
    nothing = np.empty(0, dtype=np.int32)
    matrix = Csr(np.zeros(height + 1, dtype=np.int64), nothing, np.empty(0, np.float32), width)
    return matrix, nothing


def _sums(
    backend: Backend, places: DeviceArray, values: DeviceArray, starts: DeviceArray
) -> DeviceArray:
    """Add the values of each place in float64, in ascending order.

    The sums of runs are a product with a sparse matrix of ones: its rows are the runs.
    """
    xp, count = backend.xp, places.shape[0]
    order = backend.order(values)
    order = xp.take(order, backend.order(xp.take(places, order)))
    ascending = xp.astype(xp.take(values, order), xp.float64)
    pointers = xp.astype(xp.concat([starts, backend.arange(count, count + 1)]), xp.int32)
    indices = xp.astype(backend.arange(0, count), xp.int32)
    ones = xp.ones_like(ascending)
    return backend.sparse_dot(pointers, indices, ones, ascending[:, None])[:, 0]
