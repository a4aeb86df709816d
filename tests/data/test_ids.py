"""Ids and codes against sorted Python lists."""

import bisect
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.data import ids as m
from daskrec.data.ids import Ids, ShardedIds
from daskrec.engine.shared import Shared
from daskrec.errors import LogError

quick = settings(max_examples=40, deadline=None)

DENSE = st.integers(-20, 60)
SPARSE = st.integers(-(2**63), 2**63 - 1)
POSITIVE = st.one_of(st.integers(0, 2**64 - 1), st.integers(2**63 - 3, 2**63 + 8))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
KINDS = {"dense": DENSE, "sparse": SPARSE, "uint64": POSITIVE, "text": TEXT}
BIG = 2**63 + 5


def make(values, kind):
    """Return values as the array that a log of this kind gives."""
    if kind == "text":
        return pa.array(values, pa.large_string())
    return np.array(values, dtype=np.uint64 if kind == "uint64" else np.int64)


def columns(least=0):
    """Draw a kind of ids and a column of them."""
    return st.one_of(
        st.tuples(st.just(kind), st.lists(values, min_size=least, max_size=30))
        for kind, values in KINDS.items()
    )


def pairs_of_columns():
    """Draw two columns of one kind."""
    return st.one_of(
        st.tuples(st.just(kind), *[st.lists(values, max_size=20)] * 2)
        for kind, values in KINDS.items()
    )


@quick
@given(columns())
def test_factorize_gives_sorted_distinct_ids_and_their_ranks(drawn):
    kind, values = drawn
    known, codes = m.factorize(make(values, kind))
    expected = sorted(set(values))
    assert known.values.tolist() == expected
    assert codes.tolist() == [expected.index(value) for value in values]
    assert codes.dtype == np.int32
    assert isinstance(known.values, np.ndarray) == (kind != "text")


def test_strings_are_ordered_by_code_point():
    values = ["é", "z", "Z", "a\u0301", "", "\U0001f600", "\uffff", "ab", "a"]
    assert m.distinct(make(values, "text")).values.to_pylist() == sorted(values)


@quick
@given(pairs_of_columns())
def test_encode_gives_ranks_and_minus_one_for_unknown_ids(drawn):
    kind, known, asked = drawn
    found = m.distinct(make(known, kind))
    rank = {value: code for code, value in enumerate(sorted(set(known)))}
    codes = found.encode(make(known + asked, kind))
    assert codes.dtype in (np.int32, np.int64)
    assert codes.tolist() == [rank.get(value, -1) for value in known + asked]


@quick
@given(columns(least=1), st.randoms())
def test_decode_undoes_encode(drawn, random):
    kind, values = drawn
    random.shuffle(values)
    column = make(values, kind)
    known = m.distinct(column)
    assert known.decode(known.encode(column)).tolist() == values


@pytest.mark.parametrize("known", [[-5, -4], [-5, 2**60], [3, 4], [3, 2**60]])
def test_encode_takes_uint64_where_the_ids_are_int64(known):
    column = np.array([3, 4, 2**60, BIG, 2**64 - 5, 2**64 - 4], dtype=np.uint64)
    expected = [known.index(v) if v in known else -1 for v in column.tolist()]
    assert Ids(np.array(known)).encode(column).tolist() == expected


@pytest.mark.parametrize("known", [[BIG, BIG + 1], [7, BIG], [1, 2, 3]])
def test_encode_takes_int64_where_the_ids_are_uint64(known):
    column = np.array([7, 1, -1, BIG - 2**64, -3], dtype=np.int64)
    expected = [known.index(v) if v in known else -1 for v in column.tolist()]
    assert Ids(np.array(known, dtype=np.uint64)).encode(column).tolist() == expected


@pytest.mark.parametrize("kind", KINDS)
def test_no_ids_encode_to_nothing_and_know_nothing(kind):
    nobody, some = make([], kind), make(["a"] if kind == "text" else [1], kind)
    assert Ids(nobody).encode(some).tolist() == [-1]
    assert Ids(some).encode(nobody).tolist() == []
    assert len(m.distinct(nobody)) == 0


@quick
@given(pairs_of_columns())
def test_union_and_concat_are_those_of_lists(drawn):
    kind, left, right = drawn
    parts = [make(left, kind), make(right, kind)]
    assert m.concat(parts).tolist() == left + right
    union = m.union([m.distinct(part) for part in parts])
    assert union.values.tolist() == sorted({*left, *right})


@pytest.mark.parametrize("small", [[], [1, 2], [2**63 - 1]])
@pytest.mark.parametrize("swap", [False, True])
def test_int64_and_uint64_join_exactly_where_a_type_holds_both(small, swap):
    parts = [np.array(small, dtype=np.int64), np.array([BIG, 2**53 + 1], dtype=np.uint64)]
    parts = parts[::-1] if swap else parts
    joined = m.concat(parts)
    assert joined.dtype.kind in "iu"
    assert joined.tolist() == [v for part in parts for v in part.tolist()]
    union = m.union([m.distinct(part) for part in parts])
    assert union.values.tolist() == sorted(joined.tolist())


def test_negative_ids_and_ids_beyond_int64_have_no_common_type():
    with pytest.raises(LogError, match="negative"):
        m.concat([np.array([-1]), np.array([BIG], dtype=np.uint64)])


@quick
@given(pairs_of_columns())
def test_route_is_a_bisection_of_the_bounds(drawn):
    kind, cuts, asked = drawn
    bounds = sorted(set(cuts))
    homes = m.route(make(bounds, kind), make(asked + cuts, kind))
    assert homes.tolist() == [bisect.bisect_right(bounds, v) for v in asked + cuts]


def test_route_takes_either_integer_type():
    beyond = np.array([5, 12, BIG], dtype=np.uint64)
    assert m.route(np.array([10]), beyond).tolist() == [0, 1, 1]
    assert m.route(np.array([-3, 10]), beyond).tolist() == [1, 2, 2]
    below = np.array([-7, 3, 12], dtype=np.int64)
    assert m.route(np.array([10, BIG], dtype=np.uint64), below).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "call", [m.route, lambda a, b: Ids(a).encode(b), lambda a, b: m.concat([a, b])]
)
@pytest.mark.parametrize("swap", [False, True])
def test_integers_and_strings_do_not_mix(call, swap):
    pair = [np.array([1, 2]), make(["a"], "text")]
    with pytest.raises(LogError, match=r"integers|strings"):
        call(*(pair[::-1] if swap else pair))


@quick
@given(pairs_of_columns(), st.lists(st.integers(0, 20), max_size=4))
def test_shards_answer_like_one_array(drawn, places):
    kind, known, asked = drawn
    whole = m.distinct(make([*known, *(["a"] if kind == "text" else [5])], kind))
    cuts = np.unique([0, *(p for p in places if p < len(whole)), len(whole)])
    parts = [whole[a:b] for a, b in itertools.pairwise(cuts)]
    bounds = whole.values.take(cuts[1:-1])
    sharded = ShardedIds([Shared(part) for part in parts], bounds, cuts)
    column = make(asked + known, kind)
    assert len(sharded) == len(whole)
    assert sharded.encode(column).tolist() == whole.encode(column).tolist()
    assert sharded.encode(column).tolist() == ShardedIds.of(whole).encode(column).tolist()
    assert sharded.whole().values.tolist() == whole.values.tolist()


def test_ids_are_made_again_of_their_arrays():
    known = m.distinct(make(["b", "a"], "text"))
    assert Ids.from_arrays(known.to_arrays()).values.equals(known.values)
