"""How items and users are spread: counts against plain pandas, and the pictures of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.logs import COLUMNS, KINDS, ORIGINAL, as_kind, random_log, with_empty_partitions

from daskrec.distributions import count_items, item_distribution, plot_item_dist, plot_user_dist
from daskrec.errors import LogError
from daskrec.metrics import HitRate

RECS = pd.DataFrame(
    [
        (0, 0, 3), (0, 1, 2), (0, 2, 1), (1, 0, 3), (1, 1, 4), (1, 4, 1), (2, 0, 5), (2, 2, 1),
        (2, 3, 2),
    ],
    columns=COLUMNS[:3],
)  # fmt: skip


def plain(log: pd.DataFrame, recs: pd.DataFrame, k: int) -> pd.DataFrame:
    top = recs.sort_values("relevance", ascending=False, kind="stable").groupby("user_idx").head(k)
    users = log.groupby("item_idx")["user_idx"].nunique().rename("user_count")
    shown = top.groupby("item_idx")["user_idx"].nunique().rename("rec_count")
    both = pd.concat([users, shown], axis=1).fillna(0).astype(np.int64).reset_index()
    return both.sort_values(["user_count", "item_idx"], ignore_index=True)


def test_the_numbers_of_the_original() -> None:
    found = item_distribution(ORIGINAL, RECS, 1)
    assert found["rec_count"].tolist() == [0, 0, 1, 2]
    assert found["item_idx"].tolist() == [3, 2, 1, 0]
    assert found["user_count"].tolist() == [1, 2, 3, 4]  # the repeated row counts once


ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(-2, 5), st.sampled_from([0.0, 0.5, 1.0])), min_size=1
)


@given(ROWS, ROWS, st.integers(1, 4))
def test_counts_are_those_of_plain_pandas(log: list, recs: list, k: int) -> None:
    frames = [pd.DataFrame(rows, columns=COLUMNS[:3]) for rows in (log, recs)]
    pd.testing.assert_frame_equal(item_distribution(*frames, k), plain(*frames, k))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_frame_gives_the_same(kind: str) -> None:
    log = random_log()
    recs = log.sample(frac=0.6, random_state=1, ignore_index=True)
    expected = plain(log, recs, 3)
    found = item_distribution(as_kind(log, kind), as_kind(recs, kind), 3)
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_partitions_do_not_show(npartitions: int) -> None:
    log = random_log()
    recs = log.sample(frac=0.6, random_state=1, ignore_index=True)
    lazy = [with_empty_partitions(frame, npartitions) for frame in (log, recs)]
    pd.testing.assert_frame_equal(item_distribution(*lazy, 3), plain(log, recs, 3))
    counted = count_items(lazy[0], "the log")
    assert dict(zip(counted.items.values.tolist(), counted.counts.tolist(), strict=True)) == (
        log["item_idx"].value_counts().to_dict()
    )


def test_ids_and_names_come_back_as_they_were() -> None:
    log = pd.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "y"]})
    recs = pd.DataFrame({"user_id": ["b"], "item_id": ["z"]})  # in order: no relevance
    found = item_distribution(log, recs, 1)
    assert found.values.tolist() == [["z", 0, 1], ["x", 1, 0], ["y", 1, 0]]
    assert list(found) == ["item_id", "user_count", "rec_count"]
    large = pd.DataFrame({"user_idx": [1], "item_idx": [2**53 + 1]})
    assert item_distribution(large, large, 1)["item_idx"].tolist() == [2**53 + 1]


def test_nothing_recommended_counts_nothing() -> None:
    assert item_distribution(ORIGINAL, RECS[:0], 2)["rec_count"].tolist() == [0, 0, 0, 0]


def test_bad_input_is_told() -> None:
    with pytest.raises(ValueError, match="k must be"):
        item_distribution(ORIGINAL, RECS, 0)
    with pytest.raises(LogError, match="recommendations has no user column"):
        item_distribution(ORIGINAL, RECS.drop(columns="user_idx"), 1)
    with pytest.raises(LogError, match="relevance"):
        item_distribution(ORIGINAL, RECS.assign(relevance="high"), 1)


def test_items_are_drawn_by_tenths() -> None:
    counts = pd.DataFrame({"item_idx": range(20), "rec_count": [0] * 18 + [1, 3]})
    figure = plot_item_dist(counts)
    assert figure.data[0].x == tuple(range(1, 11))
    assert figure.data[0].y == (0,) * 9 + (1,)
    assert len(set(figure.data[0].marker.color)) == 10
    by_users = plot_item_dist(counts.assign(user_count=1), "viridis", "user_count")
    np.testing.assert_allclose(by_users.data[0].y, np.arange(1, 11) / 10)
    # Where there are not ten items, or their number is no multiple of ten.
    for items in (1, 3, 12, 25):
        shares = plot_item_dist(pd.DataFrame({"rec_count": np.ones(items)})).data[0].y
        assert len(shares) == 10
        assert shares[-1] == 1
        assert list(shares) == sorted(shares)
    with pytest.raises(LogError, match="sums up to nothing"):
        plot_item_dist(counts.assign(rec_count=0))


def test_users_are_drawn_by_the_length_of_their_histories() -> None:
    spread = HitRate().user_distribution(
        ORIGINAL, RECS, pd.DataFrame({"user_idx": [0, 1, 2], "item_idx": [0, 5, 1]}), 1
    )
    before = spread.copy()
    figure = plot_user_dist(spread, 1, "Hits")
    assert figure.layout.title.text == "Hits"
    assert figure.data[0].x == tuple(spread["count"])
    assert figure.data[0].y == tuple(spread["value"])
    assert figure.layout.xaxis.type == "log"
    smooth = plot_user_dist(pd.DataFrame({"count": [1, 2, 3], "value": [0.0, 3.0, 6.0]}), 3)
    assert smooth.data[0].y == (None, 3.0, None)
    pd.testing.assert_frame_equal(spread, before)
    by_k = plot_user_dist(pd.DataFrame({"count": [1, 1], "value": [0.1, 0.2], "k": [5, 10]}))
    assert [line.name for line in by_k.data] == ["k = 5", "k = 10"]
