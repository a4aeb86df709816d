"""Rows of a log that lie on a GPU: read from a frame there, and encoded there.

Of a column of ids only the distinct ones come to the host; the rows are codes, which are looked up,
sorted and cut on the device. What is not used so is copied to the host when it is asked for.
"""

import math
from functools import cached_property
from typing import Any

import numpy as np

from daskrec.data import frames, ids
from daskrec.data import rows as on_host
from daskrec.data.ids import Ids
from daskrec.data.kinds import GpuKind
from daskrec.data.rows import Faults, Rows, Wanted
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.backend import Backend, DeviceArray, borrow

_BYTES = 256  # that are free for each row when rows are read, so that later steps have room


class Coded:
    """A column of ids whose rows lie on a GPU: an ``IdColumn``.

    Parameters
    ----------
    backend
        Of the device.
    known
        The distinct ids, each of which occurs.
    codes
        int32 on the device: the place of the id of each row among them.
    """

    def __init__(self, backend: Backend, known: Ids, codes: DeviceArray) -> None:
        self.backend = backend
        self.known = known
        self.codes = codes

    def __len__(self) -> int:
        return int(self.codes.shape[0])

    def distinct(self) -> Ids:
        """Return the sorted distinct ids."""
        return self.known

    def factorize(self) -> tuple[Ids, DeviceArray]:
        """Return the sorted distinct ids and the code of each row, on the device."""
        return self.known, self.codes

    def among(self, known: Ids) -> DeviceArray:
        """Return the code of each row among other ids, -1 where its id is not one of them."""
        return self._each(known.encode(self.known.values))

    def examples(self) -> Array:
        """Return the distinct ids."""
        return self.known.values

    def routed(self, bounds: Array) -> DeviceArray:
        """Return the number of the range that each row falls in, as ``ids.route`` does."""
        return self._each(ids.route(bounds, self.known.values))

    def at_steps(self, steps: Vector) -> Array:
        """Return ids at steps of the sorted rows."""
        with self.backend.turn():
            xp = self.backend.xp
            chosen = xp.take(xp.sort(self.codes), self.backend.asarray(steps))
            places = self.backend.to_host(chosen)
        return self.known.decode(places)

    def to_host(self) -> Array:
        """Return the id of each row."""
        return self.known.decode(self.backend.to_host(self.codes))

    def _each(self, of_known: Vector) -> DeviceArray:
        with self.backend.turn():
            table = self.backend.asarray(of_known.astype(np.int64))
            return self.backend.xp.take(table, self.codes)


class GpuRows(Rows):
    """Checked rows of a log on a GPU; they have no faults.

    Parameters
    ----------
    users, items
        Coded ids.
    relevance
        float32 on the device, or None where the log has none.
    sessions
        Coded ids of sessions, where a model asked for them.
    times
        int64 on the host, as of ``Rows``, where a model asked for them.

    Notes
    -----
    The arrays of ``Rows`` are copied to the host when they are first asked for, and rows that are
    sent to another process go as those.
    """

    def __init__(
        self,
        users: Coded,
        items: Coded,
        relevance: DeviceArray | None,
        sessions: Coded | None = None,
        times: Vector | None = None,
    ) -> None:
        self._coded = users, items
        self._graded = relevance
        self._sessions = sessions
        self.faults = Faults()
        self.times = times

    def __len__(self) -> int:
        return len(self._coded[0])

    def __reduce__(self) -> tuple[Any, ...]:
        parts = self.users, self.items, self.relevance, self.faults, self.sessions, self.times
        return Rows, parts

    @cached_property
    def users(self) -> Array:  # type: ignore[override]
        """The user of each row."""
        return self._coded[0].to_host()

    @cached_property
    def items(self) -> Array:  # type: ignore[override]
        """The item of each row."""
        return self._coded[1].to_host()

    @cached_property
    def relevance(self) -> Vector | None:  # type: ignore[override]
        """The relevance of each row."""
        graded = self._graded
        return None if graded is None else self._coded[0].backend.to_host(graded)

    @property
    def sessions(self) -> Array | None:  # type: ignore[override]
        """The session of each row."""
        return None if self._sessions is None else self._sessions.to_host()

    def in_place(self) -> tuple[Coded, Coded, DeviceArray | None]:
        """Return users, items and relevance where they lie, which is on the device."""
        return *self._coded, self._graded

    def split(self, item_ids: Ids, bounds: Array, timed: bool) -> list[Rows]:
        """Split the rows on the device, and bring the pieces to the host; see ``Rows.split``."""
        times = self.times if timed else None
        users, items, relevance = self.in_place()
        backend, xp, count = users.backend, users.backend.xp, len(bounds) + 1
        with backend.turn():
            codes, home = items.among(item_ids), users.routed(bounds)
            unknown = xp.astype(codes < 0, home.dtype)
            home = home * (1 - unknown) + count * unknown  # beyond the last range
            order = backend.order(home)
            cuts = backend.to_host(
                xp.searchsorted(xp.take(home, order), backend.arange(0, count + 1))
            )
            order = order[: int(cuts[-1])]
            owners, things = (backend.to_host(xp.take(a, order)) for a in (users.codes, codes))
            graded = None if relevance is None else backend.to_host(xp.take(relevance, order))
            moments = None if times is None else times[backend.to_host(order)]
        things = things.astype(np.int32)
        return [
            Rows(
                users.known.decode(owners[mine]),
                things[mine],
                None if graded is None else graded[mine],
                Faults(),
                times=None if moments is None else moments[mine],
            )
            for mine in map(slice, cuts[:-1], cuts[1:])
        ]

    def by_session(self) -> "GpuRows":
        """Return the same rows with sessions in the place of users."""
        assert self._sessions is not None
        return GpuRows(self._sessions, self._coded[1], self._graded, times=self.times)


def read_rows(frame: Any, kind: str, wanted: Wanted, what: str) -> Rows:
    """Turn a frame in memory into checked rows: on its GPU, or on the host.

    Notes
    -----
    Rows come to the host where their frame lies there, where the device is set to ``"cpu"`` or has
    little room, and where there are faults, which are counted there.
    """
    source = frames.kind_named(kind)
    if isinstance(source, GpuKind) and len(frame):
        with borrow(math.inf, _BYTES * len(frame)) as gpu:
            rows = None if gpu is None else _read(gpu, source, frame, wanted, what)
        if rows is not None:
            return rows
    return on_host.read_rows(frame, kind, wanted, what)


def _read(gpu: Backend, kind: Any, frame: Any, wanted: Wanted, what: str) -> GpuRows | None:
    """Read a frame on a GPU; None where something of it has to be looked at on the host."""
    users, items = (_coded(gpu, kind, frame, name) for name in (wanted.user, wanted.item))
    if users is None or items is None:
        return None
    relevance = sessions = times = None
    if wanted.relevance is not None:
        relevance = kind.numbers(frame, wanted.relevance)
        if relevance is None or not _is_usable(gpu, relevance, wanted.binary):
            return None
    if wanted.session is not None:
        same = wanted.session == wanted.user
        sessions = users if same else _coded(gpu, kind, frame, wanted.session)
        if sessions is None:
            return None
    if wanted.time is not None:
        column = kind.arrays(frame, [wanted.time])[wanted.time]
        faults = Faults()
        times = on_host.check_times(column, wanted.time, what, faults)
        if faults.found:
            return None
    return GpuRows(users, items, relevance, sessions, times)


def _coded(gpu: Backend, kind: Any, frame: Any, name: str) -> Coded | None:
    found = kind.factorize(frame, name)
    if found is None or not gpu.holds(found[0]):
        return None
    codes, values = found
    faults = Faults()
    distinct = on_host.check_ids(values, name, faults)
    if faults.found:
        return None
    known, rank = ids.factorize(distinct)
    table = gpu.asarray(rank.astype(np.int32))
    return Coded(gpu, known, gpu.xp.take(table, codes))


def _is_usable(gpu: Backend, relevance: DeviceArray, binary: bool) -> bool:
    xp = gpu.xp
    if not bool(xp.all(xp.isfinite(relevance))):
        return False
    return not binary or bool(xp.all((relevance == 0) | (relevance == 1)))
