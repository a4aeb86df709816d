"""Categorical features as columns of 0 and 1: the original's names, and every kind of frame."""

import numpy as np
import pandas as pd
import pytest
from support.logs import KINDS, as_kind, kind_of, to_pandas, with_empty_partitions

from daskrec.errors import LogError, NotFittedError
from daskrec.preparation import CatFeaturesTransformer, ToNumericFeatureTransformer

ITEMS = pd.DataFrame(
    {
        "item_idx": [0, 1, 2, 3, 4, 5],
        "iq": [4, 10, 7, -1, 11, 0],
        "class": ["cat", "dog", "mouse", "cat", "dog", "mouse"],
        "color": ["black", "green", "yellow", "yellow", "white", "yellow"],
    }
)
NO_DOGS = ITEMS[ITEMS["class"] != "dog"]
DATES = pd.DataFrame(
    {
        "item_idx": [2, 4],
        "timestamp": pd.to_datetime(["2019-01-01", "2020-03-01 10:00"], format="ISO8601"),
    }
)


@pytest.mark.parametrize("kind", KINDS)
def test_categories_of_the_original(kind: str) -> None:
    encode = CatFeaturesTransformer(["class"])
    encode.fit(as_kind(NO_DOGS, kind))
    encoded = encode.transform(as_kind(ITEMS, kind))
    assert kind_of(encoded) == kind
    frame = to_pandas(encoded)
    assert list(frame) == ["item_idx", "iq", "color", "ohe_class_cat", "ohe_class_mouse"]
    assert frame["ohe_class_cat"].tolist() == [1, 0, 0, 1, 0, 0]
    assert frame["ohe_class_mouse"].tolist() == [0, 0, 1, 0, 0, 1]
    assert frame["ohe_class_cat"].dtype == np.int32


@pytest.mark.parametrize("kind", KINDS)
def test_dates_are_categories(kind: str) -> None:
    encode = CatFeaturesTransformer(["timestamp"])
    encode.fit(as_kind(DATES, kind))
    frame = to_pandas(encode.transform(as_kind(DATES.iloc[1:], kind)))
    assert list(frame) == [
        "item_idx",
        "ohe_timestamp_20190101000000",
        "ohe_timestamp_20200301100000",
    ]
    assert frame.to_numpy().tolist() == [[4, 0, 1]]


def test_an_empty_list_changes_nothing() -> None:
    encode = CatFeaturesTransformer([])
    encode.fit(ITEMS)
    pd.testing.assert_frame_equal(encode.transform(ITEMS), ITEMS)
    assert encode.transform(None) is None


def test_names_are_cut_and_told_apart() -> None:
    frame = pd.DataFrame({"c": ["a b", "a-b", "ab", "x" * 40]})
    encode = CatFeaturesTransformer(["c"], alias="is")
    encode.fit(frame)
    encoded = encode.transform(frame)
    assert list(encoded) == ["is_c_ab", "is_c_ab_1", "is_c_ab_2", f"is_c_{'x' * 30}"]
    np.testing.assert_array_equal(encoded.to_numpy(), np.eye(4))


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "b", "a"],
        pd.array([1, None, 2, 1], dtype="Int64"),
        [1.0, None, 2.0, 1.0],
        [True, None, False, True],
        pd.to_datetime(["2020-01-02", None, "2020-01-03", "2020-01-02"]),
        pd.Categorical(["a", None, "b", "a"]),
    ],
)
@pytest.mark.parametrize("npartitions", [0, 1, 3])
def test_missing_values_are_zero_everywhere(values, npartitions: int) -> None:
    frame = pd.DataFrame({"item_idx": range(4), "c": values})
    given = with_empty_partitions(frame, npartitions) if npartitions else frame
    encode = CatFeaturesTransformer(["c"])
    encode.fit(given)
    encoded = to_pandas(encode.transform(given)).drop(columns="item_idx").to_numpy()
    by_name = encoded if encoded[0, 0] else encoded[:, ::-1]
    assert by_name.tolist() == [[1, 0], [0, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_partitions_give_the_same(npartitions: int) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user_idx": range(100),
            "word": rng.choice(list("abcdefg"), 100),
            "flag": rng.random(100) < 0.5,
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 5, 100), "D"),
            "long": [f"text {n}" for n in range(100)],
        }
    )
    here, there = ToNumericFeatureTransformer(20), ToNumericFeatureTransformer(20)
    with pytest.warns(UserWarning, match=r"\['long'\] have more than 20 values"):
        expected = here.fit_transform(frame)
    lazy = with_empty_partitions(frame, npartitions)
    with pytest.warns(UserWarning, match=r"\['long'\] have more than 20 values"):
        there.fit(lazy)
    found = there.transform(lazy)
    result = found.compute()
    assert result.dtypes.equals(found.dtypes)
    pd.testing.assert_frame_equal(result, expected)
    assert (here.cols_to_ohe, here.cols_to_del) == (["word", "flag", "day"], ["long"])
    pd.testing.assert_series_equal(
        expected["ohe_flag_True"], frame["flag"].astype("int32"), check_names=False
    )
    dummies = pd.get_dummies(frame["word"]).astype("int32")
    np.testing.assert_array_equal(expected.filter(like="ohe_word"), dummies)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_the_original(kind: str) -> None:
    numeric = ToNumericFeatureTransformer()
    numeric.fit(as_kind(NO_DOGS, kind))
    assert sorted(to_pandas(numeric.transform(as_kind(ITEMS, kind)))) == [
        "iq",
        "item_idx",
        "ohe_class_cat",
        "ohe_class_mouse",
        "ohe_color_black",
        "ohe_color_yellow",
    ]
    for threshold in (1, 0):
        numeric = ToNumericFeatureTransformer(threshold=threshold)
        with pytest.warns(UserWarning, match="left out"):
            numeric.fit(as_kind(NO_DOGS, kind))
        left = to_pandas(numeric.transform(as_kind(ITEMS, kind)))
        pd.testing.assert_frame_equal(left, ITEMS[["item_idx", "iq"]])


def test_numbers_alone_stay() -> None:
    numbers = ITEMS[["item_idx", "iq"]]
    pd.testing.assert_frame_equal(ToNumericFeatureTransformer(1).fit_transform(numbers), numbers)


def test_without_a_threshold_all_is_encoded() -> None:
    frame = pd.DataFrame({"user_id": ["u", "v"], "c": ["a", "b"]})
    encoded = ToNumericFeatureTransformer(None).fit_transform(frame)
    assert list(encoded) == ["user_id", "ohe_c_a", "ohe_c_b"]


def test_no_features_are_no_features() -> None:
    numeric = ToNumericFeatureTransformer()
    numeric.fit(None)
    assert numeric.transform(ITEMS) is None
    numeric.fit(ITEMS)
    assert numeric.transform(None) is None


def test_faults_are_one_clear_error() -> None:
    with pytest.raises(AttributeError, match="call fit"):
        ToNumericFeatureTransformer().transform(ITEMS)
    with pytest.raises(NotFittedError, match="call fit"):
        CatFeaturesTransformer(["class"]).transform(ITEMS)
    numeric = ToNumericFeatureTransformer()
    numeric.fit(ITEMS)
    with pytest.raises(ValueError, match="other columns"):
        numeric.transform(ITEMS.drop(columns="iq"))
    encode = CatFeaturesTransformer(["class"])
    with pytest.raises(LogError, match="no column"):
        encode.fit(ITEMS.drop(columns="class"))
    encode.fit(ITEMS)
    with pytest.raises(LogError, match="no column"):
        encode.transform(ITEMS.drop(columns="class"))
    with pytest.raises(LogError, match="already has columns"):
        encode.transform(ITEMS.assign(ohe_class_cat=1))
    with pytest.raises(LogError, match="column 'tags' holds list"):
        numeric.fit(ITEMS.assign(tags=[["a"]] * 6))
    encode = CatFeaturesTransformer(["iq"])
    encode.fit(ITEMS)
    with pytest.raises(LogError, match="column 'iq' holds large_string here and int64 in the fit"):
        encode.transform(ITEMS.assign(iq="high"))
