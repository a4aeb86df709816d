"""Pages of results: JSON lines, Markdown and HTML."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import Table


def write(folder: Path, title: str, facts: Mapping[str, Any], tables: Sequence[Table]) -> None:
    """Write ``results.jsonl`` and ``page.md`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    records = [{"table": "machine", **facts}, *(one for table in tables for one in table.records)]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "results.jsonl").write_text(lines)
    (folder / "page.md").write_text(f"# {title}\n\n" + "\n\n".join(map(str, tables)) + "\n")
