"""Rows of groups in an order, against sorted lists."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from daskrec.data.sorting import first_of_groups, ranks, sort_groups, sort_key

quick = settings(max_examples=80, deadline=None)

KEYS = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "int8": st.integers(-128, 127),
    "float64": st.floats(allow_nan=False),
    "datetime64[ns]": st.integers(-(2**63) + 1, 2**63 - 1),
    "text": st.text("aé\U0001f600z", max_size=3),
}


def columns(kind: str, size: int):
    return st.lists(KEYS[kind], min_size=size, max_size=size)


def as_array(values: list, kind: str):
    return pa.array(values, pa.large_string()) if kind == "text" else np.array(values, dtype=kind)


@quick
@given(st.data(), st.sampled_from(sorted(KEYS)), st.sampled_from(sorted(KEYS)), st.integers(0, 90))
def test_groups_against_sorted_lists(data, first, second, size) -> None:
    codes = data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    # Few distinct values, so that the second key and the order of rows count.
    values = [
        [
            some[place % 5]
            for place in data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
        ]
        for some in (data.draw(columns(first, 5)), data.draw(columns(second, 5)))
    ]
    ways = data.draw(st.tuples(st.booleans(), st.booleans()))
    limit = data.draw(st.integers(0, 5))
    expected = list(range(size))
    for column, up in zip(reversed(values), reversed(ways), strict=True):
        expected.sort(key=lambda row, column=column: column[row], reverse=not up)
    expected.sort(key=lambda row: codes[row])
    keys = [
        sort_key(as_array(column, kind), up)
        for column, kind, up in zip(values, (first, second), ways, strict=True)
    ]
    groups = np.array(codes, dtype=np.int64)
    starts, rows = sort_groups(groups, 4, keys)
    assert rows.tolist() == expected
    assert starts.tolist() == [sum(code < group for code in codes) for group in range(5)]
    places = ranks(starts)
    chosen = first_of_groups(groups, 4, keys, limit)
    assert np.flatnonzero(chosen).tolist() == sorted(rows[places < limit])
    limits = np.array([0, 1, 2, limit])
    chosen = first_of_groups(groups, 4, keys, limits)
    assert np.flatnonzero(chosen).tolist() == sorted(rows[places < limits[groups[rows]]])


def test_the_lowest_integer_comes_last_in_long_groups() -> None:
    key = np.array([-(2**63), *([5] * 40), 2**63 - 1])
    _, rows = sort_groups(np.zeros(len(key), np.int64), 1, [key])
    assert rows.tolist() == [41, *range(1, 41), 0]
