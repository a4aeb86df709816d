"""Rows on their way to the blocks of their users: two ways, one answer."""

import copy

import dask
import numpy as np
import pyarrow as pa
import pytest

from daskrec.data import exchange, ids
from daskrec.data.rows import Faults, Rows
from daskrec.engine import runtime
from daskrec.engine.shared import Shared
from daskrec.errors import LogError

KINDS = ["integers", "uint64", "text"]


@pytest.fixture(autouse=True)
def _synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


def make_ids(numbers, kind):
    """Return numbers as ids of a kind, in the same order."""
    if kind == "text":
        return pa.array([f"é{n:03}" for n in numbers], pa.large_string())
    if kind == "uint64":
        return np.asarray(numbers, dtype=np.uint64) + np.uint64(2**63)
    return np.asarray(numbers, dtype=np.int64)


def make_parts(kind, sizes=(50, 0, 7, 40), graded=True, seed=0):
    """Draw partitions of checked rows."""
    rng = np.random.default_rng(seed)
    return [
        Rows(
            make_ids(rng.integers(0, 30, size), kind),
            make_ids(rng.integers(0, 9, size), kind),
            rng.random(size, dtype=np.float32) if graded else None,
            Faults(),
        )
        for size in sizes
    ]


def table(parts, kind):
    """Return the rows of partitions, those of known items alone."""
    known = make_ids(range(7), kind).tolist()
    rows = []
    for part in parts:
        values = part.relevance if part.relevance is not None else np.ones(len(part))
        columns = (part.users.tolist(), part.items.tolist(), values.tolist())
        rows += [row for row in zip(*columns, strict=True) if row[1] in known]
    return sorted((user, known.index(item), value) for user, item, value in rows)


def send(parts, bounds, kind):
    """Send rows to their ranges and return the rows of each."""
    items = Shared(ids.distinct(make_ids(range(7), kind)))
    found = exchange.by_user([runtime.task(_identity, part) for part in parts], items, bounds)
    homes = []
    for pieces in found:
        rows = []
        for piece in runtime.compute(pieces, "test"):
            assert isinstance(piece.users, np.ndarray) == (kind != "text")
            assert kind == "text" or piece.users.dtype == make_ids([0], kind).dtype
            assert piece.items.dtype == np.int32
            values = piece.relevance if piece.relevance is not None else np.ones(len(piece))
            columns = (piece.users.tolist(), piece.items.tolist(), values.tolist())
            rows += zip(*columns, strict=True)
        homes.append(sorted(rows))
    return homes


def _identity(value):
    return value


@pytest.fixture(params=["direct", "shuffle"])
def way(request, monkeypatch):
    """Take one of the two ways."""
    if request.param == "shuffle":
        monkeypatch.setattr(exchange, "MOST_PIECES", 0)
    return request.param


@pytest.mark.parametrize("convert", [True, False])
@pytest.mark.parametrize("graded", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_row_reaches_the_range_of_its_user(way, kind, graded, convert):
    parts = make_parts(kind, graded=graded)
    bounds = make_ids([4, 5, 17, 29], kind)
    with dask.config.set({"dataframe.convert-string": convert}):
        homes = send(parts, bounds, kind)
    assert len(homes) == 5
    assert sorted(row for rows in homes for row in rows) == table(parts, kind)
    for number, rows in enumerate(homes):
        users = ids.distinct(make_ids([0], kind)).values
        if rows:
            users = (
                pa.array([r[0] for r in rows], pa.large_string())
                if kind == "text"
                else (np.array([r[0] for r in rows], dtype=bounds.dtype))
            )
            assert set(ids.route(bounds, users).tolist()) == {number}


@pytest.mark.parametrize("kind", KINDS)
def test_ranges_that_get_no_row_are_empty(way, kind):
    homes = send(make_parts(kind, sizes=(5, 5)), make_ids([40, 50, 60], kind), kind)
    assert [len(rows) for rows in homes][1:] == [0, 0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_range_gets_everything(way, kind):
    parts = make_parts(kind)
    assert send(parts, make_ids([], kind), kind) == [table(parts, kind)]


def test_a_partition_without_rows_need_not_know_its_kind(way):
    parts = make_parts("text", sizes=(20, 20))
    nothing = np.empty(0, dtype=np.int64)
    parts.insert(1, Rows(nothing, nothing, None, Faults()))
    bounds = make_ids([10, 20], "text")
    items = Shared(ids.distinct(make_ids(range(7), "text")))
    found = exchange.by_user([runtime.task(_identity, part) for part in parts], items, bounds)
    pieces = [piece for each in found for piece in runtime.compute(each, "test") if len(piece)]
    assert {piece.users.type for piece in pieces} == {pa.large_string()}
    assert sum(len(piece) for piece in pieces) == len(table([parts[0], parts[2]], "text"))


def test_partitions_below_and_beyond_int64_travel_exactly(way):
    small = np.array([1, 2**53 + 1, 5], dtype=np.int64)
    large = np.array([2**53 + 1, 2**63 + 5], dtype=np.uint64)
    parts = [Rows(users, np.zeros(len(users), int), None, Faults()) for users in (small, large)]
    bounds, items = np.array([5, 2**63 + 5], dtype=np.uint64), Shared(ids.Ids(np.array([0])))
    found = exchange.by_user([runtime.task(_identity, part) for part in parts], items, bounds)
    users = [
        sorted(user for piece in runtime.compute(pieces, "test") for user in piece.users.tolist())
        for pieces in found
    ]
    assert users == [[1], [5, 2**53 + 1, 2**53 + 1], [2**63 + 5]]


def test_faults_of_a_partition_are_raised_when_it_is_split(way):
    parts = make_parts("integers")
    parts[2].faults.add("missing ids", 3, ["x"])
    with pytest.raises(LogError, match="missing ids in 3 rows"):
        send(parts, make_ids([4], "integers"), "integers")


def test_nothing_of_the_user_is_changed(way):
    before = copy.deepcopy(dask.config.config)
    send(make_parts("text"), make_ids([10], "text"), "text")
    assert dask.config.config == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_shuffles_to_the_same_ranges(monkeypatch, kind):
    from distributed import Client

    parts, bounds = make_parts(kind), make_ids([4, 17], kind)
    expected = send(parts, bounds, kind)
    monkeypatch.setattr(exchange, "MOST_PIECES", 0)
    options = {
        "n_workers": 1,
        "threads_per_worker": 2,
        "dashboard_address": ":0",
        "memory_limit": None,
    }
    with Client(processes=False, **options) as client, dask.config.set(scheduler=client):
        assert send(parts, bounds, kind) == expected
