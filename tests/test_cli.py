"""The command line: what it writes, what it says, and how it fails."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.logs import random_log
from typer.testing import CliRunner

from daskrec.cli import app

LOG = random_log(users=30, items=20, rows=300)


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "log.parquet"
    LOG.to_parquet(path)
    return str(path)


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(args), catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    "model", ["als", "knn", "lightfm", "pop", "PopRec", "rules", "random", "userpop"]
)
def test_recommend_writes_parquet(log: str, tmp_path: Path, model: str) -> None:
    out = tmp_path / "recs.parquet"
    code, text, _ = run("recommend", log, "--model", model, "--k", "3", "--out", str(out))
    assert code == 0
    assert f"recommendations written to {out}" in text
    recs = pd.read_parquet(out)
    assert list(recs.columns) == ["user_idx", "item_idx", "relevance"]
    assert recs.groupby("user_idx").size().max() == 3
    assert set(recs.user_idx) == set(LOG.user_idx)


def test_users_items_params_and_a_saved_model(log: str, tmp_path: Path) -> None:
    out, saved, users = (str(tmp_path / name) for name in ("r.parquet", "model", "users.txt"))
    chosen = sorted(LOG.user_idx.unique())[:2]
    Path(users).write_text("\n".join(map(str, chosen)) + "\n")
    items = sorted(LOG.item_idx.unique())[:6]
    shared = ["--out", out, "--users", users, "--items", ",".join(map(str, items))]
    params = ["--param", "rank=3", "--param", "seed=1"]
    assert run("recommend", log, "--model", "als", *params, *shared, "--save", saved)[0] == 0
    first = pd.read_parquet(out)
    assert set(first.user_idx) <= set(chosen)
    assert set(first.item_idx) <= set(items)
    assert run("recommend", log, *shared, "--load", saved)[0] == 0
    pd.testing.assert_frame_equal(pd.read_parquet(out), first)


def test_similar_prints_neighbours(log: str, tmp_path: Path) -> None:
    item = str(LOG.item_idx.iloc[0])
    code, text, _ = run("similar", log, "--items", item, "--k", "2")
    assert code == 0
    assert "neighbour_item_idx" in text
    assert len(text.strip().splitlines()) == 3
    out = tmp_path / "near.parquet"
    assert run("similar", log, "--items", item, "--out", str(out))[0] == 0
    assert len(pd.read_parquet(out)) > 0


def test_columns_can_be_named(tmp_path: Path) -> None:
    path, out = tmp_path / "baskets.csv", tmp_path / "recs.parquet"
    names = {"user_idx": "basket", "item_idx": "product", "relevance": "amount"}
    LOG.rename(columns=names).to_csv(path, index=False)
    options = ["--user-column", "basket", "--item-column", "product"]
    assert run("recommend", str(path), "-m", "pop", "-o", str(out), *options)[0] == 0
    assert list(pd.read_parquet(out).columns)[:2] == ["user_idx", "item_idx"]
    code, _, error = run("recommend", str(path), "-m", "pop", "-o", str(out))
    assert code == 2
    assert "no user column" in error


def test_demo_runs_without_data(tmp_path: Path) -> None:
    out = tmp_path / "demo.parquet"
    code, text, _ = run(
        "demo", "--users", "300", "--items", "200", "--param", "rank=8", "--out", str(out)
    )
    assert code == 0
    assert "user_idx 0:" in text
    assert pd.read_parquet(out).user_idx.nunique() == 300


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["recommend", "nothing.parquet", "--out", "r.parquet"], "no file is at"),
        (["recommend", "{log}", "--out", "r.parquet", "--model", "svd"], "no model is called"),
        (["recommend", "{log}", "--out", "r.parquet", "--param", "rank"], "name=value"),
        (["recommend", "{log}", "--out", "r.parquet", "--param", "rank=0"], "rank must be"),
        (["recommend", "{log}", "--out", "r.parquet", "--param", "ranks=2"], "no parameter"),
        (["recommend", "{log}", "--out", "r.csv"], "written as Parquet"),
        (["similar", "{log}", "--items", "1", "--model", "pop"], "item-to-item"),
        (["recommend", "{log}", "--out", "r.parquet", "--user-column", "x"], "no column"),
        (["recommend", "{log}", "--out", "r.parquet", "--load", "none"], "no model is at"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(
    log: str, args: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = run(*[arg.format(log=log) for arg in args])
    assert code == 2
    assert words in error
    assert error.startswith("daskrec: error: ")
    assert len(error.strip().splitlines()) == 1


def test_warnings_are_a_line_each(log: str, tmp_path: Path) -> None:
    out = str(tmp_path / "r.parquet")
    code, _, error = run("recommend", log, "-m", "pop", "-o", out, "--items", "99999,-20")
    assert code == 0
    assert "daskrec: warning: 1 items are not known" in error


def test_help_can_be_followed() -> None:
    for command in ([], ["recommend"], ["similar"], ["demo"]):
        code, text, _ = run(*command, "--help")
        assert code == 0
        assert "Usage" in text
    assert "daskrec demo" in run("--help")[1]


def test_a_cluster_can_be_named(log: str, tmp_path: Path, two_processes) -> None:
    out = str(tmp_path / "r.parquet")
    command = [sys.executable, "-m", "daskrec", "recommend", log, "-m", "knn", "-o", out]
    command += ["--scheduler", two_processes.scheduler_address]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    assert set(pd.read_parquet(out).user_idx) == set(LOG.user_idx)
