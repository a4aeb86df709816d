"""The comparison with the original: what lists are worth, and when a goal is missed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.report import Table
from benchmarks.suite import dated, judge, models, spark, splits
from benchmarks.suite.measured import Measured


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    train = pd.DataFrame({"user_idx": [0, 0, 1, 1], "item_idx": [0, 1, 1, 2]})
    test = pd.DataFrame({"user_idx": [0, 1], "item_idx": [2, 0]})
    for name, frame in {"train": train, "test": test}.items():
        frame.assign(relevance=1.0).to_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


def lists(items: list[int], users: tuple[int, ...] = (0, 1)) -> pd.DataFrame:
    relevance = np.arange(len(items), 0, -1.0)
    return pd.DataFrame({"user_idx": users, "item_idx": items, "relevance": relevance})


def worth(prepared: Path, frame: pd.DataFrame) -> judge.Verdict:
    return judge.judge(frame, prepared, 1, log="train", seen_left_out=True)


def test_lists_are_measured_and_their_faults_found(prepared: Path) -> None:
    right = worth(prepared, lists([2, 0]))
    assert right.figures["NDCG"] == right.figures["HitRate"] == 1.0
    assert right.figures["Coverage"] == pytest.approx(2 / 3)
    assert not right.faults
    half = worth(prepared, lists([2, 2]))
    assert half.figures["NDCG"] == 0.5
    assert half.faults == ["items that users had"]
    assert half.users[0].tolist() == [1.0, 0.0]
    double = worth(prepared, lists([2, 2], (0, 0)))
    assert double.faults == ["an item twice in a list", "lists of more than 1"]


def test_rounds_count_by_their_mean(prepared: Path) -> None:
    both = judge.together([worth(prepared, lists([2, 0])), worth(prepared, lists([2, 2]))])
    assert both.figures["NDCG"] == 0.75
    assert both.users.to_numpy().tolist() == [[1.0, 1.0], [1.0, 0.0]]
    assert both.faults == ["items that users had"]


def test_differences_are_of_the_same_users(prepared: Path) -> None:
    right, half = worth(prepared, lists([2, 0])).users, worth(prepared, lists([2, 2])).users
    mean, low, high = judge.difference(half, right)
    assert mean == -0.5
    assert low <= mean <= high
    assert judge.difference(right, right) == (0.0, 0.0, 0.0)
    lucky = pd.concat([right, half], axis=1, ignore_index=True)
    mean, low, high = judge.difference(lucky, right)
    assert mean == -0.25
    assert low < mean < high == 0.0
    assert judge.shared(lists([2, 0]), lists([2, 2])) == 0.5


def measured(prepared: Path, engine: str, fit: float, predict: float, peak: float) -> Measured:
    rounds = [{"fit": {"wall": fit, "cpu": fit}, "predict": {"wall": predict, "cpu": predict}}]
    record = {"rounds": rounds, "peak": peak, "startup": {"wall": 1.0, "cpu": 1.0}}
    frame = lists([2, 0])
    return Measured(engine, record, frame, worth(prepared, frame))


@pytest.mark.parametrize(
    ("fit", "peak", "missed"),
    [(1.0, 1e8, ""), (3.0, 1e8, "**fit**"), (1.0, 3e8, "**memory**")],
)
def test_a_row_says_which_goal_is_missed(
    prepared: Path, fit: float, peak: float, missed: str
) -> None:
    pair = models.Pair("one", "PopRec", goals=models.Goals(fit=10))
    first = measured(prepared, "replay", 20.0, 5.0, 1e9)
    table = Table("spark: ml-1m", list(spark._COLUMNS))
    spark._add(table, pair, first, None, "ml-1m")
    spark._add(table, pair, measured(prepared, "daskrec", fit, 1.0, peak), first, "ml-1m")
    assert [len(row) for row in table.rows] == [len(table.columns)] * 2
    assert table.passed is (not missed)
    assert missed in table.rows[1][-2]
    assert table.rows[1][-1] == ("**FAIL**" if missed else "pass")


def test_an_engine_that_fails_is_a_row(prepared: Path) -> None:
    table = Table("spark: ml-1m", list(spark._COLUMNS))
    failed = Measured("replay", {"error": "no memory"})
    spark._add(table, models.PAIRS[0], failed, None, "ml-1m")
    spark._add(
        table, models.PAIRS[0], measured(prepared, "daskrec", 1.0, 1.0, 1e8), failed, "ml-1m"
    )
    assert [len(row) for row in table.rows] == [len(table.columns)] * 2
    assert "no memory" in table.rows[0]
    assert table.passed


@pytest.mark.data
def test_splits_hold_the_last_of_each_user_back(data: Path, tmp_path: Path) -> None:
    sizes = splits.prepare("ml-100k", data, tmp_path / "ml")
    assert sizes["users"] == 943
    train, test = (
        pd.read_parquet(tmp_path / "ml" / f"{part}.parquet") for part in ("train", "test")
    )
    last = train.groupby("user_idx")["timestamp"].max()
    assert (test["timestamp"] > test["user_idx"].map(last)).all()
    warm = pd.read_parquet(tmp_path / "ml" / "warm" / "train.parquet")
    assert warm["user_idx"].nunique() == 95
    sizes = dated.prepare("ml-100k", data, tmp_path / "dated")
    assert (sizes["rows"], sizes["users"], sizes["items"]) == (66016, 752, 1501)
    inner = pd.read_parquet(tmp_path / "dated" / "inner" / "test.parquet")
    outer = pd.read_parquet(tmp_path / "dated" / "test.parquet")
    assert inner["timestamp"].max() < outer["timestamp"].min()
