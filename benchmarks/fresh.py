"""Fresh processes: they start ``benchmarks.child``, and what they print comes back."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def run_child(arguments: Sequence[str], environment: dict[str, str] | None = None) -> Any:
    """Run ``benchmarks.child`` in a fresh process; return what it found."""
    root = str(Path(__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.child", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(environment or {})},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout)
