"""What an installation promises: commands, extras, and the conda form of the same."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~]", text)[0] for text in requirements}


def test_the_extras_are_those_that_errors_and_documents_name() -> None:
    extras = PROJECT["optional-dependencies"]
    assert set(extras) == {
        "neural", "gpu-cu12", "gpu-cu13", "spark", "wrappers", "tune", "viz", "all", "test",
    }  # fmt: skip


def test_conda_makes_the_same_environment() -> None:
    text = (ROOT / "environment.yml").read_text()
    listed = re.findall(r"^  (?:    )?- ([a-z-]+)(?=[<>=\n])", text, re.M)  # of conda and of pip
    wanted = names(PROJECT["dependencies"]) | names(PROJECT["optional-dependencies"]["test"])
    wanted = wanted - {"torch"} | {"pytorch-cpu"}  # its name there
    wanted |= {"openjdk"}  # Java, for Spark
    assert set(listed) == wanted | {"python", "pip", "conda-forge"}


def test_the_readme_has_its_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert "\npython -m pip install . && daskrec demo\n" in text
    assert re.search(r"^python -m pip install -c .*pytest$", text, re.M)


def test_every_top_level_entry_is_expected() -> None:
    expected = {
        "daskrec", "benchmarks", "tests", "pyproject.toml", "environment.yml", "README.md",
        "LICENSE",
    }  # fmt: skip
    made = {"build", "dist"}
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found - made - {p for p in found if p.endswith((".egg-info", ".parquet"))} == expected
