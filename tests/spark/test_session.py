"""The session of scripts, and the names that they import."""

import importlib
from typing import Any

import dask.dataframe as dd
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from support.logs import L5, as_kind, kind_of, to_pandas

from daskrec.engine import config
from daskrec.errors import LogError
from daskrec.models import PopRec
from daskrec.session_handler import State, get_spark_session
from daskrec.spark import crossing
from daskrec.utils import convert2spark

NAMES = {
    "daskrec.session_handler": ["State", "get_spark_session"],
    "daskrec.utils.session_handler": ["State", "get_spark_session"],
    "daskrec.utils.spark_utils": ["convert2spark", "get_top_k", "get_top_k_recs", "get_log_info"],
    "daskrec.utils": ["convert2spark", "get_top_k", "get_top_k_recs", "get_log_info", "to_csr"],
    "daskrec.data_preparator": [
        "DataPreparator",
        "Indexer",
        "CatFeaturesTransformer",
        "ToNumericFeatureTransformer",
    ],
    "daskrec.model_handler": ["save", "load", "save_indexer", "load_indexer"],
    "daskrec.models": ["ADMMSLIM", "ALSWrap", "PopRec", "KNN", "SLIM", "Wilson", "NeuroMF"],
    "daskrec.metrics": ["HitRate", "NDCG", "MAP", "MRR", "Coverage", "Surprisal"],
    "daskrec.splitters": ["DateSplitter", "UserSplitter", "RandomSplitter", "k_folds"],
    "daskrec.experiment": ["Experiment"],
    "daskrec.scenarios": ["TwoStagesScenario", "Fallback"],
}


@pytest.mark.parametrize("module", NAMES)
def test_names_are_where_scripts_import_them(module: str) -> None:
    found = importlib.import_module(module)
    assert [name for name in NAMES[module] if not hasattr(found, name)] == []


def test_every_state_is_the_same(spark: Any) -> None:
    assert State(spark).session is spark
    assert State().session is spark
    assert get_spark_session(spark_memory=1, shuffle_partitions=2, core_count=2) is spark
    assert State(device="cuda:3").device == "cuda:3"
    State._shared.pop("_device")
    pytest.importorskip("torch")
    assert State().device.type in ("cpu", "cuda")
    State._shared.clear()
    assert State().session is spark  # the running one


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "dask"])
def test_frames_of_every_kind_become_frames_of_spark(spark: Any, kind: str) -> None:
    found = convert2spark(as_kind(L5, kind))
    assert kind_of(found) == "spark"
    pd.testing.assert_frame_equal(to_pandas(found), L5, check_dtype=False)
    assert found.dtypes == [(name, "bigint") for name in L5.columns]


def test_what_is_converted_already(spark: Any, tmp_path: Any) -> None:
    assert convert2spark(None) is None
    log = as_kind(L5, "spark")
    assert convert2spark(log) is log
    L5.to_parquet(tmp_path / "log.parquet")
    assert convert2spark(str(tmp_path / "log.parquet")).count() == len(L5)
    with pytest.raises(LogError, match="give a frame"):
        convert2spark(5)


def test_frames_without_rows_keep_their_types(spark: Any) -> None:
    for frame in (L5.iloc[:0], dd.from_pandas(L5.iloc[:0], npartitions=1), pl.from_pandas(L5[:0])):
        found = convert2spark(frame)
        assert (found.count(), found.dtypes) == (0, [(name, "bigint") for name in L5.columns])


def test_a_model_of_a_log_of_spark_is_saved_and_loaded(spark: Any, tmp_path: Any) -> None:
    from daskrec.model_handler import load, save

    log = as_kind(L5.astype({"user_idx": "int32"}), "spark")
    model = PopRec().fit(log)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    found = again.predict(None, 2, filter_seen_items=False)
    assert found.dtypes == [("user_idx", "int"), ("item_idx", "bigint"), ("relevance", "double")]
    expected = model.predict(None, 2, filter_seen_items=False)
    assert found.collect() == expected.collect()


def test_where_spark_makes_no_checkpoint_files_stay_until_the_end(spark: Any) -> None:
    """Spark Connect before 4.0."""
    kept: list[str] = []

    class Frame:
        schema = None

        def localCheckpoint(self, eager: bool) -> None:
            raise NotImplementedError

        def persist(self) -> "Frame":
            kept.append("persist")
            return self

        def count(self) -> None:
            kept.append("count")

    class Reader:
        def schema(self, schema: Any) -> "Reader":
            return self

        def parquet(self, url: str) -> Frame:
            return Frame()

    class Session:
        read = Reader()

    staging = crossing.Staging(spark)
    staging.make()
    crossing.write_file(pa.table({"a": [1]}), staging.file(0))
    assert isinstance(crossing._loaded(Session(), staging, None), Frame)
    assert kept == ["persist", "count"]
    assert crossing._until_exit.pop() is staging
    assert len(staging.files()) == 1
    staging.remove()


def test_without_a_session_a_result_says_what_is_missing(monkeypatch: Any) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setattr(crossing, "_seen", None)
    monkeypatch.setattr(crossing, "active_session", lambda: None)
    with pytest.raises(LogError, match="get_spark_session"):
        crossing.to_spark(pa.table({"a": [1]}))


def test_the_limit_of_rows_in_one_process_is_a_setting() -> None:
    assert config.get_bytes("collect-limit") == 128 * 2**20
