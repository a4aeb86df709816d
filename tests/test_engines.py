"""Engines as processes: clocks, memory, jobs that end well, fail, pass their limit or go on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.engines import clock, launch
from benchmarks.engines.environments import ENVIRONMENTS
from benchmarks.engines.watch import Watch
from benchmarks.engines.worker import reseeded
from benchmarks.suite import splits

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").is_file(), reason="processes are watched in /proc"
)
ENGINES = Path(launch.__file__).parent


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame({"user_idx": np.repeat(np.arange(30), 6)}).assign(
        item_idx=rng.integers(0, 20, 180)
    )
    log = pairs.drop_duplicates(ignore_index=True)
    log["relevance"] = 1.0
    log["timestamp"] = log.groupby("user_idx").cumcount()
    splits.write(splits.coded(log, log[:5], None), tmp_path / "data")
    return tmp_path / "data"


def job(data: Path, **more: Any) -> dict[str, Any]:
    return {
        "engine": "daskrec", "class": "PopRec", "params": {}, "log": "train", "k": 3,
        "data": str(data), "rounds": 2, "budget": 30.0, **more,
    }  # fmt: skip


def test_a_job_is_timed_watched_and_kept(prepared: Path, tmp_path: Path) -> None:
    work = tmp_path / "job"
    found = launch.run(job(prepared), Path(sys.executable), work, limit=120)
    assert "error" not in found
    assert len(found["rounds"]) == 2
    for part in ("fit", "predict"):
        assert found["rounds"][0][part]["wall"] > 0
        assert found["rounds"][0][part]["cpu"] >= 0
    assert found["startup"]["wall"] > 0
    assert found["peak"] > 5e7
    assert found["versions"]["daskrec"]
    lists = pd.read_parquet(work / "lists-0.parquet")
    assert list(lists) == ["user_idx", "item_idx", "relevance"]
    assert (lists.groupby("user_idx").size() == 3).all()
    (work / "lists-0.parquet").unlink()
    again = launch.run(job(prepared), Path("no such interpreter"), work, limit=120)
    assert again == found


def test_a_job_that_fails_says_how_and_runs_again_where_asked(
    prepared: Path, tmp_path: Path
) -> None:
    work = tmp_path / "job"
    wrong = job(prepared, params={"beta": 3})
    found = launch.run(wrong, Path(sys.executable), work, limit=120)
    assert "beta" in found["error"]
    assert not found.get("rounds")
    assert launch.run(wrong, Path("no such interpreter"), work, limit=120) == found
    with pytest.raises(FileNotFoundError):
        launch.run(wrong, Path("no such interpreter"), work, limit=120, again=True)


def test_a_job_ends_at_its_limit(prepared: Path, tmp_path: Path) -> None:
    found = launch.run(job(prepared), Path(sys.executable), tmp_path / "job", limit=0.05)
    assert found["error"] == "ended at its limit of 0.05 s"
    kept = json.loads((tmp_path / "job" / "record.json").read_text())
    assert kept == found


def test_rounds_have_seeds_of_their_own(prepared: Path, tmp_path: Path) -> None:
    assert reseeded({"seed": 3, "rank": 2}, 2) == {"seed": 5, "rank": 2}
    assert reseeded({"random_state": None}, 2) == {"random_state": None}
    work = tmp_path / "job"
    random = {"class": "RandomRec", "params": {"seed": 1}, "budget": 0.0, "rounds": 3, "least": 2}
    found = launch.run(job(prepared, **random), Path(sys.executable), work, limit=120)
    assert len(found["rounds"]) == 2
    first, second = (pd.read_parquet(work / f"lists-{number}.parquet") for number in (0, 1))
    assert not first.equals(second)


def test_cpu_seconds_are_those_of_children_too() -> None:
    spin = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    seconds, _ = clock.timed(lambda: subprocess.run([sys.executable, "-c", spin], check=True))
    assert seconds["cpu"] >= 0.29
    assert seconds["wall"] > 0


def test_memory_is_that_of_children_too() -> None:
    child = "import time; held = bytearray(b'x') * 200_000_000; time.sleep(1.5)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with (
        subprocess.Popen([sys.executable, "-c", code]) as process,
        Watch(process.pid) as watch,
    ):
        process.wait()
    assert 2e8 < watch.peak < 4e8


def test_every_environment_is_of_an_engine() -> None:
    for name in ENVIRONMENTS:
        assert (ENGINES / f"{name}.py").is_file()


def test_codes_are_of_the_positive_part(prepared: Path) -> None:
    log = pd.DataFrame(
        {
            "user_idx": [5, 5, 9, 9],
            "item_idx": [2, 8, 8, 7],
            "relevance": [1.0, 1.0, 1.0, 0.0],
            "timestamp": [0, 1, 0, 1],
        }
    )
    test = pd.DataFrame(
        {"user_idx": [9, 9, 4], "item_idx": [2, 7, 8], "relevance": 1.0, "timestamp": 2}
    )
    frames = splits.coded(log, test, pd.DataFrame({"user_id": [9, 5, 1], "age": [3, 4, 5]}))
    assert frames["train"][["user_idx", "item_idx"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 1]]
    assert len(frames["outcomes"]) == 3  # item 7 is nobody's
    assert frames["test"][["user_idx", "item_idx"]].to_numpy().tolist() == [[1, 0]]
    assert frames["features"].to_numpy().tolist() == [[1, 3], [0, 4]]


def test_who_is_served_is_drawn_from_the_test_and_the_log_stays_whole(prepared: Path) -> None:
    frames = {part: pd.read_parquet(prepared / f"{part}.parquet") for part in ("train", "test")}
    frames["test"] = frames["train"].groupby("user_idx").head(2)
    some = splits.drawn(frames, 4)
    assert some["users"]["user_idx"].is_unique
    assert len(some["users"]) == 4
    assert set(some["test"]["user_idx"]) == set(some["users"]["user_idx"])
    assert len(some["test"]) == 8
    assert some["train"] is frames["train"]
    assert set(splits.drawn(frames, 999)["users"]["user_idx"]) == set(frames["test"]["user_idx"])


@pytest.mark.parametrize("served", [None, 4])
def test_engines_serve_whom_they_are_told(
    prepared: Path, tmp_path: Path, served: int | None
) -> None:
    if served is not None:
        users = pd.DataFrame({"user_idx": range(served)})
        users.to_parquet(prepared / "users.parquet")
    more = {} if served is None else {"users": True}
    work = tmp_path / "job"
    found = launch.run(job(prepared, rounds=1, **more), Path(sys.executable), work, limit=120)
    assert "error" not in found
    lists = pd.read_parquet(work / "lists-0.parquet")
    assert lists["user_idx"].nunique() == (served or 30)
