"""Scripts of the original run with their imports changed: both generations, on frames of Spark."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import spark
from support.logs import random_log

from benchmarks import migration
from benchmarks.report import Table

MODELS = {"PopRec", "Wilson", "ItemKNN", "ALSWrap", "SLIM"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    spark.require()
    folder = tmp_path_factory.mktemp("migration")
    log = random_log(users=60, items=40, rows=1500).assign(timestamp=0)
    log = log.rename(columns={"user_idx": "user_id", "item_idx": "item_id", "relevance": "rating"})
    log["item_id"] += 20
    log.to_parquet(folder / "log.parquet", index=False)
    ratings = migration.prepared(folder / "log.parquet", folder)
    scripts = (*migration.LATER, *migration.FIRST)
    return {
        name: migration.run(Path(sys.executable), name, ratings, folder / name) for name in scripts
    }


def test_scripts_run(found: dict[str, Any]) -> None:
    for name in ("comparison", "comparison_first"):
        assert found[name]["figures"].keys() == MODELS
        assert 0 < found[name]["figures"]["SLIM"]["NDCG@10"] < 1
        assert found[name]["sizes"]["test"] > 100
    for name in ("basics", "basics_first"):
        recs = pd.read_parquet(found[name]["folder"] / "ItemKNN")
        assert {"user_id", "item_id"} <= set(recs.columns)
        assert recs.groupby("user_id").size().max() == 10


def test_generations_agree(found: dict[str, Any]) -> None:
    """The split is the same; numbers instead of ids change which of equal items comes first."""
    sizes = [found[name]["sizes"] for name in ("comparison", "comparison_first")]
    assert sizes[0] == sizes[1]
    later, first = (
        pd.read_parquet(found[name]["folder"] / "SLIM")
        for name in ("comparison", "comparison_first")
    )
    assert len(later.merge(first, on=["user_id", "item_id"])) > 0.98 * len(later)


def test_rows_are_judged(found: dict[str, Any]) -> None:
    table = Table("test", [])
    migration.compare(table, "comparison", found["comparison"], found["comparison"])
    assert table.passed
    worse = {**found["comparison"], "figures": {
        name: {"NDCG@10": value["NDCG@10"] * 0.9}
        for name, value in found["comparison"]["figures"].items()
    }}  # fmt: skip
    migration.compare(table, "comparison", found["comparison"], worse)
    assert not table.passed
    assert [row[-1] for row in table.rows[5:]] == ["**FAIL**"] * 5


def test_only_imports_change() -> None:
    for name in migration.LATER:
        lines = (migration.SCRIPTS / f"{name}.py").read_text().splitlines()
        ours = [line for line in lines if "daskrec" in line]
        assert ours
        assert all(line.startswith("from daskrec.") for line in ours)
