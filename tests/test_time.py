"""Time weights: the original's numbers, every kind of frame, and plain references."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.logs import KINDS, as_kind, kind_of, random_log, to_pandas, with_empty_partitions

from daskrec.errors import LogError
from daskrec.time import get_item_recency, smoothe_time

# The frame of the original's examples; ages 8, 7, 5, 0 and 2 days.
EXAMPLE = pd.DataFrame(
    {
        "item_idx": [1, 1, 2, 3, 3],
        "timestamp": ["2099-03-19", "2099-03-20", "2099-03-22", "2099-03-27", "2099-03-25"],
        "relevance": [1, 1, 1, 1, 1],
    }
)
WEIGHTS = {
    "power": [0.639043, 0.654568, 0.694091, 1, 0.799402],
    "exp": [0.831238, 0.850667, 0.890899, 1, 0.954842],
    "linear": [0.866667, 0.883333, 0.916667, 1, 0.966667],
}
RECENCY = {
    "power": [0.663234, 0.720366, 1],
    "exp": [0.860551, 0.911722, 1],
    "linear": [0.891667, 0.933333, 1],
}


def in_form(frame: pd.DataFrame, form: str) -> pd.DataFrame:
    """Return the example with its times as texts, dates or numbers."""
    dates = pd.to_datetime(frame["timestamp"])
    forms = {
        "text": frame["timestamp"],
        "dates": dates,
        "nanoseconds": dates.astype("datetime64[ns]"),
        "days": dates.dt.date,
        "seconds": (dates - pd.Timestamp(0)) // pd.Timedelta("1s"),
        "floats": (dates - pd.Timestamp(0)) / pd.Timedelta("1s"),
    }
    return frame.assign(timestamp=forms[form])


FORMS = ["text", "dates", "nanoseconds", "days", "seconds", "floats"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("smoothing", WEIGHTS)
def test_numbers_of_the_original(smoothing: str, form: str) -> None:
    log = in_form(EXAMPLE, form)
    smooth = smoothe_time(log, kind=smoothing)
    np.testing.assert_allclose(smooth["relevance"], WEIGHTS[smoothing], atol=5e-7)
    # The rest is as it was.
    pd.testing.assert_frame_equal(smooth.drop(columns="relevance"), log.drop(columns="relevance"))
    recency = get_item_recency(log, kind=smoothing)
    assert recency["item_idx"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(recency["relevance"], RECENCY[smoothing], atol=5e-7)
    means = recency["timestamp"]
    if form in {"seconds", "floats"}:
        means = pd.to_datetime(means, unit="s")
    days = ["2099-03-19 12:00:00", "2099-03-22 00:00:00", "2099-03-26 00:00:00"]
    assert means.astype(str).tolist() == days


def test_relevance_is_weighed() -> None:
    log = pd.DataFrame(
        {
            "item_id": [1, 2, 3],
            "timestamp": ["2099-03-19", "2099-03-20", "2099-03-22"],
            "rating": [10, 3, 0.1],
        }
    )
    np.testing.assert_allclose(smoothe_time(log)["rating"], [9.330330, 2.864525, 0.1], atol=5e-7)


def test_weights_do_not_fall_below_the_limit() -> None:
    log = pd.DataFrame({"timestamp": [0, 86_400 * 1000], "relevance": [2.0, 2.0]})
    for smoothing in WEIGHTS:
        assert smoothe_time(log, limit=0.3, kind=smoothing)["relevance"].tolist() == [0.6, 2.0]


def test_without_relevance_there_are_weights() -> None:
    smooth = smoothe_time(EXAMPLE.drop(columns="relevance"), kind="linear")
    np.testing.assert_allclose(smooth["relevance"], WEIGHTS["linear"], atol=5e-7)


def timed(form: str, text: bool) -> pd.DataFrame:
    log = random_log(rows=300)
    rng = np.random.default_rng(0)
    moments = pd.Timestamp("2020-02-01") + pd.to_timedelta(rng.integers(0, 10**7, len(log)), "s")
    log["timestamp"] = pd.Series(moments).dt.strftime("%Y-%m-%d %H:%M:%S")
    if text:
        log["item_idx"] = "item " + log["item_idx"].astype(str)
    return in_form(log, form)


@pytest.mark.parametrize("text", [False, True], ids=["numbers", "texts"])
@pytest.mark.parametrize("form", ["text", "dates", "seconds", "floats"])
def test_every_kind_and_partitioning_gives_the_same(form: str, text: bool) -> None:
    log = timed(form, text)
    smooth, recency = smoothe_time(log), get_item_recency(log)
    for kind in KINDS[1:3]:
        for expected, work in ((smooth, smoothe_time), (recency, get_item_recency)):
            found = work(as_kind(log, kind))
            assert kind_of(found) == kind
            pd.testing.assert_frame_equal(to_pandas(found), expected, check_dtype=False)
    for npartitions in (1, 7, 40):
        parts = with_empty_partitions(log, npartitions)
        for expected, work in ((smooth, smoothe_time), (recency, get_item_recency)):
            lazy = work(parts)
            assert isinstance(lazy, dd.DataFrame)
            found = lazy.compute()
            assert found.dtypes.equals(lazy.dtypes)
            pd.testing.assert_frame_equal(found.reset_index(drop=True), expected, check_dtype=False)


def test_means_are_exact_over_many_rows() -> None:
    # The sum of so many nanoseconds does not fit in 64 bits.
    moments = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(999), unit="ns")
    log = pd.DataFrame({"item_idx": 1, "timestamp": moments})
    mean = get_item_recency(log)["timestamp"]
    assert mean.tolist() == [pd.Timestamp("2020-01-01 00:00:00.000000499")]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-(10**6), 10**9)), min_size=1, max_size=30),
    st.floats(1.5, 100),
    st.sampled_from(sorted(WEIGHTS)),
)
def test_weights_against_a_loop(rows, decay, smoothing) -> None:
    log = pd.DataFrame(rows, columns=["item_idx", "timestamp"])
    formula = {
        "power": lambda age: (age + 1) ** (np.log(0.5) / np.log(decay)),
        "exp": lambda age: 0.5 ** (age / decay),
        "linear": lambda age: 1 - 0.5 * age / decay,
    }[smoothing]
    times = log["timestamp"]
    expected = [max(0.1, formula((times.max() - time) / 86_400)) for time in times]
    np.testing.assert_allclose(smoothe_time(log, decay, kind=smoothing)["relevance"], expected)
    means = log.groupby("item_idx")["timestamp"].mean()
    expected = [max(0.1, formula((means.max() - mean) / 86_400)) for mean in means]
    recency = get_item_recency(log, decay, kind=smoothing)
    assert recency["item_idx"].tolist() == means.index.tolist()
    np.testing.assert_allclose(recency["relevance"], expected)


@pytest.mark.parametrize("form", ["dates", "seconds", "floats"])
def test_no_rows_are_no_rows(form: str) -> None:
    log = in_form(EXAMPLE, form).iloc[:0]
    for given_log in (log, dd.from_pandas(log, npartitions=1)):
        assert len(to_pandas(smoothe_time(given_log))) == 0
        recency = to_pandas(get_item_recency(given_log))
        assert list(recency) == ["item_idx", "timestamp", "relevance"]
        assert len(recency) == 0


def test_unusable_input_is_one_clear_error() -> None:
    with pytest.raises(LogError, match=r"kind must be one of .*got 'cubic'"):
        smoothe_time(EXAMPLE, kind="cubic")
    with pytest.raises(LogError, match="has to be above 1"):
        get_item_recency(EXAMPLE, decay=1, kind="power")
    with pytest.raises(LogError, match="has to be above 0"):
        smoothe_time(EXAMPLE, decay=0)
    with pytest.raises(LogError, match="no timestamp column"):
        smoothe_time(EXAMPLE.drop(columns="timestamp"))
    gaps = EXAMPLE.assign(timestamp=[None, *EXAMPLE["timestamp"][1:]])
    for work in (smoothe_time, get_item_recency):
        with pytest.raises(LogError, match="1 rows have no time in column 'timestamp'"):
            work(gaps)
    with pytest.raises(LogError, match="1 values are missing in column 'relevance'"):
        smoothe_time(EXAMPLE.assign(relevance=[None, 1, 1, 1, 1]))
