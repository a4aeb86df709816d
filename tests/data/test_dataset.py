"""Datasets and their schemas."""

from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from support.logs import KINDS, as_kind, assert_same, kind_of, random_log, to_pandas

from daskrec.data import (
    Dataset,
    FeatureHint,
    FeatureInfo,
    FeatureSchema,
    FeatureSource,
    FeatureType,
)
from daskrec.errors import LogError
from daskrec.metrics import NDCG
from daskrec.models import (
    KNN,
    AssociationRulesItemRec,
    ClusterRec,
    ItemKNN,
    PopRec,
    QueryPopRec,
    UserPopRec,
)
from daskrec.scenarios import Fallback
from daskrec.splitters import RandomSplitter

CATEGORY, NUMBER = FeatureType.CATEGORICAL, FeatureType.NUMERICAL
IDS = [FeatureInfo("who", CATEGORY, FeatureHint.QUERY_ID),
       FeatureInfo("what", CATEGORY, FeatureHint.ITEM_ID)]  # fmt: skip
SCHEMA = FeatureSchema([*IDS, FeatureInfo("stars", NUMBER, FeatureHint.RATING)])
LOG = random_log(users=30, items=15, rows=250)
RENAMED = LOG.rename(columns={"user_idx": "who", "item_idx": "what", "relevance": "stars"})
USERS = pd.DataFrame({"who": np.unique(RENAMED["who"])}).assign(age=lambda f: f["who"] % 2 * 100)


def test_a_schema_is_a_mapping_of_columns() -> None:
    assert SCHEMA.columns == ["who", "what", "stars"]
    assert SCHEMA["what"].feature_hint is FeatureHint.ITEM_ID
    assert (SCHEMA.query_id_column, SCHEMA.item_id_column) == ("who", "what")
    assert SCHEMA.interactions_rating_column == "stars"
    assert SCHEMA.interactions_timestamp_column is None
    assert SCHEMA.categorical_features.columns == ["who", "what"]
    assert SCHEMA.numerical_features.columns == ["stars"]
    assert SCHEMA.subset(["stars", "other"]).item().column == "stars"
    assert SCHEMA.filter(feature_type=NUMBER).columns == ["stars"]
    assert SCHEMA.drop(feature_type=NUMBER, column="who").columns == ["what"]
    assert (SCHEMA.subset(["who"]) + SCHEMA.subset(["what"])).columns == ["who", "what"]
    assert FeatureSchema(SCHEMA.all_features) == SCHEMA
    counted = FeatureSchema(FeatureInfo("who", CATEGORY, cardinality=5))
    assert counted.copy().item().cardinality is None


def test_a_schema_refuses_what_contradicts_itself() -> None:
    with pytest.raises(ValueError, match="twice"):
        FeatureSchema([IDS[0], IDS[0]])
    with pytest.raises(ValueError, match="QUERY_ID"):
        FeatureSchema([IDS[0], FeatureInfo("too", CATEGORY, FeatureHint.QUERY_ID)])
    with pytest.raises(ValueError, match="cardinality"):
        FeatureInfo("stars", NUMBER, cardinality=3)
    with pytest.raises(ValueError, match="3 columns"):
        SCHEMA.item()


def test_what_a_dataset_holds() -> None:
    schema = SCHEMA + FeatureSchema(FeatureInfo("age", NUMBER))
    dataset = Dataset(schema, RENAMED, USERS)
    assert dataset.interactions is RENAMED
    assert (dataset.is_pandas, dataset.is_polars, dataset.is_spark) == (True, False, False)
    assert (dataset.query_count, dataset.item_count) == (30, 15)
    assert dataset.query_ids["who"].tolist() == USERS["who"].tolist()
    assert dataset.item_ids["what"].tolist() == sorted(set(RENAMED["what"]))
    found = dataset.feature_schema
    assert found["age"].feature_source is FeatureSource.QUERY_FEATURES
    assert found.interaction_features.columns == ["stars"]
    assert found.query_features.columns == ["who", "age"]
    few = dataset.subset(["stars"])
    assert few.query_features is None
    assert few.feature_schema.columns == ["who", "what", "stars"]
    assert dataset.subset(["age"]).feature_schema.interactions_rating_column is None


@pytest.mark.parametrize(
    ("schema", "frames", "text"),
    [
        (FeatureSchema(IDS[1]), [RENAMED], "QUERY_ID"),
        (SCHEMA, [LOG], "no column 'who'"),
        (SCHEMA + FeatureSchema(FeatureInfo("gone", NUMBER)), [RENAMED], "no frame .* 'gone'"),
        (SCHEMA, [RENAMED, USERS.iloc[4:]], "4 ids of the interactions are not in query_features"),
        (SCHEMA, [5], "give a frame"),
    ],
)
def test_what_cannot_be_a_dataset(schema: Any, frames: list[Any], text: str) -> None:
    with pytest.raises(LogError, match=text):
        Dataset(schema, *frames)
    if "not in" in text:
        assert Dataset(schema, *frames, check_consistency=False).query_count == 26


@pytest.mark.parametrize("kind", [*KINDS, "spark"])
def test_frames_of_every_kind(kind: str, request: Any) -> None:
    if kind == "spark":
        request.getfixturevalue("spark")
    schema = SCHEMA + FeatureSchema(FeatureInfo("age", NUMBER))
    dataset = Dataset(schema, as_kind(RENAMED, kind), as_kind(USERS, kind))
    assert dataset.is_spark == (kind == "spark")
    assert to_pandas(dataset.query_ids)["who"].tolist() == USERS["who"].tolist()
    assert kind_of(dataset.item_ids) == kind
    back = {"who": "user_idx", "what": "item_idx", "stars": "relevance"}
    found = KNN(3).fit_predict(dataset, 4)
    assert kind_of(found) == kind
    assert_same(to_pandas(found).rename(columns=back), KNN(3).fit_predict(LOG, 4), 1e-6)
    features = USERS.rename(columns=back)
    expected = ClusterRec(2).fit(LOG, features).predict(features, 4, LOG)
    found = ClusterRec(2).fit(dataset).predict(dataset, 4)
    assert_same(to_pandas(found).rename(columns=back), expected, 1e-6)


def test_without_ratings_every_interaction_counts_one() -> None:
    dataset = Dataset(FeatureSchema(IDS), RENAMED)
    model = PopRec(use_relevance=True).fit(dataset)
    found = model.predict(dataset, 3)
    assert list(found.columns) == ["who", "what", "rating"]
    expected = PopRec().fit(LOG).predict(LOG, 3)
    np.testing.assert_allclose(found["rating"], expected["relevance"])


def test_a_search_and_a_scenario() -> None:
    train, test = (
        Dataset(SCHEMA, part) for part in RandomSplitter(
            0.3, seed=1, drop_cold_items=True, query_column="who", item_column="what"
        ).split(RENAMED)
    )  # fmt: skip
    options: Any = {"budget": 2, "seed": 1, "param_borders": {"num_neighbours": [1, 5]}}
    found = KNN().optimize(train, test, **options)
    assert KNN().optimize(train_dataset=train, test_dataset=test, **options) == found
    assert found is not None
    assert KNN().optimize(train.log(), test.log(), **options) == found
    lists = Fallback(KNN(2), PopRec()).fit(train).predict(train, 5)
    expected = Fallback(KNN(2), PopRec()).fit(train.log()).predict(train.log(), 5)
    assert_same(lists, expected)


def test_an_argument_by_both_of_its_names() -> None:
    dataset = Dataset(SCHEMA, RENAMED)
    model = PopRec().fit(dataset)
    for options in ({"users": [1], "queries": [1]}, {"k": 3}):
        with pytest.raises(TypeError, match="twice"):
            model.predict(dataset, 3, **options)
    with pytest.raises(TypeError, match="takes log, k, users"):
        model.predict(dataset, 3, None, None, True, None, 1)
    with pytest.raises(TypeError, match="one parameter"):
        PopRec(use_rating=True, use_relevance=True)


def test_later_names_of_models_and_parameters() -> None:
    model = ItemKNN(5, use_rating=True)
    assert model.get_params()["use_relevance"] is True
    assert "use_rating" not in model.get_params()
    assert QueryPopRec is UserPopRec
    rules = AssociationRulesItemRec(session_column="who")
    assert rules.session_col == "who"


def test_arguments_without_names_are_in_the_later_order() -> None:
    dataset = Dataset(SCHEMA, RENAMED)
    model = KNN(3).fit(dataset)
    found = model.predict(dataset, 3, [5], None, False)
    assert_same(found, model.predict(dataset, k=3, queries=[5], filter_seen_items=False))
    assert len(found) == 3
    best = KNN().optimize(dataset, dataset, {"num_neighbours": [2, 4]}, NDCG, 3, 1)
    assert best is not None
    assert 2 <= best["num_neighbours"] <= 4


def test_a_dataset_of_dask_stays_lazy() -> None:
    dataset = Dataset(SCHEMA, as_kind(RENAMED, "dask"))
    assert dask.is_dask_collection(dataset.query_ids)
    assert dask.is_dask_collection(PopRec().fit(dataset).predict(dataset, 3))
