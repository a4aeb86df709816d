"""Examples in the documents are run."""

import doctest
import importlib
import re
from pathlib import Path

import pandas as pd
import pytest

import daskrec

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
