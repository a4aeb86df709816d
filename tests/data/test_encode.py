"""From a log to blocks: the same codes and the same matrix, however the log lies."""

import itertools
import warnings

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.data import encode, ranges
from daskrec.data.blocks import UserBlock
from daskrec.data.ids import Ids, ShardedIds, distinct
from daskrec.data.log import Needs, read_log
from daskrec.engine import runtime
from daskrec.engine.shared import Shared
from daskrec.errors import LogError

BIG = 2**63 + 5
KINDS = ["dense", "sparse", "text", "category", "uint64"]


@pytest.fixture(autouse=True)
def _synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


def make_log(kind="dense", rows=400, seed=0, graded=True, repeats=False):
    """Draw a log of one kind of ids."""
    rng = np.random.default_rng(seed)
    users, items = rng.zipf(1.5, rows) % 60, rng.integers(0, 30, rows)
    log = pd.DataFrame({"user_idx": users, "item_idx": items})
    if not repeats:
        log = log.drop_duplicates(ignore_index=True)
    if graded:
        log["relevance"] = rng.integers(1, 6, len(log)) / 4
    for column in ("user_idx", "item_idx"):
        if kind == "sparse":
            log[column] = log[column] * 2**56 - 2**60
        elif kind == "uint64":
            log[column] = log[column].to_numpy().astype(np.uint64) + np.uint64(BIG)
        elif kind != "dense":
            log[column] = ("é" + log[column].astype(str)).astype("str")
            if kind == "category":
                log[column] = log[column].astype("category")
    return log


def cut(log, ends):
    """Make a Dask frame of partitions that end at the given rows."""
    edges = [0, *sorted(ends), len(log)]
    parts = [log[a:b].reset_index(drop=True) for a, b in itertools.pairwise(edges)]
    return dd.from_map(lambda n: parts[n], range(len(parts)), meta=log[:0])


def blocks_of(data):
    """Return the blocks themselves."""
    return data.map(_identity, label="test")


def _identity(block):
    return block


def table_of(data):
    """Return the sum and the number of rows for each pair of ids."""
    found = {}
    items = data.item_ids.values.tolist()
    for block in blocks_of(data):
        matrix = block.matrix
        users = np.repeat(np.arange(len(block)), np.diff(matrix.indptr))
        counts = block.repeats if len(block.repeats) else np.ones(matrix.nnz, int)
        names = block.user_ids.values.tolist()
        for user, item, value, count in zip(
            users, matrix.indices, matrix.values(), counts, strict=True
        ):
            assert (names[user], items[item]) not in found
            found[names[user], items[item]] = (float(value), int(count))
    return found


def expected_table(log):
    """Return the same of the rows."""
    values = log["relevance"] if "relevance" in log else np.ones(len(log))
    found = {}
    for user, item, value in zip(log["user_idx"], log["item_idx"], values, strict=True):
        total, count = found.get((user, item), (0, 0))
        found[user, item] = (total + value, count + 1)
    return found


def expected_sequence(log):
    """Return the item codes of the rows in the order of user, time and item."""
    codes = {item: code for code, item in enumerate(sorted(set(log["item_idx"])))}
    rows = zip(log["user_idx"], log["timestamp"], log["item_idx"], strict=True)
    return [codes[item] for _, _, item in sorted(rows)]


def sequence_of(data):
    """Return the sequences of all blocks, and check where those of users begin."""
    found = []
    for block in blocks_of(data):
        starts = block.row_starts
        assert len(block.sequence) == starts[-1] == block.row_count
        for user in range(len(block)):
            mine = block.sequence[starts[user] : starts[user + 1]].tolist()
            assert sorted(set(mine)) == block.matrix.rows(user, user + 1).indices.tolist()
            found += mine
    return found


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("kind", ["dense", "text"])
def test_rows_in_the_order_of_time(kind, repeats, monkeypatch):
    log = make_log(kind, repeats=repeats)
    log["timestamp"] = np.random.default_rng(1).integers(-5, 5, len(log)) / 2
    expected, needs = expected_sequence(log), Needs(time=True)
    monkeypatch.setattr(encode, "warn_of_repeats", lambda *_: None)
    for blocks in (1, 5):
        data = encode.encode_training(read_log(log, needs=needs), blocks=blocks)
        assert sequence_of(data) == expected
        lazy = read_log(cut(log, [10, 10, 200]), needs=needs)
        assert sequence_of(encode.encode_training(lazy, blocks=blocks)) == expected
        with monkeypatch.context() as patch:
            patch.setattr("daskrec.data.exchange.MOST_PIECES", 0)
            assert sequence_of(encode.encode_training(lazy, blocks=blocks)) == expected
    part = blocks_of(data)[1]
    again = UserBlock.from_arrays(part.to_arrays())
    assert (again.sequence == part.sequence).all()
    assert (again.users(1, 3).sequence == part.users(1, 3).sequence).all()
    plain = blocks_of(encode.encode_training(read_log(log), blocks=2))
    assert all(len(block.sequence) == 0 for block in plain)
    assert "sequence" not in plain[0].to_arrays()


def test_histories_of_some_users_keep_their_repeats():
    log = make_log(repeats=True)
    with pytest.warns(UserWarning, match="repeat"):
        (block,) = blocks_of(encode.encode_training(read_log(log), blocks=1))
    rows = np.array([3, -1, 0])
    found = block.take(Ids(np.arange(3)), rows)
    for row, source in enumerate(rows):
        mine = found.users(row, row + 1)
        if source < 0:
            assert mine.row_count == 0
            continue
        wanted = block.users(source, source + 1)
        assert mine.repeats.tolist() == wanted.repeats.tolist()
        assert mine.matrix.indices.tolist() == wanted.matrix.indices.tolist()
        assert mine.matrix.data.tolist() == wanted.matrix.data.tolist()


def check(data, log):
    """Compare the training data with the log that it came from."""
    assert data.item_ids.values.tolist() == sorted(set(log["item_idx"]))
    users = sorted(set(log["user_idx"]))
    assert data.user_ids.whole().values.tolist() == users
    assert [u for block in blocks_of(data) for u in block.user_ids.values.tolist()] == users
    assert table_of(data) == expected_table(log)
    assert data.row_count == len(log)
    assert (data.user_count, data.item_count) == (len(users), log["item_idx"].nunique())
    assert data.entry_count == len(expected_table(log))
    assert np.diff(data.offsets).tolist() == [len(block) for block in blocks_of(data)]
    assert np.diff(data.entry_offsets).tolist() == [b.matrix.nnz for b in blocks_of(data)]
    assert [block.user_ids.values[0] for block in blocks_of(data)[1:]] == list(data.bounds)


@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize("graded", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_log_in_memory_becomes_blocks(kind, graded, blocks):
    log = make_log(kind, graded=graded)
    data = encode.encode_training(read_log(log), blocks=blocks)
    check(data, log)
    assert len(data) == blocks


@pytest.mark.parametrize("graded", [True, False])
@pytest.mark.parametrize("partitions", [1, 3, 17])
@pytest.mark.parametrize("kind", KINDS)
def test_a_log_of_partitions_becomes_the_same_blocks(kind, partitions, graded):
    log = make_log(kind, graded=graded)
    source = dd.from_pandas(log, npartitions=partitions, sort=False)
    data = encode.encode_training(read_log(source), blocks=4)
    check(data, log)
    assert len(data) > 1
    assert {block.matrix.width for block in blocks_of(data)} == {data.item_count}


@pytest.mark.parametrize("ends", [[0], [0, 0, 120, 120, 400], [400, 400], [1, 2, 3, 3, 3, 399]])
@pytest.mark.parametrize("convert", [True, False])
@pytest.mark.parametrize("kind", ["dense", "text", "category"])
def test_empty_partitions_change_nothing(kind, convert, ends):
    log = make_log(kind, repeats=True, rows=400)
    if not convert and kind == "text":
        log = log.astype({"user_idx": object, "item_idx": object})
    with (
        dask.config.set({"dataframe.convert-string": convert}),
        pytest.warns(UserWarning, match="repeat"),
    ):
        check(encode.encode_training(read_log(cut(log, ends)), blocks=3), log)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 9), st.integers(-2, 5)), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=5),
    st.integers(1, 6),
)
def test_any_cut_of_any_log_gives_the_same_blocks(pairs, ends, blocks):
    log = pd.DataFrame(pairs, columns=["user_idx", "item_idx"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(encode.encode_training(read_log(log), blocks=blocks), log)
        source = cut(log, [min(end, len(log)) for end in ends])
        check(encode.encode_training(read_log(source), blocks=blocks), log)


@pytest.mark.parametrize("lazy", [False, True])
def test_repeated_pairs_are_summed_with_one_warning_that_counts_them(lazy):
    log = pd.DataFrame({"user_idx": [1, 2, 1, 1], "item_idx": [5, 5, 5, 6], "rating": [1, 2, 4, 8]})
    source = dd.from_pandas(log, npartitions=2) if lazy else log
    with pytest.warns(UserWarning, match="^1 rows of the log repeat") as caught:
        data = encode.encode_training(read_log(source))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert table_of(data) == {(1, 5): (5, 2), (1, 6): (8, 1), (2, 5): (2, 1)}


def test_partitions_of_ids_below_and_beyond_int64_are_one_log():
    users = np.array([1, 2, 2**53 + 1, BIG], dtype=np.uint64)
    log = pd.DataFrame({"user_idx": users, "item_idx": users[::-1]})
    check(encode.encode_training(read_log(cut(log, [1, 2])), blocks=3), log)


@pytest.mark.parametrize("lazy", [False, True])
def test_ids_of_feature_frames_count_as_training(lazy):
    log = make_log()
    more = Ids(np.array([-7, 0, 3, 10**6]))
    source = dd.from_pandas(log, npartitions=3) if lazy else log
    data = encode.encode_training(read_log(source), [more], more, blocks=4)
    users = sorted({*log["user_idx"], *more.values})
    assert data.user_ids.whole().values.tolist() == users
    assert [u for block in blocks_of(data) for u in block.user_ids.values.tolist()] == users
    assert data.item_ids.values.tolist() == sorted({*log["item_idx"], *more.values})
    assert table_of(data) == expected_table(log)


@pytest.mark.parametrize("lazy", [False, True])
def test_feature_ids_of_another_kind_are_an_error(lazy):
    source = dd.from_pandas(make_log(), npartitions=2) if lazy else make_log()
    words = distinct(read_log(make_log("text")).rows.users)
    for more in (([words], None), ((), words)):
        with pytest.raises(LogError, match=r"integers|strings"):
            encode.encode_training(read_log(source), *more)


def test_partitions_of_integers_and_of_strings_are_an_error():
    parts = [make_log(rows=20), make_log("text", rows=20)]
    source = dd.from_map(lambda n: parts[n], [0, 1], meta=parts[0][:0])
    with pytest.raises(LogError, match=r"integers|strings"):
        encode.encode_training(read_log(source), blocks=2)


def test_many_users_stay_in_shards():
    log = make_log("text")
    source = dd.from_pandas(log, npartitions=3)
    with dask.config.set({"daskrec.user-id-limit": 5}):
        data = encode.encode_training(read_log(source), blocks=4)
    assert len(data.user_ids.shards) == len(data) > 1
    check(data, log)
    column = read_log(log).rows.users
    assert data.user_ids.encode(column).tolist() == distinct(column).encode(column).tolist()


def test_a_fit_reads_every_partition_exactly_once():
    log, calls = make_log(), []

    def load(number):
        calls.append(number)
        return log[number::5]

    source = dd.from_map(load, range(5), meta=log[:0])
    data = encode.encode_training(read_log(source), blocks=4)
    assert sorted(calls) == [0, 1, 2, 3, 4]
    blocks_of(data)
    assert sorted(calls) == [0, 1, 2, 3, 4]


def test_blocks_follow_from_rows_and_threads():
    assert ranges.block_count(0) == 1
    assert ranges.block_count(100) == 1
    assert ranges.block_count(10**6) == 4  # as many as keep a single thread busy
    assert ranges.block_count(10**9) == 50  # so that a task stays small
    assert ranges.block_count(10**14) == 4096


def test_blocks_hold_about_equal_numbers_of_rows_not_of_users():
    users = np.concatenate([np.zeros(3000, int), np.arange(1, 3001)])
    log = pd.DataFrame({"user_idx": users, "item_idx": np.arange(6000)})
    for source in (log, dd.from_pandas(log, npartitions=4)):
        data = encode.encode_training(read_log(source), blocks=4)
        assert np.diff(data.entry_offsets).max() <= 3001
        assert np.diff(data.offsets).max() <= 1600


# -------------------------------------------------------------------------- histories


def histories_table(blocks):
    """Return the pairs of histories as {user: items}."""
    items = blocks.item_ids.values.tolist()
    found = {}
    for block in runtime.compute(blocks.tasks(_identity), "test"):
        for row, user in enumerate(block.user_ids.values.tolist()):
            mine = block.matrix.rows(row, row + 1).indices
            found[user] = [items[item] for item in mine]
    return found


def expected_histories(log, users, known):
    """Return the same by pandas."""
    log = log[log["item_idx"].isin(known)]
    found = log.groupby("user_idx")["item_idx"].agg(lambda column: sorted(set(column)))
    return {user: found.get(user, []) for user in users}


@pytest.mark.parametrize("partitions", [None, 1, 3, 17])
@pytest.mark.parametrize("kind", ["dense", "sparse", "text"])
def test_histories_hold_exactly_the_users_that_are_named_and_the_items_that_are_known(
    kind, partitions
):
    log = make_log(kind)
    rows = read_log(log).rows
    items, everyone = distinct(rows.items)[3:20], distinct(rows.users)
    stranger = "zz" if kind == "text" else 10**17
    column = pd.DataFrame({"user_idx": [*everyone.values.tolist()[2:9], stranger], "item_idx": 0})
    chosen = distinct(read_log(column).rows.users)
    source = log if partitions is None else dd.from_pandas(log, npartitions=partitions)
    bounds = everyone.values.take(np.array([4, 8]))
    found = encode.encode_history(read_log(source), items, chosen, bounds)
    expected = expected_histories(log, chosen.values.tolist(), items.values.tolist())
    assert histories_table(found) == expected


@pytest.mark.parametrize("partitions", [None, 1, 3, 17])
@pytest.mark.parametrize("kind", ["dense", "text"])
def test_histories_are_those_of_the_users_of_the_log_by_default(kind, partitions):
    log = make_log(kind, graded=False)
    rows = read_log(log).rows
    items, everyone = distinct(rows.items), distinct(rows.users)
    source = log if partitions is None else dd.from_pandas(log, npartitions=partitions)
    bounds = everyone.values.take(np.array([4, 8]))
    found = encode.encode_history(read_log(source), items, None, bounds)
    expected = expected_histories(log, everyone.values.tolist(), items.values.tolist())
    assert histories_table(found) == expected


def test_a_lazy_history_reads_nothing_before_it_is_computed():
    calls = []

    def load(number):
        calls.append(number)
        return make_log(seed=number)

    source = dd.from_map(load, range(3), meta=make_log()[:0])
    found = encode.encode_history(read_log(source), Ids(np.arange(30)), None, np.array([10, 20]))
    assert len(found) == 3
    assert calls == []
    histories_table(found)
    assert sorted(calls) == [0, 1, 2]


def test_a_lazy_history_tells_of_faults_when_it_is_read():
    log = make_log().assign(user_idx=lambda frame: frame["user_idx"] + 0.5)
    source = dd.from_pandas(log, npartitions=2)
    found = encode.encode_history(read_log(source), Ids(np.arange(30)), None, np.array([10]))
    with pytest.raises(LogError, match="fractional"):
        histories_table(found)


@pytest.mark.parametrize("lazy", [False, True])
def test_no_users_and_no_rows_give_no_histories(lazy):
    log = make_log()
    nobody = Ids(np.empty(0, dtype=np.int64))
    for rows, users in ((log, nobody), (log[:0], None)):
        source = dd.from_pandas(rows, npartitions=1) if lazy else rows
        found = encode.encode_history(read_log(source), Ids(np.arange(3)), users, np.array([10]))
        assert histories_table(found) == {}


@pytest.mark.parametrize("kind", ["dense", "text"])
def test_exact_bounds_cut_a_log_in_memory_where_a_lazy_one_is_cut(kind):
    log = make_log(kind)
    rows = read_log(log).rows
    known = distinct(rows.users)
    bounds, items = known.values.take(np.array([1, 5])), distinct(rows.items)
    source = dd.from_pandas(log, npartitions=2)
    cuts = [
        [block.user_ids.values.tolist() for block in blocks_of(found)]
        for found in (
            encode.encode_history(read_log(log), items, None, bounds, exact_bounds=True),
            encode.encode_history(read_log(source), items, None, bounds),
        )
    ]
    assert cuts[0] == cuts[1]
    assert [len(users) for users in cuts[0]] == [1, 4, len(known) - 5]


@pytest.mark.parametrize("cuts", [[0, 3], [0, 1, 3], [0, 1, 2, 3]])
def test_users_without_a_history_have_empty_ones(cuts):
    users, items = Ids(np.array([3, 5, 9])), Ids(np.arange(4))
    shards = [Shared(users[a:b]) for a, b in itertools.pairwise(cuts)]
    sharded = ShardedIds(shards, users.values[cuts[1:-1]], np.array(cuts))
    assert histories_table(encode.empty_histories(sharded, items)) == {3: [], 5: [], 9: []}


def test_nobody_has_no_histories():
    nobody = ShardedIds.of(Ids(np.empty(0, dtype=np.int64)))
    assert histories_table(encode.empty_histories(nobody, Ids(np.arange(4)))) == {}
