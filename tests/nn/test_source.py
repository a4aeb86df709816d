"""Examples come whole, in an order that no partitioning changes, and ahead of their use."""

import threading
import time

import numpy as np
import pandas as pd
import pytest
from support.logs import as_kind, random_log, with_empty_partitions

from daskrec.data import encode
from daskrec.data.log import read_log
from daskrec.engine import shared
from daskrec.engine.shared import Shared
from daskrec.nn.training import source
from daskrec.nn.training.examples import Course, usable_split
from daskrec.nn.training.parallel import Group
from daskrec.nn.training.source import Source, Split, prefetched, windows

LOG = pd.concat([random_log(), random_log().head(20)])  # some rows twice


def source_of(log) -> Source:
    with pytest.warns(UserWarning, match="repeat"):
        return Source.of(encode.encode_training(read_log(log)))


class Part(Group):
    """One of several processes, without the others."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


def rows_of(course: Course, epoch: int | None) -> list[tuple[int, int, int]]:
    batches = list(course.rows(epoch, Group()))
    return [row for b in batches for row in zip(b.places, b.users, b.items, strict=True)]


def expected_rows() -> list[tuple[int, int]]:
    users, items = (np.unique(LOG[c], return_inverse=True)[1] for c in ("user_idx", "item_idx"))
    return sorted(zip(users.tolist(), items.tolist(), strict=True))


@pytest.mark.parametrize("small", [False, True])
def test_an_epoch_has_every_row_once_in_an_order_of_its_own(monkeypatch, small: bool) -> None:
    if small:
        monkeypatch.setattr(source, "WINDOW", 40)
        monkeypatch.setattr(source, "PAGES", 3)
    course = Course(source_of(LOG), Split(0.0, 1), 7, 5)
    first, second = rows_of(course, 0), rows_of(course, 1)
    for found in (first, second):
        assert [place for place, _, _ in found] == list(range(len(LOG)))
        assert sorted((u, i) for _, u, i in found) == expected_rows()
    assert [row[1:] for row in first] != [row[1:] for row in second]
    assert first == rows_of(course, 0)


@pytest.mark.parametrize("by_user", [False, True])
def test_validation_and_training_are_all_and_apart(by_user: bool) -> None:
    course = Course(source_of(LOG), Split(0.3, 1), 16, 5)
    if by_user:
        trained, held = ([u for b in course.users(e, Group()) for u in b.users] for e in (0, None))
        assert sorted(trained + held) == list(range(LOG.user_idx.nunique()))
    else:
        trained, held = ([row[1:] for row in rows_of(course, e)] for e in (0, None))
        assert sorted(trained + held) == expected_rows()
        assert not set(trained) & set(held)  # a repeated pair is on one side
    assert trained
    assert held


def test_users_come_with_their_histories_and_the_rows_behind_them() -> None:
    whole = source_of(LOG)
    counts = np.zeros((LOG.user_idx.nunique(), LOG.item_idx.nunique()), dtype=int)
    np.add.at(counts, tuple(np.array(expected_rows()).T), 1)
    seen = []
    for batch in Course(whole, Split(0.0, 1), 4, 5).users(3, Group()):
        for row, user in enumerate(batch.users):
            start, stop = batch.matrix.indptr[row : row + 2]
            dense = np.zeros(counts.shape[1], dtype=int)
            dense[batch.matrix.indices[start:stop]] = batch.matrix.values()[start:stop]
            assert dense.tolist() == counts[user].tolist()
            seen.append(user)
    assert sorted(seen) == list(range(len(counts)))


@pytest.mark.parametrize("npartitions", [1, 7, 40])
@pytest.mark.parametrize("small", [False, True])
def test_partitions_change_nothing(monkeypatch, npartitions: int, small: bool) -> None:
    if small:
        monkeypatch.setattr(source, "WINDOW", 50)
    one, many = source_of(LOG), source_of(with_empty_partitions(LOG, npartitions))
    assert one.digest() == many.digest()
    for epoch in (0, 4, None):
        pairs = [rows_of(Course(s, Split(0.2, 9), 8, 2), epoch) for s in (one, many)]
        assert pairs[0] == pairs[1]


def test_processes_share_each_batch() -> None:
    whole = source_of(LOG)
    alone = list(Course(whole, Split(0.1, 1), 10, 5).rows(0, Group()))
    shared = [list(Course(whole, Split(0.1, 1), 10, 5).rows(0, Part(r, 3))) for r in range(3)]
    for number, batch in enumerate(alone):
        parts = [mine[number] for mine in shared]
        assert {part.count for part in parts} == {batch.count} == {len(batch.users)}
        assert np.concatenate([p.places for p in parts]).tolist() == batch.places.tolist()
        assert np.concatenate([p.items for p in parts]).tolist() == batch.items.tolist()


def test_the_digest_tells_logs_apart() -> None:
    logs = [LOG, random_log(), LOG.iloc[1:], LOG.assign(item_idx=LOG.item_idx % 7)]
    assert len({source_of(pd.concat([log, log.head(1)])).digest() for log in logs}) == len(logs)


def test_a_log_too_small_for_a_validation_has_none() -> None:
    one = source_of(pd.concat([LOG.head(1)] * 2))
    for by_row in (False, True):
        assert usable_split(one, Split(0.999, 3), by_row).share == 0.0
        assert usable_split(source_of(LOG), Split(0.1, 3), by_row).share == 0.1


def test_a_window_holds_no_more_than_its_share_of_users(monkeypatch) -> None:
    monkeypatch.setattr(source, "WINDOW", 100)
    monkeypatch.setattr(source, "PAGES", 4)
    whole = source_of(as_kind(LOG, "dask"))
    found = list(windows(whole, 1, 0))
    assert len(found) == -(-len(LOG) // 100)
    assert max(len(w.users) for w in found) <= -(-whole.user_count // len(found)) + 4
    users = np.concatenate([w.users for w in found])
    assert sorted(users.tolist()) == list(range(whole.user_count))


def test_no_file_stays_open_where_a_log_is_read_by_windows(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(source, "WINDOW", 40)
    monkeypatch.setattr(source, "PAGES", 3)
    found = source_of(with_empty_partitions(LOG, 7))
    stored = [Shared.stored(shard.get(), str(tmp_path)) for shard in found.shards]
    log = Source(stored, found.offsets, found.item_count, found.row_count)
    for _ in windows(log, 0, 0):
        assert not {shard.uid for shard in stored} & set(shared._opened)
    assert [w.matrix.nnz for w in windows(log, 0, 0)] == [
        w.matrix.nnz for w in windows(found, 0, 0)
    ]


def test_items_are_made_ahead_and_errors_come_through() -> None:
    made: list[int] = []

    def numbers(stop: int, error: bool = False):
        for number in range(stop):
            made.append(number)
            yield number
        if error:
            raise KeyError("broken")

    assert list(prefetched(numbers(10))) == list(range(10))
    taken = prefetched(numbers(100), depth=2)
    assert next(taken) == 0
    time.sleep(0.2)
    assert made[-1] <= 14
    taken.close()  # its thread ends
    assert not any(t.name == "daskrec-batches" for t in threading.enumerate())
    with pytest.raises(KeyError, match="broken"):
        list(prefetched(numbers(3, error=True)))
