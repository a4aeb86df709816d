"""The commands that put models on trial: split, evaluate, compare, tune."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.logs import random_log
from typer.testing import CliRunner

import daskrec
from daskrec.cli import app
from daskrec.cli.inputs import make_models
from daskrec.metrics import NDCG, Coverage
from daskrec.models import PopRec
from daskrec.splitters import TimeSplitter, UserSplitter

LOG = random_log(users=40, items=20, rows=600)
LOG["timestamp"] = np.random.default_rng(1).permutation(len(LOG))


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "log.parquet"
    LOG.to_parquet(path)
    return str(path)


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(args), catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def sorted_rows(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(list(frame.columns)).reset_index(drop=True)


def test_split_writes_both_parts(log: str, tmp_path: Path) -> None:
    train, test = tmp_path / "train.parquet", tmp_path / "test.parquet"
    ends = ["--train", str(train), "--test", str(test)]
    code, text, errors = run("split", log, "--by", "user=2", *ends)
    assert (code, f"written: {train} and {test}") == (0, (text + errors).strip())
    expected = UserSplitter(2).split(LOG)
    for path, frame in zip((train, test), expected, strict=True):
        pd.testing.assert_frame_equal(sorted_rows(pd.read_parquet(path)), sorted_rows(frame))
    assert run("split", log, "--by", "random=0.3", "--param", "seed=1", *ends)[0] == 0
    assert abs(len(pd.read_parquet(test)) / len(LOG) - 0.3) < 0.1


def test_evaluate_prints_and_writes_a_table(log: str, tmp_path: Path) -> None:
    train, test = TimeSplitter(0.3).split(LOG)
    recs = PopRec().fit(train).predict(train, 5, users=test)
    paths = {"recs": recs, "test": test, "train": train}
    for name, frame in paths.items():
        frame.to_parquet(tmp_path / f"{name}.parquet")
    files = [str(tmp_path / f"{name}.parquet") for name in ("recs", "test", "train")]
    table = tmp_path / "table.csv"
    code, text, _ = run(
        "evaluate", *files[:2], "--train", files[2], "--metrics", "ndcg,coverage", "--k", "3,5",
        "--out", str(table),
    )  # fmt: skip
    assert code == 0
    assert "@3" in text
    found = pd.read_csv(table, index_col="metric")
    assert found.loc["NDCG", "@5"] == pytest.approx(NDCG()(recs, test, 5), rel=1e-12)
    assert found.loc["Coverage", "@3"] == pytest.approx(Coverage(train)(recs, 3), rel=1e-12)


def test_compare_prints_a_leaderboard_and_writes_a_report(log: str, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    report = tmp_path / "report.html"
    code, text, errors = run(
        "compare", log, "--models", "pop,knn,als", "--param", "knn.num_neighbours=7",
        "--param", "rank=3", "--k", "5", "--report", str(report),
    )  # fmt: skip
    assert code == 0, errors
    assert all(name in text for name in ("pop", "knn", "als", "NDCG@5", "fit_seconds"))
    page = report.read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "knn" in page


def test_tune_tells_the_best_parameters_and_saves_the_model(log: str, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    level = optuna.logging.get_verbosity()
    saved = tmp_path / "model"
    code, text, errors = run(
        "tune", log, "--model", "knn", "--budget", "3", "--border", "num_neighbours=2,9",
        "--k", "5", "--save", str(saved),
    )  # fmt: skip
    assert code == 0, errors
    best = json.loads(next(line for line in text.splitlines() if line.startswith("{")))
    assert 2 <= best["num_neighbours"] <= 9
    assert daskrec.load(saved).num_neighbours == best["num_neighbours"]
    assert "3 trials" in text + errors
    assert optuna.logging.get_verbosity() == level


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["split", "LOG", "--by", "week", "--train", "a", "--test", "b"], "no splitter is called"),
        (["split", "LOG", "--by", "random", "--train", "a", "--test", "b"], "main parameter"),
        (["split", "LOG", "--by", "random=2", "--train", "a", "--test", "b"], "share from 0 to 1"),
        (["evaluate", "LOG", "LOG", "--metrics", "auc"], "no metric is called"),
        (["evaluate", "LOG", "LOG", "--k", "ten"], "--k takes whole numbers"),
        (["compare", "LOG", "--models", "pop,best"], "no model is called 'best'"),
        (["compare", "LOG", "--models", ","], "name at least one model"),
        (["compare", "LOG", "--models", "pop", "--param", "rank=3"], "has a parameter"),
        (["compare", "LOG", "--models", "pop", "--report", "r.pdf"], "name r.html"),
        (["tune", "LOG", "--border", "shrink"], "--border takes"),
    ],
)
def test_wrong_options_are_told_in_a_line(log: str, args: list[str], message: str) -> None:
    code, _, errors = run(*(log if arg == "LOG" else arg for arg in args))
    assert code == 2
    assert message in errors
    assert len(errors.strip().splitlines()) == 1


def test_the_seed_goes_to_each_model_under_its_own_name() -> None:
    made = make_models("als,lightfm,pop", ["lightfm.no_components=3"], 7)
    assert made["als"].seed == 7
    assert made["lightfm"].get_params()["random_state"] == 7
    assert made["lightfm"].no_components == 3
