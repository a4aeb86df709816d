"""The table of other libraries: every engine has what is asked of it, and rows come out right."""

import ast
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from benchmarks.__main__ import main
from benchmarks.engines import launch, tables
from benchmarks.engines.environments import ENVIRONMENTS
from benchmarks.report import Table
from benchmarks.suite import families, peers
from benchmarks.suite.judge import Verdict
from benchmarks.suite.measured import Measured

ENGINES = Path(launch.__file__).parent


@pytest.mark.parametrize("engine", ENVIRONMENTS)
def test_engines_have_every_function(engine: str) -> None:
    body = ast.parse((ENGINES / f"{engine}.py").read_text()).body
    names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    for node in body:
        if isinstance(node, ast.Assign):
            names |= {one.id for one in ast.walk(node.targets[0]) if isinstance(one, ast.Name)}
    assert {"LIBRARIES", "load", "fit", "predict", "frame"} <= names
    assert ("start" in names) >= ("stop" in names)


@pytest.mark.parametrize("engine", sorted(set(ENVIRONMENTS) - {"daskrec", "daskrec_spark"}))
def test_other_engines_need_nothing_of_daskrec(engine: str) -> None:
    text = (ENGINES / f"{engine}.py").read_text()
    assert "import daskrec" not in text
    assert "from daskrec" not in text


def test_families_name_engines_and_begin_with_ours() -> None:
    for name, entries in families.FAMILIES.items():
        assert entries[0].engine == "daskrec"
        assert {entry.engine for entry in entries} <= set(ENVIRONMENTS)
        keys = [(entry.engine, entry.job(name)["key"]) for entry in entries]
        assert len(set(keys)) == len(keys)
        assert not any(set(key) & set(" ,/") for _, key in keys)


def test_the_best_items_are_those_that_users_have_not() -> None:
    scores = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    seen = sp.csr_matrix(([1.0] * 6, ([0, 0, 1, 2, 4, 4], [1, 2, 3, 0, 5, 6])), shape=(5, 7))
    lists = tables.frame(tables.best(lambda block: scores[block].copy(), seen, 2))
    left = np.where(seen.toarray() > 0, -np.inf, scores)
    for user, mine in lists.groupby("user_idx"):
        wanted = np.argsort(-left[user])[:2]
        assert set(mine["item_idx"]) == set(wanted)
        assert sorted(mine["relevance"]) == sorted(scores[user][wanted])


def test_users_with_fewer_items_have_shorter_lists() -> None:
    seen = sp.csr_matrix(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    lists = tables.frame(tables.best(lambda block: np.ones((2, 3)), seen, 2))
    assert lists.groupby("user_idx").size().tolist() == [1, 2]


def test_the_command_tells_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["peers", "--help"])
    assert ended.value.code == 0
    assert "--family" in capsys.readouterr().out


def measured(engine: str, seconds: float, *faults: str) -> Measured:
    part = {"wall": seconds, "cpu": seconds}
    record = {
        "rounds": [{"fit": part, "predict": part}], "peak": 1e8, "startup": part, "load": part,
    }  # fmt: skip
    verdict = Verdict({"NDCG": 0.5}, {"NDCG": 0.1}, list(faults), pd.DataFrame({0: [0.5]}))
    return Measured(engine, record, pd.DataFrame(), verdict)


def compared(monkeypatch: pytest.MonkeyPatch, family: str, *found: Measured) -> Table:
    """Return the table of a family whose jobs found this; engines that are left out fail."""

    def measure(work: Any, table: str, data: str, engine: str, *_: Any) -> Measured:
        none = Measured(engine, {"error": "not installed"})
        return next((one for one in found if one.engine == engine), none)

    class Work:
        options = Namespace(family=[family])

        def data(self, name: str) -> Any:
            return Path(name), {"rows": 1, "users": 1, "items": 1}

    monkeypatch.setattr(peers, "measure", measure)
    return peers.compare(Work(), "ml-100k")  # type: ignore[arg-type]


def test_rows_compare_with_ours_and_say_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    table = compared(
        monkeypatch,
        "popularity",
        measured("daskrec", 1.0),
        measured("rectools", 4.0),
        Measured("lenskit", {"error": "it has no such model"}),
    )
    assert {len(row) for row in table.rows} == {len(table.columns)}
    rows = {row[1]: row for row in table.rows}
    assert rows["rectools"][-4:-1] == ["4.00", "4.00", "4.00"]
    assert rows["lenskit"][-2] == "it has no such model"
    assert rows["cornac"][-2] == "not installed"
    assert table.passed


def test_peers_are_told_though_ours_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    table = compared(monkeypatch, "popularity", measured("rectools", 4.0))
    rows = {row[1]: row for row in table.rows}
    assert rows["daskrec"][-2] == "not installed"
    assert rows["rectools"][-4:-1] == ["", "", ""]


def test_notes_say_faults_and_what_is_another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    table = compared(
        monkeypatch,
        "ease",
        measured("daskrec", 1.0),
        measured("rectools", 1.0),
        measured("cornac", 1.0, "items that users had"),
    )
    notes = "\n".join(table.notes)
    assert "EASEModel of rectools (ease): it multiplies histories by the transpose" in notes
    assert "EASE of cornac (ease): items that users had." in notes
    assert table.passed
