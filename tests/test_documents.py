"""Examples in the documents are run."""

import doctest
import importlib
import re
from pathlib import Path

import pandas as pd
import pytest
from support.cases import CASES

import daskrec
from daskrec import models

PACKAGE = Path(daskrec.__file__).parent
MODULES = [
    ".".join(["daskrec", *path.relative_to(PACKAGE).with_suffix("").parts])
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_the_first_example_of_the_readme(tmp_path, monkeypatch) -> None:
    from support.logs import random_log

    names = {"user_idx": "user_id", "item_idx": "item_id", "relevance": "rating"}
    random_log(users=90, items=80, rows=2_000).rename(columns=names).to_parquet(
        tmp_path / "ratings.parquet"
    )
    monkeypatch.chdir(tmp_path)
    text = (PACKAGE.parent / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.S)
    assert code is not None
    found: dict = {}
    exec(code[1], found)
    assert isinstance(found["recs"], pd.DataFrame)
    assert found["recs"].groupby("user_id").size().max() == 10


def test_the_readme_says_which_fits_run_on_a_gpu() -> None:
    section = (PACKAGE.parent / "README.md").read_text().split("## On a GPU")[1].split("\n## ")[0]
    told = {}
    for line in section.splitlines():
        cells = line.split("|")
        if line.startswith("| `"):
            told |= {name: cells[2].strip() for name in re.findall(r"`(\w+)`", cells[1])}
    for name, cell in told.items():
        library = getattr(models, name)._gpu_library
        assert cell.startswith("GPU") == (library is not None), name
        assert ("PyTorch" in cell) == (library == "torch"), name
    classes = {cls.__name__ for cls in {case.model for case in CASES}}
    assert told.keys() == classes
