"""The rules of the house, read from the source."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import daskrec

PACKAGE = Path(daskrec.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# Optional parts, and what is slow to import: none of it comes with the library itself.
HEAVY = {
    "torch", "optuna", "plotly", "pyspark", "sklearn", "polars", "cupy", "cudf", "implicit",
    "lightfm",
}  # fmt: skip
BANNED = {
    r"\.groupby\(.*\)\.(head|tail|first|last|apply)\(": "wrong on many partitions",
    r"\.cat\.codes": "local to a partition",
    r"\.nlargest\(": "fails with a projection",
    r"\.submit\(": "futures do not survive a worker",
    r"\bimport pickle\b|pickle\.loads?\(|allow_pickle=True": "no pickle is read",
    r"np\.random\.(seed|rand|choice|normal|random)\b": "global random state",
    r"dask\.config\.set\(": "the configuration is the user's",
}

# What the lower rooms may import; the rooms above them are free.
_DATA = {"data", "engine", "errors", "params", "progress"}
BELOW = {
    "errors": set(),
    "params": set(),
    "progress": {"engine"},
    "engine": {"engine", "errors", "progress"},
    "data": {"data", "engine", "errors"},
    "splitters": {*_DATA, "splitters"},
    "filters": {*_DATA, "filters"},
    "history_features": {*_DATA, "history_features"},
    "metrics": {*_DATA, "metrics"},
    "preparation": {*_DATA, "preparation"},
    "report": {"report", "engine", "errors"},
    "significance": {"engine", "errors"},
    "nn": {*_DATA, "nn", "report"},
    "models": {*_DATA, "models", "nn", "store", "tuning"},
}


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    used, here = imports(path), room(path)
    inside = {name.split(".")[1] for name in used if name.startswith("daskrec.")}
    assert inside <= BELOW.get(here, inside)
    if path != PACKAGE / "engine" / "runtime.py":
        assert not any(name.partition(".")[0] == "distributed" for name in used)
    if path.name != "frames.py" and here != "spark":
        assert not any(name.partition(".")[0] in {"polars", "narwhals", "pyspark"} for name in used)


def test_no_model_imports_another() -> None:
    shared = {
        "asked",
        "non_personalized",
        "outcomes",
        "item_gram",
        "item_pairs",
        "rule_metrics",
        "updates",
        "base",
        "recommender",
        "neighbour",
        "item_vector",
        "serving",
        "torch_recommender",
        "tunable",
        "vector_frames",
        "__init__",
        "stages",
        "state",
    }
    models = {path.stem: imports(path) for path in (PACKAGE / "models").glob("*.py")}
    names = set(models) - shared
    for name in names:
        # A family may have a file of its own beside it: als and als_rounds.
        family = {other for other in names if other.startswith(name)}
        others = {f"daskrec.models.{other}" for other in names - family}
        assert not models[name] & others, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_small_and_free_of_traps(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 350
    for pattern, reason in BANNED.items():
        assert not re.search(pattern, text), f"{pattern}: {reason}"
    for call in re.findall(r"\.map_partitions\([^)]*\)", text):
        assert "meta" in call


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_is_public_is_documented(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree) is not None
    nodes = [*tree.body, *(n for c in tree.body if isinstance(c, ast.ClassDef) for n in c.body)]
    for node in nodes:
        public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if public and not any("overload" in ast.unparse(d) for d in node.decorator_list):
            assert ast.get_docstring(node), f"{path.name}:{node.lineno} {node.name}"


def test_importing_the_library_brings_nothing_optional() -> None:
    code = "import sys, daskrec, daskrec.models; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not HEAVY & set(run.stdout.split())
