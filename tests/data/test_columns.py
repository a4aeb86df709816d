"""Which column plays which role."""

import pytest

from daskrec.data import columns
from daskrec.data.columns import SPELLINGS, Names
from daskrec.errors import LogError


@pytest.mark.parametrize(
    ("role", "name"), [(r, n) for r, names in SPELLINGS.items() for n in names]
)
def test_every_spelling_is_recognised(role, name):
    assert columns.find(["other", name], role) == name
    assert columns.require([name, "other"], role, "the log") == name


@pytest.mark.parametrize("role", SPELLINGS)
def test_a_role_that_no_column_plays_is_none_or_an_error_with_the_candidates(role):
    assert columns.find(["a", "b"], role) is None
    with pytest.raises(LogError) as caught:
        columns.require(["a", "b"], role, "my frame")
    for word in ("my frame", "'a'", "'b'", *SPELLINGS[role]):
        assert word in str(caught.value)


@pytest.mark.parametrize("role", [r for r, names in SPELLINGS.items() if len(names) > 1])
def test_two_spellings_of_one_role_are_an_error_that_names_both(role):
    first, second = SPELLINGS[role][:2]
    with pytest.raises(LogError, match=rf"{first}.*{second}"):
        columns.find([second, "x", first], role)


def test_results_take_the_names_of_the_log_and_the_plain_ones_for_what_it_lacks():
    assert columns.names_of(["rating", "user_id", "item_id"]) == Names(
        "user_id", "item_id", "rating"
    )
    assert columns.names_of([]) == Names("user_idx", "item_idx", "relevance")
    assert Names(item="item_id").neighbour == "neighbour_item_id"


def test_names_that_are_no_strings_play_no_role():
    assert columns.find([0, 1, ("a", "b")], "user") is None
